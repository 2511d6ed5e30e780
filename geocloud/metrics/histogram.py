"""Score histograms that add up over scenes, fine enough to stand for the scores themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import BoolArray, FloatArray

IntArray = NDArray[np.int64]
PIXEL_BITS = 18
"""Bits of a float32 that tell bins apart for pixels: sign, exponent and 9 of the mantissa, so 0.2 % of the value."""
EXACT_BITS = 32
"""Every float32 its own bin."""
_SIGN = np.uint32(0x8000_0000)


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """How many clear and cloudy pixels (or patches) have which score; only bins that hold any are kept."""

    edges: FloatArray
    """(k,) lowest score of each bin, ascending."""
    clear: IntArray
    """(k,) clear ones in the bin."""
    cloud: IntArray
    """(k,) cloudy ones."""

    @property
    def sizes(self) -> tuple[int, int]:
        """Clear and cloudy ones in all."""
        return int(self.clear.sum()), int(self.cloud.sum())


def histogram(score: FloatArray, truth: BoolArray, bits: int = PIXEL_BITS) -> ScoreHistogram:
    """The histogram of scores, of any shape and without NaN, beside their truth (True = cloud)."""
    keys, where = np.unique(_keys(score.ravel()) >> np.uint32(32 - bits), return_inverse=True)
    cloud = np.bincount(where[truth.ravel()], minlength=len(keys))
    both = np.bincount(where, minlength=len(keys))
    return ScoreHistogram(_values(keys << np.uint32(32 - bits)), both - cloud, cloud)


def add_up(parts: Sequence[ScoreHistogram]) -> ScoreHistogram:
    """The histogram of all their scores together."""
    if not parts:
        none = np.zeros(0, dtype=np.int64)
        return ScoreHistogram(np.zeros(0, dtype=np.float32), none, none)
    edges, where = np.unique(np.concatenate([part.edges for part in parts]), return_inverse=True)
    clear, cloud = np.zeros(len(edges), dtype=np.int64), np.zeros(len(edges), dtype=np.int64)
    np.add.at(clear, where, np.concatenate([part.clear for part in parts]))
    np.add.at(cloud, where, np.concatenate([part.cloud for part in parts]))
    return ScoreHistogram(edges, clear, cloud)


def _keys(score: FloatArray) -> NDArray[np.uint32]:
    """Unsigned integers in the order of the scores: a float32's bits, negative ones turned round."""
    bits = (score.astype(np.float32) + np.float32(0)).view(np.uint32)  # -0 becomes 0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _values(keys: NDArray[np.uint32]) -> FloatArray:
    """The scores of such integers."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).astype(np.uint32).view(np.float32)
