"""Patches: a scene's 64x64 patches as small georeferenced GeoTIFFs."""

from __future__ import annotations

from pathlib import Path

import rasterio
from rasterio.windows import Window as RasterioWindow

from geocloud.errors import UsageError
from geocloud.grid import PatchGrid
from geocloud.progress import Progress, no_progress
from geocloud.readers.opening import damaged, open_raster
from geocloud.readers.options import scene_name
from geocloud.writers.cog import raster_errors
from geocloud.writers.staging import writing


def write_patches(scene: str, out: Path, *, overwrite: bool = False, progress: Progress = no_progress) -> int:
    """Write STEM_ROW_COL.tif of every patch that holds any data, ROW and COL counted in patches; returns their number.

    A patch keeps the scene's type, bands, descriptions and place. Those at the right and lower edge are smaller where
    the scene ends.

    Raises:
        InputError: the scene cannot be read.
        UsageError: a patch exists already and `overwrite` is False.
        OutputError: the folder cannot be written.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    stem, written = scene_name(scene), 0
    with open_raster(scene) as source, damaged(scene):
        grid = PatchGrid((source.height, source.width))
        for done, block in enumerate(grid, start=1):
            window = block.clip(grid.shape)
            area = RasterioWindow(window.col, window.row, window.width, window.height)
            path = out / f"{stem}_{block.row // grid.side:04d}_{block.col // grid.side:04d}.tif"
            if path.exists() and not overwrite:
                raise UsageError(f"{path} exists; pass --overwrite to replace it, or choose another folder")
            if source.dataset_mask(window=area).any():
                profile = {
                    "driver": "GTiff", "count": source.count, "dtype": source.dtypes[0], "nodata": source.nodata,
                    "height": window.height, "width": window.width, "crs": source.crs,
                    "transform": source.window_transform(area), "compress": "deflate",
                }  # fmt: skip
                with raster_errors(path), rasterio.open(path, "w", **profile) as target:
                    target.write(source.read(window=area))
                    target.descriptions = source.descriptions
                    target.scales, target.offsets = source.scales, source.offsets
                written += 1
            progress(done, len(grid), "write")
    return written
