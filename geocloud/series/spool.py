"""Read many dates window by window, with a scratch file so that each date is read only once per part of the grid.

A window of all dates must be small, or memory would grow with the number of dates. But the blocks of the files are
large, and reading one for each small window in it would decode it hundreds of times. So a part of the grid, as large as
a block, is read date by date, cut into small windows, and written to a scratch file. From there each window is read
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
"""Sides of parts are multiples of this, which is the block size of the rasters that are written."""
LARGEST_PART = 1024
"""Maximum side of a part, in pixels."""
SCRATCH = 3 << 30
"""Maximum bytes of the scratch file, unless even the smallest parts need more."""
Read = Callable[[int, Window], FloatArray]
"""A function that gives the planes (plane, h, w) of a date, by its index, in a window."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The division of a series into parts and windows."""

    dates: int
    """Number of dates."""
    planes: int
    """Number of maps per date: its bands, and others such as P(cloud)."""
    reach: int
    """Number of pixels around a window on which its result depends."""
    frame: Window
    """The part of the grid for which results are computed."""
    limit: Window
    """The part of the grid that may be read: the frame and its surroundings."""
    pixels: int
    """Maximum number of pixels of one window with its reach."""

    def parts(self) -> list[Window]:
        """The frame, cut from the top into squares whose sides are multiples of SQUARE."""
        room = (SCRATCH / (4 * self.dates * self.planes)) ** 0.5
        side = int(np.clip(room // SQUARE * SQUARE, SQUARE, LARGEST_PART))
        frame = self.frame
        return [
            Window(row, col, min(side, frame.stop_row - row), min(side, frame.stop_col - col))
            for row in range(frame.row, frame.stop_row, side)
            for col in range(frame.col, frame.stop_col, side)
        ]

    def windows(self, part: Window, read: Read, scratch: Path) -> Iterator[tuple[Window, Window, FloatArray]]:
        """Yields for each small window of a part: the window, the window with its reach, and the latter's data.

        The data are (date, plane, h, w) float32.

        Args:
            part: one of `parts`.
            read: called once per date, in a thread of its own, so that the file handles that it opens are closed.
            scratch: path of a temporary file, deleted at the end.
        """
        small_windows = self._cut(part)
        areas = [_within(window.grow(self.reach), self.limit) for window in small_windows]
        outer = _within(part.grow(self.reach), self.limit)
        if len(small_windows) == 1:
            cube = np.empty((self.dates, self.planes, *outer.shape), dtype=np.float32)
            for date in range(self.dates):
                cube[date] = in_a_thread(read, date, outer)
            yield small_windows[0], outer, cube
            return
        sizes = [self.planes * area.height * area.width for area in areas]
        starts = [0, *np.cumsum([self.dates * size for size in sizes]).tolist()]
        try:
            with scratch.open("wb") as file:
                for date in range(self.dates):
                    planes = in_a_thread(read, date, outer)
                    for area, start, size in zip(areas, starts, sizes, strict=False):
                        file.seek(4 * (start + date * size))
                        file.write(np.ascontiguousarray(planes[:, *area.slices((outer.row, outer.col))]).data)
            with scratch.open("rb") as file:
                for window, area, size in zip(small_windows, areas, sizes, strict=True):
                    flat = np.fromfile(file, dtype=np.float32, count=self.dates * size)
                    yield window, area, flat.reshape(self.dates, self.planes, *area.shape)
        finally:
            scratch.unlink(missing_ok=True)

    def _cut(self, part: Window) -> list[Window]:
        """The part, cut from the top into nearly equal windows with at most `pixels` pixels including their reach.

        If `pixels` is small, windows become larger than that, so that the reach is at most three quarters of them.
        """
        side = max(1, int(self.pixels**0.5))
        side = max(side - 2 * self.reach, (side + 1) // 2)
        outer = _within(part.grow(self.reach), self.limit)
        counts = [-(-size // side) for size in part.shape] if outer.height * outer.width > self.pixels else [1, 1]
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
    """Stores codes of a part of the grid: they are added window by window for all dates, and read date by date."""

    def __init__(self, path: Path) -> None:
        """`path` is that of a temporary file."""
        self._path, self._places = path, list[tuple[Window, int]]()

    def add(self, window: Window, codes: ByteArray) -> None:
        """Add the codes (date, h, w) of a window."""
        with self._path.open("ab") as file:
            self._places.append((window, file.tell()))
            file.write(np.ascontiguousarray(codes).data)

    def of_date(self, date: int, part: Window) -> ByteArray:
        """(h, w) codes of a date in the part that the windows fill."""
        codes: ByteArray = np.empty(part.shape, dtype=np.uint8)
        with self._path.open("rb") as file:
            for window, start in self._places:
                size = window.height * window.width
                file.seek(start + date * size)
                flat = np.fromfile(file, dtype=np.uint8, count=size)
                codes[window.slices((part.row, part.col))] = flat.reshape(window.shape)
        return codes

    def clear(self) -> None:
        """Delete all codes, before the next part."""
        self._path.unlink(missing_ok=True)
        self._places.clear()


def _within(window: Window, limit: Window) -> Window:
    """The part of a window inside another one, which it overlaps."""
    row, col = max(window.row, limit.row), max(window.col, limit.col)
    return Window(row, col, min(window.stop_row, limit.stop_row) - row, min(window.stop_col, limit.stop_col) - col)


def in_a_thread(read: Read, date: int, window: Window) -> FloatArray:
    """Call `read` in a thread of its own, which ends with it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read, date, window).result()
