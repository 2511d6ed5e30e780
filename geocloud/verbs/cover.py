"""Cover: measure the cloud cover of zones in one or more masks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from geocloud.classes import COUNTED, SHADOW, TAG, MaskEncoding
from geocloud.errors import UsageError
from geocloud.geometry.coverage import coverage, polygon_edges
from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.pipeline.places import area_files
from geocloud.progress import Progress, no_progress
from geocloud.raster import NODATA, Georef, Window
from geocloud.readers.dates import mask_day
from geocloud.readers.dispatch import protected_files
from geocloud.readers.files.paths import is_virtual
from geocloud.readers.masks import STRIP, MaskFile
from geocloud.readers.polygons import cut_to_surroundings, read_polygons, to_pixel_coordinates
from geocloud.version import __version__
from geocloud.writers.staging import check_outputs, staged
from geocloud.writers.tables import check_table_path, write_table

if TYPE_CHECKING:
    import geopandas

Floats = NDArray[np.float64]
COLUMNS = ("mask", "date", "cloud_percent", "shadow_percent", "valid_percent")
MAX_STRIP_PIXELS = 4 << 20
"""Maximum number of pixels of a zone that are measured at once."""


@dataclass(frozen=True, slots=True)
class CoverOptions:
    """How to measure cover."""

    encoding: MaskEncoding | None = None
    """Encoding of the masks; None: the one that their tags name, else geocloud's own."""
    overwrite: bool = False
    """Replace an existing table; otherwise it is an error."""


