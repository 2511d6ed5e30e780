"""Where a raster lies on the Earth: the minimum is stored, the rest derived."""

from __future__ import annotations

from dataclasses import dataclass

from affine import Affine

Gcp = tuple[float, float, float, float, float]
"""A ground control point: row, column (pixels), x, y, z (units of the GCPs' CRS)."""


_IDENTITY = Affine.identity()


@dataclass(frozen=True, slots=True)
class Georef:
    """Grid and reference system of a scene."""

    shape: tuple[int, int]
    """(height, width) in pixels."""
    transform: Affine = _IDENTITY
    """(column, row) of a pixel's upper left corner -> (x, y) in the CRS; identity where there is none."""
    crs_wkt: str = ""
    """The CRS as WKT 2, of the transform or else of the GCPs; empty where the scene has none."""
    gcps: tuple[Gcp, ...] = ()
    """Ground control points, used where there is no transform."""

    @property
    def located(self) -> bool:
        """True where pixels can be placed on the Earth: a CRS and either a transform or GCPs."""
        return bool(self.crs_wkt) and (self.transform != _IDENTITY or bool(self.gcps))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of the four corners in CRS units, rotation included; not for GCP scenes."""
        height, width = self.shape
        corners = [self.transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def resolution(self) -> tuple[float, float]:
        """(x, y) size of a pixel in CRS units, always positive, rotation included."""
        a, b, _, d, e, _ = tuple(self.transform)[:6]
        return (a * a + d * d) ** 0.5, (b * b + e * e) ** 0.5
