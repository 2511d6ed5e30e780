"""Rectilinear rings: what lies inside them, by their vertical edges, and rings that touch at a seam made one again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Geometries = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Edges:
    """The vertical edges of a set of polygons that do not overlap, in pixels of a strip; one entry an edge."""

    polygon: IntArray
    """Number of the polygon, from 0."""
    column: IntArray
    """Pixels to its left in a row."""
    top: IntArray
    """First row beside it."""
    bottom: IntArray
    """The row after the last."""
    side: IntArray
    """1 where the polygon lies on its left, -1 where on its right."""

    def enlarged(self, times: int, shape: tuple[int, int]) -> Edges:
        """The same where each pixel has become `times` pixels a side, cut off at (height, width)."""
        height, width = shape
        column, top, bottom = (
            np.minimum(pixels * times, end)
            for pixels, end in ((self.column, width), (self.top, height), (self.bottom, height))
        )
        return Edges(self.polygon, column, top, bottom, self.side)


def vertical_edges(xy: NDArray[Any], ring_ends: IntArray, polygon_ends: IntArray) -> Edges:
    """The edges of polygons whose first ring is the exterior, whichever way round each ring runs.

    Args:
        xy: (points, 2) corners of all rings, columns then rows, each ring closed.
        ring_ends: ends of rings in xy, a 0 before them.
        polygon_ends: ends of polygons in rings, a 0 before them.
    """
    x, y = xy.astype(np.int64).reshape(-1, 2).T
    ring = np.repeat(np.arange(len(ring_ends) - 1), np.diff(ring_ends))
    exterior = np.full(len(ring_ends) - 1, -1)
    exterior[polygon_ends[:-1]] = 1
    start = np.flatnonzero((ring[:-1] == ring[1:]) & (x[:-1] == x[1:]))
    rise, ring = y[start + 1] - y[start], ring[start]
    turns = np.sign(np.bincount(ring, x[start] * rise, len(exterior))).astype(np.int64)  # Green's theorem: area
    polygon = np.repeat(np.arange(len(polygon_ends) - 1), np.diff(polygon_ends))[ring]
    top, bottom = np.minimum(y[start], y[start + 1]), np.maximum(y[start], y[start + 1])
    return Edges(polygon, x[start], top, bottom, np.sign(rise) * (turns * exterior)[ring])


def count_pixels(edges: Edges, polygons: int) -> IntArray:
    """(polygons,) pixels inside each."""
    strips = edges.side * edges.column * (edges.bottom - edges.top)
    return np.bincount(edges.polygon, strips, polygons).astype(np.int64)


def sum_values(edges: Edges, polygons: int, values: NDArray[Any]) -> NDArray[np.float64]:
    """(polygons,) sum of the values (h, width) inside each, NaN counted as 0.

    In each row a polygon lies between edges on its left and on its right; the sum of all pixels before the one, rows
    read one after the other, less that before the other is what it holds of the row.
    """
    unknown = np.isnan(values)
    told = np.where(unknown, 0, values) if unknown.any() else values
    before = np.zeros(told.size + 1)
    np.cumsum(told, dtype=np.float64, out=before[1:])
    long = edges.bottom - edges.top
    down = np.arange(long.sum()) - np.repeat(np.cumsum(long) - long, long)
    at = np.repeat(edges.top * values.shape[1] + edges.column, long) + down * values.shape[1]
    held = np.repeat(edges.side, long) * before[at]
    return np.bincount(np.repeat(edges.polygon, long), held, polygons).astype(np.float64)


def covered(edges: Edges, row: int, width: int) -> IntArray:
    """(width,) number from 1 of the polygon that covers each pixel of a row, 0 where none does."""
    here = (edges.top <= row) & (row < edges.bottom)
    steps = -edges.side[here] * (edges.polygon[here] + 1)
    return np.bincount(edges.column[here], steps, width + 1)[:width].cumsum().astype(np.int64)


HOLES_IN_OUTLINES = shapely.geos_version < (3, 14)
"""Whether GEOS gives a hole that touches the outline of a coverage as a part of that outline."""


def unite(parts: Geometries, group: IntArray) -> Geometries:
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


def _members(group: IntArray, groups: int) -> list[IntArray]:
    """The places of each group's members, in order."""
    ends = np.cumsum(np.bincount(group, minlength=groups))
    return np.split(np.argsort(group, kind="stable"), ends[:-1])


def noded(rings: Geometries, bounds: NDArray[np.float64]) -> Geometries:
    """The rings with a vertex wherever one of another lies on their edges along a seam: shared edges are then alike.

    Args:
        rings: closed, with whole numbers for coordinates.
        bounds: (n, 4) of the parts they belong to; a seam is where one part ends and another begins.
    """
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
