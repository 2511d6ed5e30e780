"""A scene whose first row lies in the south, seen from the north: its mask is then that of its north-up twin.

Blocks begin at the first row, so from the other side a few pixels of a thousand would be told otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from affine import Affine

from geocloud.raster import Georef, Raster, Window
from geocloud.readers.bands.spec import DigitalNumbers, SceneInfo
from geocloud.readers.reader import BaseScene, SceneReader, whole_of


class NorthUp(BaseScene):
    """Any reader, its rows in reverse; closing it closes that one."""

    def __init__(self, scene: SceneReader) -> None:
        """Show a scene whose rows run from south to north."""
        self.scene = scene
        self._info = replace(scene.info, georef=upside_down(scene.georef))

    @property
    def info(self) -> SceneInfo:
        """The scene's, on the reversed grid."""
        return self._info

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's pixels."""
        raster = self.scene.read(self._place(window), bands)
        return Raster(np.ascontiguousarray(raster.data[:, ::-1]), np.ascontiguousarray(raster.valid[::-1]))

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's."""
        found = self.scene.digital_numbers(self._place(window), bands)
        return replace(found, values=tuple(values[::-1] for values in found.values), valid=found.valid[::-1])

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()

    def _place(self, window: Window) -> Window:
        """A window as one of the scene."""
        return Window(self.georef.shape[0] - window.stop_row, window.col, window.height, window.width)


def upside_down(georef: Georef) -> Georef:
    """The georeference of a raster whose rows are reversed."""
    height = georef.shape[0]
    return replace(georef, transform=georef.transform @ Affine(1, 0, 0, 0, -1, height))


def north_up(scene: SceneReader) -> SceneReader:
    """The scene with its first row in the north; as it is where that is so, or where it has no reference system."""
    transform = scene.georef.transform
    placed = scene.georef.located and not scene.georef.gcps
    return NorthUp(scene) if placed and transform.is_rectilinear and transform.e > 0 else scene


def own_georef(scene: SceneReader) -> Georef:
    """The grid that outputs are written on: with rows as the scene's files have them."""
    whole, area = whole_of(scene)
    if not isinstance(whole, NorthUp):
        return scene.georef
    return upside_down(scene.georef) if area is not None else whole.scene.georef
