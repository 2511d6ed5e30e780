"""Pixels in memory: a window of a scene, and the blocks a scorer is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geocloud.window import Window

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

CLEAR, CLOUD, NODATA = 0, 1, 255
"""Codes of a mask."""
THIN, HAZE, DUST, SHADOW, SNOW = 2, 3, 4, 5, 6
"""Codes that a mask holds besides, where more classes are asked for."""


@dataclass(frozen=True, slots=True)
class Raster:
    """A window of a scene."""

    data: FloatArray
    """(band, height, width) reflectance, 0 dark to about 1 bright; anything where `valid` is False."""
    valid: BoolArray
    """(height, width); True = data, False = nodata."""

    def __post_init__(self) -> None:
        """Shapes must agree; later code trusts it."""
        if self.data.ndim != 3 or self.data.shape[1:] != self.valid.shape:
            raise ValueError(f"data {self.data.shape} and valid {self.valid.shape} are not of one window")


@dataclass(frozen=True, slots=True)
class PatchBatch:
    """Blocks that a scorer is given at once; each with its halo, all of one size."""

    windows: tuple[Window, ...]
    """The blocks' windows in the scene, without halo; they may reach beyond its edge."""
    data: FloatArray
    """(n, band, height + 2 halo, width + 2 halo) reflectance; nodata filled with the block's mean, edges reflected."""
    valid: BoolArray
    """(n, height + 2 halo, width + 2 halo); True = data of the scene or its reflection."""
    bands: tuple[str, ...]
    """Names of the bands, in the order of axis 1."""


def spread(layer: NDArray[Any], step: int, shape: tuple[int, int]) -> NDArray[Any]:
    """(..., h, w) of squares as (..., *shape) of pixels: each value step x step times, what is too much cut off."""
    pixels = np.repeat(np.repeat(layer, step, axis=-1), step, axis=-2) if step > 1 else layer
    return pixels[..., : shape[0], : shape[1]]
