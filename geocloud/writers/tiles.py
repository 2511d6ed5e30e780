"""A raster that is written square by square, and is open only while a square is: of hundreds none costs memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.raster import Georef, Window
from geocloud.writers.cog import BLOCK, RasterFormat, RowWriter, copy_to_cog, raster_errors


class TileWriter:
    """Writes squares of whole tiles to a plain GeoTIFF, each once, and copies it to a COG."""

    def __init__(self, path: Path, georef: Georef, product: RasterFormat, tags: Mapping[str, str]) -> None:
        """Create the file; OutputError where it cannot be created."""
        self.path, self._product = path, product
        RowWriter(path, georef, product, tags).close()

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """(h, w) or (band, h, w) of a window that begins and ends with a tile, or at the raster's edge."""
        if window.row % BLOCK or window.col % BLOCK:
            raise ValueError(f"{window} does not begin with a tile of {BLOCK} pixels")
        cube = values if values.ndim == 3 else values[None]
        place = RasterioWindow(window.col, window.row, window.width, window.height)
        with raster_errors(self.path), rasterio.open(self.path, "r+") as file:
            file.write(np.ascontiguousarray(cube), window=place)

    def finish(self, target: Path, tags: Mapping[str, str]) -> None:
        """Copy it to a COG, with tags that are known only now."""
        with raster_errors(self.path), rasterio.open(self.path, "r+") as file:
            file.update_tags(**tags)
        copy_to_cog(self.path, target, self._product)
