"""`apply-mask`: write a scene with its clouds as nodata and all else kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RasterioWindow

from geocloud.classes import GROUND, MaskEncoding
from geocloud.errors import InputError, UsageError, without_secrets
from geocloud.progress import Progress, no_progress
from geocloud.raster import NODATA, BoolArray, Georef, Window
from geocloud.readers import SceneOptions, open_scene
from geocloud.readers.dispatch import is_single_raster, local_files, protected_files
from geocloud.readers.files.opening import (
    check_size,
    crs_name,
    open_raster,
    raster_georef,
    read_bands,
    read_errors,
    same_crs,
)
from geocloud.readers.files.paths import local_path
from geocloud.readers.masks import STRIP, MaskFile
from geocloud.readers.reader import SceneReader
from geocloud.writers.cog import RasterFormat, RowWriter, copy_to_cog, raster_errors
from geocloud.writers.copying import copy_description, copy_profile, has_domains
from geocloud.writers.staging import check_outputs, staged


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply a mask."""

    scene: SceneOptions = field(default_factory=SceneOptions)
    """How products of several files are read: bands, scale and offset where they do not say."""
    nodata: float | None = None
    """Value to write in clouds; None: the scene's nodata value, or else a value that no pixel has, or else an internal
    mask."""
    classes: tuple[int, ...] = ()
    """Mask codes that become nodata; empty: all but clear ground, snow and nodata."""
    encoding: MaskEncoding | None = None
    """Encoding of the mask; None: as its tags say."""
    overwrite: bool = False
    """Replace the output if it exists."""


def apply_mask(
    scene: str | os.PathLike[str],
    mask: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: ApplyOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> float:
    """Write a scene as a COG with its clouds as nodata in every band.

    A single raster keeps type, scales, tags, names and colours, and gets overviews. A product of several files becomes
    one float32 raster of reflectance with nodata NaN and one band for each band that was recognised.

    Args:
        scene: path or URL.
        mask: its mask, on the same grid.
        out: the GeoTIFF to write.
        options: how; None: the defaults.
        progress: called after each strip; may raise Cancelled.

    Returns:
        Percent of the pixels that were removed.

    Raises:
        InputError: scene or mask cannot be read, or they are not on one grid.
        OutputError: the output cannot be written.
        UsageError: the output exists or has another suffix, or the nodata value does not fit the type.
    """
    options, target, name = options or ApplyOptions(), Path(out), local_path(os.fspath(scene))
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"{target} must end in .tif or .tiff, since a GeoTIFF is written")
    with MaskFile(mask, options.encoding) as codes:
        check_outputs([target], [*local_files(name), *protected_files(os.fspath(mask))], overwrite=options.overwrite)
        removed = _apply(name, codes, target, options, progress)
    height, width = codes.georef.shape
    return 100 * removed / (height * width)


def _apply(name: str, codes: MaskFile, target: Path, options: ApplyOptions, progress: Progress) -> int:
    """Write the masked scene; returns the number of pixels that were removed."""
    with staged(target.stem) as staging:
        scratch, final = staging.scratch(target, "masked.tif"), staging.path(target)
        if is_single_raster(name):
            with open_raster(name, allow_external=options.scene.allow_external) as dataset, read_errors(name):
                check_size(name, (dataset.height, dataset.width), options.scene.max_pixels)
                check_outputs([target], protected_files(name), overwrite=options.overwrite)
                check_grid(name, raster_georef(dataset, name), codes)
                removed = _copy_masked(dataset, codes, scratch, options, progress)
                copied = RasterFormat(
                    *("MODE", "NO") if _has_palette(dataset) else ("AVERAGE", "YES"), domains=has_domains(dataset)
                )
        else:
            with open_scene(name, options.scene) as reader:
                check_grid(name, reader.georef, codes)
                removed, copied = _write_bands(reader, codes, scratch, options, progress)
        copy_to_cog(scratch, final, copied)
        staging.commit(last=target, overwrite=options.overwrite)
    return removed


def check_grid(scene: str, georef: Georef, mask: MaskFile) -> None:
    """InputError unless the mask lies on the scene's pixels."""
    if not same_crs(georef, mask.georef):
        raise InputError(
            f"{mask.path} lies in {crs_name(mask.georef)}, {scene} in {crs_name(georef)}; "
            "make the mask from this scene, as with geocloud detect"
        )
    same = georef.transform.almost_equals(mask.georef.transform, 1e-6)
    if georef.shape != mask.georef.shape or not same:
        raise InputError(
            f"{mask.path} ({mask.georef.shape[1]}x{mask.georef.shape[0]} pixels) is not on the grid of {scene} "
            f"({georef.shape[1]}x{georef.shape[0]}); make the mask from this scene, as with geocloud detect"
        )


