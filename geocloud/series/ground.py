"""Estimate the clear ground of each date from the neighbouring dates, and its variance between dates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from geocloud.raster import BoolArray, FloatArray

NEAR = 4
"""Number of dates before a date, and after it, from which its ground is estimated."""
NOISE = np.float32(0.008), np.float32(0.03)
"""Minimum spread of a clear pixel between dates: reflectance, and share of the pixel's reflectance."""
MISPLACED = np.float32(0.3)
"""Misregistration between dates, in pixels: it adds noise where the ground changes from pixel to pixel."""
MOST_SPREAD = np.float32(0.15)
"""Deviations are clipped to this reflectance: larger ones come from cloud that was missed, not from the ground."""
LOST = np.float32(0.5)
"""Degrees of freedom that the median uses up, in dates."""
LEAST_WEIGHT = np.float32(1e-3)
"""Weight of a date that is not clear at all; where no date is clear, all have the same weight."""
SPREAD_REACH, POOL_REACH = 2, 1
"""Pixels on each side over which the spread, and the misfits of a pixel, are averaged."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground of one date, estimated from the neighbouring clear dates."""

    data: FloatArray
    """(band, h, w) reflectance, divided by the gain."""
    logit: FloatArray
    """(h, w) logit of the P(cloud) that the single-date detector gives to this ground."""
    variance: FloatArray
    """(band, h, w) variance of clear pixels around `data`."""
    clear_dates: FloatArray
    """(h, w) sum of the clearness of the neighbouring dates: near 0, `data` shows their clouds."""


def find_ground(date: int, data: FloatArray, logits: FloatArray, clearness: FloatArray, seen: BoolArray) -> Ground:
    """The median of the neighbouring dates, weighted by how clear they are.

    Args:
        date: index of the date; its own data are not used.
        data: (date, band, h, w) reflectance, divided by the gain.
        logits: (date, h, w) logit of the single-date P(cloud).
        clearness: (date, h, w) 0 to 1.
        seen: (date, h, w) True = data.
    """
    near = [other for other in range(max(0, date - NEAR), min(len(data), date + NEAR + 1)) if other != date]
    weights = (clearness[near] + LEAST_WEIGHT * seen[near]).astype(np.float32)
    median = weighted_median(np.concatenate([data[near], logits[near][:, None]], axis=1), weights)
    ground = median[:-1]
    deviation = np.minimum(np.abs(data[near] - ground), MOST_SPREAD)
    spread = (weights[:, None] * deviation).sum(axis=0) / np.maximum(weights.sum(axis=0) - LOST, LOST)
    spread = np.float32(1.25) * box_means(spread, SPREAD_REACH)
    slope = sum(np.gradient(ground, axis=axis) ** 2 for axis in (1, 2)) if min(ground.shape[1:]) > 1 else 0
    variance = NOISE[0] ** 2 + (NOISE[1] * ground) ** 2 + spread**2 + MISPLACED**2 * slope
    return Ground(ground, median[-1], variance.astype(np.float32), clearness[near].sum(axis=0))


def weighted_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """(band, h, w) weighted median over n: the smallest value whose cumulative weight is at least half of the total.

    Args:
        values: (n, band, h, w).
        weights: (n, h, w).
    """
    half = weights.sum(axis=0) / 2
    return np.stack([_band_median(band, weights, half) for band in values.swapaxes(0, 1)])


def _band_median(values: FloatArray, weights: FloatArray, half: FloatArray) -> FloatArray:
    """(h, w) weighted median of one band; `half` (h, w) is half of the total weight.

    A sorting network on whole maps sorts the n maps and their weights. For few maps this is much faster than np.sort.
    """
    sorted_values, sorted_weights = list(values), list(weights)
    for low, high in _comparisons(len(sorted_values)):
        first, second = sorted_values[low], sorted_values[high]
        swap = first > second
        sorted_values[low], sorted_values[high] = np.minimum(first, second), np.maximum(first, second)
        first, second = sorted_weights[low], sorted_weights[high]
        sorted_weights[low], sorted_weights[high] = np.where(swap, second, first), np.where(swap, first, second)
    median: FloatArray = sorted_values[-1]
    below = np.zeros_like(half)
    reached = np.zeros(half.shape, dtype=bool)
    for value, weight in zip(sorted_values, sorted_weights, strict=True):
        below += weight
        is_median = (below >= half) & ~reached
        median = np.where(is_median, value, median)
        reached |= is_median
    return median


@cache
def _comparisons(count: int) -> tuple[tuple[int, int], ...]:
    """The sorting network for `count` values: index pairs to compare and swap, in order (Batcher 1968)."""
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
    """(..., h, w) means over squares of 2 * reach + 1 pixels, with the edge pixels repeated beyond the edges.

    The sums are taken in the same order for every pixel, so that a pixel's mean is the same in every window.
    """
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
    """(date, band) brightness of each date's clear ground, divided by that of the median of all dates.

    All bands have the same gain to within a few percent: sun and view change all bands alike, thin cloud does not.

    Args:
        data: (date, band, h, w) reflectance.
        clearness: (date, h, w) 0 to 1.
    """
    median = weighted_median(data, clearness + LEAST_WEIGHT)
    gains = np.ones(data.shape[:2], dtype=np.float32)
    for date, clear in enumerate(clearness):
        ratios = np.array([_log_ratio(band, ground, clear) for band, ground in zip(data[date], median, strict=True)])
        if np.isfinite(ratios).any():
            shared = np.clip(np.nanmedian(ratios), -0.25, 0.25)
            gains[date] = np.exp(shared + np.clip(np.nan_to_num(ratios - shared), -0.05, 0.05))
    return gains


def _log_ratio(band: FloatArray, ground: FloatArray, clear: FloatArray) -> float:
    """Median logarithm of a band divided by its ground, over pixels that are not black; NaN if too few are clear."""
    lit = (ground > 0.02) & (band > 0)
    if clear[lit].sum() < 20:
        return float("nan")
    return middle_of(np.log(band[lit] / ground[lit]), clear[lit])


def middle_of(values: FloatArray, weights: FloatArray) -> float:
    """Weighted median of two arrays (n,): values and their weights."""
    order = np.argsort(values)
    cumulative = weights[order].astype(np.float64).cumsum()
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
