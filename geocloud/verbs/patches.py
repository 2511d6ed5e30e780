"""Patches: a scene's 64x64 patches as small georeferenced GeoTIFFs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterioWindow

from geocloud.errors import UsageError
from geocloud.georef import Georef
from geocloud.grid import PATCH, PatchGrid
from geocloud.progress import Progress, no_progress
from geocloud.raster import Raster
from geocloud.readers import SceneOptions, open_scene
from geocloud.readers.cache import cache_bytes
from geocloud.readers.contract import SceneReader
from geocloud.readers.dispatch import is_single_raster
from geocloud.readers.opening import check_size, damaged, open_raster, read_bands
from geocloud.readers.options import scene_name
from geocloud.version import __version__
from geocloud.window import Window
from geocloud.writers.cog import location, raster_errors
from geocloud.writers.staging import writing

SEGMENT_PIXELS = 1 << 22
"""Pixels read at once."""


def write_patches(
    scene: str,
    out: Path,
    options: SceneOptions | None = None,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> int:
    """Write STEM_ROW_COL.tif of every patch that holds any data, ROW and COL counted in patches; returns their number.

    A patch of a single raster keeps its type, bands, descriptions and place; one of a product of several files holds
    float32 reflectance, nodata NaN, a band for each that was recognised. Those at the right and lower edge are smaller
    where the scene ends.

    Raises:
        InputError: the scene cannot be read.
        UsageError: a patch exists already and `overwrite` is False.
        OutputError: the folder cannot be written.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    if not is_single_raster(scene):
        return _write_reflectance(scene, out, options or SceneOptions(), overwrite=overwrite, progress=progress)
    stem, written, options = scene_name(scene), 0, options or SceneOptions()
    with open_raster(scene, allow_external=options.allow_external) as source, damaged(scene):
        check_size(scene, (source.height, source.width), options.max_pixels)
        grid = PatchGrid((source.height, source.width))
        for done, block in enumerate(grid, start=1):
            window = block.clip(grid.shape)
            area = RasterioWindow(window.col, window.row, window.width, window.height)
            path = _path(out, stem, block, overwrite=overwrite)
            if source.dataset_mask(window=area).any():
                profile = {
                    "driver": "GTiff", "count": source.count, "dtype": str(np.result_type(*source.dtypes)),
                    "nodata": source.nodata,
                    "height": window.height, "width": window.width, "crs": source.crs,
                    "transform": source.window_transform(area), "compress": "deflate",
                }  # fmt: skip
                with raster_errors(path), rasterio.open(path, "w", **profile) as target:
                    target.write(read_bands(source, source.indexes, area))
                    target.descriptions = source.descriptions
                    target.scales, target.offsets = source.scales, source.offsets
                    target.update_tags(GEOCLOUD_VERSION=__version__, GEOCLOUD_SOURCE=scene)
                written += 1
            progress(done, len(grid), "write")
    return written


def _path(out: Path, stem: str, window: Window, *, overwrite: bool) -> Path:
    """A patch's file; UsageError where it exists."""
    path = out / f"{stem}_{window.row // PATCH:04d}_{window.col // PATCH:04d}.tif"
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists; pass --overwrite to replace it, or choose another folder")
    return path


def _write_reflectance(source: str, out: Path, options: SceneOptions, *, overwrite: bool, progress: Progress) -> int:
    """The patches of a product, read in long runs."""
    written = 0
    with open_scene(source, options) as scene:
        grid = PatchGrid(scene.georef.shape)
        with rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene.file_block, grid.shape[1], PATCH)):
            for window, raster in _cut(scene, grid):
                path = _path(out, scene.name, window, overwrite=overwrite)
                if raster.valid.any():
                    _write(path, raster, _place(scene.georef, window), scene)
                    written += 1
                progress(window.row // PATCH * grid.cols + window.col // PATCH + 1, len(grid), "write")
    return written


def _cut(scene: SceneReader, grid: PatchGrid) -> Iterator[tuple[Window, Raster]]:
    """Each patch's window, clipped to the scene, and its pixels."""
    for segment in grid.segments(SEGMENT_PIXELS):
        raster = scene.read(segment, scene.bands)
        for col in range(0, segment.width, PATCH):
            inside = slice(col, col + PATCH)
            data, valid = raster.data[:, :, inside], raster.valid[:, inside]
            yield Window(segment.row, segment.col + col, *valid.shape), Raster(data, valid)


def _place(georef: Georef, window: Window) -> Georef:
    """Where a window of a scene lies."""
    if georef.gcps:
        moved = tuple((row - window.row, col - window.col, x, y, z) for row, col, x, y, z in georef.gcps)
        return Georef(window.shape, crs_wkt=georef.crs_wkt, gcps=moved)
    if not georef.located:
        return Georef(window.shape)
    return Georef(window.shape, georef.transform @ Affine.translation(window.col, window.row), georef.crs_wkt)


def _write(path: Path, raster: Raster, georef: Georef, scene: SceneReader) -> None:
    """One patch of reflectance."""
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": len(scene.bands), "nodata": float("nan"), "compress": "deflate",
        "height": georef.shape[0], "width": georef.shape[1],
    }  # fmt: skip
    with raster_errors(path), rasterio.open(path, "w", **profile, **location(georef)) as target:
        target.write(np.where(raster.valid, raster.data, np.float32(np.nan)))
        target.descriptions = scene.bands
        target.update_tags(GEOCLOUD_VERSION=__version__, GEOCLOUD_SOURCE=scene.source)
