"""A scene on a network whose pixels are fetched once: what was read waits in a file for whoever reads it next."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import numpy as np

from geocloud.raster import Raster, Window
from geocloud.readers.bands.spec import DigitalNumbers, Radiometry, SceneInfo
from geocloud.readers.files.paths import is_remote
from geocloud.readers.reader import BaseScene, SceneReader
from geocloud.readers.scenes.band_subset import KeptOpen

CELL = 512
"""Pixels along a side of the squares that are kept, where the files' tiles are no squares of half to twice that."""
AT_ONCE = 1 << 22
"""Pixels that are fetched together, at most: many tiles at once are quicker over a network."""
ROOM = 0.5
"""Share of the disk's free space that all kept scenes of a run take, at most."""
Bands = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the numbers of some bands are stored."""

    dtypes: tuple[np.dtype[Any], ...]
    radiometry: tuple[Radiometry, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a ReadOnce has read, to be used by another process that sees its file."""

    info: SceneInfo
    path: Path
    places: dict[tuple[Bands, Window], int]
    """Byte at which a square of some bands begins."""
    kinds: dict[Bands, _Kind]


class ReadOnce(KeptOpen):
    """Any reader; squares of it, as large as its files' tiles, are kept in a file once they are read.

    Pixels are the same however they are reached. Where there is no more room they are read again each time.
    """

    def __init__(self, scene: SceneReader, path: Path, room: float) -> None:
        """`path` is the file to be made; it grows until it has `room` bytes."""
        super().__init__(scene, scene.bands)
        height, width, _ = scene.file_block
        self._side = height if height == width and CELL // 2 <= height <= 2 * CELL else CELL
        self._path, self._room, self._used = path, room, 0
        self._places: dict[tuple[Bands, Window], int] = {}
        self._kinds: dict[Bands, _Kind] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, fetched: Fetched, scene: SceneReader) -> Self:
        """What another process has fetched; the rest is read from the scene each time."""
        made = cls(scene, fetched.path, 0)
        made._places, made._kinds = dict(fetched.places), dict(fetched.kinds)
        return made

    @property
    def fetched(self) -> Fetched:
        """What was read so far."""
        return Fetched(self.info, self._path, dict(self._places), dict(self._kinds))

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's pixels."""
        return self.digital_numbers(window, bands).reflectance()

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's, from the file where they are in it."""
        asked, cells = tuple(bands), list(self._cells(window))
        if not self.fetch(window, asked):
            return self.scene.digital_numbers(window, bands)
        kind = self._kinds[asked]
        values = tuple(np.empty(window.shape, dtype=dtype) for dtype in kind.dtypes)
        valid = np.empty(window.shape, dtype=bool)
        for cell in cells:
            here = _common(cell, window)
            for canvas, stored in zip((*values, valid), self._stored(asked, cell), strict=True):
                canvas[here.slices((window.row, window.col))] = stored[here.slices((cell.row, cell.col))]
        return DigitalNumbers(values, valid, kind.radiometry)

    def fetch(self, window: Window, asked: Bands) -> bool:
        """Keep all squares that a window touches; False if there is no room for more."""
        missing = [cell for cell in self._cells(window) if (asked, cell) not in self._places]
        if missing and self._used >= self._room:
            return False
        for together in _rectangles(missing):
            self._fetch(together, asked)
        return True

    def _cells(self, window: Window) -> Iterator[Window]:
        """The squares that a window touches, row by row, cut at the scene's edge."""
        side = self._side
        for row in range(window.row // side * side, window.stop_row, side):
            for col in range(window.col // side * side, window.stop_col, side):
                yield Window(row, col, side, side).clip(self.georef.shape)

    def _fetch(self, cells: Sequence[Window], asked: Bands) -> None:
        """Read squares that fill a rectangle, and keep them.

        All bands are read at once: which pixels hold data depends on the bands that are asked for, so each choice is
        kept by itself, but GDAL has the tiles that both need.
        """
        first, last = cells[0], cells[-1]
        whole = Window(first.row, first.col, last.stop_row - first.row, last.stop_col - first.col)
        for bands in dict.fromkeys((asked, self.bands)):
            numbers = self.scene.digital_numbers(whole, bands)
            layers = (*numbers.values, numbers.valid)
            self._kinds[bands] = _Kind(tuple(layer.dtype for layer in numbers.values), numbers.radiometry)
            for cell in cells:
                place = cell.slices((whole.row, whole.col))
                self._keep((bands, cell), b"".join(np.ascontiguousarray(layer[place]).tobytes() for layer in layers))

    def _keep(self, key: tuple[Bands, Window], content: bytes) -> None:
        with self._lock:
            if key not in self._places:
                with self._path.open("ab") as file:
                    file.write(content)
                self._places[key] = self._used
                self._used += len(content)

    def _stored(self, bands: Bands, cell: Window) -> Iterator[np.ndarray[Any, Any]]:
        """Each band of a square, and which of its pixels hold data."""
        with self._path.open("rb") as file:
            file.seek(self._places[bands, cell])
            for dtype in (*self._kinds[bands].dtypes, np.dtype(bool)):
                yield np.fromfile(file, dtype=dtype, count=cell.height * cell.width).reshape(cell.shape)


class Reopened(BaseScene):
    """A scene of which all is known but its pixels: its files are opened when one is asked for."""

    def __init__(self, info: SceneInfo, open_again: Callable[[], SceneReader]) -> None:
        """`info` is of the scene that `open_again` opens."""
        self._info, self._open = info, open_again
        self._scene: SceneReader | None = None
        self._lock = threading.Lock()

    @property
    def info(self) -> SceneInfo:
        """As it was when the scene was open."""
        return self._info

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's."""
        with self._lock:
            self._scene = self._scene or self._open()
        return self._scene.digital_numbers(window, bands)

    def close(self) -> None:
        """Close the scene, if it was opened."""
        if self._scene is not None:
            self._scene.close()


def read_once(scenes: Sequence[SceneReader], scratch: Callable[[str], Path]) -> tuple[SceneReader, ...]:
    """The scenes, those on a network as ReadOnce; `scratch` gives the path of a file that goes when the run ends."""
    return tuple(
        scene if place is None else ReadOnce(scene, *place)
        for scene, place in zip(scenes, rooms_of(scenes, scratch), strict=True)
    )


def rooms_of(scenes: Sequence[SceneReader], scratch: Callable[[str], Path]) -> list[tuple[Path, float] | None]:
    """Of each scene on a network the file it is to be kept in, and the bytes it may take; None for the others."""
    remote = [_is_remote(scene) for scene in scenes]
    if not any(remote):
        return [None] * len(scenes)
    free = shutil.disk_usage(scratch("fetched").parent).free
    return [
        (scratch(f"fetched-{number}"), ROOM * free / sum(remote)) if far else None for number, far in enumerate(remote)
    ]


def _is_remote(scene: SceneReader) -> bool:
    """Whether pixels come over a network."""
    return any(is_remote(path) for path in (scene.info.source, *(source.path for source in scene.info.sources)))


def _rectangles(cells: Sequence[Window]) -> list[list[Window]]:
    """Squares, row by row, in groups that fill rectangles."""
    groups: list[list[Window]] = []
    for _, squares in groupby(cells, key=lambda cell: cell.row):
        row = list(squares)
        last = groups[-1] if groups else []
        place = row[0].col, row[-1].stop_col
        alike = last and (last[0].col, last[-1].stop_col) == place and last[-1].stop_row == row[0].row
        if alike and (row[-1].stop_row - last[0].row) * (place[1] - place[0]) <= AT_ONCE:
            last += row
        else:
            groups.append(row)
    return groups


def _common(one: Window, other: Window) -> Window:
    """The pixels that two windows share."""
    row, col = max(one.row, other.row), max(one.col, other.col)
    return Window(row, col, min(one.stop_row, other.stop_row) - row, min(one.stop_col, other.stop_col) - col)
