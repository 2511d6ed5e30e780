"""Polygons on their way from strips of a mask to files: parts joined at the seams, finished ones kept aside."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

Longs = NDArray[np.int64]
Place = Callable[[NDArray[Any]], NDArray[Any]]
Outline = Literal["pixel", "smooth"]
"""Along the pixels' edges, equal to the mask; or where P(cloud) crosses one half between their centres."""
Geometries = NDArray[Any]
IN_MEMORY = 16 << 20
"""Bytes of finished polygons that wait in memory; more wait in a file."""
AT_ONCE = 50_000
"""Polygons that are read back at once."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Polygons in pixel coordinates, x = column and y = row of pixel corners; one entry per polygon in every array."""

    geometry: NDArray[Any]
    """Shapely polygons, rectilinear, holes included; 4-connected pixels are one polygon."""
    code: NDArray[np.uint8]
    """The mask's code inside."""
    pixels: NDArray[np.int64]
    """Number of pixels inside."""
    weight: NDArray[np.float64]
    """Sum of the given values inside."""

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self.code)

    def take(self, index: NDArray[Any]) -> Shapes:
        """Those at an index or boolean mask."""
        return Shapes(self.geometry[index], self.code[index], self.pixels[index], self.weight[index])


class ShapeStore:
    """Finished polygons: some 50 bytes each in memory, their outlines in a file where they are many."""

    def __init__(self, folder: Path | None = None) -> None:
        """Hold none; `folder`: where the file is made, None: the system's for temporary files."""
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=None if folder is None else str(folder))  # noqa: SIM115 - closed with the store
        weakref.finalize(self, self._file.close)
        self._end = 0
        self._tables: list[NDArray[np.void]] = []
        self._table: NDArray[np.void] = np.zeros(0, dtype=_ROW)

    def add(self, shapes: Shapes, numbers: Longs) -> None:
        """Take polygons; `numbers` (n,) are their places in the order in which they are given back."""
        packed = shapely.to_wkb(shapes.geometry)
        rows = np.zeros(len(shapes), dtype=_ROW)
        rows["length"] = [len(one) for one in packed]
        rows["start"] = self._end + np.cumsum(rows["length"]) - rows["length"]
        bounds = shapely.bounds(shapes.geometry)
        rows["top"], rows["bottom"] = np.floor(bounds[:, 1]), np.ceil(bounds[:, 3])
        for name, values in (("number", numbers), ("code", shapes.code), ("pixels", shapes.pixels)):
            rows[name] = values
        rows["weight"] = shapes.weight
        self._file.seek(self._end)
        self._file.write(b"".join(packed))
        self._end += int(rows["length"].sum())
        self._tables.append(rows)

    def _rows(self) -> NDArray[np.void]:
        """The table, in order."""
        if self._tables:
            table = np.concatenate([self._table, *self._tables])
            self._tables, self._table = [], table[np.argsort(table["number"], kind="stable")]
        return self._table

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self._rows())

    @property
    def code(self) -> NDArray[np.uint8]:
        """(n,) the mask's codes."""
        return np.asarray(self._rows()["code"])

    @property
    def pixels(self) -> Longs:
        """(n,) pixels inside."""
        return np.asarray(self._rows()["pixels"])

    @property
    def numbers(self) -> Longs:
        """(n,) the numbers that they were given."""
        return np.asarray(self._rows()["number"])

    @property
    def rows(self) -> tuple[Longs, Longs]:
        """(n,) first row of each, and the row after its last."""
        return np.asarray(self._rows()["top"]), np.asarray(self._rows()["bottom"])

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        """Forget all others."""
        self._table = self._rows()[wanted]

    def take(self, index: NDArray[Any]) -> Shapes:
        """Those at an index or boolean mask."""
        rows = self._rows()[index]
        packed = []
        for start, length in zip(rows["start"].tolist(), rows["length"].tolist(), strict=True):
            self._file.seek(start)
            packed.append(self._file.read(length))
        geometry = shapely.from_wkb(np.array(packed, dtype=object))
        return Shapes(geometry, rows["code"].copy(), rows["pixels"].copy(), rows["weight"].copy())

    def chunks(self, size: int = AT_ONCE) -> Iterator[Shapes]:
        """All of them, so many at once; one without any where there are none."""
        count = len(self)
        for start in range(0, max(count, 1), size):
            yield self.take(np.arange(start, min(start + size, count)))

    def all(self) -> Shapes:
        """All of them in memory."""
        return self.take(np.arange(len(self)))


