"""Copy a raster, or parts of it, together with its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from geocloud.raster import Georef
from geocloud.writers.cog import BLOCK, raster_errors

LOSSLESS = ("deflate", "lzw", "zstd", "packbits", "lzma")
_STRUCTURE = ("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "xml:VRT", "TIFF")
"""Tag domains that GDAL writes itself."""
_STALE = ("STATISTICS_",)
"""Prefixes of tags that are wrong after pixels change."""


def copy_profile(source: Any) -> dict[str, Any]:  # noqa: ANN401 - rasterio is untyped
    """The profile of a tiled GeoTIFF with the grid, types and nodata of an open raster, compressed without loss."""
    compress = str(source.profile.get("compress", "")).lower()
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": source.width, "height": source.height, "count": source.count,
        "dtype": str(np.result_type(*source.dtypes)), "nodata": source.nodata,
        "crs": source.crs, "transform": source.transform,
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "if_safer",
        "compress": compress if compress in LOSSLESS else "deflate",
        "interleave": source.profile.get("interleave", "pixel"),
    }  # fmt: skip
    points, crs = source.gcps
    if points:
        profile |= {"gcps": points, "crs": crs}
        del profile["transform"]
    if source.colorinterp[:3] == (ColorInterp.red, ColorInterp.green, ColorInterp.blue):
        profile["photometric"] = "rgb"
    return profile


def copy_description(source: Any, target: Any) -> None:  # noqa: ANN401 - rasterio is untyped
    """Copy tags, band names, units, scales, colours and RPCs to a new raster with the same bands."""
    for domain in ("", *(name for name in source.tag_namespaces() if name not in _STRUCTURE)):
        _copy_tags(source, target, 0, domain)
    target.colorinterp = source.colorinterp
    target.descriptions = source.descriptions
    target.scales, target.offsets = source.scales, source.offsets
    target.units = source.units
    for band in source.indexes:
        for domain in ("", *(name for name in source.tag_namespaces(band) if name not in _STRUCTURE)):
            _copy_tags(source, target, band, domain)
        if source.colorinterp[band - 1] is ColorInterp.palette:
            target.write_colormap(band, source.colormap(band))
    if source.rpcs is not None:
        target.rpcs = source.rpcs


def has_domains(source: Any) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True if there are tags in domains of their own that a COG should keep, and no band has plain tags.

    GDAL's COG driver can keep only one of the two, and plain tags have priority.
    """
    plain = any(not key.startswith(_STALE) for band in source.indexes for key in source.tags(band))
    bands = (0, *source.indexes)
    return not plain and any(set(source.tag_namespaces(band)) - set(_STRUCTURE) - {"RPC"} for band in bands)


def _copy_tags(source: Any, target: Any, band: int, domain: str) -> None:  # noqa: ANN401 - rasterio is untyped
    """Copy the tags of a domain (empty: the default one) of a band (0: the whole raster), without stale ones."""
    namespace = {"ns": domain} if domain else {}
    tags = {key: text for key, text in source.tags(band, **namespace).items() if not key.startswith(_STALE)}
    if tags:
        target.update_tags(band, **namespace, **tags)


def turn_over(source: Path, georef: Georef) -> Path:
    """Copy a GeoTIFF that geocloud wrote, with its rows in reverse order; returns the path of the copy beside it.

    `georef` is the grid of the copy.
    """
    target = source.with_suffix(".turned.tif")
    with raster_errors(target), rasterio.open(source) as before:
        profile = before.profile | {"transform": georef.transform, "bigtiff": "if_safer"}
        with rasterio.open(target, "w", **profile) as after:
            copy_description(before, after)
            for row in range(0, before.height, BLOCK):  # whole tiles of the copy, so that none is written twice
                rows = min(BLOCK, before.height - row)
                window = Window(0, before.height - row - rows, before.width, rows)
                after.write(before.read(window=window)[:, ::-1], window=Window(0, row, before.width, rows))
    return target
