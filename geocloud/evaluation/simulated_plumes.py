"""Plumes of haze, smoke, dust and cloud for tests of the mask's classes: another generator than that of training.

Training lays octaves of value noise with slopes of -1.8 to -0.5 and 0.5 to 1.3 over whole crops; these are sums of
Gaussian puffs along a wind direction, with the slopes named below.
"""

from __future__ import annotations

import numpy as np

from geocloud.raster import FloatArray
from geocloud.readers.bands.names import CENTRES

PLUMES = {"flat cloud": (0.0, 0.7), "haze": (-0.7, 0.45), "smoke": (-1.3, 0.35), "dust": (0.9, 0.4)}
"""Kind -> slope of the brightness over wavelength, and reflectance at 0.56 micrometres."""


def plume(
    kind: str, shape: tuple[int, ...], bands: tuple[str, ...], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Opacity (h, w) 0..0.9 and colour (band, 1, 1) of a plume of a kind in PLUMES; no plume is seen in cirrus."""
    slope, bright = PLUMES[kind]
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, start = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8, 2) * (height, width)
    opacity: FloatArray = np.zeros((height, width), dtype=np.float32)
    for step in range(24):
        reach = 0.01 * min(shape) * step
        row, col = start + reach * np.array([np.sin(angle), np.cos(angle)]) + rng.normal(0, 3 + 0.2 * step, 2)
        size = (0.05 + 0.006 * step) * min(shape)
        opacity += np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * size**2)) * np.float32(rng.uniform(0.1, 0.5))
    colour = [0.003 if band == "cirrus" else bright * (CENTRES[band] / 0.56) ** slope for band in bands]
    return np.minimum(opacity, 0.9), np.array(colour, dtype=np.float32)[:, None, None]