def _clouds(codes: NDArray[np.uint8], classes: Sequence[int]) -> BoolArray:
    """(h, w) True where a mask's codes become nodata; see `ApplyOptions.classes`."""
    cloud: BoolArray = np.isin(codes, classes) if classes else ~np.isin(codes, (*GROUND, NODATA))
    return cloud


def _copy_masked(source: Any, mask: MaskFile, path: Path, options: ApplyOptions, progress: Progress) -> int:  # noqa: ANN401
    """Copy a raster with nodata in clouds; returns the number of cloud pixels.

    A raster with an alpha band or an internal mask gets 0 there instead of a nodata value.
    """
    removed = 0
    alpha = [ColorInterp.alpha is colour for colour in source.colorinterp]
    flags = source.mask_flag_enums[0]
    internal = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags and MaskFlags.nodata not in flags
    nodata = None if any(alpha) or internal else _nodata_value(source, options)
    internal = internal or (nodata is None and not any(alpha))
    profile = copy_profile(source) | {"nodata": nodata}
    fill = np.where(alpha, 0, 0 if nodata is None else nodata).astype(profile["dtype"])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), _created(path, profile) as target:
        with raster_errors(path):
            copy_description(source, target)
            target.update_tags(**{**mask.provenance, "GEOCLOUD_SOURCE": without_secrets(source.name)})
        for row, codes in mask.strips():
            window = RasterioWindow(0, row, source.width, len(codes))
            data, cloud = read_bands(source, source.indexes, window), _clouds(codes, options.classes)
            data[:, cloud] = fill[:, None]
            clear = (source.dataset_mask(window=window) > 0) & ~cloud if internal else None
            with raster_errors(path):
                target.write(data, window=window)
                if clear is not None:
                    target.write_mask(clear, window=window)
            removed += int(cloud.sum())
            progress(row + len(codes), source.height, "write")
    return removed


@contextmanager
def _created(path: Path, profile: dict[str, Any]) -> Iterator[Any]:
    """A new raster to write; OutputError if it cannot be created or closed. Errors of reading meanwhile pass."""
    with raster_errors(path):
        target = rasterio.open(path, "w", **profile)
    try:
        yield target
    finally:
        with raster_errors(path):
            target.close()


def _has_palette(source: Any) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True if values are indexes into a palette, so that overviews must not average them."""
    return ColorInterp.palette in source.colorinterp


def _nodata_value(source: Any, options: ApplyOptions) -> float | None:  # noqa: ANN401 - rasterio is untyped
    """The value to write in clouds: the user's, the file's, NaN for floats, or 0 or the highest if no pixel has it.

    None if pixels have both 0 and the highest value of the type; then an internal mask is needed.

    Raises:
        UsageError: the user's value does not fit the type.
    """
    kind = np.result_type(*source.dtypes)
    if options.nodata is not None:
        if kind.kind in "iu" and not np.iinfo(kind).min <= options.nodata <= np.iinfo(kind).max:
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
            raise UsageError(f"--nodata {options.nodata:g} does not fit the scene's type {kind}; give {low} to {high}")
        return options.nodata
    if source.nodata is not None:
        return float(source.nodata)
    if kind.kind == "f":
        return float("nan")
    free = {0, int(np.iinfo(kind).max)}
    for row in range(0, source.height, STRIP):
        window = RasterioWindow(0, row, source.width, min(STRIP, source.height - row))
        data = read_bands(source, source.indexes, window)
        free = {value for value in free if not (data == value).any()}
    return float(min(free)) if free else None


def _write_bands(
    scene: SceneReader, mask: MaskFile, scratch: Path, options: ApplyOptions, progress: Progress
) -> tuple[int, RasterFormat]:
    """Write all recognised bands of a product as reflectance, NaN in clouds and where there is no data.

    Returns:
        The number of cloud pixels, and the format of the raster.
    """
    product = RasterFormat("AVERAGE", "YES", "float32", float("nan"), len(scene.bands), names=scene.bands)
    writer = RowWriter(scratch, scene.georef, product, {**mask.provenance, "GEOCLOUD_SOURCE": scene.source})
    removed = 0
    for row, codes in mask.strips():
        raster = scene.read(Window(row, 0, *codes.shape), scene.bands)
        cloud = _clouds(codes, options.classes)
        raster.data[:, ~raster.valid | cloud] = np.nan
        removed += int(cloud.sum())
        writer.write(row, raster.data)
        progress(row + len(codes), scene.georef.shape[0], "write")
    writer.close()
    return removed, product