def cover(
    masks: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    zones: str | os.PathLike[str] | geopandas.GeoDataFrame,
    out: str | os.PathLike[str] | None = None,
    options: CoverOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> geopandas.GeoDataFrame:
    """The cloud cover of zones: one row per zone and mask, with the zone's own columns before those below.

    Each pixel is weighted by the exact share of it that lies in the zone, and on a grid in degrees also by its area.
    Masks are read in strips, never as a whole.

    | column | |
    |---|---|
    | mask | file name of the mask |
    | date | YYYY-MM-DD from the mask's tags, STAC item or name; empty if none of them has it |
    | cloud_percent | thick and thin cloud, in percent of the valid part of the zone; NaN if no part is valid |
    | shadow_percent | the same for cloud shadow; NaN also if the mask was made without this class |
    | valid_percent | percent of the zone that is inside the mask and not nodata |

    Args:
        masks: one or several masks, files or URLs: what geocloud wrote, or any rasters of class codes.
        zones: polygons in any vector format and CRS, or a GeoDataFrame.
        out: the table to write: .gpkg, .parquet, or .csv without the polygons; None: no file.
        options: how to measure; None: the defaults.
        progress: called after each mask; may raise Cancelled.

    Raises:
        InputError: a mask or the zones cannot be used.
        UsageError: `out` exists or has another suffix.
        OutputError: `out` cannot be written.
    """
    options, target = options or CoverOptions(), None if out is None else Path(out)
    masks = [masks] if isinstance(masks, str | os.PathLike) else masks
    if not masks:
        raise UsageError("no mask was given; give one or more, as written by geocloud detect")
    if target is not None:
        check_table_path(target)
        read = chain.from_iterable(protected_files(os.fspath(mask)) for mask in masks)
        check_outputs([target], chain(read, area_files(zones)), overwrite=options.overwrite)
    frame = read_polygons(zones)
    parts = []
    for done, path in enumerate(masks):
        progress(done, len(masks), "cover")
        parts.append(_cover_in(frame, os.fspath(path), options.encoding))
    table = _with_cover(frame, parts)
    if target is not None:
        with staged(target.stem) as staging:
            write_table(table, staging.path(target), {"GEOCLOUD_VERSION": __version__}, "cover")
            staging.commit(last=target, overwrite=options.overwrite)
    progress(len(masks), len(masks), "cover")
    return table


@dataclass(frozen=True, slots=True)
class _MaskCover:
    """The cover of all zones in one mask."""

    mask: str
    date: str
    percents: tuple[Floats, Floats, Floats]
    """Percent of cloud, of shadow, and of valid pixels, (zones,) each."""


def _with_cover(frame: geopandas.GeoDataFrame, parts: Sequence[_MaskCover]) -> geopandas.GeoDataFrame:
    """The zones with their cover in all masks, zone by zone; for each zone, masks are in the order given."""
    table = frame.iloc[np.repeat(np.arange(len(frame)), len(parts))].reset_index(drop=True)
    table = table.rename(columns={name: f"{name}_zone" for name in COLUMNS if name in table.columns})
    names = [[part.mask for part in parts] * len(frame), [part.date for part in parts] * len(frame)]
    percents = [np.stack(figure, axis=1).ravel().round(4) for figure in zip(*(p.percents for p in parts), strict=True)]
    zone_columns = [name for name in table.columns if name != table.geometry.name]
    table = table.assign(**dict(zip(COLUMNS, [*names, *percents], strict=True)))
    return table[[*zone_columns, *COLUMNS, table.geometry.name]]


def _cover_in(frame: geopandas.GeoDataFrame, path: str, encoding: MaskEncoding | None) -> _MaskCover:
    """The cover of all zones in one mask."""
    with MaskFile(path, encoding) as mask:
        valid, cloud, shadow, whole = _measure(mask, frame)
        day, knows_shadow = mask_day(path, mask.tags), _has_shadow(mask) or shadow.any()
    with np.errstate(divide="ignore", invalid="ignore"):
        shadow_percent = 100 * shadow / valid if knows_shadow else np.full(len(frame), np.nan)
        name = Path(path.partition("?")[0] if is_virtual(path) else path).name
        return _MaskCover(name, day, (100 * cloud / valid, shadow_percent, np.minimum(100 * valid / whole, 100)))


def _has_shadow(mask: MaskFile) -> bool:
    """Whether a mask without shadow pixels was made by a method that can detect shadow."""
    if "GEOCLOUD_MODEL" in mask.tags:
        return "shadow" in mask.tags.get("GEOCLOUD_CLASSES", "").split(",")
    return mask.encoding != "geocloud" and TAG not in mask.tags


def _measure(mask: MaskFile, frame: geopandas.GeoDataFrame) -> tuple[Floats, Floats, Floats, Floats]:
    """(zones,) areas of the valid, the cloudy and the shadow part of each zone, and of the whole zone.

    The unit is m² on a grid in degrees, otherwise pixels.
    """
    pixels = to_pixel_coordinates(frame, mask.georef, mask.path)
    in_degrees = CRS.from_wkt(mask.georef.crs_wkt).is_geographic
    whole = _square_metres(pixels, mask.georef) if in_degrees else shapely.area(pixels)
    ratio = _area_ratios(frame, mask.georef)
    # a zone with an infinite ratio has no valid part, so that any finite area will do
    whole = np.where(np.isinf(ratio), 1, whole) * np.where(np.isinf(ratio), 1, ratio)
    sums: Floats = np.zeros((3, len(pixels)))
    for zone, shape in enumerate(pixels):
        if shapely.is_empty(shape):
            continue
        edges = polygon_edges(shape)
        for window in _windows(shapely.bounds(shape), mask.georef.shape):
            share = coverage(edges, window)
            if in_degrees:
                share *= _row_areas(mask.georef, window)[:, None]
            codes = mask.read(window.row, window.height, window.col, window.width)
            classes = codes != NODATA, np.isin(codes, COUNTED), codes == SHADOW
            sums[:, zone] += [share[class_pixels].sum() for class_pixels in classes]
    return sums[0], sums[1], sums[2], whole


def _area_ratios(frame: geopandas.GeoDataFrame, georef: Georef) -> Floats:
    """(zones,) area of each zone divided by the area of its part near the raster, see `cut_to_surroundings`.

    It is 1 for zones that were not cut, and infinite for zones without such a part.
    """
    zones = frame.geometry.to_numpy()
    ratio: Floats = np.ones(len(zones))
    if CRS.from_wkt(georef.crs_wkt).equals(frame.crs, ignore_axis_order=True):
        return ratio
    near = cut_to_surroundings(zones, frame.crs, georef)
    cut = np.array([n for n, (zone, part) in enumerate(zip(zones, near, strict=True)) if zone is not part], dtype=int)
    if frame.crs.is_geographic:  # longitude and the sine of latitude are an equal-area projection
        equal_area = [shapely.transform(shapes[cut], _to_equal_area) for shapes in (zones, near)]
    else:
        equal_area = [zones[cut], near[cut]]
    with np.errstate(divide="ignore"):
        ratio[cut] = shapely.area(equal_area[0]) / shapely.area(equal_area[1])
    return ratio


def _to_equal_area(xy: Floats) -> Floats:
    """(n, 2) longitude in radians and sine of latitude, from (n, 2) longitude and latitude in degrees."""
    return np.column_stack([np.radians(xy[:, 0]), np.sin(np.radians(xy[:, 1]))])


def _windows(bounds: Floats, shape: tuple[int, int]) -> Iterator[Window]:
    """The part of a raster of this shape within bounds (left, top, right, bottom in pixels), as strips of rows."""
    left, top, right, bottom = bounds
    col, row = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    width, stop = min(shape[1], int(np.ceil(right))) - col, min(shape[0], int(np.ceil(bottom)))
    if width < 1:
        return
    rows = min(STRIP, max(1, MAX_STRIP_PIXELS // width))
    for start in range(row, stop, rows):
        yield Window(start, col, min(rows, stop - start), width)


def _square_metres(pixels: NDArray[Any], georef: Georef) -> Floats:
    """(n,) geodesic areas in m² of (multi)polygons in pixel coordinates."""
    parts, owner = shapely.get_parts(pixels, return_index=True)
    areas = geodesic_areas(to_crs_coordinates(parts, georef), georef)
    return np.bincount(owner, areas, len(pixels)).astype(np.float64)


def _row_areas(georef: Georef, window: Window) -> Floats:
    """(height,) area in m² of a pixel in each row of a window, taken at its middle column."""
    rows, col = np.arange(window.row, window.stop_row), window.col + window.width // 2
    squares: NDArray[Any] = shapely.box(col, rows, col + 1, rows + 1)
    return geodesic_areas(to_crs_coordinates(squares, georef), georef)