_ROW = np.dtype(
    [
        *(("number", np.int64), ("start", np.int64), ("length", np.int64), ("pixels", np.int64)),
        *(("weight", np.float64), ("top", np.int32), ("bottom", np.int32), ("code", np.uint8)),
    ]
)


class Joiner:
    """Makes parts of polygons, found strip by strip from the top, whole.

    A strip's parts stay open while they, or what they are joined with, touch its lower seam; then nothing below can
    reach them, and they become one polygon.
    """

    def __init__(self, width: int, folder: Path | None = None, place: Place | None = None) -> None:
        """Start above the first strip.

        Args:
            width: places along a seam.
            folder: see ShapeStore.
            place: makes pixel coordinates of whole polygons' own; None: they are that.
        """
        self._place = place
        self._store = ShapeStore(folder)
        self._count = 0
        self._open, self._numbers = concatenate([]), np.zeros(0, dtype=np.int64)
        self._group = np.zeros(0, dtype=np.int64)
        self._last = np.zeros(width, dtype=np.int64)  # of open parts, from 1

    def add(self, part: Shapes, first: Longs, last: Longs, alike: NDArray[np.bool_] | None = None) -> None:
        """The parts of the next strip.

        Args:
            part: the parts.
            first: (width,) number from 1 of the part at each place of the strip's upper seam, 0 where none is.
            last: the same of its lower seam.
            alike: (width,) where what is above the upper seam may be joined with what is below; None: everywhere.
        """
        before = len(self._open)
        first, last = (np.where(ids > 0, ids + before, 0) for ids in (first, last))
        parts = concatenate([self._open, part])
        numbers = np.concatenate([self._numbers, self._count + np.arange(len(part))])
        joined = (self._last > 0) & (first > 0)
        joined &= True if alike is None else alike
        pairs = [np.stack([np.arange(before), self._group], axis=1)]
        pairs.append(np.unique(np.stack([self._last[joined], first[joined]], axis=1), axis=0) - 1)
        group = smallest_members(len(parts), np.concatenate(pairs))
        still = np.zeros(len(parts), dtype=bool)
        still[group[np.unique(last[last > 0]) - 1]] = True
        still = still[group]
        self._close(parts.take(~still), numbers[~still], group[~still])
        place = np.concatenate([[0], np.cumsum(still)])  # of a part's number from 1 among the open ones, from 1
        self._open, self._numbers, self._group = parts.take(still), numbers[still], place[group[still] + 1] - 1
        self._last = place[last]
        self._count += len(part)

    def _close(self, parts: Shapes, numbers: Longs, group: Longs) -> None:
        """Make whole groups of parts one polygon each."""
        if len(parts):
            merged = merge(parts, group)
            if self._place is not None:
                merged = replace(merged, geometry=self._place(merged.geometry))
            self._store.add(merged, numbers[np.unique(group, return_index=True)[1]])

    def finish(self) -> ShapeStore:
        """All polygons, in the order in which their first parts were found."""
        self._close(self._open, self._numbers, self._group)
        self._open = concatenate([])
        return self._store


def smallest_members(count: int, pairs: Longs) -> Longs:
    """(count,) the smallest member of each one's group, groups being joined by the (n, 2) pairs: union-find."""
    parent = list(range(count))

    def root(member: int) -> int:
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for start in range(0, len(pairs), AT_ONCE):
        for one, other in pairs[start : start + AT_ONCE].tolist():
            a, b = root(one), root(other)
            parent[max(a, b)] = min(a, b)
    return np.array([root(member) for member in range(count)], dtype=np.int64)


def merge(parts: Shapes, group: Longs) -> Shapes:
    """One polygon per group; `group` (n,) numbers the group of each part, and the polygons come in that order."""
    _, firsts, index, sizes = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    pixels = np.bincount(index, parts.pixels).astype(np.int64)
    weight = np.bincount(index, parts.weight).astype(np.float64)
    geometry, several = parts.geometry[firsts].copy(), sizes > 1
    if several.any():
        joined = several[index]
        geometry[several] = unite(parts.geometry[joined], np.cumsum(several)[index[joined]] - 1)
    return Shapes(geometry, parts.code[firsts], pixels, weight)


