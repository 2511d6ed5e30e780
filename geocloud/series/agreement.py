"""Which dates show the same: what is ground although it differs from the rest, and whether there is any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geocloud.raster import BoolArray, FloatArray
from geocloud.series.ground import NEAR, box_means

Pairs = dict[tuple[int, int], FloatArray]
"""Maps of pairs of dates, the earlier one first."""
Known = list[FloatArray]
"""A map of each date: whether there is a ground to speak of."""
ALIKE = np.float32(0.012), np.float32(0.07), 2
"""Difference at which two dates agree: reflectance, and share of it; pixels on each side that must agree as well, for
two clouds seldom look alike over many pixels."""


def find_agreement(even: FloatArray, seen: BoolArray) -> Pairs:
    """(h, w) 0 to 1 for each pair of dates at most 2 NEAR apart: how well their pixels and surroundings agree."""
    alike = {}
    for first in range(len(even)):
        for second in range(first + 1, min(first + 2 * NEAR + 1, len(even))):
            alike[first, second] = find_alike(even[first], even[second], seen[first] & seen[second])
    return alike


def find_alike(one: FloatArray, other: FloatArray, seen: BoolArray) -> FloatArray:
    """(h, w) 0 to 1: how well the pixels and surroundings of two images (band, h, w) agree."""
    spread = ALIKE[0] + ALIKE[1] * np.minimum(one, other).clip(min=0)
    same = np.where(seen, np.exp(-(((one - other) / spread) ** 2).mean(axis=0) / 2), np.float32(0))
    alike: FloatArray = np.minimum(same, box_means(same, ALIKE[2]))
    return alike


def find_lasting(date: int, dates: int, alike: Pairs) -> FloatArray:
    """(h, w) 0 to 1: agreement with the date before or after."""
    pairs = [alike[min(date, other), max(date, other)] for other in (date - 1, date + 1) if 0 <= other < dates]
    return np.maximum(pairs[0], pairs[-1])


def find_known(dates: int, alike: Pairs) -> Known:
    """(h, w) 0 to 1 of each date: whether some of the near dates show the same, so that there is a ground to speak of.

    One of them has to agree with a third of all. Dates that are all cloudy agree by chance only.
    """
    known = []
    for date in range(dates):
        near = range(max(0, date - NEAR), min(dates, date + NEAR + 1))
        best = np.zeros_like(next(iter(alike.values())))
        for one in near:
            others = [alike[min(one, other), max(one, other)] for other in near if other != one]
            best = np.maximum(best, _largest(others, max(1, len(near) // 3)))
        known.append(np.minimum(2 * best, np.float32(1)))  # noise keeps clear pairs near one half
    return known


def _largest(maps: Sequence[FloatArray], place: int) -> FloatArray:
    """(h, w) the largest of maps that are 0 or more, or the second, third, ... largest."""
    ranked = [np.zeros_like(maps[0])] * place
    for one in maps:
        rest = one
        for rank, held in enumerate(ranked):
            ranked[rank], rest = np.maximum(held, rest), np.minimum(held, rest)
    return ranked[-1]
