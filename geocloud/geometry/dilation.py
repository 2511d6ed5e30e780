"""Dilate the clouds of a mask with a disk, row by row, keeping only the rows that are still needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geocloud.classes import GROUND
from geocloud.raster import CLEAR, NODATA, BoolArray, ByteArray

Rows = tuple[int, ByteArray, NDArray[Any]]
"""(first row, codes (h, width), values (h, width)) of consecutive rows."""


def disk(radius: int) -> list[int]:
    """Half widths, in pixels, of the rows of a disk (dx² + dy² <= radius²), from dy = -radius to +radius."""
    return [int((radius * radius - dy * dy) ** 0.5) for dy in range(-radius, radius + 1)]


class Dilater:
    """Dilates a mask that comes from the top in pieces; the result comes `radius` rows later, the rest at the end.

    Ground pixels within the disk around a pixel of cloud or cloud shadow get its code. If several codes are near, the
    lowest code wins. Nodata stays nodata.
    """

    def __init__(self, width: int, radius: int) -> None:
        """Start at row 0 of a mask with `width` columns; `radius` in pixels, 0 changes nothing."""
        self._width, self._radius, self._row = width, radius, 0
        self._above: ByteArray = np.full((radius, width), CLEAR, dtype=np.uint8)
        self._codes: ByteArray = np.zeros((0, width), dtype=np.uint8)
        self._waiting: deque[NDArray[Any]] = deque()

    def add(self, codes: ByteArray, values: NDArray[Any]) -> Iterator[Rows]:
        """Add the next codes (h, width), and values (h, width) that pass unchanged; yields the rows that are final."""
        self._waiting.append(values)
        self._codes = np.concatenate([self._codes, codes])
        ready = len(self._codes) - self._radius
        if ready > 0:
            yield self._emit(ready, np.concatenate([self._above, self._codes]))

    def finish(self) -> Iterator[Rows]:
        """Yields the remaining rows. Call it once, after the last row."""
        below = np.full((self._radius, self._width), CLEAR, dtype=np.uint8)
        if len(self._codes):
            yield self._emit(len(self._codes), np.concatenate([self._above, self._codes, below]))

    def _emit(self, count: int, around: ByteArray) -> Rows:
        """The first `count` waiting rows; `around` holds the codes with `radius` rows above and below."""
        values = np.concatenate(list(self._waiting))
        result = self._codes[:count].copy()
        for code in np.unique(around):
            if code not in (*GROUND, NODATA):
                grown = dilate(around == code, self._radius)[:count]
                result[grown & np.isin(result, GROUND)] = code
        row, self._row = self._row, self._row + count
        self._waiting = deque([values[count:]])
        self._above = around[count : count + self._radius]
        self._codes = self._codes[count:]
        return row, result, values[:count]


def dilate(cloud: BoolArray, radius: int) -> BoolArray:
    """(h - 2 radius, width) dilation with a disk of a (h, width) mask, without its first and last `radius` rows."""
    # Each row of the disk is a run of 2 * half + 1 pixels. `table` counts the cloud pixels before each column. A run
    # holds cloud if the count after it is larger than the count before it: one comparison, however long the run is.
    #
    #   radius 2:     x        cloud of a row    0 0 1 1 0 0
    #               x x x      pixels before    0 0 0 1 2 2 2
    #             x x o x x    a run of 3         ^-----^       2 > 0: it holds cloud
    #               x x x
    #                 x        `table` is extended on both sides, because runs reach beyond the mask.
    height = len(cloud) - 2 * radius
    table = np.zeros((len(cloud), cloud.shape[1] + 2 * radius + 1), dtype=np.int32)
    table[:, radius + 1 : cloud.shape[1] + radius + 1] = cloud.cumsum(axis=1)
    table[:, cloud.shape[1] + radius + 1 :] = table[:, [cloud.shape[1] + radius]]
    grown = np.zeros((height, cloud.shape[1]), dtype=bool)
    for offset, half in enumerate(disk(radius)):
        rows = table[offset : offset + height]
        right, left = radius + half + 1, radius - half
        grown |= rows[:, right : right + cloud.shape[1]] > rows[:, left : left + cloud.shape[1]]
    return grown