def concatenate(parts: list[Shapes]) -> Shapes:
    """All polygons of several Shapes in order; an empty list gives no polygons."""
    if not parts:
        none = np.zeros(0)
        return Shapes(none.astype(object), none.astype(np.uint8), none.astype(np.int64), none)
    return Shapes(
        np.concatenate([part.geometry for part in parts]),
        np.concatenate([part.code for part in parts]),
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


HOLES_IN_OUTLINES = shapely.geos_version < (3, 14)
"""Whether GEOS gives a hole that touches the outline of a coverage as a part of that outline."""


def unite(parts: Geometries, group: Longs) -> Geometries:
    """One polygon for each group of parts, groups numbered from 0; pixel coordinates, no part in a hole of its group.

    A hole never reaches a seam: so outer rings are joined alone, and holes kept as they are, of which there may be
    thousands.
    """
    groups = group.max() + 1
    rings, owner = shapely.get_rings(parts, return_index=True)
    outer = np.diff(owner, prepend=-1) > 0
    outlines, holes = shapely.polygons(noded(rings[outer], shapely.bounds(parts))), rings[~outer]
    united: Geometries = np.array([shapely.coverage_union_all(outlines[own]) for own in _members(group, groups)])
    if HOLES_IN_OUTLINES:
        united = shapely.make_valid(united)
    united = shapely.simplify(united, 0)
    for number, kept in enumerate(_members(group[owner[~outer]], groups)):
        outline, *new = shapely.get_rings(united[number])
        united[number] = shapely.polygons(outline, np.array([*new, *holes[kept]], dtype=object))
    return united


def _members(group: Longs, groups: int) -> list[Longs]:
    """The places of each group's members, in order."""
    ends = np.cumsum(np.bincount(group, minlength=groups))
    return np.split(np.argsort(group, kind="stable"), ends[:-1])


def noded(rings: Geometries, bounds: NDArray[np.float64]) -> Geometries:
    """The rings with a vertex wherever one of another lies on their edges along a seam: shared edges are then alike.

    Args:
        rings: closed, with whole numbers for coordinates.
        bounds: (n, 4) of the parts they belong to; a seam is where one part ends and another begins.
    """
    # A seam runs along a row of whole numbers. Two parts that meet there have edges of different lengths:
    #
    #      +---------------+          the lower part's corners at 3 and 5 become
    #      |     above     |          vertices of the upper part's edge as well,
    #      +---+-----+-----+  seam    so that both have the pieces 3-5 and GEOS
    #          |below|                can take shared pieces away
    #          3     5
    #
    # A place (row, column) is one number, row << 32 + column, so that all vertices on seams are one sorted array and
    # those strictly inside each edge are a slice of it, found by searchsorted. Edges that run backwards get theirs in
    # reverse order. All are inserted at once behind the first point of their edges.
    points, ring = shapely.get_coordinates(rings, return_index=True)
    x, y = points.astype(np.int64).T
    place = (y << 32) + x  # along a row, in order
    on_seam = np.isin(y, np.intersect1d(bounds[:, 1], bounds[:, 3]))
    vertices = np.unique(place[on_seam])
    edge = np.flatnonzero(on_seam[:-1] & (y[:-1] == y[1:]) & (ring[:-1] == ring[1:]))
    low, high = np.sort([place[edge], place[edge + 1]], axis=0)
    first, end = np.searchsorted(vertices, low, "right"), np.searchsorted(vertices, high, "left")
    count = end - first
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    backwards = np.repeat(place[edge + 1] < place[edge], count)
    between = vertices[np.where(backwards, np.repeat(end, count) - 1 - step, np.repeat(first, count) + step)]
    after = np.repeat(edge + 1, count)
    every = np.insert(points, after, np.stack([between & 0xFFFFFFFF, between >> 32], axis=1), axis=0)
    return np.asarray(shapely.linearrings(every, indices=np.insert(ring, after, ring[after])))
