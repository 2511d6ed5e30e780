"""Apply a mask: the scene with its cloud as nodata, everything else kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.errors import InputError, UsageError
from geocloud.progress import Progress, no_progress
from geocloud.raster import CLEAR, NODATA
from geocloud.readers.opening import damaged, open_raster
from geocloud.verbs.polygonize import STRIP, mask_rows
from geocloud.writers.cog import Product, copy_to_cog, raster_errors
from geocloud.writers.staging import staged


def apply_mask(
    scene: str,
    mask: str,
    out: Path,
    *,
    nodata: float | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> float:
    """Write the scene as a COG whose cloudy pixels are nodata in every band; returns the percent of pixels removed.

    Type, bands, tags, scales, colours and descriptions stay. The nodata value is the scene's own, else the given one,
    else 0 for integers and NaN for floats.

    Raises:
        InputError: scene or mask cannot be read, or they are not on one grid.
        UsageError: `out` exists.
        OutputError: `out` cannot be written.
    """
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists; pass --overwrite to replace it")
    with open_raster(scene) as source, open_raster(mask) as codes, damaged(scene), staged(out.stem) as staging:
        _same_grid(source, codes, scene, mask)
        value = _nodata_value(source, nodata)
        work = staging.scratch(out, "scene.tif")
        removed = 0
        with raster_errors(out), rasterio.open(work, "w", **_profile(source, value)) as target:
            _describe(source, target)
            for row, strip in mask_rows(codes, mask):
                window = RasterioWindow(0, row, source.width, len(strip))
                cloud = (strip != CLEAR) & (strip != NODATA)
                pixels: NDArray[Any] = source.read(window=window)
                pixels[:, cloud] = value
                target.write(pixels, window=window)
                removed += int(cloud.sum())
                progress(row + len(strip), source.height, "write")
        copy_to_cog(work, staging.path(out), Product("AVERAGE", "YES", dtype=source.dtypes[0]))
        staging.commit(last=out)
        return 100 * removed / float(source.width * source.height)


def _same_grid(source: Any, codes: Any, scene: str, mask: str) -> None:  # noqa: ANN401 - rasterio is untyped
    """InputError where the mask is of another scene."""
    near = source.transform.almost_equals(codes.transform, precision=1e-6)
    if source.shape != codes.shape or source.crs != codes.crs or not near:
        raise InputError(
            f"{mask} is not on the grid of {scene} ({codes.width}x{codes.height} {codes.crs} against "
            f"{source.width}x{source.height} {source.crs}); give the mask of this scene"
        )


def _nodata_value(source: Any, given: float | None) -> float:  # noqa: ANN401 - rasterio is untyped
    """The scene's own nodata value first: it already means that."""
    if source.nodata is not None:
        return float(source.nodata)
    if given is not None:
        return given
    return 0.0 if np.dtype(source.dtypes[0]).kind in "iu" else float("nan")


def _profile(source: Any, nodata: float) -> dict[str, Any]:  # noqa: ANN401 - rasterio is untyped
    """A tiled GeoTIFF like the scene."""
    profile = {
        "driver": "GTiff", "dtype": source.dtypes[0], "count": source.count, "nodata": nodata,
        "height": source.height, "width": source.width, "crs": source.crs, "transform": source.transform,
        "tiled": True, "blockxsize": STRIP, "blockysize": STRIP, "compress": "deflate", "zlevel": 1,
        "bigtiff": "if_safer",
    }  # fmt: skip
    points, crs = source.gcps
    return profile | ({"gcps": points, "crs": crs} if points else {})


def _describe(source: Any, target: Any) -> None:  # noqa: ANN401 - rasterio is untyped
    """Tags, scales, descriptions, colours."""
    target.update_tags(**source.tags())
    target.descriptions = source.descriptions
    target.scales, target.offsets = source.scales, source.offsets
    target.colorinterp = source.colorinterp
    for index in source.indexes:
        target.update_tags(index, **{k: v for k, v in source.tags(index).items() if not k.startswith("STATISTICS_")})
