"""Where files are, what kind they look like, and which files a document may name.

The reading rule: what the user names may be anywhere. A remote document never names local files. A local document
names files beside or below itself, or remote ones, unless the user allows more.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from geocloud.errors import InputError, too_long

REMOTE_SCHEMES = ("https", "http", "s3", "gs", "az", "oss", "ftp")
"""Schemes of URLs that rasterio reads over a network."""
REMOTE_VSI = ("/vsicurl/", "/vsis3/", "/vsigs/", "/vsiaz/", "/vsiadls/", "/vsioss/", "/vsiswift/", "/vsiwebhdfs/")
"""GDAL's own prefixes of the same."""
JOINED = "geocloud-joined-"
"""Folder in GDAL's memory, with a key behind, of virtual rasters that geocloud builds of files it has checked."""
ARCHIVES = {".zip": "/vsizip/", ".tar": "/vsitar/", ".tgz": "/vsitar/", ".tar.gz": "/vsitar/"}
"""Suffix of an archive -> the prefix with which GDAL reads in it."""
VRT_SIGN, VRT_HEAD_BYTES = b"<VRTDataset", 1 << 12
"""What a virtual raster holds, and within how many bytes GDAL looks for it."""
HDF5_SIGN, NETCDF3_SIGNS = b"\x89HDF\r\n\x1a\n", (b"CDF\x01", b"CDF\x02", b"CDF\x05")
"""How files of these formats begin; netCDF 4 is HDF5."""
REMOTE_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
}
"""GDAL's settings for files that are not on a disk: no listing of folders, a few retries, an end to waiting."""
_PRODUCT_SUFFIXES = (".safe", ".zarr", ".tar")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}$")


def remote_options() -> dict[str, str]:
    """REMOTE_OPTIONS but for those that the user's environment sets."""
    return {name: value for name, value in REMOTE_OPTIONS.items() if name not in os.environ}


def is_remote(path: str) -> bool:
    """True for URLs and GDAL paths that lead over a network, archives on a network included."""
    text = path.lower()
    if text.startswith("/vsi"):
        return any(prefix in text for prefix in REMOTE_VSI) or any(f"/{s}://" in text for s in REMOTE_SCHEMES)
    return urlsplit(text).scheme.rpartition("+")[2] in REMOTE_SCHEMES


def is_virtual(path: str) -> bool:
    """True if the path is no plain path of this machine's file system."""
    return "://" in path or path.startswith("/vsi")


def local_path(path: str) -> str:
    """The path that a file URL means, with its escapes undone where that is the file; anything else as it is."""
    if not path.lower().startswith("file://"):
        return path
    plain = re.sub(r"(?i)^file://(localhost(?=/))?(/(?=[a-z]:))?", "", path)
    return plain if os.path.exists(plain) else unquote(plain)  # noqa: PTH110 - any text


_GDAL_PREFIXES = re.compile(
    r"(?:/vsi[a-z_]+(?:/(?:\d+(?:_\d+)?,)?|\?(?:[^&]*&)*?file=)|[a-z+]+://)*\{?(?=.)", re.IGNORECASE
)
"""What stands before a file's own path in GDAL's and rasterio's names, one within another."""


def files_within(path: str) -> list[str]:
    """The files of this machine that a name of GDAL leads into, as an archive's; any other path itself."""
    return [part for part in _parts_of(path) if os.path.isfile(part)] or [path]  # noqa: PTH113 - any text


def _parts_of(path: str) -> list[str]:
    """What of a name of GDAL may be the path of a file of this machine; any other path itself."""
    if not is_virtual(path) or is_remote(path):
        return [path]
    plain = path[match.end() :] if (match := _GDAL_PREFIXES.match(path)) else path
    return [plain[: match.start()] for match in re.finditer(r"[/!,&?}]|$", plain)]


def first_bytes(path: str, count: int) -> bytes:
    """The first bytes of a file of this machine; none of anything else."""
    if is_virtual(path) or not Path(path).is_file():
        return b""
    with Path(path).open("rb") as file:
        return file.read(count)


def is_vrt(path: str) -> bool:
    """True for a file on this machine that GDAL would read as a virtual raster."""
    return VRT_SIGN in first_bytes(path, VRT_HEAD_BYTES)


def is_netcdf(path: str) -> bool:
    """True for a file of this machine that begins as netCDF or HDF5 do."""
    return is_hdf5(path) or is_netcdf3(path)


def is_hdf5(path: str) -> bool:
    """True for a file of this machine that begins as HDF5 does."""
    return first_bytes(path, len(HDF5_SIGN)) == HDF5_SIGN


def is_netcdf3(path: str) -> bool:
    """True for a file of this machine that begins as netCDF before 4 does."""
    return first_bytes(path, 4) in NETCDF3_SIGNS


def archive_prefix(path: str) -> str:
    """GDAL's prefix for an archive, by its suffix; empty for anything else."""
    name = path.lower()
    return next((prefix for suffix, prefix in ARCHIVES.items() if name.endswith(suffix)), "")


