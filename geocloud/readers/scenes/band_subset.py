"""A scene of which only some bands are shown, to measure what a model makes of fewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from geocloud.errors import InputError
from geocloud.georef import Georef
from geocloud.raster import Raster
from geocloud.readers.bands.radiometry import DigitalNumbers
from geocloud.readers.reader import Closing, SceneReader
from geocloud.window import Window


@dataclass(frozen=True, slots=True)
class BandSubset(Closing):
    """Any reader, with fewer bands; closing it closes that one."""

    scene: SceneReader
    bands: tuple[str, ...]
    """Those that are shown; the scene must have them all."""

    def __post_init__(self) -> None:
        """InputError where one is missing."""
        missing = [band for band in self.bands if band not in self.scene.bands]
        if missing:
            raise InputError(f"{self.name} has no {', '.join(missing)} among its bands {', '.join(self.scene.bands)}")

    @property
    def name(self) -> str:
        """The scene's."""
        return self.scene.name

    @property
    def source(self) -> str:
        """The scene's."""
        return self.scene.source

    @property
    def georef(self) -> Georef:
        """The scene's."""
        return self.scene.georef

    @property
    def notes(self) -> tuple[str, ...]:
        """The scene's."""
        return self.scene.notes

    @property
    def file_block(self) -> tuple[int, int, int]:
        """The scene's."""
        return self.scene.file_block

    def describe(self) -> dict[str, Any]:
        """The scene's."""
        return self.scene.describe()

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's pixels."""
        return self.scene.read(window, bands)

    def counts(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's."""
        return self.scene.counts(window, bands)

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()


def subset_bands(scene: SceneReader, bands: tuple[str, ...]) -> SceneReader:
    """The scene with these bands alone; as it is where none is named."""
    return BandSubset(scene, bands) if bands else scene
