"""Joins the tiles of one export to one raster, by a virtual raster in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from rasterio.io import MemoryFile

from geocloud.errors import InputError
from geocloud.readers.files.opening import open_raster
from geocloud.readers.files.paths import JOINED

_KEPT: dict[str, MemoryFile] = {}
"""Documents stay in memory as long as the program, since threads open them at any time."""
_TYPES = {"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32"}


def join(paths: Sequence[str], name: str, *, allow_external: bool = False) -> str:
    """A path by which rasterio opens tiles on one grid as one raster; InputError if they are not alike."""
    key = hashlib.sha256("\n".join(paths).encode()).hexdigest()[:16]
    if key not in _KEPT:
        text = _document(paths, allow_external=allow_external)
        _KEPT[key] = MemoryFile(text.encode(), dirname=f"{JOINED}{key}", filename=f"{name}.vrt")
    return str(_KEPT[key].name)


def _document(paths: Sequence[str], *, allow_external: bool) -> str:
    """XML of the virtual raster."""
    tiles = []
    for path in paths:
        with open_raster(path, allow_external=allow_external) as dataset:
            tiles.append((path, dataset.bounds, dataset.shape, dataset.profile, dataset.descriptions))
    profile, descriptions = tiles[0][3], tiles[0][4]
    grid = [(tile[3]["crs"], tile[3]["count"], tile[3]["dtype"], tile[3]["transform"].a) for tile in tiles]
    if len(set(map(str, grid))) > 1:
        raise InputError(f"the tiles {paths[0]} and others are not alike; join them, as with gdalbuildvrt")
    transform = profile["transform"]
    west, north = min(tile[1].left for tile in tiles), max(tile[1].top for tile in tiles)
    width = round((max(tile[1].right for tile in tiles) - west) / transform.a)
    height = round((min(tile[1].bottom for tile in tiles) - north) / transform.e)
    bands = "".join(
        _band(number, profile, descriptions[number - 1] or "", [_source(tile, number, (west, north)) for tile in tiles])
        for number in range(1, profile["count"] + 1)
    )
    place = f"{west!r}, {transform.a!r}, 0, {north!r}, 0, {transform.e!r}"
    crs = escape(profile["crs"].to_wkt()) if profile["crs"] else ""
    return (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{crs}</SRS>'
        f"<GeoTransform>{place}</GeoTransform>{bands}</VRTDataset>"
    )


def _band(number: int, profile: Any, description: str, sources: Sequence[str]) -> str:  # noqa: ANN401 - rasterio's own
    dtype = _TYPES.get(profile["dtype"], profile["dtype"].capitalize())
    nodata = f"<NoDataValue>{profile['nodata']}</NoDataValue>" if profile.get("nodata") is not None else ""
    return (
        f'<VRTRasterBand dataType="{dtype}" band="{number}"><Description>{escape(description)}</Description>{nodata}'
        f"{''.join(sources)}</VRTRasterBand>"
    )


def _source(tile: Any, number: int, corner: tuple[float, float]) -> str:  # noqa: ANN401 - rasterio's own
    path, bounds, (height, width), profile, _ = tile
    column = round((bounds.left - corner[0]) / profile["transform"].a)
    row = round((bounds.top - corner[1]) / profile["transform"].e)
    size = f'xSize="{width}" ySize="{height}"'
    return (
        f"<SimpleSource><SourceFilename relativeToVRT={quoteattr('0')}>{escape(path)}</SourceFilename>"
        f'<SourceBand>{number}</SourceBand><SrcRect xOff="0" yOff="0" {size}/>'
        f'<DstRect xOff="{column}" yOff="{row}" {size}/></SimpleSource>'
    )