def scene_name(source: str) -> str:
    """The stem outputs are named after: the last part of a path without suffix, a URL's query left out.

    A folder's name keeps its dots but for .SAFE and .zarr: `Path.stem` would cut `S2A.v1.2` there.
    """
    path = source.split("?", maxsplit=1)[0] if "://" in source else source
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path
    if not is_virtual(source) and os.path.isdir(source):  # noqa: PTH112 - any text
        return _without(name, _PRODUCT_SUFFIXES)
    name = _SUFFIX.sub("", name) if not name.startswith(".") else name
    return _without(name, _PRODUCT_SUFFIXES)


def _without(name: str, suffixes: tuple[str, ...]) -> str:
    cut = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(cut)] or name


def resolve(document: str, href: str, *, allow_external: bool = False) -> str:
    """The path or URL that a document means by `href`, by the reading rule.

    Args:
        document: path or URL of the document.
        href: as written in it: absolute, relative to it, or a URL.
        allow_external: the user's word that a local document may name any file.

    Raises:
        InputError: the rule forbids it, or it is no path.
    """
    check_name(href)
    if is_remote(document):
        target = href if is_virtual(href) else _join_remote(document, href)
    elif href.lower().startswith("file://"):
        target = unquote(urlsplit(href).path)
    elif is_virtual(href):
        target = href
    elif is_virtual(document):  # in an archive, whose path Path would change
        target = f"{document.rpartition('/')[0]}/{href.removeprefix('./')}" if not href.startswith("/") else href
    else:
        target = os.path.normpath(Path(document).parent / href)
    check_named(document, target, allow_external=allow_external)
    return target


def check_named(document: str, target: str, *, allow_external: bool = False) -> None:
    """InputError if a document may not name a target, given as a path from here or a URL."""
    if _surely_remote(target):
        return
    if is_remote(document):
        raise InputError(f"{document} is remote and names the local file {target}, which is never read; fetch both")
    if allow_external or (not is_virtual(target) and _within(Path(target), Path(document).parent)):
        return
    archive = document.rpartition("/")[0]
    if is_virtual(document) and target.startswith(f"{archive}/") and ".." not in target:
        return
    raise InputError(
        f"{document} names {target}, which is not beside or below it; pass --allow-external if you trust the document"
    )


def check_name(path: str) -> str:
    """The path itself; InputError for one that no file has, is too long, or is no text, which GDAL cannot open."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{ascii(path)[1:-1]} has a name that is no UTF-8; rename it") from error
    if "\0" in path:
        raise InputError(f"{ascii(path)[1:-1]} is no path, since it holds a zero byte; correct it")
    try:
        Path(path).stat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG and not is_virtual(path):
            raise InputError(too_long(path)) from error
    return path


def check_plain(path: str) -> None:
    """InputError for a path of this machine that is a pipe, a socket or a device: reading one may never end."""
    for part in _parts_of(path):
        try:
            mode = Path(part).stat().st_mode
        except (OSError, ValueError):  # elsewhere, or absent: opening it will tell
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise InputError(f"{path} is a pipe, a socket or a device and no file; give a file")


_METADATA = (
    *(".xml", ".txt", ".json", ".imd", ".rpb", ".pvl", ".tfw", ".wld", ".prj", ".ovr", ".msk", ".aux", ".rrd", ".hdr"),
    ".dim",
)
"""Suffixes of what GDAL reads beside a raster, in lower case."""


def check_beside(path: str) -> None:
    """InputError if a pipe or a device stands beside a raster of this machine and would be read with it."""
    here = Path(path)
    with suppress(OSError, ValueError):
        for name in _pipes_in(here.parent, here.parent.stat().st_mtime_ns):
            if name.lower().endswith(_METADATA) or name.startswith(here.stem):
                raise InputError(f"{here.with_name(name)} is a pipe, a socket or a device beside {path}; move it away")


@lru_cache(maxsize=8)
def _pipes_in(folder: Path, _changed: int) -> tuple[str, ...]:
    """Names in a folder that are neither files nor folders nor lead to any, but are there."""
    with os.scandir(folder) as entries:
        return tuple(
            entry.name
            for entry in entries
            if not entry.is_file() and not entry.is_dir() and os.path.exists(entry.path)  # noqa: PTH110 - no dead link
        )


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _surely_remote(path: str) -> bool:
    """A plain URL of a known scheme, or GDAL's prefix for one, without any other path hidden in it."""
    if path.startswith("/vsi"):
        return path.lower().startswith(REMOTE_VSI) and path.count("/vsi") == 1
    return urlsplit(path).scheme.lower() in REMOTE_SCHEMES


def _join_remote(document: str, href: str) -> str:
    """`href` relative to the document's URL, for schemes that urllib does not join as well."""
    if document.startswith("/vsi"):
        return document.rsplit("/", 1)[0] + "/" + href.removeprefix("./")
    scheme, rest = document.split("://", 1)
    joined = urljoin(f"https://{rest}", href)
    return f"{scheme}://{joined.removeprefix('https://')}"
