"""Write a raster square by square. It is open only during a write, so that hundreds of rasters take no memory."""

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
    """Writes squares of whole tiles, each once, to a plain GeoTIFF, and copies that to a COG."""

    def __init__(self, path: Path, georef: Georef, product: RasterFormat, tags: Mapping[str, str]) -> None:
        """Create the file at `path`; OutputError if that fails."""
        self.path, self._product = path, product
        RowWriter(path, georef, product, tags).close()

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Write a window, which must begin and end at borders of tiles or at the raster's edge.

        Args:
            window: the pixels.
            values: (h, w) or (band, h, w).

        Raises:
            ValueError: the window does not begin at a border of tiles.
            OutputError: it cannot be written.
        """
        if window.row % BLOCK or window.col % BLOCK:
            raise ValueError(f"{window} does not begin with a tile of {BLOCK} pixels")
        cube = values if values.ndim == 3 else values[None]
        target = RasterioWindow(window.col, window.row, window.width, window.height)
        with raster_errors(self.path), rasterio.open(self.path, "r+") as file:
            file.write(np.ascontiguousarray(cube), window=target)

    def finish(self, target: Path, tags: Mapping[str, str]) -> None:
        """Add the last tags and copy the raster to a COG at `target`; OutputError if that fails."""
        with raster_errors(self.path), rasterio.open(self.path, "r+") as file:
            file.update_tags(**tags)
        copy_to_cog(self.path, target, self._product)
