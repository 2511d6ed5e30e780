"""Rows of scores cropped to an area of interest. Blocks are scored whole, exactly as in the whole scene, and then cut.

. . . . . . . .     . blocks of the scene that are neither read nor scored
. b b b b . . .     b blocks that touch the reach, scored whole
. b r r r b . .     r the reach: the area's window and a margin, needed to grow clouds and to drop small ones
. b r A r b . .     A the area: what is written
. b b b b . . .
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyproj.exceptions import ProjError

from geocloud.geometry.geodesy import pixel_area
from geocloud.pipeline.scoring import Layer, ScoredRows, blank
from geocloud.raster import NODATA, BoolArray, ByteArray, FloatArray, Georef, Window
from geocloud.readers.area import Area
from geocloud.readers.reader import window_georef


@dataclass(frozen=True, slots=True)
class Crop:
    """Which part of a scene is scored (the reach), and which part of that is written (the area)."""

    area: Area
    """In pixels of the whole scene."""
    reach: Window
    """In pixels of the whole scene: the area's window with its margin, clipped to the scene."""

    @property
    def first(self) -> tuple[int, int]:
        """(row, column) of the area's first pixel in the scene."""
        return self.area.window.row, self.area.window.col

    @property
    def offset(self) -> tuple[int, int]:
        """(rows, columns) from the first pixel of the reach to the first pixel of the area's window."""
        return self.area.window.row - self.reach.row, self.area.window.col - self.reach.col

    def rows(self, rows: ScoredRows) -> ScoredRows | None:
        """Crop rows of the reach to the area; nodata outside its polygons. None if the rows lie above or below it."""
        overlap = self._overlap(rows.row, len(rows.score))
        if overlap is None:
            return None
        row, at, inside = overlap

        def cut(layer: Layer) -> Layer:
            return np.where(inside, layer[..., *at], blank((), layer.dtype))

        further = {name: cut(layer) for name, layer in rows.further.items()}
        return ScoredRows(row, cut(rows.score), rows.valid[at] & inside, rows.own_valid[at] & inside, further)

    def codes(self, row: int, codes: ByteArray, p: FloatArray) -> tuple[int, ByteArray, FloatArray] | None:
        """Crop rows of mask codes and P(cloud), each (h, width of the reach), in the same way."""
        overlap = self._overlap(row, len(codes))
        if overlap is None:
            return None
        row, at, inside = overlap
        return row, np.where(inside, codes[at], np.uint8(NODATA)), np.ascontiguousarray(p[at])

    def _overlap(self, row: int, height: int) -> tuple[int, tuple[slice, slice], BoolArray] | None:
        """Where `height` rows of the reach, from `row` on, overlap the area; None where they do not.

        Returns:
            The first row's number in the area, the slices of the overlap in the given rows, and which of its pixels
            lie inside the area's polygons.
        """
        window, (down, right) = self.area.window, self.offset
        first, stop = max(row, down), min(row + height, down + window.height)
        if first >= stop:
            return None
        inside = self.area.inside(Window(self.reach.row + first, window.col, stop - first, window.width))
        return first - down, (slice(first - row, stop - row), slice(right, right + window.width)), inside


def make_crop(area: Area, georef: Georef, dilate: int, min_area: float) -> Crop:
    """The crop of a scene, with a margin in which clouds grow, and small ones are dropped, as in the whole scene.

    Args:
        area: what is written.
        georef: of the whole scene.
        dilate: pixels by which clouds grow.
        min_area: square metres below which clouds are dropped; 0: none are.
    """
    margin = dilate + (_small_cloud_length(georef, min_area) if min_area else 0)
    return Crop(area, area.window.grow(margin).clip(georef.shape))


def _small_cloud_length(georef: Georef, min_area: float) -> int:
    """Pixels that a cloud smaller than `min_area` m² can extend at most: it may be a line one pixel wide."""
    # Pixel areas vary over a scene. The smallest of nine sampled pixels, less 2 % for those between them, is safe.
    height, width = georef.shape
    places = [(row, col) for row in {0, height // 2, height - 1} for col in {0, width // 2, width - 1}]
    areas = []
    for row, col in places:
        try:
            areas.append(pixel_area(window_georef(georef, Window(row, col, 1, 1))))
        except ProjError:  # the pixel lies outside the projection
            continue
    known = [area for area in areas if 0 < area < float("inf")]
    return min(int(min_area / (0.98 * min(known))) + 2, max(georef.shape)) if known else max(georef.shape)
