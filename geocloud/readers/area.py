"""An area of interest: polygons or a box, and the pixels of a scene whose centres lie inside."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import shapely
from affine import Affine
from rasterio import features

from geocloud.errors import InputError, UsageError
from geocloud.geometry.geodesy import to_crs_coordinates, transform_points
from geocloud.raster import BoolArray, Georef, Window
from geocloud.readers.polygons import check_grid_on_earth, read_polygons, to_pixel_coordinates

if TYPE_CHECKING:
    import geopandas

Box = tuple[float, float, float, float]
"""(west, south, east, north)."""
AreaSource = Union[str, os.PathLike[str], Box, "geopandas.GeoDataFrame"]
"""A vector file, `west,south,east,north` in degrees as text or numbers, or a frame of polygons."""
AREA_TAG = "GEOCLOUD_AOI"
"""Tag of what was made of an area alone: the area in words."""
STRIP = 512
"""Rows tested at once for a pixel inside."""


@dataclass(frozen=True, slots=True)
class Area:
    """The pixels of a scene that lie in an area of interest."""

    window: Window
    """The rectangle that holds them all."""
    shape: Any
    """Polygon or multipolygon in pixels (column, row) of the scene; None: every pixel of the window is inside."""
    text: str
    """What the area is, for tags; see `area_text`."""

    def inside(self, window: Window) -> BoolArray:
        """(height, width) True if a pixel's centre lies in the area, for a window of the scene within the area's."""
        if self.shape is None:
            return np.ones(window.shape, dtype=bool)
        burnt = features.rasterize(
            [(self.shape, 1)],
            out_shape=window.shape,
            transform=Affine.translation(window.col, window.row),
            dtype=np.uint8,
        )
        return np.asarray(burnt, dtype=bool)


def find_area(aoi: AreaSource | None, bounds: Box | None, georef: Georef, name: str) -> Area:
    """The pixels of a scene in an area: polygons, or a box in degrees, or `bounds` in units of the scene's own CRS.

    Raises:
        UsageError: both or neither are given, or a box has no area or crosses the antimeridian.
        InputError: the polygons cannot be used, the scene has no grid on the Earth, or no pixel's centre lies inside.
        MissingExtraError: .parquet without pyarrow.
    """
    if (aoi is None) == (bounds is None):
        raise UsageError("an area is given by --aoi or by --bounds; give one of them")
    text = area_text(aoi, bounds)
    if bounds is not None:
        check_grid_on_earth(georef, name, "--bounds", placed=not georef.transform.is_identity)
        shape = shapely.transform(
            shapely.box(*_checked(bounds, "--bounds")), lambda xy: transform_points(~georef.transform, xy)
        )
    else:
        polygons = shapely.make_valid(to_pixel_coordinates(read_area(aoi), georef, name))
        shape = shapely.union_all(polygons)
    window = _window(shape, georef.shape)
    if window is not None:
        area = Area(window, None if _fills(shape, window) else shape, text)
        strips = (Window(row, window.col, min(STRIP, window.stop_row - row), window.width)
                  for row in range(window.row, window.stop_row, STRIP))  # fmt: skip
        if area.shape is None or any(area.inside(strip).any() for strip in strips):
            return area
    raise InputError(
        f"no pixel of {name} has its centre in the area {text}; the scene covers {_covered(georef)}: give an area in it"
    )


def area_text(aoi: AreaSource | None, bounds: Box | None) -> str:
    """An area in words that differ where areas differ; empty for none. Raises as `find_area`."""
    if bounds is not None:
        return f"{_commas(_checked(bounds, '--bounds'))} in the scene's CRS"
    if aoi is None:
        return ""
    box = box_of(aoi)
    if box is not None:
        return _commas(_checked(box, "--aoi"))
    frame = read_area(aoi)
    shapes = b"".join(sorted(shapely.to_wkb(frame.geometry.to_numpy(), byte_order=1)))
    digest = hashlib.sha256(shapes + frame.crs.to_string().encode()).hexdigest()[:12]
    name = Path(aoi).name if isinstance(aoi, str | os.PathLike) else "polygons"
    return f"{name} ({digest})"


def frame_of_window(window: Window, georef: Georef) -> geopandas.GeoDataFrame:
    """A window of a raster that has a place on the Earth as an area: the very pixels of the window on its own grid."""
    import geopandas

    corners = np.array([shapely.box(window.col, window.row, window.stop_col, window.stop_row)])
    return geopandas.GeoDataFrame(geometry=to_crs_coordinates(corners, georef), crs=georef.crs_wkt)


def read_area(aoi: AreaSource) -> geopandas.GeoDataFrame:
    """The polygons of an area; raises as `find_area`."""
    import geopandas

    box = box_of(aoi)
    if box is not None:
        return geopandas.GeoDataFrame(geometry=[shapely.box(*_checked(box, "--aoi"))], crs="EPSG:4326")
    frame = read_polygons(aoi)
    if shapely.is_empty(frame.geometry.to_numpy()).all():
        raise InputError(f"{'the area' if not isinstance(aoi, str | os.PathLike) else aoi} holds no polygon; give one")
    return frame


def box_of(aoi: AreaSource) -> Box | None:
    """A box, given as numbers or as a text of four; None for anything else."""
    if isinstance(aoi, str):
        try:
            numbers = [float(part) for part in aoi.split(",")]
        except ValueError:
            return None
    elif isinstance(aoi, tuple | list):
        numbers = [float(number) for number in aoi]
    else:
        return None
    if len(numbers) != 4:
        raise UsageError(f"the area {aoi} must be four numbers: west,south,east,north, or a vector file")
    west, south, east, north = numbers
    return west, south, east, north


def _checked(box: Box, option: str) -> Box:
    """UsageError for a box that has no area; one in degrees lies on the globe and does not cross the antimeridian."""
    west, south, east, north = box
    text = _commas(box)
    if not np.isfinite(box).all():
        raise UsageError(f"{option} {text} must be four finite numbers: west,south,east,north")
    if option == "--aoi" and not (min(west, east) >= -180 and max(west, east) <= 180 and -90 <= south <= north <= 90):
        raise UsageError(
            f"{option} {text} must be west,south,east,north in degrees; give coordinates of the scene's CRS by --bounds"
        )
    if option == "--aoi" and west > east:
        raise UsageError(
            f"{option} {text} crosses the antimeridian; give a polygon on each side of it in a file, or --bounds"
        )
    if west >= east or south >= north:
        raise UsageError(f"{option} {text} has no area; give west,south,east,north with west < east and south < north")
    return box


def _commas(box: Box) -> str:
    return ",".join(f"{number:.12g}" for number in box)


def _window(shape: Any, size: tuple[int, int]) -> Window | None:  # noqa: ANN401 - shapely is untyped
    """The pixels whose centres lie within a shape's bounds and the scene of (height, width); None if none do."""
    if shapely.is_empty(shape):
        return None
    left, top, right, bottom = shapely.bounds(shape)
    rows = max(0, int(np.ceil(max(top, 0) - 0.5))), min(size[0], int(np.floor(min(bottom, size[0]) - 0.5)) + 1)
    cols = max(0, int(np.ceil(max(left, 0) - 0.5))), min(size[1], int(np.floor(min(right, size[1]) - 0.5)) + 1)
    if rows[0] >= rows[1] or cols[0] >= cols[1]:
        return None
    return Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])


def _fills(shape: Any, window: Window) -> bool:  # noqa: ANN401 - shapely is untyped
    """Whether every pixel's centre of a window lies in a shape."""
    if min(window.shape) == 1:
        return False
    centres = shapely.box(window.col + 0.5, window.row + 0.5, window.stop_col - 0.5, window.stop_row - 0.5)
    return bool(shapely.covers(shape, centres))


def _covered(georef: Georef) -> str:
    """What a scene covers, in degrees where they are known."""
    from pyproj import CRS, Transformer
    from pyproj.exceptions import ProjError

    height, width = georef.shape
    try:
        outline = to_crs_coordinates(np.array([shapely.box(0, 0, width, height)]), georef)
        change = Transformer.from_crs(CRS.from_wkt(georef.crs_wkt), "EPSG:4326", always_xy=True)
        found = shapely.transform(outline, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])))
        west, south, east, north = (float(number) for number in shapely.total_bounds(found))
    except ProjError:
        return f"{_commas(georef.bounds)} in its own CRS"
    return ",".join(f"{number:.4f}" for number in (west, south, east, north))
