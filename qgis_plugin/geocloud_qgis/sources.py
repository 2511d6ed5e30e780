"""From a raster layer's source to what the program takes as a scene, and to a short name for it.

A layer may be one band of a product (a Sentinel-2 `.SAFE`, a Landsat folder, an archive of either): then the product is
the scene. Paths are handled as text: `pathlib` would change GDAL's own, such as `/vsitar//data/LC08.tar/B4.TIF`.
Imports no qgis.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable
from urllib.parse import urlsplit
from urllib.request import url2pathname

_SUBDATASET = re.compile(r'^(?:SENTINEL2_\w+|NETCDF|HDF\dI?|HDF4_\w+:\w+):"?(.+?)"?(?::[^/\\]*)?$')
_ARCHIVE = re.compile(r"^/vsi(?:zip|tar)/\{?(.+?\.(?:zip|tar\.gz|tgz|tar))\}?(?:[/\\](.*))?$", re.IGNORECASE)
_SAFE = re.compile(r"^(.*?\.SAFE)[/\\]", re.IGNORECASE)
_ONE_BAND = re.compile(
    r"(?:^|_)(?:SR_|TOA_|ST_)?B(?:\d{1,2}|8A)(?:_\d+m)?$"  # B02, B03_60m, SR_B4
    r"|^L[CEMOT]\d\d_L\d\w\w_\d{6}_\d{8}_",  # any file of a Landsat product, such as its QA_PIXEL
    re.IGNORECASE,
)
DRIVER_URI = re.compile(r"^[A-Z][A-Z0-9_]+:(?!//)", re.IGNORECASE)
"""A GDAL source that is no path, such as `GPKG:/data/all.gpkg:scene`; neither a URL nor a Windows drive."""
_SENTINEL2 = re.compile(r"^(S2[A-D])_MSIL\d\w_(\d{4})(\d\d)(\d\d)T\w+?_(T\d\d[A-Z]{3})_", re.IGNORECASE)
_LANDSAT = re.compile(r"^(L[CEMOT]\d\d)_L\d\w\w_(\d{6})_(\d{4})(\d\d)(\d\d)_", re.IGNORECASE)
_SUFFIXES = re.compile(r"(?:\.(?:SAFE|zarr|tar|tgz|zip|gz|[A-Za-z][A-Za-z0-9]{0,7}))+$", re.IGNORECASE)
LONGEST_TITLE = 40


def scene_source(path: str, band_count: int) -> str:
    """What to give to the program for a layer with this path (GDAL's, without layer options) and number of bands."""
    match = _SUBDATASET.match(path)
    inner = match.group(1) if match else path
    product = _SAFE.match(inner + "/")
    archive = _ARCHIVE.match(inner)
    part = bool(match and product) or (band_count < 3 and (product or _ONE_BAND.search(_stem(inner))))
    if not part:
        return inner
    if archive:
        return archive.group(1)
    return product.group(1) if product else re.sub(r"[/\\][^/\\]*$", "", inner)


def is_inside_qgis(source: str) -> bool:
    """True for a raster that no other program can open by its name: a table of a database, or QGIS's own memory."""
    return bool(DRIVER_URI.match(source)) or source.lower().endswith(".gpkg") or source.startswith("/vsimem/")


def may_name_files(source: str) -> bool:
    """True where the program asks for leave to read what a file names: a virtual raster, a document of a format.

    QGIS has read such a layer already, with all that it names. netCDF and HDF5 are read without leave, by other means.
    """
    return re.search(r"\.(?:nc4?|cdf|h5|he5|hdf5?)$", source, re.IGNORECASE) is None


def typed_path(text: str) -> str:
    """A path or address as people type and paste it: in quotes, as file:///, with ~ for the home folder."""
    path = text.strip()
    if len(path) > 1 and path[0] == path[-1] and path[0] in "\"'":
        path = path[1:-1].strip()
    if path.lower().startswith("file:"):
        path = url2pathname(urlsplit(path).path)
    return str(Path(path).expanduser()) if path.startswith("~") else path


def scene_title(source: str) -> str:
    """A short name for layers and groups: `S2A T29UNU 2022-10-05` for a product, else the file's stem."""
    stem = _stem(source)
    for pattern, form in ((_SENTINEL2, "{0} {4} {1}-{2}-{3}"), (_LANDSAT, "{0} {1} {2}-{3}-{4}")):
        match = pattern.match(stem)
        if match:
            return form.format(*(part.upper() for part in match.groups()))
    return shortened(stem)


def shortened(name: str) -> str:
    """The name, without its middle where it is long."""
    half = LONGEST_TITLE // 2 - 1
    return name if len(name) <= LONGEST_TITLE else f"{name[:half]}…{name[-half:]}"


def free_names(sources: Iterable[str]) -> list[str]:
    """A file name for each source, without suffix: its stem, with a number where another has it already."""
    names: list[str] = []
    for source in sources:
        stem, number = _stem(source), 1
        while (stem if number == 1 else f"{stem}_{number}").lower() in {name.lower() for name in names}:
            number += 1
        names.append(stem if number == 1 else f"{stem}_{number}")
    return names


def _stem(source: str) -> str:
    """The last part of a path, URL or `DRIVER:path:table`, without suffixes."""
    path = source.split("?", maxsplit=1)[0] if "://" in source else source
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path
    table = re.match(r"^.*\.\w+:(\w.*)$", name)
    return table.group(1) if table else _SUFFIXES.sub("", name) or name
