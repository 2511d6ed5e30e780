"""Many dates window by window: each date is read once per part of the grid, and waits on disk for the others.

A window of all dates has to be small, or memory grows with the dates. The blocks that files are stored in are large,
and reading one for each small window in it would decode it hundreds of times. So a part of the grid, as large as a
block, is read date by date, cut into the small windows, and written to a scratch file; from there each window is read
with all its dates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from geocloud.raster import ByteArray, FloatArray, Window

SQUARE = 512
"""Sides of parts are multiples of it, as of the blocks that rasters are written in."""
LARGEST_PART = 1024
SCRATCH = 3 << 30
"""Bytes of the scratch file, at most, where parts can be so small."""
Read = Callable[[int, Window], FloatArray]
"""(plane, h, w) of a date, by its number, in a window."""


@dataclass(frozen=True, slots=True)
class Spool:
    """How many dates are taken through memory."""

    dates: int
    planes: int
    """Maps of each date: bands, and what else is needed of a pixel."""
    reach: int
    """Pixels round a window that its result depends on."""
    frame: Window
    """The part of the grid that is made."""
    limit: Window
    """The part of the grid that may be read for it: the frame, and what there is round it."""
    pixels: int
    """Of one window with its reach, at most."""

    def parts(self) -> list[Window]:
        """The frame from the top, in squares whose sides are multiples of SQUARE."""
        room = (SCRATCH / (4 * self.dates * self.planes)) ** 0.5
        side = int(np.clip(room // SQUARE * SQUARE, SQUARE, LARGEST_PART))
        frame = self.frame
        return [
            Window(row, col, min(side, frame.stop_row - row), min(side, frame.stop_col - col))
            for row in range(frame.row, frame.stop_row, side)
            for col in range(frame.col, frame.stop_col, side)
        ]

    def windows(self, part: Window, read: Read, scratch: Path) -> Iterator[tuple[Window, Window, FloatArray]]:
        """Each small window of a part, the window with its reach, and (date, plane, h, w) of the latter.

        Args:
            part: one of `parts`.
            read: called for each date once, in a thread that then ends: with it go the handles that it opened.
            scratch: file to use meanwhile.
        """
        inner = self._cut(part)
        areas = [_within(window.grow(self.reach), self.limit) for window in inner]
        whole = _within(part.grow(self.reach), self.limit)
        if len(inner) == 1:
            cube = np.empty((self.dates, self.planes, *whole.shape), dtype=np.float32)
            for date in range(self.dates):
                cube[date] = in_a_thread(read, date, whole)
            yield inner[0], whole, cube
            return
        sizes = [self.planes * area.height * area.width for area in areas]
        starts = [0, *np.cumsum([self.dates * size for size in sizes]).tolist()]
        try:
            with scratch.open("wb") as file:
                for date in range(self.dates):
                    planes = in_a_thread(read, date, whole)
                    for area, start, size in zip(areas, starts, sizes, strict=False):
                        file.seek(4 * (start + date * size))
                        file.write(np.ascontiguousarray(planes[:, *area.slices((whole.row, whole.col))]).data)
            with scratch.open("rb") as file:
                for window, area, size in zip(inner, areas, sizes, strict=True):
                    flat = np.fromfile(file, dtype=np.float32, count=self.dates * size)
                    yield window, area, flat.reshape(self.dates, self.planes, *area.shape)
        finally:
            scratch.unlink(missing_ok=True)

    def _cut(self, part: Window) -> list[Window]:
        """A part in nearly equal windows of at most so many pixels with their reach, from the top.

        Where these are few the reach would take nearly all; it takes three quarters at most.
        """
        side = max(1, int(self.pixels**0.5))
        side = max(side - 2 * self.reach, (side + 1) // 2)
        whole = _within(part.grow(self.reach), self.limit)
        counts = [-(-size // side) for size in part.shape] if whole.height * whole.width > self.pixels else [1, 1]
        rows, cols = (
            np.linspace(0, size, count + 1).round().astype(int).tolist()
            for size, count in zip(part.shape, counts, strict=True)
        )
        return [
            Window(part.row + top, part.col + left, bottom - top, right - left)
            for top, bottom in pairwise(rows)
            for left, right in pairwise(cols)
        ]


class CodesOnDisk:
    """Codes of a part of the grid: they come with all dates window by window, and go date by date with all windows."""

    def __init__(self, path: Path) -> None:
        """`path` is the file to use meanwhile."""
        self._path, self._places = path, list[tuple[Window, int]]()

    def add(self, window: Window, codes: ByteArray) -> None:
        """Keep (date, h, w) of a window."""
        with self._path.open("ab") as file:
            self._places.append((window, file.tell()))
            file.write(np.ascontiguousarray(codes).data)

    def of_date(self, date: int, part: Window) -> ByteArray:
        """(h, w) of a date in the part that the windows fill."""
        made: ByteArray = np.empty(part.shape, dtype=np.uint8)
        with self._path.open("rb") as file:
            for window, start in self._places:
                size = window.height * window.width
                file.seek(start + date * size)
                flat = np.fromfile(file, dtype=np.uint8, count=size)
                made[window.slices((part.row, part.col))] = flat.reshape(window.shape)
        return made

    def clear(self) -> None:
        """Forget all, for the next part."""
        self._path.unlink(missing_ok=True)
        self._places.clear()


def _within(window: Window, limit: Window) -> Window:
    """The part of a window inside another."""
    row, col = max(window.row, limit.row), max(window.col, limit.col)
    return Window(row, col, min(window.stop_row, limit.stop_row) - row, min(window.stop_col, limit.stop_col) - col)


def in_a_thread(read: Read, date: int, window: Window) -> FloatArray:
    """What is read of a date, by a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read, date, window).result()
