"""The in-memory twin of every reader: for arrays already loaded, and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geocloud.georef import Georef
from geocloud.raster import Raster
from geocloud.readers.bands.radiometry import DigitalNumbers, as_digital_numbers
from geocloud.readers.reader import Closing, SceneReader
from geocloud.window import Window


@dataclass(slots=True)
class MemoryScene(Closing):
    """A scene held in arrays."""

    raster: Raster
    """All bands and the valid mask of the whole scene."""
    bands: tuple[str, ...]
    """Names of the raster's bands, in order."""
    georef: Georef
    name: str = "array"
    source: str = "memory"
    notes: tuple[str, ...] = ()
    closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Bands, raster and grid must agree."""
        if len(self.bands) != self.raster.data.shape[0] or self.georef.shape != self.raster.valid.shape:
            raise ValueError(f"{self.raster.data.shape} is no raster of {self.bands} on {self.georef.shape}")

    @property
    def file_block(self) -> tuple[int, int, int]:
        """No file: nothing to cache."""
        return 1, 1, 0

    def describe(self) -> dict[str, Any]:
        """Bands that are reflectance already."""
        return {
            "name": self.name,
            "source": self.source,
            "height": self.georef.shape[0],
            "width": self.georef.shape[1],
            "bands": {band: {"scale": 1.0, "offset": 0.0} for band in self.bands},
        }

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """Copies of the window's pixels."""
        if self.closed:
            raise ValueError(f"scene {self.name} is closed")
        rows, cols = window.slices()
        index = [self.bands.index(band) for band in bands]
        data = np.ascontiguousarray(self.raster.data[index, rows, cols])
        return Raster(data, self.raster.valid[rows, cols].copy())

    def counts(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The same, as reflectance is all it has."""
        return as_digital_numbers(self.read(window, bands))

    def close(self) -> None:
        """Refuse further reads."""
        self.closed = True


def _twin(scene: MemoryScene) -> SceneReader:
    """Type assertion: a MemoryScene is a SceneReader."""
    return scene
