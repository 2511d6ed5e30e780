"""Opening one raster file: its failures as sentences, its grid, and what a virtual raster may name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from geocloud.errors import InputError
from geocloud.georef import Georef
from geocloud.readers.paths import REMOTE_OPTIONS, check_named, is_remote, is_virtual

NESTED = 8
"""Virtual rasters of virtual rasters are followed this deep."""


def open_raster(source: str, *, allow_external: bool = False) -> Any:  # noqa: ANN401 - rasterio is untyped
    """A rasterio dataset, or an InputError of one sentence that says why not.

    A virtual raster (VRT) is a document that names files: the reading rule of `geocloud.readers.paths` holds for it.
    """
    if not is_virtual(source) and not Path(source).exists():
        raise InputError(f"{source} does not exist; give the path of a scene")
    if not is_virtual(source) and Path(source).is_file() and Path(source).stat().st_size == 0:
        raise InputError(f"{source} is empty (0 bytes); fetch it again")
    try:
        dataset = open_quietly(source)
    except RasterioError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{source} is not a raster that can be opened ({reason}); it may be damaged or incomplete"
        ) from error
    try:
        check_members(dataset, allow_external=allow_external)
    except InputError:
        dataset.close()
        raise
    return dataset


@contextmanager
def damaged(source: str) -> Iterator[None]:
    """Turn rasterio's failure to read pixels into one sentence."""
    try:
        yield
    except RasterioError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise InputError(f"{source} cannot be read ({reason}); it is damaged or incomplete: fetch it again") from error


def open_quietly(source: str) -> Any:  # noqa: ANN401 - rasterio is untyped
    """`rasterio.open`, with GDAL's settings for networks where the file is on one."""
    if not is_remote(source):
        return rasterio.open(source)
    with rasterio.Env(**REMOTE_OPTIONS):
        return rasterio.open(source)


def check_members(dataset: Any, *, allow_external: bool = False, depth: int = NESTED) -> None:  # noqa: ANN401
    """InputError where a virtual raster, or one it is made of, names a file that the reading rule forbids."""
    if dataset.driver != "VRT" or allow_external:
        return
    if not depth:
        raise InputError(f"{dataset.name} is a virtual raster of virtual rasters more than {NESTED} deep; flatten it")
    for member in dataset.files:
        if member == dataset.name:
            continue
        check_named(dataset.name, member)
        if not member.lower().endswith((".ovr", ".msk", ".aux.xml")):
            with open_quietly(member) as inner:
                check_members(inner, depth=depth - 1)


def raster_georef(dataset: Any, source: str) -> Georef:  # noqa: ANN401 - rasterio is untyped
    """Grid and reference system; InputError for a scene located by RPCs only."""
    shape = dataset.height, dataset.width
    if dataset.crs and not dataset.transform.is_identity:
        return Georef(shape, dataset.transform, dataset.crs.to_wkt())
    points, crs = dataset.gcps
    if points and crs:
        gcps = tuple((point.row, point.col, point.x, point.y, point.z or 0.0) for point in points)
        return Georef(shape, crs_wkt=crs.to_wkt(), gcps=gcps)
    if dataset.rpcs is not None:
        raise InputError(
            f"{source} is located by RPCs only, which need a terrain model; "
            "orthorectify it first, as with gdalwarp -rpc"
        )
    return Georef(shape, dataset.transform, dataset.crs.to_wkt() if dataset.crs else "")
