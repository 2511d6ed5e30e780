"""One image of several dates: what each pixel shows when it is clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import BoolArray, FloatArray

Method = Literal["median", "medoid", "best", "mean"]
NAN = np.float32(np.nan)
MEMORY = 128 << 20
"""Bytes of one window of all dates, about, with what is computed of it."""


def compose_window_pixels(dates: int, bands: int) -> int:
    """Pixels of one window of all dates, at most."""
    return max(1, MEMORY // (4 * dates * (4 * bands + 8)))


@dataclass(frozen=True, slots=True)
class Composed:
    """A window of a composite."""

    data: FloatArray
    """(band, h, w) reflectance, NaN where no date is clear."""
    count: NDArray[np.int64]
    """(h, w) clear dates."""
    date: NDArray[np.intp]
    """(h, w) index of the date that is shown, or is nearest to what is; -1 where no date is clear."""


def compose_window(data: FloatArray, clear: BoolArray, weight: FloatArray, method: Method) -> Composed:
    """Compose a window.

    | method | value |
    |---|---|
    | median | of the clear dates, each band by itself |
    | medoid | the clear date with the least sum of distances to the others, all bands of one date |
    | best | the clear date with the highest weight, all bands of one date |
    | mean | of the clear dates, by weight |

    Args:
        data: (date, band, h, w) reflectance.
        clear: (date, h, w) True = valid and clear.
        weight: (date, h, w) above 0, higher = farther from cloud; for `best` and `mean`.
        method: see above.
    """
    count = clear.sum(axis=0)
    seen = np.where(clear[:, None], data, NAN)
    if method == "best":
        return _one_date(data, np.where(clear, -weight, np.inf), count)
    if method == "medoid":
        return _one_date(data, _distance_sums(seen, clear), count)
    if method == "mean":
        weights = np.where(clear, weight, np.float32(0))[:, None]
        with np.errstate(invalid="ignore"):
            middle = (np.where(clear[:, None], data, 0) * weights).sum(axis=0) / weights.sum(axis=0)
    else:
        middle = _median(seen, count)
    off = np.where(clear, np.abs(seen - middle).sum(axis=1), np.inf)
    return Composed(middle.astype(np.float32), count, _nearest(off, count))


def _one_date(data: FloatArray, cost: NDArray[np.floating], count: NDArray[np.int64]) -> Composed:
    """All bands of the date with the least cost."""
    date = _nearest(cost, count)
    chosen = np.take_along_axis(data, np.maximum(date, 0)[None, None], axis=0)[0]
    return Composed(np.where(count > 0, chosen, NAN), count, date)


def _nearest(cost: NDArray[np.floating], count: NDArray[np.int64]) -> NDArray[np.intp]:
    """(h, w) date with the least cost, the first of equals; -1 where none is clear."""
    return np.where(count > 0, np.where(np.isnan(cost), np.inf, cost).argmin(axis=0), -1)


def _distance_sums(seen: FloatArray, clear: BoolArray) -> FloatArray:
    """(date, h, w) sum over the other clear dates of the distance between band vectors; infinite where not clear."""
    sums = np.zeros(clear.shape, dtype=np.float32)
    for first in range(len(seen)):
        for second in range(first + 1, len(seen)):
            distance = np.sqrt(((seen[first] - seen[second]) ** 2).sum(axis=0))
            distance = np.where(clear[first] & clear[second], distance, np.float32(0))
            sums[first] += distance
            sums[second] += distance
    return np.where(clear, sums, np.float32(np.inf))


def _median(seen: FloatArray, count: NDArray[np.int64]) -> FloatArray:
    """(band, h, w) median over dates, NaN left out; of an even number the mean of the middle two."""
    ranked = np.sort(seen, axis=0)  # NaN last
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    middle = [
        np.take_along_axis(ranked, place[None, None], axis=0)[0] for place in (low, np.minimum(high, len(seen) - 1))
    ]
    return np.where(count > 0, (middle[0] + middle[1]) / 2, NAN)
