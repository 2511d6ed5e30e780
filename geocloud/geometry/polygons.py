"""Mask -> polygons: traced strip by strip, joined at the seams, with the mean score inside each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from geocloud.geometry.rings import Edges, count_pixels, covered, sum_values, unite, vertical_edges
from geocloud.raster import CLEAR, NODATA, ByteArray

STRIP_PIXELS = 3 << 20
"""Pixels traced at once: bounds the memory of a strip however wide the scene is."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Polygons in pixel coordinates, x = column and y = row of pixel corners; one entry a polygon in every array."""

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


class PolygonTracer:
    """Takes a mask row by row from the top and gives its polygons, holding polygons only, never the mask.

    A strip's polygons stay open while they, or what they are joined with, touch the last row; then nothing below can
    reach them, and their parts become one polygon.
    """

    def __init__(self, width: int, squares: int = 1) -> None:
        """Start at row 0 of a mask this wide; `squares`: the side of squares of one code each that it may be made of.

        The polygons are the same whatever `squares` is, only sooner there where it holds.
        """
        self._width, self._squares = width, squares
        self._row = 0
        self._count = 0
        self._open, self._numbers = concatenate([]), np.zeros(0, dtype=np.int64)
        self._group = np.zeros(0, dtype=np.int64)
        self._last: ByteArray = np.full(width, CLEAR, dtype=np.uint8)
        self._last_ids = np.zeros(width, dtype=np.int64)  # of open parts, from 1
        self._done: list[Shapes] = []  # as WKB, half the size
        self._done_numbers: list[NDArray[np.int64]] = []

    def add(self, mask: ByteArray, values: NDArray[Any]) -> None:
        """The next rows: mask codes (h, width) and the values (h, width) to sum inside polygons, NaN counted as 0."""
        strips = -(-len(mask) // max(64, STRIP_PIXELS // self._width))
        step = -(-len(mask) // max(1, strips * self._squares)) * self._squares
        for start in range(0, len(mask), step):
            self._add_strip(mask[start : start + step], values[start : start + step])

    def _add_strip(self, mask: ByteArray, values: NDArray[Any]) -> None:
        part, edges = trace(mask, values, self._row, self._squares)
        before = len(self._open)
        first, last = (_shifted(covered(edges, row, self._width), before) for row in (0, len(mask) - 1))
        parts = concatenate([self._open, part])
        numbers = np.concatenate([self._numbers, self._count + np.arange(len(part))])
        joined = (self._last_ids > 0) & (first > 0) & (self._last == mask[0])
        pairs = [np.stack([np.arange(before), self._group], axis=1)]
        pairs.append(np.unique(np.stack([self._last_ids[joined], first[joined]], axis=1), axis=0) - 1)
        group = connect(len(parts), np.concatenate(pairs))
        still = np.zeros(len(parts), dtype=bool)
        still[group[np.unique(last[last > 0]) - 1]] = True
        still = still[group]
        self._close(parts.take(~still), numbers[~still], group[~still])
        place = np.concatenate([[0], np.cumsum(still)])  # of a part's number from 1 among the open ones, from 1
        self._open, self._numbers, self._group = parts.take(still), numbers[still], place[group[still] + 1] - 1
        self._last, self._last_ids = mask[-1].copy(), place[last]
        self._count += len(part)
        self._row += len(mask)

    def _close(self, parts: Shapes, numbers: NDArray[np.int64], group: NDArray[np.int64]) -> None:
        """Make whole groups of parts one polygon each."""
        if len(parts):
            merged = merge(parts, group)
            self._done.append(replace(merged, geometry=shapely.to_wkb(merged.geometry)))
            self._done_numbers.append(numbers[np.unique(group, return_index=True)[1]])

    def finish(self) -> Shapes:
        """All polygons, in the order in which their first parts were found; the tracer keeps none of them."""
        self._close(self._open, self._numbers, self._group)
        self._open = concatenate([])
        packed, numbers = concatenate(self._done), self._done_numbers
        self._done, self._done_numbers = [], []
        if not len(packed):
            return packed
        packed = packed.take(np.argsort(np.concatenate(numbers)))
        return replace(packed, geometry=shapely.from_wkb(packed.geometry))


def _shifted(ids: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    """Numbers from 1 moved on, 0 left as it is."""
    return np.where(ids > 0, ids + by, 0)


def trace(mask: ByteArray, values: NDArray[Any], row: int = 0, squares: int = 1) -> tuple[Shapes, Edges]:
    """Polygons of all codes but clear and nodata in one strip whose first row is the scene's `row`, and their edges.

    Mask and values that are made of squares are traced with each as one pixel.
    """
    side = squares if made_of_squares(mask, squares) and made_of_squares(values, squares) else 1
    small = np.ascontiguousarray(mask[::side, ::side])
    wanted = (small != CLEAR) & (small != NODATA)
    points: list[tuple[float, float]] = []
    ring_ends, polygon_ends, codes = [0], [0], []
    for shape, code in features.shapes(small, mask=wanted, connectivity=4):
        for ring in shape["coordinates"]:
            points += ring
            ring_ends.append(len(points))
        polygon_ends.append(len(ring_ends) - 1)
        codes.append(code)
    xy = np.array(points, dtype=np.float64).reshape(-1, 2)
    offsets = np.array(ring_ends), np.array(polygon_ends)
    edges = vertical_edges(xy, *offsets)
    weight = sum_values(edges, len(codes), sums_of_squares(values, side))
    edges = edges.enlarged(side, mask.shape)
    corners = np.minimum(xy * side, mask.shape[::-1]) + np.array([0, row])
    geometry = shapely.from_ragged_array(shapely.GeometryType.POLYGON, corners, offsets)
    return Shapes(geometry, np.array(codes, dtype=np.uint8), count_pixels(edges, len(codes)), weight), edges


def made_of_squares(rows: NDArray[Any], side: int) -> bool:
    """Whether all squares of side x side pixels, from the first corner on, hold one number each."""

    def alike(lines: NDArray[Any]) -> bool:
        first = lines[::side]
        return all(np.array_equal(other := lines[n::side], first[: len(other)]) for n in range(1, side))

    return alike(rows) and alike(rows[::side].T)


def sums_of_squares(values: NDArray[Any], side: int) -> NDArray[Any]:
    """(h / side, w / side) sums of values that are made of squares, those cut off by the last row or column too."""
    if side == 1:
        return values
    sums: NDArray[Any] = values[::side, ::side] * np.float32(side**2)
    height, width = values.shape
    sums[-1] *= np.float32((height - 1) % side + 1) / side
    sums[:, -1] *= np.float32((width - 1) % side + 1) / side
    return sums


def connect(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,) the smallest member of each one's group, groups being joined by the (n, 2) pairs: union-find."""
    parent = list(range(count))

    def root(member: int) -> int:
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for one, other in pairs.tolist():
        a, b = root(one), root(other)
        parent[max(a, b)] = min(a, b)
    return np.array([root(member) for member in range(count)], dtype=np.int64)


def merge(parts: Shapes, group: NDArray[np.int64]) -> Shapes:
    """One polygon a group; `group` (n,) numbers the group of each part, and the polygons come in that order."""
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


def joined_groups(shapes: Shapes, kinds: NDArray[Any]) -> NDArray[np.int64]:
    """(n,) the group of each polygon: those of one kind (n,) that share an edge are one, whatever their codes."""
    if len(np.unique(shapes.code)) == len(np.unique(kinds)):
        return np.arange(len(shapes))
    tree = shapely.STRtree(shapes.geometry)
    one, other = tree.query(shapes.geometry, predicate="intersects")
    alike = (one < other) & (kinds[one] == kinds[other])
    one, other = one[alike], other[alike]
    touching = shapely.length(shapely.intersection(shapes.geometry[one], shapes.geometry[other])) > 0
    return connect(len(shapes), np.stack([one[touching], other[touching]], axis=1).astype(np.int64))


def burn(shapes: Shapes, shape: tuple[int, int], row: int = 0) -> NDArray[np.bool_]:
    """(height, width) True inside the polygons, for a window whose first row is the scene's `row`."""
    if not len(shapes):
        return np.zeros(shape, dtype=bool)
    burnt: NDArray[np.uint8] = features.rasterize(
        ((polygon, 1) for polygon in shapes.geometry),
        out_shape=shape,
        transform=Affine.translation(0, row),
        dtype=np.uint8,
    )
    return burnt.astype(bool)
