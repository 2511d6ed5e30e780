"""Mask -> polygons: traced strip by strip, joined at the seams, with the mean score inside each."""

from __future__ import annotations

from array import array
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from geocloud.geometry.rings import Edges, count_pixels, covered, sum_values, vertical_edges
from geocloud.geometry.shapes import Joiner, Shapes, ShapeStore, connect
from geocloud.raster import CLEAR, NODATA, ByteArray

STRIP_PIXELS = 3 << 20
"""Pixels traced at once: bounds the memory of a strip however wide the scene is."""
STRIP_CHANGES = 500_000
"""Changes of code along the rows of what is traced at once, about: bounds it however many polygons there are."""


class PolygonTracer:
    """Takes a mask row by row from the top and gives its polygons, holding polygons only, never the mask."""

    def __init__(self, width: int, squares: int = 1, folder: Path | None = None) -> None:
        """Start at row 0 of a mask this wide.

        The polygons are the same whatever `squares` is, only sooner there where it holds.

        Args:
            width: columns.
            squares: side of squares of one code each that the mask may be made of.
            folder: where many polygons wait; None: the system's for temporary files.
        """
        self._width, self._squares = width, squares
        self._row = 0
        self._joiner = Joiner(width, folder)
        self._last: ByteArray = np.full(width, CLEAR, dtype=np.uint8)

    def add(self, mask: ByteArray, values: NDArray[Any]) -> None:
        """The next rows: mask codes (h, width) and the values (h, width) to sum inside polygons, NaN counted as 0."""
        strips = -(-len(mask) // max(64, STRIP_PIXELS // self._width))
        changes = int(np.count_nonzero(mask[:, 1:] != mask[:, :-1]))
        strips = max(strips, -(-changes // STRIP_CHANGES))
        step = -(-len(mask) // max(1, strips * self._squares)) * self._squares
        for start in range(0, len(mask), step):
            self._add_strip(mask[start : start + step], values[start : start + step])

    def _add_strip(self, mask: ByteArray, values: NDArray[Any]) -> None:
        part, edges = trace(mask, values, self._row, self._squares)
        first, last = (covered(edges, row, self._width) for row in (0, len(mask) - 1))
        self._joiner.add(part, first, last, self._last == mask[0])
        self._last = mask[-1].copy()
        self._row += len(mask)

    def finish(self) -> ShapeStore:
        """All polygons, in the order in which their first parts were found; the tracer keeps none of them."""
        return self._joiner.finish()


def trace(mask: ByteArray, values: NDArray[Any], row: int = 0, squares: int = 1) -> tuple[Shapes, Edges]:
    """Polygons of all codes but clear and nodata in one strip whose first row is the scene's `row`, and their edges.

    Mask and values that are made of squares are traced with each as one pixel.
    """
    side = squares if made_of_squares(mask, squares) and made_of_squares(values, squares) else 1
    small = np.ascontiguousarray(mask[::side, ::side])
    wanted = (small != CLEAR) & (small != NODATA)
    points = array("d")  # a list of pairs would take eight times the memory
    ring_ends, polygon_ends, codes = [0], [0], []
    for shape, code in features.shapes(small, mask=wanted, connectivity=4):
        for ring in shape["coordinates"]:
            points.extend(chain.from_iterable(ring))
            ring_ends.append(len(points) // 2)
        polygon_ends.append(len(ring_ends) - 1)
        codes.append(code)
    xy = np.frombuffer(points, dtype=np.float64).reshape(-1, 2)
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
