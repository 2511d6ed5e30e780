"""Compare dates with each other: which of them show the same ground, and whether the series shows any ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geocloud.raster import BoolArray, FloatArray
from geocloud.series.ground import NEAR, box_means

Pairs = dict[tuple[int, int], FloatArray]
"""(h, w) map of each pair of dates, (earlier, later)."""
Known = list[FloatArray]
"""(h, w) map of each date, 0 to 1: whether the near dates agree on a ground."""
ALIKE = np.float32(0.012), np.float32(0.07), 2
"""Spread of two dates that agree: reflectance, and share of the reflectance. Last, the pixels on each side that must
agree as well: two clouds seldom look alike over many pixels."""


def find_agreement(levelled: FloatArray, seen: BoolArray) -> Pairs:
    """How well the pixels and their surroundings agree, (h, w) 0 to 1, for each pair of dates at most 2 NEAR apart.

    Args:
        levelled: (date, band, h, w) reflectance, divided by the gain.
        seen: (date, h, w) True = data.
    """
    agreement = {}
    for first in range(len(levelled)):
        for second in range(first + 1, min(first + 2 * NEAR + 1, len(levelled))):
            agreement[first, second] = find_alike(levelled[first], levelled[second], seen[first] & seen[second])
    return agreement


def find_alike(first: FloatArray, second: FloatArray, seen: BoolArray) -> FloatArray:
    """(h, w) 0 to 1: how well the pixels and surroundings of two images (band, h, w) agree; 0 where not seen (h, w)."""
    spread = ALIKE[0] + ALIKE[1] * np.minimum(first, second).clip(min=0)
    same = np.where(seen, np.exp(-(((first - second) / spread) ** 2).mean(axis=0) / 2), np.float32(0))
    agreement: FloatArray = np.minimum(same, box_means(same, ALIKE[2]))
    return agreement


def find_lasting(date: int, dates: int, agreement: Pairs) -> FloatArray:
    """(h, w) 0 to 1: agreement of a date with the one before or after, whichever is higher; there are at least two."""
    pairs = [
        agreement[min(date, neighbour), max(date, neighbour)]
        for neighbour in (date - 1, date + 1)
        if 0 <= neighbour < dates
    ]
    return np.maximum(pairs[0], pairs[-1])


def find_known(dates: int, agreement: Pairs) -> Known:
    """(h, w) 0 to 1 of each date: whether the near dates agree on a ground.

    At least one of them must agree with a third of them. Dates that are all cloudy agree only by chance.
    """
    known = []
    for date in range(dates):
        near = range(max(0, date - NEAR), min(dates, date + NEAR + 1))
        best = np.zeros_like(next(iter(agreement.values())))
        for candidate in near:
            others = [agreement[min(candidate, other), max(candidate, other)] for other in near if other != candidate]
            best = np.maximum(best, _largest(others, max(1, len(near) // 3)))
        known.append(np.minimum(2 * best, np.float32(1)))  # noise keeps the agreement of clear pairs near 0.5
    return known


def _largest(maps: Sequence[FloatArray], place: int) -> FloatArray:
    """(h, w) the largest (`place` 1), second largest (2)... value of each pixel among the maps, which are all >= 0."""
    ranked = [np.zeros_like(maps[0])] * place
    for values in maps:
        rest = values
        for rank, value in enumerate(ranked):
            ranked[rank], rest = np.maximum(value, rest), np.minimum(value, rest)
    return ranked[-1]
