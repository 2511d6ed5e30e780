"""Clouds grown by a few pixels, row by row: a mask's dilation with a disk, holding only the rows it needs."""

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
    """Half the width, in pixels, of a disk's rows from -radius to +radius: those with dx² + dy² <= radius²."""
    return [int((radius * radius - dy * dy) ** 0.5) for dy in range(-radius, radius + 1)]


class Dilater:
    """Takes a mask from the top and hands its dilation on, `radius` rows later; the rest at the end.

    Clear pixels within the disk of a class take its code, cloud before thin cloud and so on; nodata stays nodata.
    """

    def __init__(self, width: int, radius: int) -> None:
        """Start at row 0 of a mask this wide; radius in pixels, 0 changes nothing."""
        self._width, self._radius, self._row = width, radius, 0
        self._above: ByteArray = np.full((radius, width), CLEAR, dtype=np.uint8)
        self._codes: ByteArray = np.zeros((0, width), dtype=np.uint8)
        self._waiting: deque[NDArray[Any]] = deque()

    def add(self, codes: ByteArray, values: NDArray[Any]) -> Iterator[Rows]:
        """The next rows, and what goes with them; yields the rows that nothing can change any more."""
        self._waiting.append(values)
        self._codes = np.concatenate([self._codes, codes])
        ready = len(self._codes) - self._radius
        if ready > 0:
            yield self._emit(ready, np.concatenate([self._above, self._codes]))

    def finish(self) -> Iterator[Rows]:
        """The rows still held."""
        below = np.full((self._radius, self._width), CLEAR, dtype=np.uint8)
        if len(self._codes):
            yield self._emit(len(self._codes), np.concatenate([self._above, self._codes, below]))

    def _emit(self, count: int, around: ByteArray) -> Rows:
        """The first `count` waiting rows; `around` holds the codes with `radius` rows above and below."""
        values = np.concatenate(list(self._waiting))
        done = self._codes[:count].copy()
        for code in np.unique(around):
            if code not in (*GROUND, NODATA):
                grown = dilate(around == code, self._radius)[:count]
                done[grown & np.isin(done, GROUND)] = code
        row, self._row = self._row, self._row + count
        self._waiting = deque([values[count:]])
        self._above = around[count : count + self._radius]
        self._codes = self._codes[count:]
        return row, done, values[:count]


def dilate(cloud: BoolArray, radius: int) -> BoolArray:
    """(h - 2 radius, width) dilation with a disk of the inner rows of a (h, width) mask."""
    # Each row of the disk is a run of 2 * half + 1 pixels. `table` counts the cloud pixels before each column, so a run
    # holds cloud where the count behind it exceeds the count before it: one comparison, however long the run is.
    #
    #   radius 2:     x        cloud of a row    0 0 1 1 0 0
    #               x x x      pixels before    0 0 0 1 2 2 2
    #             x x o x x    a run of 3         ^-----^       2 > 0: it holds cloud
    #               x x x
    #                 x        `table` repeats its ends beyond both sides: runs reach out of the mask.
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
