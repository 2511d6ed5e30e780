"""What masks of a series are made by, whether its dates are files or arrays: samples, windows, codes."""

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
"""P(shadow) of a single date where its mask says shadow, and elsewhere."""
MEMORY = 256 << 20
"""Bytes of one window of all dates, about, with what is computed of it."""
SAMPLES, SAMPLE_SIDE = 4, 64
"""Windows along each side of the scene, and their pixels, from which what sets the dates apart is learned."""


def window_pixels(dates: int, bands: int) -> int:
    """Pixels of one window of all dates, at most."""
    return max(1, MEMORY // (4 * dates * (3 * bands + 2 * NEAR + 10)))


def find_limit(frame: Window, shape: tuple[int, int], blocks_of: Callable[[Window], Window]) -> Window:
    """What is read to mask a part of a scene: the blocks that are scored for it in any case, or more.

    So much that what a pixel depends on is in it, and that dates can be compared.

    Args:
        frame: the part.
        shape: (height, width) of the scene.
        blocks_of: the pixels of the blocks that hold any of a window.
    """
    blocks = blocks_of(frame.grow(REACH).clip(shape))
    return blocks.grow(max(0, (SAMPLES * SAMPLE_SIDE - min(blocks.shape) + 1) // 2)).clip(shape)


def sample_windows(limit: Window, pixels: int) -> list[Window]:
    """Windows from all over the limit, of one size, that have at most so many pixels together; all of a small one."""
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
    """(date, plane, h, w) as the explanations take them.

    Planes are the bands, NaN where not seen; P(cloud) of the date alone, NaN where not scored; and P(shadow). `cast` is
    P(cloud) (date, h, w) where shadows would be cast from, NaN where not known.
    """
    data = values[:, :-2]
    return take_dates(data, with_data(data), values[:, -2], values[:, -1], bands, cast)


def to_codes(found: Explained) -> ByteArray:
    """(date, h, w) codes of what the dates say together."""
    with np.errstate(invalid="ignore"):
        codes = np.where(found.shadow >= 0.5, np.uint8(SHADOW), np.uint8(CLEAR))
        codes[found.cloud >= 0.5] = CLOUD
    codes[np.isnan(found.cloud)] = NODATA
    return codes


def check_different(values: FloatArray, names: Sequence[str]) -> None:
    """InputError where two dates of samples (date, plane, h, w) hold the same pixels: a cloud would confirm itself.

    Neighbours in time are the same also where one of them lacks some pixels; ground of one number is no copy.
    """
    data, seen = values[:, :-2], with_data(values[:, :-2])
    firsts: dict[bytes, int] = {}
    for later, date in enumerate(data):
        if not seen[later].any() or date[:, seen[later]].std() == 0:
            continue
        earlier = firsts.setdefault(hashlib.sha256(np.nan_to_num(date, nan=-1).tobytes()).digest(), later)
        both = seen[later] & seen[later - 1]
        one, other = date[:, both], data[later - 1][:, both]
        if later and both.any() and one.std() > 0 and np.array_equal(one, other):
            earlier = later - 1
        if earlier != later:
            raise InputError(f"{names[earlier]} and {names[later]} hold the same pixels; give each date once")
