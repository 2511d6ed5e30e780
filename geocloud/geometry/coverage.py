"""The exact share of each pixel that a polygon covers."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geocloud.raster import Window

Floats = NDArray[np.float64]


def polygon_edges(geometry: Any) -> Floats:  # noqa: ANN401 - shapely is untyped
    """(n, 2, 2) edges (start, end) of (x, y) of a polygon or multipolygon, exterior rings turning left."""
    rings = shapely.get_rings(shapely.get_parts(shapely.orient_polygons(geometry)))
    points, owner = shapely.get_coordinates(rings, return_index=True)
    edges: Floats = np.stack([points[:-1], points[1:]], axis=1)[np.diff(owner) == 0]
    return edges


def coverage(edges: Floats, window: Window) -> Floats:
    """(height, width) share, 0 to 1, of each pixel of a window that lies inside a polygon.

    The result is exact except for rounding. The area of a polygon within a pixel is the integral of x dy along its
    edges, with x clamped to the pixel (Green's theorem). So an edge adds its height to all pixels on its left, and a
    part of its height to the pixels that it crosses. Holes subtract, because they run the other way.

    Args:
        edges: (n, 2, 2) from `polygon_edges`, in pixel coordinates (column, row) of the raster.
        window: the pixels to compute.
    """
    height, width = window.shape
    moved = edges - [window.col, window.row]
    pieces = _split(_split(moved, 1, height), 0, width)
    middle, rise = pieces.mean(axis=1), pieces[:, 1, 1] - pieces[:, 0, 1]
    # Column -1 (left of the window) is stored at index 0, and column `width` (right of it) at index width + 1.
    row = np.clip(np.floor(middle[:, 1]), -1, height).astype(np.intp)
    col = np.clip(np.floor(middle[:, 0]), -1, width).astype(np.intp) + 1
    in_rows = (row >= 0) & (row < height)
    row, col, rise, x = row[in_rows], col[in_rows], rise[in_rows], middle[in_rows, 0]
    cell, cells = row * (width + 2) + col, height * (width + 2)
    full_rise = np.bincount(cell, rise, cells).reshape(height, width + 2)
    partial_rise = np.bincount(cell, rise * (x - np.floor(x)), cells).reshape(height, width + 2)
    on_the_left = full_rise[:, ::-1].cumsum(axis=1)[:, ::-1][
        :, 2:
    ]  # for each column: the edges in all columns to the right of it
    share: Floats = np.clip(partial_rise[:, 1:-1] + on_the_left, 0, 1)
    share[share < 1e-9] = 0  # rounding errors of sums that cancel
    return share


def _split(edges: Floats, axis: int, size: int) -> Floats:
    """Edges (n, 2, 2), cut into pieces wherever they cross a border between pixels along x (`axis` 0) or y (1).

    The parts before pixel 0 and after pixel `size` - 1 are not cut further.
    """
    # An edge from 0.5 to 2.5 lies in pixels 0, 1 and 2, so it becomes three pieces. For all edges at once:
    #
    #   first = 0, last = 2, counts = 3    owner: the edge of each piece; pixel: first, first + 1, ... last
    #   pieces: 0.5 to 1, 1 to 2, 2 to 2.5, each as a share of the edge's length (from_low, to_high)
    start, end = edges[:, 0], edges[:, 1]
    low, high = np.minimum(start[:, axis], end[:, axis]), np.maximum(start[:, axis], end[:, axis])
    first = np.clip(np.floor(low), -1, size)
    last = np.maximum(first, np.clip(np.ceil(high) - 1, -1, size))
    counts = (last - first + 1).astype(np.intp)
    owner = np.repeat(np.arange(len(edges)), counts)
    pixel = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    begin = np.where(pixel == first[owner], low[owner], pixel)
    stop = np.where(pixel == last[owner], high[owner], pixel + 1)
    length = np.where(high > low, high - low, 1)[owner]
    from_low = (begin - low[owner]) / length
    to_high = np.where(pixel == last[owner], 1.0, (stop - low[owner]) / length)
    rising = (end[:, axis] >= start[:, axis])[owner]
    # A falling edge starts at its high end, so the position of its pieces is counted from there.
    piece_start = np.where(rising, from_low, 1 - to_high)[:, None]
    piece_end = np.where(rising, to_high, 1 - from_low)[:, None]
    vector = (end - start)[owner]
    return np.stack([start[owner] + piece_start * vector, start[owner] + piece_end * vector], axis=1)
