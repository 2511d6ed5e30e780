"""Combine several dates into one cloud-free image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import BoolArray, FloatArray

Method = Literal["median", "medoid", "best", "mean"]
NAN = np.float32(np.nan)
MEMORY = 128 << 20
"""Bytes of one window of all dates, about, including intermediate results."""


def compose_window_pixels(dates: int, bands: int) -> int:
    """Maximum number of pixels of one window of all dates."""
    return max(1, MEMORY // (4 * dates * (4 * bands + 8)))


@dataclass(frozen=True, slots=True)
class Composed:
    """A window of a composite."""

    data: FloatArray
    """(band, h, w) reflectance, NaN where no date is clear."""
    count: NDArray[np.int64]
    """(h, w) number of clear dates."""
    date: NDArray[np.intp]
    """(h, w) index of the date that is shown, or is closest to the value shown; -1 where no date is clear."""


def compose_window(data: FloatArray, clear: BoolArray, weight: FloatArray, method: Method) -> Composed:
    """Compose a window.

    | method | value |
    |---|---|
    | median | median of the clear dates, each band separately |
    | medoid | all bands of the clear date with the smallest sum of distances to the others |
    | best | all bands of the clear date with the highest weight |
    | mean | weighted mean of the clear dates |

    Args:
        data: (date, band, h, w) reflectance.
        clear: (date, h, w) True = valid and clear.
        weight: (date, h, w) above 0, higher = farther from cloud; used by `best` and `mean`.
        method: one of the above.
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
            value = (np.where(clear[:, None], data, 0) * weights).sum(axis=0) / weights.sum(axis=0)
    else:
        value = _median(seen, count)
    distance = np.where(clear, np.abs(seen - value).sum(axis=1), np.inf)
    return Composed(value.astype(np.float32), count, _cheapest(distance, count))


def _one_date(data: FloatArray, cost: NDArray[np.floating], count: NDArray[np.int64]) -> Composed:
    """All bands of the date with the lowest cost (date, h, w)."""
    date = _cheapest(cost, count)
    chosen = np.take_along_axis(data, np.maximum(date, 0)[None, None], axis=0)[0]
    return Composed(np.where(count > 0, chosen, NAN), count, date)


def _cheapest(cost: NDArray[np.floating], count: NDArray[np.int64]) -> NDArray[np.intp]:
    """(h, w) index of the date with the lowest cost, the first one if several are equal; -1 where none is clear."""
    return np.where(count > 0, np.where(np.isnan(cost), np.inf, cost).argmin(axis=0), -1)


def _distance_sums(seen: FloatArray, clear: BoolArray) -> FloatArray:
    """(date, h, w) sum of the distances of band vectors to all other clear dates; infinite where not clear."""
    sums = np.zeros(clear.shape, dtype=np.float32)
    for first in range(len(seen)):
        for second in range(first + 1, len(seen)):
            distance = np.sqrt(((seen[first] - seen[second]) ** 2).sum(axis=0))
            distance = np.where(clear[first] & clear[second], distance, np.float32(0))
            sums[first] += distance
            sums[second] += distance
    return np.where(clear, sums, np.float32(np.inf))


def _median(seen: FloatArray, count: NDArray[np.int64]) -> FloatArray:
    """(band, h, w) median over dates without NaN; for an even number, the mean of the middle two."""
    ascending = np.sort(seen, axis=0)  # NaN last
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    middle = [
        np.take_along_axis(ascending, rank[None, None], axis=0)[0] for rank in (low, np.minimum(high, len(seen) - 1))
    ]
    return np.where(count > 0, (middle[0] + middle[1]) / 2, NAN)
