"""What lies inside rectilinear rings, by their vertical edges: pixels, sums of values, and who covers a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


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
