"""Band files put together to one scene: one CRS, the finest grid of the bands, and how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rasterio.crs import CRS

from geocloud.errors import InputError, UsageError
from geocloud.georef import Georef
from geocloud.readers.bands.names import COMMON_NAMES, SCORED
from geocloud.readers.bands.spec import BandSource, FillSource, Radiometry, SceneSpec
from geocloud.readers.files.opening import check_blocks, check_place, check_size, open_raster, raster_georef
from geocloud.readers.files.paths import check_named, is_virtual
from geocloud.readers.reader import SceneOptions

NEEDED = ("blue", "green", "red")
"""Bands without which nothing can be scored."""


@dataclass(frozen=True, slots=True)
class ProductDescription:
    """What is known of a product apart from its band files."""

    name: str
    source: str
    """As the user named it."""
    kind: str
    """In words, such as `Sentinel-2 L2A SAFE, baseline 04.00`."""
    taken: str = ""
    """Time of acquisition, ISO 8601; empty where unknown."""
    item: str = ""
    """Path or URL of the STAC item, where it is one."""
    notes: tuple[str, ...] = ()
    fill: FillSource | None = None
    document: str = ""
    """Path of the metadata file that names the band files, where there is one: the reading rule holds for it."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """How one file is stored."""

    georef: Georef
    block: tuple[int, int]
    nodata: tuple[float | None, ...]
    pixel_bytes: int

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in CRS units."""
        return abs(self.georef.transform.determinant)


def refuse_band_numbers(source: str, options: SceneOptions) -> None:
    """UsageError where band numbers are given for a scene whose files name their bands themselves."""
    if options.bands:
        raise UsageError(f"--bands numbers the bands of a single raster, but the files of {source} name theirs")


def given_radiometry(options: SceneOptions) -> Radiometry | None:
    """The user's own scale and offset, or None."""
    if options.scale is None and options.offset is None:
        return None
    return Radiometry(1.0 if options.scale is None else options.scale, options.offset or 0.0)


def require_visible(source: str, found: Sequence[str], missing: dict[str, str]) -> None:
    """InputError where blue, green or red is not found; `missing` says of a band what was looked for."""
    absent = [band for band in NEEDED if band not in found]
    if absent:
        sought = "; ".join(f"{band}: {missing[band]}" for band in absent if band in missing)
        raise InputError(
            f"{source} has no {' and no '.join(absent)} band{f' ({sought})' if sought else ''}; "
            "a scene needs at least blue, green and red: fetch what is missing"
        )


def assemble(product: ProductDescription, sources: Sequence[BandSource], options: SceneOptions) -> SceneSpec:
    """The spec of a scene of band files; a nodata of None is taken from the file itself.

    The grid is the finest among the bands that scorers may take; RasterScene reads the others through warped views.

    Raises:
        InputError: a file cannot be opened or may not be named, lies in another CRS, or does not overlap the others.
    """
    allow = options.allow_external
    quality = [product.fill.path] if product.fill else []
    for path in (*(source.path for source in sources), *quality):
        if product.document and not is_virtual(path):
            check_named(product.document, path, allow_external=allow)
    ordered = sorted(sources, key=lambda source: COMMON_NAMES.index(source.band))
    stored = {path: inspect(path, allow_external=allow) for path in dict.fromkeys(source.path for source in ordered)}
    scored = [source for source in ordered if source.band in SCORED] or ordered
    finest = min(scored, key=lambda source: stored[source.path].pixel_area)
    grid = stored[finest.path].georef
    check_size(product.source, grid.shape, options.max_pixels)
    check_place(product.source, grid)
    for source in ordered:
        _check_alignment(product.source, source, stored[source.path].georef, finest, grid)
    filled = [
        replace(source, nodata=stored[source.path].nodata[source.index - 1]) if source.nodata is None else source
        for source in ordered
    ]
    block = tuple(max(file.block[axis] for file in stored.values()) for axis in (0, 1))
    depth = sum(file.pixel_bytes for file in stored.values())
    return SceneSpec(
        product.name,
        product.source,
        grid,
        tuple(filled),
        (block[0], block[1], depth),
        product.notes,
        product.fill,
        product.kind,
        product.taken,
        product.item,
    )


def inspect(path: str, *, allow_external: bool = False) -> _Stored:
    """How a file is stored; InputError where it cannot be opened."""
    with open_raster(path, allow_external=allow_external) as dataset:
        check_blocks(dataset, path)
        depth = sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
        return _Stored(raster_georef(dataset, path), dataset.block_shapes[0], dataset.nodatavals, depth)


def _check_alignment(scene: str, source: BandSource, georef: Georef, finest: BandSource, grid: Georef) -> None:
    """One sentence where a band's file cannot be brought to the scene's grid."""
    if not _same_crs(georef, grid):
        raise InputError(
            f"{scene} mixes reference systems: {finest.band} has {_crs_name(grid)}, {source.band} has "
            f"{_crs_name(georef)}; bring them to one first, as with gdalwarp"
        )
    if not grid.located or grid.gcps:
        if georef.shape != grid.shape:
            raise InputError(
                f"{scene} cannot be aligned: {source.band} has {georef.shape[1]}x{georef.shape[0]} pixels, "
                f"{finest.band} {grid.shape[1]}x{grid.shape[0]}, and neither says where it lies; "
                "resample them to one size"
            )
        return
    west, south, east, north = grid.bounds
    left, bottom, right, top = georef.bounds
    if min(east, right) <= max(west, left) or min(north, top) <= max(south, bottom):
        raise InputError(f"{scene} holds bands of different places: {source.band} and {finest.band} do not overlap")


def _same_crs(one: Georef, other: Georef) -> bool:
    if one.crs_wkt == other.crs_wkt or not one.crs_wkt or not other.crs_wkt:
        return one.crs_wkt == other.crs_wkt
    return bool(CRS.from_wkt(one.crs_wkt) == CRS.from_wkt(other.crs_wkt))


def _crs_name(georef: Georef) -> str:
    return CRS.from_wkt(georef.crs_wkt).to_string() if georef.crs_wkt else "none"
