"""Compare dates with each other: which of them show the same ground, and whether the series shows any ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.raster import BoolArray, FloatArray
from geocloud.series.ground import NEAR, box_means

Pairs = dict[tuple[int, int], FloatArray]
"""(h, w) map of each pair of dates, (earlier, later)."""
ALIKE = np.float32(0.012), np.float32(0.07), 2
"""Spread of two dates that agree: reflectance, and share of the reflectance. Last, the pixels on each side that must
agree as well: two clouds seldom look alike over many pixels."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Which dates show the same."""

    pairs: Pairs
    """How well two dates agree, 0 to 1."""
    known: list[FloatArray]
    """(h, w) map of each date, 0 to 1: whether the near dates agree on a ground."""
    among_others: list[FloatArray]
    """The same without the date itself, and stricter: the others may all be cloudy, and two clouds may look alike."""


def find_agreement(levelled: FloatArray, seen: BoolArray) -> Agreement:
    """Compare the dates of a window.

    Args:
        levelled: (date, band, h, w) reflectance, divided by the gain.
        seen: (date, h, w) True = data.
    """
    pairs, known, among_others = _find_pairs(levelled, seen), [], []
    for date in range(len(levelled)):
        near = range(max(0, date - NEAR), min(len(levelled), date + NEAR + 1))
        known.append(_find_known(near, max(1, len(near) // 3), pairs))
        others = [other for other in near if other != date]
        among_others.append(_find_known(others, max(1, -(-2 * (len(others) - 1) // 3)), pairs))
    return Agreement(pairs, known, among_others)


def _find_pairs(levelled: FloatArray, seen: BoolArray) -> Pairs:
    """How well the pixels and their surroundings agree, for each pair of dates at most 2 NEAR apart."""
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


def find_lasting(date: int, dates: int, pairs: Pairs) -> FloatArray:
    """(h, w) 0 to 1: agreement of a date with the one before or after, whichever is higher; there are at least two."""
    both = [
        pairs[min(date, neighbour), max(date, neighbour)]
        for neighbour in (date - 1, date + 1)
        if 0 <= neighbour < dates
    ]
    return np.maximum(both[0], both[-1])


def _find_known(dates: Sequence[int], count: int, pairs: Pairs) -> FloatArray:
    """(h, w) 0 to 1: whether one of the dates agrees with `count` of the rest; cloudy dates do only by chance."""
    best = np.zeros_like(next(iter(pairs.values())))
    for candidate in dates:
        rest = [pairs[min(candidate, other), max(candidate, other)] for other in dates if other != candidate]
        best = np.maximum(best, _largest(rest, count))
    known: FloatArray = np.minimum(2 * best, np.float32(1))  # noise keeps the agreement of clear pairs near 0.5
    return known


def _largest(maps: Sequence[FloatArray], place: int) -> FloatArray:
    """(h, w) the largest (`place` 1), second largest (2)... value of each pixel among the maps, which are all >= 0."""
    ranked = [np.zeros_like(maps[0])] * place
    for values in maps:
        rest = values
        for rank, value in enumerate(ranked):
            ranked[rank], rest = np.maximum(value, rest), np.minimum(value, rest)
    return ranked[-1]
