"""Join the parts of polygons that lie in different strips of a mask, and store finished polygons on disk."""

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
"""`pixel`: along the edges of pixels, equal to the mask; `smooth`: where P(cloud) crosses 0.5 between their centres."""
Geometries = NDArray[Any]
IN_MEMORY = 16 << 20
"""Bytes of finished polygons that are kept in memory; if there are more, all are kept in a file."""
AT_ONCE = 50_000
"""Number of polygons that are read back at once."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Polygons in pixel coordinates, x = column and y = row of pixel corners; one entry per polygon in every array."""

    geometry: NDArray[Any]
    """Shapely polygons with their holes; 4-connected pixels of one code are one polygon."""
    code: NDArray[np.uint8]
    """Code of the mask inside."""
    pixels: NDArray[np.int64]
    """Number of pixels inside."""
    weight: NDArray[np.float64]
    """Sum inside of the values that were given to the tracer."""

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self.code)

    def take(self, index: NDArray[Any]) -> Shapes:
        """The polygons that an index array or boolean mask selects."""
        return Shapes(self.geometry[index], self.code[index], self.pixels[index], self.weight[index])


class ShapeStore:
    """Finished polygons: about 50 bytes each in memory; their geometries are in a file if there are many."""

    def __init__(self, folder: Path | None = None) -> None:
        """Start empty. `folder`: for the temporary file; None: the system's folder for temporary files."""
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=None if folder is None else str(folder))  # noqa: SIM115 - closed with the store
        weakref.finalize(self, self._file.close)
        self._end = 0
        self._tables: list[NDArray[np.void]] = []
        self._table: NDArray[np.void] = np.zeros(0, dtype=_ROW)

    def add(self, shapes: Shapes, numbers: Longs) -> None:
        """Add polygons; they are given back in the order of their `numbers` (n,)."""
        packed = shapely.to_wkb(shapes.geometry)
        rows = np.zeros(len(shapes), dtype=_ROW)
        rows["length"] = [len(wkb) for wkb in packed]
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
        """The table of all polygons, in the order of their numbers."""
        if self._tables:
            table = np.concatenate([self._table, *self._tables])
            self._tables, self._table = [], table[np.argsort(table["number"], kind="stable")]
        return self._table

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self._rows())

    @property
    def code(self) -> NDArray[np.uint8]:
        """(n,) code of the mask in each."""
        return np.asarray(self._rows()["code"])

    @property
    def pixels(self) -> Longs:
        """(n,) number of pixels in each."""
        return np.asarray(self._rows()["pixels"])

    @property
    def numbers(self) -> Longs:
        """(n,) the numbers given to `add`, ascending."""
        return np.asarray(self._rows()["number"])

    @property
    def rows(self) -> tuple[Longs, Longs]:
        """(n,) first row of each polygon, and (n,) the row after its last one."""
        return np.asarray(self._rows()["top"]), np.asarray(self._rows()["bottom"])

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        """Drop all polygons but those where `wanted` (n,) is True."""
        self._table = self._rows()[wanted]

    def take(self, index: NDArray[Any]) -> Shapes:
        """The polygons that an index array or boolean mask selects."""
        rows = self._rows()[index]
        packed = []
        for start, length in zip(rows["start"].tolist(), rows["length"].tolist(), strict=True):
            self._file.seek(start)
            packed.append(self._file.read(length))
        geometry = shapely.from_wkb(np.array(packed, dtype=object))
        return Shapes(geometry, rows["code"].copy(), rows["pixels"].copy(), rows["weight"].copy())

    def chunks(self, size: int = AT_ONCE) -> Iterator[Shapes]:
        """All polygons, at most `size` at once; an empty store gives one empty Shapes."""
        count = len(self)
        for start in range(0, max(count, 1), size):
            yield self.take(np.arange(start, min(start + size, count)))

    def all(self) -> Shapes:
        """All polygons at once."""
        return self.take(np.arange(len(self)))


_ROW = np.dtype(
    [
        *(("number", np.int64), ("start", np.int64), ("length", np.int64), ("pixels", np.int64)),
        *(("weight", np.float64), ("top", np.int32), ("bottom", np.int32), ("code", np.uint8)),
    ]
)


