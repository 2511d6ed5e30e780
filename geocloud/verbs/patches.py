"""`patches`: write a scene's patches of 64 x 64 pixels as georeferenced GeoTIFFs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterioWindow

from geocloud.errors import without_secrets
from geocloud.progress import Progress, no_progress
from geocloud.raster import PATCH, Georef, PatchGrid, Raster, Window
from geocloud.readers import SceneOptions, open_scene
from geocloud.readers.dispatch import is_single_raster, local_files
from geocloud.readers.files.opening import cache_bytes, check_size, open_raster, read_bands, read_errors
from geocloud.readers.files.paths import local_path, scene_name
from geocloud.readers.reader import SceneReader
from geocloud.version import __version__
from geocloud.writers.cog import check_stored, location, raster_errors
from geocloud.writers.staging import Staging, check_not_read, check_outputs, has_tags, make_folder, staged

READ_PIXELS = 1 << 22
"""Pixels of a product that are read at once."""


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """How to cut patches."""

    scene: SceneOptions = field(default_factory=SceneOptions)
    """How products of several files are read: bands, scale and offset where they do not say."""
    overwrite: bool = False
    """Replace existing patches."""


def write_patches(
    scene: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: PatchOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> int:
    """Write STEM_ROW_COL.tif for every patch that holds any data; ROW and COL are counted in patches.

    A patch of a single raster keeps its type, bands and descriptions. A patch of a product of several files holds
    float32 reflectance, nodata NaN, with one band for each band that was recognised. Patches at the right and lower
    edge of the scene may be smaller.

    Args:
        scene: path or URL.
        out: folder of the patches; it is made if it does not exist.
        options: how; None: the defaults.
        progress: called after each patch; may raise Cancelled.

    Returns:
        The number of patches.

    Raises:
        InputError: the scene cannot be read.
        UsageError: a patch exists already and `options.overwrite` is False.
        OutputError: the folder cannot be written.
    """
    options, source, folder = options or PatchOptions(), local_path(os.fspath(scene)), Path(out)
    make_folder(folder)
    with staged(scene_name(source)) as staging:
        sink = _Sink(folder, staging, local_files(source), overwrite=options.overwrite)
        if is_single_raster(source):
            _copy_patches(source, sink, options.scene, progress)
        else:
            _write_reflectance(source, sink, options.scene, progress)
        sink.commit()
    return len(sink.written)


class _Sink:
    """The folder of the patches, which all appear in it together at the end."""

    def __init__(self, out: Path, staging: Staging, inputs: Iterable[str], *, overwrite: bool) -> None:
        self._out, self._staging, self._inputs, self._overwrite = out, staging, list(inputs), overwrite
        self.written: list[Path] = []
        self._names = re.compile("")  # of all patches of this scene, known from the first one on

    def path(self, stem: str, window: Window) -> Path:
        """Where to write a patch; UsageError if it exists or is a file of the scene."""
        final = self._out / f"{stem}_{window.row // PATCH:04d}_{window.col // PATCH:04d}.tif"
        if os.path.lexists(final):
            check_outputs([final], self._inputs, overwrite=self._overwrite)
        self.written.append(final)
        self._names = re.compile(re.escape(stem) + r"_\d{4,}_\d{4,}\.tif")
        return self._staging.path(final)

    def commit(self) -> None:
        """Move all patches into place; with `overwrite`, patches that an earlier run left of this scene are removed."""
        if not self.written:
            return
        retired = self._older if self._overwrite else tuple
        self._staging.commit(last=self.written[-1], retired=retired, overwrite=self._overwrite)

    def _older(self) -> list[Path]:
        """Patches of an earlier run that are not made anew; UsageError where one is an input."""
        older = [path for path in self._out.iterdir() if self._names.fullmatch(path.name)]
        found = [path for path in sorted({*older} - {*self.written}) if has_tags(path)]
        check_not_read(found, self._inputs)
        return found


def _copy_patches(scene: str, sink: _Sink, options: SceneOptions, progress: Progress) -> None:
    """Write the patches of a single raster with its values as they are stored."""
    with open_raster(scene, allow_external=options.allow_external) as source, read_errors(scene):
        check_size(scene, (source.height, source.width), options.max_pixels)
        grid = PatchGrid((source.height, source.width))
        for done, block in enumerate(grid, start=1):
            window = block.clip(grid.shape)
            area = RasterioWindow(window.col, window.row, window.width, window.height)
            if source.dataset_mask(window=area).any():
                _copy_patch(source, area, sink.path(scene_name(scene), block), scene)
            progress(done, len(grid), "write")


def _copy_patch(source: Any, area: RasterioWindow, path: Path, scene: str) -> None:  # noqa: ANN401 - rasterio is untyped
    """Write one patch with the type, bands, names and georeference of its scene."""
    profile = {
        "driver": "GTiff", "count": source.count, "dtype": str(np.result_type(*source.dtypes)),
        "nodata": source.nodata, "height": area.height, "width": area.width, "crs": source.crs,
        "transform": source.window_transform(area), "compress": "deflate",
    }  # fmt: skip
    data = read_bands(source, source.indexes, area)
    with raster_errors(path):
        with rasterio.open(path, "w", **profile) as target:
            target.write(data)
            target.descriptions = source.descriptions
            target.scales, target.offsets = source.scales, source.offsets
            target.update_tags(GEOCLOUD_VERSION=__version__, GEOCLOUD_SOURCE=without_secrets(scene))
        check_stored(path)


def _write_reflectance(source: str, sink: _Sink, options: SceneOptions, progress: Progress) -> None:
    """Write the patches of a product as reflectance."""
    with open_scene(source, options) as scene:
        grid = PatchGrid(scene.georef.shape)
        with rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene.file_block, grid.shape[1], PATCH)):
            for window, raster in _cut(scene, grid):
                if raster.valid.any():
                    _write(sink.path(scene.name, window), raster, _georef_of(scene.georef, window), scene)
                progress(window.row // PATCH * grid.cols + window.col // PATCH + 1, len(grid), "write")


def _cut(scene: SceneReader, grid: PatchGrid) -> Iterator[tuple[Window, Raster]]:
    """The window of each patch, clipped to the scene, and its pixels."""
    for segment in grid.segments(READ_PIXELS):
        raster = scene.read(segment, scene.bands)
        for col in range(0, segment.width, PATCH):
            inside = slice(col, col + PATCH)
            data, valid = raster.data[:, :, inside], raster.valid[:, inside]
            yield Window(segment.row, segment.col + col, *valid.shape), Raster(data, valid)


def _georef_of(georef: Georef, window: Window) -> Georef:
    """The georeference of a window of a scene."""
    if georef.gcps:
        moved = tuple((row - window.row, col - window.col, x, y, z) for row, col, x, y, z in georef.gcps)
        return Georef(window.shape, crs_wkt=georef.crs_wkt, gcps=moved)
    if not georef.located:
        return Georef(window.shape)
    return Georef(window.shape, georef.transform @ Affine.translation(window.col, window.row), georef.crs_wkt)


def _write(path: Path, raster: Raster, georef: Georef, scene: SceneReader) -> None:
    """Write one patch of reflectance."""
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": len(scene.bands), "nodata": float("nan"), "compress": "deflate",
        "height": georef.shape[0], "width": georef.shape[1],
    }  # fmt: skip
    with raster_errors(path):
        with rasterio.open(path, "w", **profile, **location(georef)) as target:
            target.write(np.where(raster.valid, raster.data, np.float32(np.nan)))
            target.descriptions = scene.bands
            target.update_tags(GEOCLOUD_VERSION=__version__, GEOCLOUD_SOURCE=scene.source)
        check_stored(path)
