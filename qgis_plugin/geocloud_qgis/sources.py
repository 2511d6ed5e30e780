"""From a raster layer's source to what the program takes as a scene.

A layer may be one band of a product's folder (a Sentinel-2 `.SAFE`, a Landsat folder): then the folder is the scene.
Imports no qgis.
"""

from __future__ import annotations

import re
from pathlib import PurePath

_SUBDATASET = re.compile(r'^(?:SENTINEL2_\w+|NETCDF|HDF\dI?|HDF4_\w+:\w+):"?(.+?)"?(?::[^/\\]*)?$')
_ONE_BAND = re.compile(r"(?:^|_)(?:SR_|TOA_)?B(?:\d{1,2}|8A)(?:_\d+m)?$", re.IGNORECASE)


def scene_source(path: str, band_count: int) -> str:
    """What to give to the program for a layer with this path (GDAL's, without layer options) and number of bands."""
    match = _SUBDATASET.match(path)
    inner = match.group(1) if match else path
    product = _safe_folder(inner)
    if product and (match or band_count < 3):
        return product
    if band_count < 3 and _ONE_BAND.search(PurePath(inner).stem):
        return str(PurePath(inner).parent)
    return inner


def _safe_folder(path: str) -> str:
    """The `.SAFE` folder that holds the path, or an empty string."""
    for parent in PurePath(path).parents:
        if parent.suffix.upper() == ".SAFE":
            return str(parent)
    return ""