class Joiner:
    """Joins the parts of polygons that come strip by strip from the top.

    A group of joined parts stays open while any of them touches the lower seam of the last strip. After that no part
    below can join it, and the group becomes one polygon.
    """

    def __init__(self, width: int, folder: Path | None = None, place: Place | None = None) -> None:
        """Start above the first strip.

        Args:
            width: number of positions along a seam.
            folder: see ShapeStore.
            place: converts the coordinates of finished polygons into pixel coordinates; None: they need no conversion.
        """
        self._place = place
        self._store = ShapeStore(folder)
        self._count = 0
        self._open, self._numbers = concatenate([]), np.zeros(0, dtype=np.int64)
        self._group = np.zeros(0, dtype=np.int64)
        self._last = np.zeros(width, dtype=np.int64)  # number of the open part at each position, from 1

    def add(self, part: Shapes, first: Longs, last: Longs, alike: NDArray[np.bool_] | None = None) -> None:
        """Add the parts of the next strip.

        Args:
            part: the parts.
            first: (width,) number, from 1, of the part at each position of the strip's upper seam; 0 if there is none.
            last: the same for its lower seam.
            alike: (width,) True where parts may be joined across the upper seam; None: everywhere.
        """
        open_count = len(self._open)
        first, last = (np.where(ids > 0, ids + open_count, 0) for ids in (first, last))
        parts = concatenate([self._open, part])
        numbers = np.concatenate([self._numbers, self._count + np.arange(len(part))])
        joined = (self._last > 0) & (first > 0)
        joined &= True if alike is None else alike
        pairs = [np.stack([np.arange(open_count), self._group], axis=1)]
        pairs.append(np.unique(np.stack([self._last[joined], first[joined]], axis=1), axis=0) - 1)
        group = smallest_members(len(parts), np.concatenate(pairs))
        still_open = np.zeros(len(parts), dtype=bool)
        still_open[group[np.unique(last[last > 0]) - 1]] = True
        still_open = still_open[group]
        self._close(parts.take(~still_open), numbers[~still_open], group[~still_open])
        renumber = np.concatenate([[0], np.cumsum(still_open)])  # part -> open part, both numbered from 1
        self._open, self._numbers = parts.take(still_open), numbers[still_open]
        self._group = renumber[group[still_open] + 1] - 1
        self._last = renumber[last]
        self._count += len(part)

    def _close(self, parts: Shapes, numbers: Longs, group: Longs) -> None:
        """Make one polygon of each group of parts, and store it; `numbers` and `group` (n,) belong to the parts."""
        if len(parts):
            merged = merge(parts, group)
            if self._place is not None:
                merged = replace(merged, geometry=self._place(merged.geometry))
            self._store.add(merged, numbers[np.unique(group, return_index=True)[1]])

    def finish(self) -> ShapeStore:
        """All polygons, in the order in which their first parts were found. Call it once, after the last strip."""
        self._close(self._open, self._numbers, self._group)
        self._open = concatenate([])
        return self._store


def smallest_members(count: int, pairs: Longs) -> Longs:
    """(count,) for each of `count` members, the smallest one of its group; the (n, 2) pairs join groups: union-find."""
    parent = list(range(count))

    def root(member: int) -> int:
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for start in range(0, len(pairs), AT_ONCE):
        for first, second in pairs[start : start + AT_ONCE].tolist():
            a, b = root(first), root(second)
            parent[max(a, b)] = min(a, b)
    return np.array([root(member) for member in range(count)], dtype=np.int64)


def merge(parts: Shapes, group: Longs) -> Shapes:
    """One polygon per group, in the order of the group numbers; `group` (n,) is the number of each part's group."""
    _, firsts, index, sizes = np.unique(group, return_index=True, return_inverse=True, return_counts=True)
    pixels = np.bincount(index, parts.pixels).astype(np.int64)
    weight = np.bincount(index, parts.weight).astype(np.float64)
    geometry, has_several = parts.geometry[firsts].copy(), sizes > 1
    if has_several.any():
        in_several = has_several[index]
        geometry[has_several] = unite(parts.geometry[in_several], np.cumsum(has_several)[index[in_several]] - 1)
    return Shapes(geometry, parts.code[firsts], pixels, weight)


