"""Mask and P(cloud) -> smooth outlines: where P crosses one half between the pixels' centres, by marching squares.

P is taken at the centres of pixels, and between them as their mean: at the middle of each side of a pixel of its two
neighbours, at each corner of its four. So each pixel is four small squares,

    corner --- side --- corner
      |         |         |
    side --- centre --- side
      |         |         |
    corner --- side --- corner

which tile what holds data exactly: an outline ends at the edge of the scene or of nodata, not half a pixel before it.
Where mask and P disagree, as where clouds were grown, P is mirrored at one half, and the outline runs half way between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from geocloud.errors import UsageError
from geocloud.geometry.shapes import Joiner, Shapes, ShapeStore
from geocloud.raster import CLEAR, CLOUD, NODATA, BoolArray, ByteArray, FloatArray

HALF = 0.5
MARGIN = 1 / 512
"""P at the corners of the small squares stays so far from one half: no outline touches itself or another."""
UNITS = 4096
"""Whole numbers to the side of a small square: no two points of outlines are so near that they become one."""
MAX_SIDE = 2**31 // (2 * UNITS) - 1
"""Squares along a side of the scene: two such numbers fit into 64 bits."""
STRIP_PIXELS = 1 << 19
"""Pixels traced at once."""
Floats = NDArray[np.float64]
Longs = NDArray[np.int64]


class OutlineTracer:
    """Takes mask and P(cloud) row by row from the top and gives polygons of cloud with smooth outlines.

    The polygons do not depend on how the rows are cut into strips.
    """

    def __init__(self, shape: tuple[int, int], squares: int = 1, folder: Path | None = None) -> None:
        """Start at row 0.

        Args:
            shape: rows and columns of the mask.
            squares: side of the squares of pixels that were scored as one: P is taken at their centres.
            folder: where many polygons wait; None: the system's for temporary files.

        Raises:
            UsageError: more than MAX_SIDE squares along a side.
        """
        if max(shape) > MAX_SIDE * squares:
            raise UsageError(
                f"the scene has a side of {max(shape)} pixels, smooth outlines at most {MAX_SIDE * squares}"
            )
        self._shape, self._squares = shape, squares
        self._cols = -(-shape[1] // squares)
        self._joiner = Joiner(2 * self._cols, folder, self._place)
        self._row = 0
        self._above, self._waiting = _none(self._cols), _none(self._cols)

    def add(self, mask: ByteArray, values: FloatArray) -> None:
        """The next rows, whole squares but for the last: mask codes (h, width) and P(cloud) (h, width), 0 to 1.

        Raises:
            UsageError: the mask holds other codes than clear, cloud and nodata.
        """
        if not np.isin(mask, (CLEAR, CLOUD, NODATA)).all():
            raise UsageError("smooth outlines are of cloud alone, not of further classes; leave out --outline smooth")
        rows = max(1, STRIP_PIXELS // self._cols) * self._squares
        for start in range(0, len(mask), rows):
            strip = _strip(mask[start : start + rows], values[start : start + rows], self._squares)
            self._trace(below=strip)
            self._waiting = strip

    def finish(self) -> ShapeStore:
        """All polygons, in the order in which their first parts were found; `pixels` and `weight` are of the mask."""
        self._trace(below=_none(self._cols))
        return self._joiner.finish()

    def _trace(self, below: _Strip) -> None:
        """The strip that waits, now that what is below it is known."""
        strip = self._waiting
        if len(strip.p):
            nodes = _nodes(self._above, strip, below)
            self._joiner.add(*_polygons(nodes, strip, self._row))
            self._above = strip
            self._row += len(strip.p)

    def _place(self, geometry: NDArray[Any]) -> NDArray[Any]:
        """Polygons from whole numbers into pixel coordinates; squares that the scene's end cuts off are narrower."""
        ends = []
        for size in reversed(self._shape):
            edges = np.minimum(np.arange(-(-size // self._squares) + 1) * self._squares, size).astype(np.float64)
            ends.append(np.insert(edges, np.arange(1, len(edges)), (edges[1:] + edges[:-1]) / 2))

        def place(xy: Floats) -> Floats:
            return np.stack([np.interp(xy[:, n] / UNITS, np.arange(len(ends[n])), ends[n]) for n in (0, 1)], axis=1)

        return np.asarray(shapely.transform(shapely.simplify(geometry, 0), place))


class _Strip(NamedTuple):
    """Rows of squares; all (h, cols)."""

    p: FloatArray
    """On the side of one half that the mask says."""
    valid: BoolArray
    pixels: Longs
    """The mask's cloudy pixels in each."""
    weight: Floats
    """The sum of P in these."""


def _none(cols: int) -> _Strip:
    """No rows of squares."""
    nothing = np.zeros((0, cols))
    return _Strip(nothing.astype(np.float32), nothing.astype(bool), nothing.astype(np.int64), nothing)


def _strip(mask: ByteArray, values: FloatArray, side: int) -> _Strip:
    """Rows of pixels as rows of squares."""
    cloud, p = mask == CLOUD, np.nan_to_num(values)
    rows, cols = (np.arange(0, size, side) for size in mask.shape)

    def gathered(function: np.ufunc, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels if side == 1 else function.reduceat(function.reduceat(pixels, rows, axis=0), cols, axis=1)

    cloudy = gathered(np.logical_or, cloud)
    top = gathered(np.maximum, p)
    top = np.where((top >= HALF) == cloudy, top, 1 - top)
    top = np.where(cloudy, np.maximum(top, HALF + MARGIN), np.minimum(top, HALF - MARGIN))
    valid, pixels = gathered(np.logical_or, mask != NODATA), gathered(np.add, cloud.astype(np.int64))
    weight = gathered(np.add, np.where(cloud, p, 0).astype(np.float64))
    return _Strip(top, valid, pixels, weight)


def _nodes(above: _Strip, strip: _Strip, below: _Strip) -> Floats:
    """(2 h + 1, 2 cols + 1) P at the corners of a strip's small squares, off one half; NaN at centres of nodata."""
    height, width = strip.p.shape
    p, valid = np.zeros((height + 2, width + 2)), np.zeros((height + 2, width + 2), dtype=bool)
    for rows, part in ((slice(0, 1), above), (slice(1, -1), strip), (slice(-1, None), below)):
        if len(part.p):
            wanted = slice(None) if part is strip else slice(-1, None) if part is above else slice(0, 1)
            p[rows, 1:-1], valid[rows, 1:-1] = part.p[wanted], part.valid[wanted]
    p[~valid] = 0
    nodes = np.empty((2 * height + 1, 2 * width + 1))
    known = valid.astype(np.float64)
    across, across_known = p[:, :-1] + p[:, 1:], known[:, :-1] + known[:, 1:]
    down, down_known = p[:-1] + p[1:], known[:-1] + known[1:]
    nodes[1::2, 1::2] = p[1:-1, 1:-1]
    nodes[1::2, 0::2] = across[1:-1] / np.maximum(across_known[1:-1], 1)
    nodes[0::2, 1::2] = down[:, 1:-1] / np.maximum(down_known[:, 1:-1], 1)
    nodes[0::2, 0::2] = (across[:-1] + across[1:]) / np.maximum(across_known[:-1] + across_known[1:], 1)
    crossed = (
        (valid[:-1, :-1] == valid[1:, 1:]) & (valid[:-1, 1:] == valid[1:, :-1]) & (valid[1:, 1:] != valid[1:, :-1])
    )
    nodes[0::2, 0::2][crossed] = 0  # where data touch at a corner alone, an outline would touch itself
    nodes = np.where(nodes >= HALF, np.maximum(nodes, HALF + MARGIN), np.minimum(nodes, HALF - MARGIN))
    nodes[1::2, 1::2][~strip.valid] = np.nan
    return nodes


def _polygons(nodes: Floats, strip: _Strip, row: int) -> tuple[Shapes, Longs, Longs]:
    """The polygons of a strip whose first row of squares is the scene's `row`, and who touches its seams; see Joiner.

    Coordinates are whole numbers, UNITS to the side of a small square.
    """
    import contourpy

    tracer = contourpy.contour_generator(
        z=np.ma.masked_invalid(nodes), name="serial", corner_mask=False, fill_type=contourpy.FillType.OuterOffset
    )
    found: tuple[list[Floats], list[NDArray[np.uint32]]] = tracer.filled(HALF, 2.0)  # type: ignore[assignment]
    outlines, offsets = found
    count = len(outlines)
    points = np.concatenate([np.zeros((0, 2)), *outlines])
    polygon_ends = np.concatenate([[0], np.cumsum([len(ends) - 1 for ends in offsets])]).astype(np.int64)
    lengths = np.concatenate([np.zeros(0, dtype=np.int64), *(np.diff(ends.astype(np.int64)) for ends in offsets)])
    ring_ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    whole = np.rint(points * UNITS).astype(np.int64)
    owner = np.repeat(np.repeat(np.arange(count), np.diff(polygon_ends)), lengths) + 1
    closing = np.zeros(len(whole), dtype=bool)
    closing[ring_ends[1:] - 1] = True
    inside = _owners(whole[~closing], owner[~closing], nodes, strip)
    first, last = (_on_seam(whole, owner, closing, end, nodes.shape[1] - 1) for end in (0, nodes.shape[0] - 1))
    corners = (whole + np.array([0, 2 * row * UNITS])).astype(np.float64)
    geometry = shapely.from_ragged_array(shapely.GeometryType.POLYGON, corners, (ring_ends, polygon_ends))
    sums = [np.bincount(inside.ravel(), a.ravel(), count + 1)[1:] for a in (strip.pixels, strip.weight)]
    codes, weight = np.full(count, CLOUD, dtype=np.uint8), sums[1].astype(np.float64)
    return Shapes(geometry, codes, sums[0].astype(np.int64), weight), first, last


def _owners(points: Longs, owner: Longs, nodes: Floats, strip: _Strip) -> Longs:
    """(h, cols) number from 1 of the polygon round each centre, 0 where there is none.

    Along a row of centres an outline has a point wherever it crosses; a polygon begins there, or ends.
    """
    height, cols = strip.p.shape
    on_row = points[:, 1] % (2 * UNITS) == UNITS
    (x, y), owner = points[on_row].T, owner[on_row]
    row, node = y // (2 * UNITS), x // UNITS
    column = np.minimum(node // 2, cols - 1)
    at_edge = x % UNITS == 0  # of the scene or of nodata, between two centres
    begins = np.where(
        at_edge,
        (node < 2 * cols) & strip.valid[row, column],
        nodes[2 * row + 1, np.minimum(node + 1, 2 * cols)] >= HALF,
    )
    first = -(-(x - UNITS) // (2 * UNITS))  # centre at or right of it
    steps = np.bincount(row * (cols + 1) + first, np.where(begins, owner, -owner), height * (cols + 1))
    return steps.reshape(height, cols + 1)[:, :-1].cumsum(axis=1).astype(np.int64)


def _on_seam(points: Longs, owner: Longs, closing: BoolArray, end: int, width: int) -> Longs:
    """(width,) number from 1 of the polygon with an edge on each small square's side along a seam, 0 where none has."""
    here = points[:, 1] == end * UNITS
    edge = np.flatnonzero(here[:-1] & here[1:] & ~closing[:-1])
    low, high = np.sort([points[edge, 0], points[edge + 1, 0]], axis=0)
    steps = np.bincount(low // UNITS, owner[edge], width + 1) - np.bincount(-(-high // UNITS), owner[edge], width + 1)
    return steps[:width].cumsum().astype(np.int64)
