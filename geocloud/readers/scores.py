"""A score file, P(cloud), read row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rasterio.windows import Window as RasterioWindow

from geocloud.errors import InputError
from geocloud.georef import Georef
from geocloud.raster import FloatArray
from geocloud.readers.opening import damaged, open_raster, raster_georef


class ScoreFile:
    """P(cloud) of a scene, open for reading."""

    def __init__(self, path: Path, georef: Georef) -> None:
        """Open it; InputError where it is not on the given grid."""
        self.path = path
        self._dataset = open_raster(str(path))
        shape = raster_georef(self._dataset, str(path)).shape
        if shape != georef.shape:
            self._dataset.close()
            raise InputError(
                f"{path} has {shape[1]}x{shape[0]} pixels, its mask {georef.shape[1]}x{georef.shape[0]}; "
                "give the score that was written beside the mask"
            )

    def read(self, row: int, height: int) -> FloatArray:
        """Rows (height, width) of P(cloud) 0..1, NaN where nodata."""
        window = RasterioWindow(0, row, self._dataset.width, height)
        with damaged(str(self.path)):
            values = self._dataset.read(1, window=window, masked=True)
        p = values.astype(np.float32) * np.float32(self._dataset.scales[0])
        return np.asarray(p.filled(np.nan), dtype=np.float32)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()
