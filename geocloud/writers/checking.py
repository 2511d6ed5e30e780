"""Written files read back before they are handed over.

GDAL writes the last of a file while closing it, and a failure there, as of a full disk, is told to nobody.
"""

from __future__ import annotations

from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from geocloud.errors import OutputError

_ROOM = "the file is incomplete: make room on the disk, or choose another folder"


def check_stored(path: Path) -> None:
    """OutputError where a plain GeoTIFF lacks a block, which would be read as nodata, or ends before one does."""
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        bands = dataset.indexes if str(dataset.profile.get("interleave", "band")).lower() == "band" else [1]
        for band in bands:
            for (row, col), _ in dataset.block_windows(band):
                place = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
                length = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=band)
                if place is None or int(place) + int(length or 0) > size:
                    raise OutputError(f"{path} cannot be written; {_ROOM}")


def check_readable(path: Path) -> None:
    """OutputError where a block of a COG or of its overviews cannot be decoded; deflate's checksums tell."""
    try:
        with rasterio.open(path) as dataset:
            levels = len(dataset.overviews(1))
            _read_all(dataset)
        for level in range(levels):
            with rasterio.open(path, overview_level=level) as dataset:
                _read_all(dataset)
    except RasterioError as error:
        raise OutputError(f"{path} cannot be written; {_ROOM}") from error


def _read_all(dataset: rasterio.DatasetReader) -> None:
    for _, window in dataset.block_windows(1):
        dataset.read(window=window)
