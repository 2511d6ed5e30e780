"""A scene of which only some bands are shown, to measure what a model makes of fewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from geocloud.errors import InputError
from geocloud.raster import Raster, Window
from geocloud.readers.bands.spec import DigitalNumbers, SceneInfo
from geocloud.readers.reader import BaseScene, SceneReader


class BandSubset(BaseScene):
    """Any reader, with fewer bands; closing it closes that one."""

    def __init__(self, scene: SceneReader, bands: tuple[str, ...]) -> None:
        """`bands` are those that are shown; InputError if the scene lacks one."""
        missing = [band for band in bands if band not in scene.bands]
        if missing:
            raise InputError(f"{scene.name} has no {', '.join(missing)} among its bands {', '.join(scene.bands)}")
        self.scene = scene
        of_band = {source.band: source for source in scene.info.sources}
        self._info = replace(scene.info, sources=tuple(of_band[band] for band in bands))

    @property
    def info(self) -> SceneInfo:
        """The scene's, of these bands."""
        return self._info

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's pixels."""
        return self.scene.read(window, bands)

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's."""
        return self.scene.digital_numbers(window, bands)

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()


class KeptOpen(BandSubset):
    """A scene that stays open when a verb closes it: it is read again."""

    def close(self) -> None:
        """Leave it open."""


def subset_bands(scene: SceneReader, bands: tuple[str, ...]) -> SceneReader:
    """The scene with these bands alone; as it is where none is named."""
    return BandSubset(scene, bands) if bands else scene
