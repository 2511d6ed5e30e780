"""The in-memory twin of every reader: for arrays already loaded, and for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geocloud.raster import Georef, Raster, Window
from geocloud.readers.bands.spec import BandSource, DigitalNumbers, SceneInfo, as_digital_numbers
from geocloud.readers.reader import BaseScene, SceneReader


class MemoryScene(BaseScene):
    """A scene held in arrays."""

    def __init__(
        self,
        raster: Raster,
        bands: Sequence[str],
        georef: Georef,
        name: str = "array",
        source: str = "memory",
        notes: tuple[str, ...] = (),
    ) -> None:
        """`raster` holds all bands and the valid mask of the whole scene; `bands` names its bands, in order."""
        if len(bands) != raster.data.shape[0] or georef.shape != raster.valid.shape:
            raise ValueError(f"{raster.data.shape} is no raster of {tuple(bands)} on {georef.shape}")
        self.raster, self.closed = raster, False
        sources = tuple(BandSource(band, source, number) for number, band in enumerate(bands, start=1))
        self._info = SceneInfo(name, source, georef, sources, notes=notes, kind="memory")

    @property
    def info(self) -> SceneInfo:
        """Bands that are reflectance already."""
        return self._info

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """Copies of the window's pixels."""
        if self.closed:
            raise ValueError(f"scene {self.name} is closed")
        rows, cols = window.slices()
        index = [self.bands.index(band) for band in bands]
        data = np.ascontiguousarray(self.raster.data[index, rows, cols])
        return as_digital_numbers(Raster(data, self.raster.valid[rows, cols].copy()))

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The same, as reflectance is all it has."""
        numbers = self.digital_numbers(window, bands)
        return Raster(np.stack(numbers.values), numbers.valid)

    def close(self) -> None:
        """Refuse further reads."""
        self.closed = True


def _twin(scene: MemoryScene) -> SceneReader:
    """Type assertion: a MemoryScene is a SceneReader."""
    return scene
