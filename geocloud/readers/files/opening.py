"""Opening one raster file: its failures as sentences, its grid, and what a virtual raster may name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from geocloud.errors import InputError
from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.raster import Georef
from geocloud.readers.files.paths import (
    JOINED,
    check_beside,
    check_named,
    check_plain,
    is_netcdf3,
    is_remote,
    is_virtual,
    is_vrt,
    local_path,
    remote_options,
)
from geocloud.readers.files.vrt import check_file, check_text
from geocloud.readers.reader import MAX_PIXELS

MIN_CACHE_BYTES, MAX_CACHE_BYTES = 32 << 20, 320 << 20
SPARE_CACHE_BYTES = 24 << 20
"""For what is written meanwhile: GDAL has one cache for all."""


def cache_bytes(file_block: tuple[int, int, int], width: int, rows: int) -> int:
    """Bytes that hold all stored blocks which `rows` rows of a scene `width` pixels wide can touch at once."""
    block_height, block_width, pixel_bytes = file_block
    block_rows = -(-rows // block_height) + 1
    columns = -(-width // block_width) * block_width
    needed = block_rows * block_height * columns * pixel_bytes
    return min(max(needed, MIN_CACHE_BYTES), MAX_CACHE_BYTES) + SPARE_CACHE_BYTES


def check_place(source: str, georef: Georef) -> None:
    """InputError if a pixel's place on the Earth cannot be computed."""
    if not georef.located:
        return
    try:
        height, width = georef.shape
        middle = np.array([shapely.box(width // 2, height // 2, width // 2 + 1, height // 2 + 1)])
        area = float(geodesic_areas(to_crs_coordinates(middle, georef), georef)[0])
        reason = "" if math.isfinite(area) and area > 0 else "a pixel in its middle has no area"
    except (ProjError, CPLE_BaseError, RasterioError, shapely.errors.GEOSException, ValueError) as error:
        reason = str(error).splitlines()[0]
    if reason:
        raise InputError(
            f"{source} has a georeference that leads nowhere ({reason}); correct it, or take it away, as with gdal_edit"
        )


MAX_WIDTH = 1_000_000
"""Pixels; a row of blocks of the widest scene takes a few GB."""
MAX_BLOCK_BYTES = 1 << 30
PIXEL_DRIVERS = (
    *("GTiff", "COG", "VRT", "JP2OpenJPEG", "JP2ECW", "JP2KAK", "JP2MrSID", "JP2Lura", "JPEG", "JPEGXL", "PNG"),
    *("WEBP", "BMP", "GIF", "PNM", "HFA", "ENVI", "EHdr", "PCRaster", "RMF", "SAGA", "RST", "ROI_PAC"),
    *("LIBERTIFF", "BIGGIF", "NITF", "GRIB", "SNAP_TIFF", "GPKG", "MBTiles"),
)
"""GDAL's drivers for files that hold their pixels themselves, or beside them under their own name.

The others read documents that name files or services (WMS, GTI, STACIT, DIMAP, ERS and more), or data that other files
may hold for them (HDF5, netCDF 4, KEA).
"""


def open_raster(source: str, *, allow_external: bool = False) -> Any:  # noqa: ANN401 - rasterio is untyped
    """A rasterio dataset, or an InputError of one sentence that says why not.

    A virtual raster (VRT) is a document that names files: the reading rule of `paths.py` holds for it.
    """
    source = local_path(source)
    if re.match(r"(?:netcdf|hdf5|zarr|gtiff_dir):", source, re.IGNORECASE):
        raise InputError(f"{source} is GDAL's name for a part of a file; give the file itself")
    if not is_virtual(source) and not path_exists(source):
        raise InputError(f"{source} does not exist; give the path of a scene")
    if not is_virtual(source) and Path(source).is_file() and Path(source).stat().st_size == 0:
        raise InputError(f"{source} is empty (0 bytes); fetch it again")
    check_plain(source)
    check_beside(source)
    named = check_file(source, allow_external=allow_external) if is_vrt(source) else []
    check_remote(source, [member for member in named if is_remote(member)])
    if not allow_external:
        for member in named:
            if not is_remote(member) and not is_vrt(member):
                open_raster(member).close()
    try:
        dataset = open_quietly(source)
    except RasterioError as error:
        raise InputError(_unopened(source, str(error).splitlines()[0])) from error
    try:
        if not allow_external or is_remote(source):
            check_members(dataset, source, allow_external=allow_external)
    except InputError:
        dataset.close()
        raise
    return dataset


def path_exists(path: str) -> bool:
    """True for a path of this machine that exists; False also for one that no file can have."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _unopened(source: str, reason: str) -> str:
    """Why a raster cannot be opened, and the way out."""
    if is_remote(source):
        denied = re.search(r"response code: (?:401|403|409)", reason)
        signed = ", and whether the link must be signed, as the Planetary Computer's" if denied else ""
        return f"{source} cannot be opened ({reason}); check the address, the network and your credentials{signed}"
    for (sign, suffix), sentence in _UNREADABLE.items():
        if source.lower().endswith(suffix) and _begins(source, sign):
            return f"{source} {sentence}"
    why = reason.rstrip(".")
    return f"{source} is not a raster that can be opened ({why}); if it is one, it is damaged or incomplete"


_UNREADABLE = {
    (b"\x0e\x03\x13\x01", ""): "is HDF4, which the GDAL of rasterio's wheels cannot read; convert it to GeoTIFF with a "
    "GDAL that has the HDF4 driver, as with gdal_translate",
    (b"7z\xbc\xaf", ""): "is a 7z archive; unpack it, or pack it as zip or tar",
    (b"Rar!", ""): "is a RAR archive; unpack it, or pack it as zip or tar",
    (b"LASF", ""): "is a point cloud (LAS or LAZ), which holds no picture; give the orthophoto of the flight",
    (b"PAR1", ""): "is a table (Parquet), which holds no pixels; give the raster that it describes",
    (b"%PDF", ""): "is a document (PDF); export its picture as GeoTIFF",
    (b"SQLite format 3", ""): "is a database without rasters; give areas as --aoi, and the raster as the scene",
    (b"\x1f\x8b", ""): "is packed with gzip; unpack it",
    (b"\x00\x00\x27\x0a", ".shp"): "holds areas, not pixels; give them as --aoi, and the raster as the scene",
    (b"<", ".dim"): "is a document of SNAP; give the folder .data beside it, which holds the bands",
}
"""(first bytes, suffix) of files that cannot be opened -> what they are, and the way out."""


def _begins(path: str, sign: bytes) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(len(sign)) == sign
    except OSError:
        return False


@contextmanager
def read_errors(source: str) -> Iterator[None]:
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
    with rasterio.Env(**remote_options()):
        return rasterio.open(source)


def safe_drivers(source: str) -> Sequence[str]:
    """GDAL's drivers that read a file without reading others that it names; netCDF before 4 cannot name any."""
    return (*PIXEL_DRIVERS, "netCDF") if is_netcdf3(source) else PIXEL_DRIVERS


def is_absent(url: str) -> bool:
    """True if a server answers that it has no such file; False if it has, or cannot be asked."""
    try:
        open_quietly(url).close()
    except RasterioError as error:
        return re.search(r"response code: 404\b|does not exist in the file system", str(error)) is not None
    return False


def check_members(dataset: Any, source: str, *, allow_external: bool = False) -> None:  # noqa: ANN401
    """InputError if an open raster is a document, or is made of files, that the reading rule forbids."""
    if source.startswith(f"/vsimem/{JOINED}"):
        return
    if dataset.driver not in safe_drivers(source):
        raise InputError(
            f"{source} is read by GDAL's {dataset.driver} driver, which may name other files; convert it to a GeoTIFF, "
            "as with gdal_translate, or pass --allow-external if you trust it"
        )
    _check_tags(dataset, source)
    if dataset.driver != "VRT":
        for member in () if is_virtual(source) else dataset.files:
            if member != source:
                _check_beside(source, member)
    elif is_virtual(source):
        text = dataset.tags(ns="xml:VRT").get("xml:VRT", "")
        named = check_text(source, text.encode(), allow_external=allow_external)
        check_remote(source, [member for member in named if is_virtual(member)])


def _check_tags(dataset: Any, source: str) -> None:  # noqa: ANN401 - rasterio is untyped
    """InputError if metadata, which may stand in the file or beside it, name rasters to read instead."""
    for domain, key in (("OVERVIEWS", "OVERVIEW_FILE"), ("GEOLOCATION", "X_DATASET"), ("GEOLOCATION", "Y_DATASET")):
        levels = (dataset.tags(ns=domain), *(dataset.tags(index, ns=domain) for index in dataset.indexes))
        if any(key in tags for tags in levels):
            raise InputError(
                f"{source} names another raster in its metadata ({key}); convert it to a GeoTIFF, as with "
                "gdal_translate, or pass --allow-external if you trust it"
            )


def _check_beside(source: str, member: str) -> None:
    """InputError if a file that GDAL reads with a raster is elsewhere, or a document."""
    check_named(source, member)
    check_plain(member)
    if is_vrt(member) or member.lower().endswith((".ovr", ".msk")):
        open_raster(member).close()


def check_remote(source: str, members: Sequence[str]) -> None:
    """InputError if a remote file that a virtual raster names is a document too, or cannot be opened."""
    for member in members:
        try:
            with open_quietly(member) as dataset:
                driver = dataset.driver
        except RasterioError as error:
            raise InputError(f"{source} names {member}: {_unopened(member, str(error).splitlines()[0])}") from error
        if driver == "VRT" or driver not in PIXEL_DRIVERS:
            raise InputError(
                f"{source} names {member}, a remote document that names files itself, which is not followed; flatten it"
            )


def read_bands(
    dataset: Any,  # noqa: ANN401 - rasterio's own
    indexes: Sequence[int],
    window: Any,  # noqa: ANN401 - rasterio's own
    shape: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    """(band, h, w) of a window in the type that holds all of these bands; virtual rasters may mix types.

    `window` None: the whole raster, decimated to `shape` (h, w) where that is given.
    """
    kinds = [dataset.dtypes[index - 1] for index in indexes]
    more: dict[str, Any] = {"window": window} if shape is None else {"out_shape": (len(indexes), *shape)}
    if len(set(kinds)) == 1:
        pixels: NDArray[Any] = dataset.read(list(indexes), **more)
        return pixels
    common = np.result_type(*kinds)
    more = more if shape is None else {"out_shape": shape}
    return np.stack([dataset.read(index, **more).astype(common) for index in indexes])


def check_size(source: str, shape: tuple[int, int], max_pixels: int = MAX_PIXELS) -> None:
    """InputError for a scene of no pixels, of more than `max_pixels`, or too wide for its rows to be held."""
    height, width = shape
    if not height or not width:
        raise InputError(f"{source} has {width}x{height} pixels, so there is nothing to read")
    if height * width > max_pixels:
        raise InputError(
            f"{source} claims {width}x{height} pixels, more than the limit of {max_pixels}; "
            "if that is its size, raise --max-pixels"
        )
    if width > MAX_WIDTH:
        raise InputError(
            f"{source} is {width} pixels wide; whole rows are held in memory, so at most {MAX_WIDTH} are read: "
            "cut it into narrower scenes"
        )


def check_blocks(dataset: Any, source: str) -> None:  # noqa: ANN401 - rasterio is untyped
    """InputError if the file's blocks, each read whole, are too large for the memory, or hold no real numbers."""
    if not dataset.count:
        raise InputError(
            f"{source} holds {len(dataset.subdatasets)} rasters and none of its own; give one of several bands, or "
            "convert them to GeoTIFF, as with gdal_translate"
        )
    unreal = [dtype for dtype in dataset.dtypes if dtype.startswith("complex")]
    if unreal:
        raise InputError(f"{source} holds complex numbers ({unreal[0]}); reflectance is real: give a product of it")
    pixel = max(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    bands = dataset.count if str(dataset.profile.get("interleave", "band")).lower() == "pixel" else 1
    height, width = dataset.block_shapes[0]
    if height * width * pixel * bands > MAX_BLOCK_BYTES:
        raise InputError(
            f"{source} is stored in blocks of {width}x{height} pixels, which are read whole; "
            "store it in tiles, as with gdal_translate -co TILED=YES"
        )


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


def same_crs(one: Georef, other: Georef) -> bool:
    """True if two grids lie in one reference system, or neither says in which."""
    if one.crs_wkt == other.crs_wkt or not one.crs_wkt or not other.crs_wkt:
        return one.crs_wkt == other.crs_wkt
    return bool(CRS.from_wkt(one.crs_wkt) == CRS.from_wkt(other.crs_wkt))


def crs_name(georef: Georef) -> str:
    """Such as EPSG:32633; `none` where it is not known."""
    return CRS.from_wkt(georef.crs_wkt).to_string() if georef.crs_wkt else "no reference system"
