"""Steps of masking a series that are the same for files and for arrays: windows, samples, input and codes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import numpy as np

from geocloud.classes import SHADOW
from geocloud.errors import InputError
from geocloud.raster import CLEAR, CLOUD, NODATA, ByteArray, FloatArray, Window
from geocloud.series.explain import REACH, Dates, Explained, take_dates
from geocloud.series.ground import NEAR
from geocloud.series.stack import with_data

SERIES_CODES = (CLEAR, CLOUD, SHADOW, NODATA)
SHADED, LIT = np.float32(0.8), np.float32(0.1)
"""P(shadow) of a single date: where its mask has shadow, and elsewhere."""
MEMORY = 256 << 20
"""Bytes of one window of all dates, about, including intermediate results."""
SAMPLES, SAMPLE_SIDE = 4, 64
"""Number of sample windows along each side of the scene, and the side of each in pixels; see `learn_usual`."""


def window_pixels(dates: int, bands: int) -> int:
    """Maximum number of pixels of one window of all dates."""
    return max(1, MEMORY // (4 * dates * (3 * bands + 2 * NEAR + 10)))


def find_limit(frame: Window, shape: tuple[int, int], blocks_of: Callable[[Window], Window]) -> Window:
    """The window to read for masking a part of a scene.

    It holds the blocks that are scored for the part and for the pixels on which its result depends, and is large enough
    to sample the dates.

    Args:
        frame: the part.
        shape: (height, width) of the scene.
        blocks_of: gives the window of all blocks that overlap a window.
    """
    blocks = blocks_of(frame.grow(REACH).clip(shape))
    return blocks.grow(max(0, (SAMPLES * SAMPLE_SIDE - min(blocks.shape) + 1) // 2)).clip(shape)


def sample_windows(limit: Window, pixels: int) -> list[Window]:
    """Windows of one size, spread over `limit`, with about `pixels` pixels together; all of `limit` if it is small."""
    side = max(2 * REACH, min(SAMPLE_SIDE, math.isqrt(pixels // SAMPLES**2)))
    if max(limit.shape) <= SAMPLES * side:
        return [limit]
    tops, lefts = (
        sorted({*np.linspace(start, start + max(size - side, 0), SAMPLES, dtype=int).tolist()})
        for start, size in zip((limit.row, limit.col), limit.shape, strict=True)
    )
    height, width = (min(size, side) for size in limit.shape)
    return [Window(top, left, height, width) for top in tops for left in lefts]


def to_dates(values: FloatArray, bands: Sequence[str], cast: FloatArray | None = None) -> Dates:
    """Prepare the input of `explain` from stacked planes.

    Args:
        values: (date, plane, h, w). The planes are the bands, NaN where not seen; single-date P(cloud), NaN where not
            scored; and single-date P(shadow).
        bands: names of the bands.
        cast: (date, h, w) P(cloud) at the place that would cast a shadow, NaN where unknown; None: all unknown.
    """
    data = values[:, :-2]
    return take_dates(data, with_data(data), values[:, -2], values[:, -1], bands, cast)


def to_codes(explained: Explained) -> ByteArray:
    """(date, h, w) mask codes, by the probabilities of cloud and shadow."""
    with np.errstate(invalid="ignore"):
        codes = np.where(explained.shadow >= 0.5, np.uint8(SHADOW), np.uint8(CLEAR))
        codes[explained.cloud >= 0.5] = CLOUD
    codes[np.isnan(explained.cloud)] = NODATA
    return codes


def check_different(values: FloatArray, names: Sequence[str]) -> None:
    """InputError if two dates of samples (date, plane, h, w) hold the same pixels: a cloud would confirm itself.

    Adjacent dates are also compared on just the pixels that both have. Dates with a single value are not compared.
    """
    data, seen = values[:, :-2], with_data(values[:, :-2])
    firsts: dict[bytes, int] = {}
    for later, date in enumerate(data):
        if not seen[later].any() or date[:, seen[later]].std() == 0:
            continue
        earlier = firsts.setdefault(hashlib.sha256(np.nan_to_num(date, nan=-1).tobytes()).digest(), later)
        in_both = seen[later] & seen[later - 1]
        this, before = date[:, in_both], data[later - 1][:, in_both]
        if later and in_both.any() and this.std() > 0 and np.array_equal(this, before):
            earlier = later - 1
        if earlier != later:
            raise InputError(f"{names[earlier]} and {names[later]} hold the same pixels; give each date once")
