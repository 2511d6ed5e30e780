"""Apply a mask: the scene with its clouds as nodata, all else kept."""

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
    """For products: bands, scale and offset where they do not say."""
    nodata: float | None = None
    """Value to write in clouds; None: the scene's own, else one that no pixel has, else an internal mask says it."""
    classes: tuple[int, ...] = ()
    """Mask codes that become nodata; empty: all but clear and nodata."""
    encoding: MaskEncoding | None = None
    """The mask's codes; None: as its tags say."""
    overwrite: bool = False


def apply_mask(
    scene: str | os.PathLike[str],
    mask: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: ApplyOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> float:
    """Write a scene as a COG with its clouds as nodata in every band; returns the percent of pixels removed.

    A single raster keeps type, scales, tags, names and colours, and has overviews. A product of several files becomes
    one float32 raster of reflectance, nodata NaN, a band for each that was recognised.

    Args:
        scene: path or URL.
        mask: its mask, on the same grid.
        out: the GeoTIFF to write.
        options: how; defaults where None.
        progress: called after each strip; may raise Cancelled.

    Raises:
        InputError: scene or mask cannot be used, or they are not on one grid.
        OutputError: the output cannot be written.
        UsageError: the output exists, or the nodata value given does not fit the type.
    """
    options, target, name = options or ApplyOptions(), Path(out), local_path(os.fspath(scene))
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"{target} has the suffix {target.suffix or 'none'}; a GeoTIFF is written: name it .tif")
    with MaskFile(Path(mask), options.encoding) as codes:
        check_outputs([target], [*local_files(name), *protected_files(os.fspath(mask))], overwrite=options.overwrite)
        removed = _apply(name, codes, target, options, progress)
    height, width = codes.georef.shape
    return 100 * removed / (height * width)


def _apply(name: str, codes: MaskFile, target: Path, options: ApplyOptions, progress: Progress) -> int:
    """Write the masked scene; returns how many pixels were removed."""
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
    """InputError where a mask does not lie on the scene's pixels."""
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
    """True where a mask's codes become nodata."""
    cloud: BoolArray = np.isin(codes, classes) if classes else ~np.isin(codes, (*GROUND, NODATA))
    return cloud


def _copy_masked(source: Any, mask: MaskFile, path: Path, options: ApplyOptions, progress: Progress) -> int:  # noqa: ANN401
    """A copy of a raster with nodata in clouds, alpha and internal masks 0 there; returns how many pixels those are."""
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
    """A new raster; OutputError where it cannot be made or closed, which is no fault of what is read meanwhile."""
    with raster_errors(path):
        target = rasterio.open(path, "w", **profile)
    try:
        yield target
    finally:
        with raster_errors(path):
            target.close()


def _has_palette(source: Any) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True for indexes into a palette, of which no mean may be taken."""
    return ColorInterp.palette in source.colorinterp


def _nodata_value(source: Any, options: ApplyOptions) -> float | None:  # noqa: ANN401 - rasterio is untyped
    """The value for clouds: as given, as the file has it, NaN for floats, else one that no pixel has.

    None where the type's first and last value are both taken: an internal mask says it then.
    """
    kind = np.result_type(*source.dtypes)
    if options.nodata is not None:
        if kind.kind in "iu" and not np.iinfo(kind).min <= options.nodata <= np.iinfo(kind).max:
            raise UsageError(f"--nodata {options.nodata:g} does not fit the scene's type {kind}; give one that does")
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
    """All recognised bands of a product as reflectance, NaN in clouds and where there is no data."""
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