def concatenate(parts: list[Shapes]) -> Shapes:
    """All polygons of several Shapes, in order; an empty list gives an empty Shapes."""
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
"""Whether this GEOS makes a hole that touches the outline of a coverage a part of that outline."""


def unite(parts: Geometries, group: Longs) -> Geometries:
    """(groups,) one polygon for each group of parts, in pixel coordinates.

    Only the exteriors are united. The holes of the parts, of which there may be thousands, are kept as they are: a hole
    never reaches a seam.

    Args:
        parts: (n,) polygons; none lies in a hole of its group.
        group: (n,) number of each part's group, from 0 without gaps.
    """
    groups = group.max() + 1
    rings, owner = shapely.get_rings(parts, return_index=True)
    outer = np.diff(owner, prepend=-1) > 0
    outlines, holes = shapely.polygons(noded(rings[outer], shapely.bounds(parts))), rings[~outer]
    united: Geometries = np.array([shapely.coverage_union_all(outlines[part]) for part in _members(group, groups)])
    if HOLES_IN_OUTLINES:
        united = shapely.make_valid(united)
    united = shapely.simplify(united, 0)
    for number, own_holes in enumerate(_members(group[owner[~outer]], groups)):
        outline, *new_holes = shapely.get_rings(united[number])
        united[number] = shapely.polygons(outline, np.array([*new_holes, *holes[own_holes]], dtype=object))
    return united


def _members(group: Longs, groups: int) -> list[Longs]:
    """For each group, the indices of its members, ascending."""
    ends = np.cumsum(np.bincount(group, minlength=groups))
    return np.split(np.argsort(group, kind="stable"), ends[:-1])


def noded(rings: Geometries, bounds: NDArray[np.float64]) -> Geometries:
    """The rings with more vertices: wherever a vertex of another ring lies on an edge along a seam.

    Shared edges then have equal vertices in both rings, as GEOS needs them.

    Args:
        rings: closed rings with integer coordinates.
        bounds: (n, 4) bounds of the parts (left, top, right, bottom); a seam is where one ends and another begins.
    """
    # A seam is a line of constant integer y. Two parts that meet there have edges of different lengths:
    #
    #      +---------------+          the corners of the lower part at 3 and 5
    #      |     above     |          become vertices of the upper part's edge, so
    #      +---+-----+-----+  seam    that both parts have the edge 3-5, and GEOS
    #          |below|                can remove shared edges
    #          3     5
    #
    # A vertex (row, column) is one number, row << 32 + column. So all vertices on seams are one sorted array, and those
    # strictly inside an edge are a slice of it, found by searchsorted. Edges that run backwards get their vertices in
    # reverse order. All vertices are inserted at once, each after the first point of its edge.
    points, ring = shapely.get_coordinates(rings, return_index=True)
    x, y = points.astype(np.int64).T
    vertex = (y << 32) + x  # ascending along a row
    on_seam = np.isin(y, np.intersect1d(bounds[:, 1], bounds[:, 3]))
    vertices = np.unique(vertex[on_seam])
    edge = np.flatnonzero(on_seam[:-1] & (y[:-1] == y[1:]) & (ring[:-1] == ring[1:]))
    low, high = np.sort([vertex[edge], vertex[edge + 1]], axis=0)
    first, end = np.searchsorted(vertices, low, "right"), np.searchsorted(vertices, high, "left")
    count = end - first
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    backwards = np.repeat(vertex[edge + 1] < vertex[edge], count)
    between = vertices[np.where(backwards, np.repeat(end, count) - 1 - step, np.repeat(first, count) + step)]
    after = np.repeat(edge + 1, count)
    all_points = np.insert(points, after, np.stack([between & 0xFFFFFFFF, between >> 32], axis=1), axis=0)
    return np.asarray(shapely.linearrings(all_points, indices=np.insert(ring, after, ring[after])))
