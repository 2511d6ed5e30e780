"""Cover: how much of each zone is cloud, on each date."""

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
"""Pixels of a zone that are measured at once."""


@dataclass(frozen=True, slots=True)
class CoverOptions:
    """How to measure cover."""

    encoding: MaskEncoding | None = None
    """The masks' codes; None: as their tags say, else geocloud's own."""
    overwrite: bool = False


def cover(
    masks: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    zones: str | os.PathLike[str] | geopandas.GeoDataFrame,
    out: str | os.PathLike[str] | None = None,
    options: CoverOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> geopandas.GeoDataFrame:
    """The cloud cover of zones: a row for each zone and mask, the zone's own columns before ours.

    Each pixel counts by the exact share of it that lies in the zone; on a grid in degrees also by its area. Masks are
    read by strips and never held whole.

    | column | |
    |---|---|
    | mask | the mask's file name |
    | date | YYYY-MM-DD, empty where neither tags, STAC item nor name tell it |
    | cloud_percent | cloud, thick or thin, of the zone's valid part; NaN where none is valid |
    | shadow_percent | the same of cloud shadow; NaN also where the mask was made without that class |
    | valid_percent | the zone's part that is in the mask and no nodata |

    Args:
        masks: a mask that geocloud wrote, or any raster of class codes; or several.
        zones: polygons in any vector format and CRS, or a frame.
        out: table to write: .gpkg, .parquet, or .csv without the polygons; None: none.
        options: how; defaults where None.
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
        parts.append(_figures(frame, Path(path), options.encoding))
    table = _with_figures(frame, parts)
    if target is not None:
        with staged(target.stem) as staging:
            write_table(table, staging.path(target), {"GEOCLOUD_VERSION": __version__}, "cover")
            staging.commit(last=target, overwrite=options.overwrite)
    progress(len(masks), len(masks), "cover")
    return table


@dataclass(frozen=True, slots=True)
class _Figures:
    """What one mask says of each zone."""

    mask: str
    date: str
    percents: tuple[Floats, Floats, Floats]
    """(n,) each: cloud, shadow, valid."""


def _with_figures(frame: geopandas.GeoDataFrame, parts: Sequence[_Figures]) -> geopandas.GeoDataFrame:
    """The zones with the figures of all masks, zone by zone, the masks of each in the order given."""
    table = frame.iloc[np.repeat(np.arange(len(frame)), len(parts))].reset_index(drop=True)
    table = table.rename(columns={name: f"{name}_zone" for name in COLUMNS if name in table.columns})
    names = [[part.mask for part in parts] * len(frame), [part.date for part in parts] * len(frame)]
    percents = [np.stack(figure, axis=1).ravel().round(4) for figure in zip(*(p.percents for p in parts), strict=True)]
    own = [name for name in table.columns if name != table.geometry.name]
    table = table.assign(**dict(zip(COLUMNS, [*names, *percents], strict=True)))
    return table[[*own, *COLUMNS, table.geometry.name]]


def _figures(frame: geopandas.GeoDataFrame, path: Path, encoding: MaskEncoding | None) -> _Figures:
    """The figures of one mask."""
    with MaskFile(path, encoding) as mask:
        valid, cloud, shadow, whole = _measure(mask, frame)
        day, knows_shadow = mask_day(path, mask.tags), _has_shadow(mask) or shadow.any()
    with np.errstate(divide="ignore", invalid="ignore"):
        shaded = 100 * shadow / valid if knows_shadow else np.full(len(frame), np.nan)
        return _Figures(path.name, day, (100 * cloud / valid, shaded, np.minimum(100 * valid / whole, 100)))


def _has_shadow(mask: MaskFile) -> bool:
    """Whether a mask that holds no shadow was made by one who looks for it."""
    if "GEOCLOUD_MODEL" in mask.tags:
        return "shadow" in mask.tags.get("GEOCLOUD_CLASSES", "").split(",")
    return mask.encoding != "geocloud" and TAG not in mask.tags


def _measure(mask: MaskFile, frame: geopandas.GeoDataFrame) -> tuple[Floats, Floats, Floats, Floats]:
    """(n,) areas of each zone's valid, cloudy and shaded part and of the whole zone, in one unit."""
    pixels = to_pixel_coordinates(frame, mask.georef, str(mask.path))
    in_degrees = CRS.from_wkt(mask.georef.crs_wkt).is_geographic
    whole = _square_metres(pixels, mask.georef) if in_degrees else shapely.area(pixels)
    times = _beyond(frame, mask.georef)
    whole = np.where(np.isinf(times), 1, whole) * np.where(np.isinf(times), 1, times)  # of none nothing is valid
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
            masks = codes != NODATA, np.isin(codes, COUNTED), codes == SHADOW
            sums[:, zone] += [share[where].sum() for where in masks]
    return sums[0], sums[1], sums[2], whole


def _beyond(frame: geopandas.GeoDataFrame, georef: Georef) -> Floats:
    """(n,) how many times the part of it near the raster each zone is, see `cut_to_surroundings`; 1 for nearly all.

    Infinity where it has no such part.
    """
    zones = frame.geometry.to_numpy()
    times: Floats = np.ones(len(zones))
    if CRS.from_wkt(georef.crs_wkt).equals(frame.crs, ignore_axis_order=True):
        return times
    near = cut_to_surroundings(zones, frame.crs, georef)
    cut = np.array([n for n, (one, other) in enumerate(zip(zones, near, strict=True)) if one is not other], dtype=int)
    if frame.crs.is_geographic:  # longitude and the sine of latitude keep areas
        sines = [shapely.transform(shapes[cut], _to_sines) for shapes in (zones, near)]
    else:
        sines = [zones[cut], near[cut]]
    with np.errstate(divide="ignore"):
        times[cut] = shapely.area(sines[0]) / shapely.area(sines[1])
    return times


def _to_sines(xy: Floats) -> Floats:
    return np.column_stack([np.radians(xy[:, 0]), np.sin(np.radians(xy[:, 1]))])


def _windows(bounds: Floats, shape: tuple[int, int]) -> Iterator[Window]:
    """The part of a raster within bounds (columns and rows), in strips of whole rows of it."""
    left, top, right, bottom = bounds
    col, row = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    width, stop = min(shape[1], int(np.ceil(right))) - col, min(shape[0], int(np.ceil(bottom)))
    if width < 1:
        return
    rows = min(STRIP, max(1, MAX_STRIP_PIXELS // width))
    for start in range(row, stop, rows):
        yield Window(start, col, min(rows, stop - start), width)


def _square_metres(pixels: NDArray[Any], georef: Georef) -> Floats:
    """(n,) geodesic areas of polygons of any number of parts, given in pixels."""
    parts, owner = shapely.get_parts(pixels, return_index=True)
    areas = geodesic_areas(to_crs_coordinates(parts, georef), georef)
    return np.bincount(owner, areas, len(pixels)).astype(np.float64)


def _row_areas(georef: Georef, window: Window) -> Floats:
    """(height,) m² of a pixel in each row of a window, of its middle column."""
    rows, col = np.arange(window.row, window.stop_row), window.col + window.width // 2
    squares: NDArray[Any] = shapely.box(col, rows, col + 1, rows + 1)
    return geodesic_areas(to_crs_coordinates(squares, georef), georef)
