"""A scene seen at a coarser resolution, and the way back to its own grid."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from affine import Affine

from geocloud.georef import Georef
from geocloud.raster import BoolArray, FloatArray, Raster
from geocloud.readers.bands.radiometry import DigitalNumbers, as_digital_numbers, average
from geocloud.readers.reader import Closing, SceneReader
from geocloud.window import Window

READ_PIXELS = 1 << 19
"""Pixels of the scene that are averaged at once: quickest, and small, while they fit the processor's cache."""
KEPT_ROWS = 128
"""Rows of the scene whose valid pixels are kept together, and forgotten together."""


class CoarseScene(Closing):
    """Every `factor` x `factor` pixels of a scene as one: the mean of the valid ones, valid where any is.

    It remembers which of the scene's own pixels are valid until `take_valid` asks for them, so that the scene is read
    only once.
    """

    def __init__(self, scene: SceneReader, factor: int) -> None:
        """`factor` 1 or more; the last row and column may cover fewer pixels."""
        self.fine, self.factor = scene, factor
        height, width = scene.georef.shape
        shape = -(-height // factor), -(-width // factor)
        transform = scene.georef.transform @ Affine.scale(factor)
        self._georef = Georef(shape, transform, scene.georef.crs_wkt)
        self._valid: dict[int, BoolArray] = {}
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The scene's."""
        return self.fine.name

    @property
    def source(self) -> str:
        """The scene's."""
        return self.fine.source

    @property
    def georef(self) -> Georef:
        """The coarse grid."""
        return self._georef

    @property
    def bands(self) -> tuple[str, ...]:
        """The scene's."""
        return self.fine.bands

    @property
    def notes(self) -> tuple[str, ...]:
        """The scene's."""
        return self.fine.notes

    @property
    def file_block(self) -> tuple[int, int, int]:
        """In coarse pixels."""
        height, width, depth = self.fine.file_block
        return max(1, height // self.factor), max(1, width // self.factor), depth * self.factor**2

    def describe(self) -> dict[str, Any]:
        """The scene's."""
        return self.fine.describe()

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """Means of reflectance; see SceneReader."""
        data: FloatArray = np.empty((len(bands), *window.shape), dtype=np.float32)
        valid = np.empty(window.shape, dtype=bool)
        rows = max(1, READ_PIXELS // (window.width * self.factor**2))
        for start in range(0, window.height, rows):
            strip = Window(window.row + start, window.col, min(rows, window.height - start), window.width)
            part = self._read(strip, bands)
            data[:, start : start + strip.height] = part.data
            valid[start : start + strip.height] = part.valid
        return Raster(data, valid)

    def counts(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The means as they are."""
        return as_digital_numbers(self.read(window, bands))

    def _read(self, window: Window, bands: Sequence[str]) -> Raster:
        step = self.factor
        area = Window(window.row * step, window.col * step, window.height * step, window.width * step)
        area = area.clip(self.fine.georef.shape)
        counts = self.fine.counts(area, bands)
        self._remember(area, counts.valid)
        return average(counts, window.shape, step).reflectance()

    def _remember(self, area: Window, valid: BoolArray) -> None:
        with self._lock:
            first = max(area.row, self._taken)
            for part in range(first // KEPT_ROWS, -(-area.stop_row // KEPT_ROWS)):
                if part not in self._valid:
                    self._valid[part] = np.zeros((KEPT_ROWS, self.fine.georef.shape[1]), dtype=bool)
                top = part * KEPT_ROWS
                low, high = max(first, top), min(area.stop_row, top + KEPT_ROWS)
                here = valid[low - area.row : high - area.row]
                self._valid[part][low - top : high - top, area.col : area.stop_col] = here

    def take_valid(self, row: int, height: int) -> BoolArray:
        """(height, width) which of the scene's own pixels are valid, of rows that were read; forgotten after."""
        stop = row + height
        with self._lock:
            self._taken = stop
            parts = range(row // KEPT_ROWS, -(-stop // KEPT_ROWS))
            taken = [self._valid[part][max(0, row - part * KEPT_ROWS) : stop - part * KEPT_ROWS] for part in parts]
            for part in range(parts.start, stop // KEPT_ROWS):
                del self._valid[part]
        return np.concatenate(taken)

    def close(self) -> None:
        """Close the scene."""
        self.fine.close()


def _scene(scene: CoarseScene) -> SceneReader:
    """Type assertion: a CoarseScene is a SceneReader."""
    return scene
