"""Score histograms that add up over scenes, fine enough to stand for the scores themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import BoolArray, FloatArray

IntArray = NDArray[np.int64]
PIXEL_BITS = 18
"""Leading bits of a float32 that give the bin of a pixel: sign, exponent, and 9 of the mantissa (0.2 % of a value)."""
EXACT_BITS = 32
"""With all bits, every float32 has its own bin."""
_SIGN = np.uint32(0x8000_0000)


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """Numbers of clear and cloudy pixels (or patches) by score; only bins that hold any are kept."""

    edges: FloatArray
    """(k,) lowest score of each bin, ascending."""
    clear: IntArray
    """(k,) number of clear pixels in the bin."""
    cloud: IntArray
    """(k,) number of cloudy pixels in the bin."""

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of clear and of cloudy pixels in all bins."""
        return int(self.clear.sum()), int(self.cloud.sum())


def histogram(score: FloatArray, truth: BoolArray, bits: int = PIXEL_BITS) -> ScoreHistogram:
    """The histogram of scores, of any shape and without NaN, and their labels in the same shape (True = cloud)."""
    keys, where = np.unique(_keys(score.ravel()) >> np.uint32(32 - bits), return_inverse=True)
    cloud = np.bincount(where[truth.ravel()], minlength=len(keys))
    total = np.bincount(where, minlength=len(keys))
    return ScoreHistogram(_values(keys << np.uint32(32 - bits)), total - cloud, cloud)


def add_up(parts: Sequence[ScoreHistogram]) -> ScoreHistogram:
    """The histogram of all scores of several histograms."""
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return ScoreHistogram(np.zeros(0, dtype=np.float32), empty, empty)
    edges, where = np.unique(np.concatenate([part.edges for part in parts]), return_inverse=True)
    clear, cloud = np.zeros(len(edges), dtype=np.int64), np.zeros(len(edges), dtype=np.int64)
    np.add.at(clear, where, np.concatenate([part.clear for part in parts]))
    np.add.at(cloud, where, np.concatenate([part.cloud for part in parts]))
    return ScoreHistogram(edges, clear, cloud)


def _keys(score: FloatArray) -> NDArray[np.uint32]:
    """Unsigned integers in the same order as the scores."""
    # The bits of positive floats are ordered like their values, those of negative ones the other way round. So the bits
    # of negative scores are inverted, and the sign bit of the others is set.
    bits = (score.astype(np.float32) + np.float32(0)).view(np.uint32)  # -0 becomes 0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _values(keys: NDArray[np.uint32]) -> FloatArray:
    """The scores that have these keys: the inverse of `_keys`."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).astype(np.uint32).view(np.float32)
