"""What a place looks like when it is clear: its ground on each date, and how much clear ground varies between dates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from geocloud.raster import BoolArray, FloatArray

NEAR = 4
"""Dates before and after that tell the ground of a date."""
NOISE = np.float32(0.008), np.float32(0.03)
"""Least spread of one clear pixel between dates: reflectance, and share of its reflectance."""
MISPLACED = np.float32(0.3)
"""Pixels by which dates lie beside each other: noise where the ground changes from pixel to pixel."""
MOST_SPREAD = np.float32(0.15)
"""Reflectance beyond which a deviation counts as cloud that was overlooked, not as spread."""
LOST = np.float32(0.5)
"""Dates that the median takes from what the spread is estimated of."""
LEAST_WEIGHT = np.float32(1e-3)
"""Of a date that is not clear at all: where none is clear, all count alike."""
SPREAD_REACH, POOL_REACH = 2, 1
"""Pixels on each side over which the spread, and the evidence of a pixel, are averaged."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground of one date, as the near clear dates have it."""

    data: FloatArray
    """(band, h, w) reflectance at a gain of 1."""
    logit: FloatArray
    """(h, w) what the single-date detector thinks of it: logit of P(cloud)."""
    variance: FloatArray
    """(band, h, w) of clear pixels about `data`."""


def find_ground(date: int, data: FloatArray, logits: FloatArray, clearness: FloatArray, seen: BoolArray) -> Ground:
    """The median of the near dates, weighted by how clear they are.

    Args:
        date: whose ground; it has no say itself.
        data: (date, band, h, w) reflectance at a gain of 1.
        logits: (date, h, w) of P(cloud) of each date by itself.
        clearness: (date, h, w) 0 to 1.
        seen: (date, h, w) True = data.
    """
    near = [other for other in range(max(0, date - NEAR), min(len(data), date + NEAR + 1)) if other != date]
    weights = (clearness[near] + LEAST_WEIGHT * seen[near]).astype(np.float32)
    middle = weighted_median(np.concatenate([data[near], logits[near][:, None]], axis=1), weights)
    ground = middle[:-1]
    off = np.minimum(np.abs(data[near] - ground), MOST_SPREAD)
    spread = (weights[:, None] * off).sum(axis=0) / np.maximum(weights.sum(axis=0) - LOST, LOST)
    spread = np.float32(1.25) * box_means(spread, SPREAD_REACH)
    slope = sum(np.gradient(ground, axis=axis) ** 2 for axis in (1, 2)) if min(ground.shape[1:]) > 1 else 0
    variance = NOISE[0] ** 2 + (NOISE[1] * ground) ** 2 + spread**2 + MISPLACED**2 * slope
    return Ground(ground, middle[-1], variance.astype(np.float32))


def weighted_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """(band, h, w) the least of `values` (n, band, h, w) at which half of `weights` (n, h, w) lies at or below."""
    half = weights.sum(axis=0) / 2
    return np.stack([_band_median(band, weights, half) for band in values.swapaxes(0, 1)])


def _band_median(values: FloatArray, weights: FloatArray, half: FloatArray) -> FloatArray:
    """The same of one band.

    Maps are sorted with their weights by comparing whole maps, which for a few is many times faster than np.sort.
    """
    ranked, heavy = list(values), list(weights)
    for low, high in _comparisons(len(ranked)):
        one, other = ranked[low], ranked[high]
        swap = one > other
        ranked[low], ranked[high] = np.minimum(one, other), np.maximum(one, other)
        one, other = heavy[low], heavy[high]
        heavy[low], heavy[high] = np.where(swap, other, one), np.where(swap, one, other)
    middle: FloatArray = ranked[-1]
    below = np.zeros_like(half)
    reached = np.zeros(half.shape, dtype=bool)
    for value, weight in zip(ranked, heavy, strict=True):
        below += weight
        now = (below >= half) & ~reached
        middle = np.where(now, value, middle)
        reached |= now
    return middle


@cache
def _comparisons(count: int) -> tuple[tuple[int, int], ...]:
    """Pairs of places to compare, and exchange where the first holds more, that sort so many (Batcher 1968)."""
    pairs = []
    run = 1
    while run < count:
        step = run
        while step:
            for start in range(step % run, count - step, 2 * step):
                pairs += [
                    (low, low + step)
                    for low in range(start, min(start + step, count - step))
                    if low // (2 * run) == (low + step) // (2 * run)
                ]
            step //= 2
        run *= 2
    return tuple(pairs)


def box_means(values: FloatArray, reach: int) -> FloatArray:
    """(..., h, w) means over squares of 2 * reach + 1 pixels, the edges repeated; the same in every window."""
    size = 2 * reach + 1
    wide = np.pad(values, [(0, 0)] * (values.ndim - 2) + [(reach, reach)] * 2, mode="edge")
    height, width = values.shape[-2:]
    tall = wide[..., :height, :].copy()
    for row in range(1, size):
        tall += wide[..., row : row + height, :]
    sums = tall[..., :width].copy()
    for col in range(1, size):
        sums += tall[..., col : col + width]
    means: FloatArray = sums / np.float32(size * size)
    return means


def find_gains(data: FloatArray, clearness: FloatArray) -> FloatArray:
    """(date, band) brightness of each date's clear ground over that of the median of all dates.

    Bands share one factor but for a few percent: sun and view change them alike, a veil does not.

    Args:
        data: (date, band, h, w) reflectance.
        clearness: (date, h, w) 0 to 1.
    """
    middle = weighted_median(data, clearness + LEAST_WEIGHT)
    gains = np.ones(data.shape[:2], dtype=np.float32)
    for date, clear in enumerate(clearness):
        ratios = np.array([_log_ratio(band, ground, clear) for band, ground in zip(data[date], middle, strict=True)])
        if np.isfinite(ratios).any():
            shared = np.clip(np.nanmedian(ratios), -0.25, 0.25)
            gains[date] = np.exp(shared + np.clip(np.nan_to_num(ratios - shared), -0.05, 0.05))
    return gains


def _log_ratio(band: FloatArray, ground: FloatArray, clear: FloatArray) -> float:
    """Middle logarithm of a band over its ground, where that is not black; NaN where too little is clear."""
    lit = (ground > 0.02) & (band > 0)
    if clear[lit].sum() < 20:
        return float("nan")
    return middle_of(np.log(band[lit] / ground[lit]), clear[lit])


def middle_of(values: FloatArray, weights: FloatArray) -> float:
    """Weighted median of flat arrays."""
    order = np.argsort(values)
    total = weights[order].astype(np.float64).cumsum()
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
