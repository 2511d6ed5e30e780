"""Trace smooth outlines of clouds: the lines where P(cloud) crosses 0.5 between pixel centres, by marching squares.

P is known at the centres of pixels. At the middle of each side it is the mean of the two adjacent pixels, and at each
corner the mean of four. So each pixel consists of four small squares,

    corner --- side --- corner
      |         |         |
    side --- centre --- side
      |         |         |
    corner --- side --- corner

which cover the pixels with data exactly: an outline ends at the edge of the scene or of nodata, not half a pixel before
it. Where mask and P disagree, for example where clouds were grown, P is replaced by 1 - P.
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
"""P at the corners of the small squares is kept this far from 0.5, so that no outline touches itself or another."""
UNITS = 4096
"""Integer steps along the side of a small square: so fine that no two points of outlines fall together."""
MAX_SIDE = 2**31 // (2 * UNITS) - 1
"""Maximum number of squares along a side of the scene: two coordinates then fit into 64 bits."""
STRIP_PIXELS = 1 << 19
"""Maximum number of squares that are traced at once."""
Floats = NDArray[np.float64]
Longs = NDArray[np.int64]


class OutlineTracer:
    """Traces polygons of cloud with smooth outlines in a mask and P(cloud) that come from the top in pieces.

    The polygons do not depend on how the rows are divided into strips.
    """

    def __init__(self, shape: tuple[int, int], squares: int = 1, folder: Path | None = None) -> None:
        """Start at row 0.

        Args:
            shape: rows and columns of the mask.
            squares: side, in pixels, of the squares that were scored as one pixel; P is taken at their centres.
            folder: for the temporary file of finished polygons; None: the system's folder for temporary files.

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
        self._above, self._waiting = _empty_strip(self._cols), _empty_strip(self._cols)

    def add(self, mask: ByteArray, values: FloatArray) -> None:
        """Add the next rows: mask codes (h, width) and P(cloud) (h, width), 0 to 1; whole squares, except at the end.

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
        """All polygons, in the order in which their first parts were found. Call it once, after the last row.

        Their `pixels` and `weight` are those of the mask's cloudy pixels, not those inside the smooth outline.
        """
        self._trace(below=_empty_strip(self._cols))
        return self._joiner.finish()

    def _trace(self, below: _Strip) -> None:
        """Trace the waiting strip, now that the strip below it is known."""
        strip = self._waiting
        if len(strip.p):
            nodes = _nodes(self._above, strip, below)
            self._joiner.add(*_polygons(nodes, strip, self._row))
            self._above = strip
            self._row += len(strip.p)

    def _place(self, geometry: NDArray[Any]) -> NDArray[Any]:
        """Convert polygons from integer to pixel coordinates; squares cut off by the scene's edge are narrower."""
        ends = []
        for size in reversed(self._shape):
            edges = np.minimum(np.arange(-(-size // self._squares) + 1) * self._squares, size).astype(np.float64)
            ends.append(np.insert(edges, np.arange(1, len(edges)), (edges[1:] + edges[:-1]) / 2))

        def place(xy: Floats) -> Floats:
            return np.stack([np.interp(xy[:, n] / UNITS, np.arange(len(ends[n])), ends[n]) for n in (0, 1)], axis=1)

        return np.asarray(shapely.transform(shapely.simplify(geometry, 0), place))


class _Strip(NamedTuple):
    """Rows of squares; all arrays are (h, cols)."""

    p: FloatArray
    """P(cloud), at least 0.5 where the mask is cloud, below it elsewhere."""
    valid: BoolArray
    """True where any pixel has data."""
    pixels: Longs
    """Number of cloudy pixels of the mask in each."""
    weight: Floats
    """Sum of P over these pixels."""


def _empty_strip(cols: int) -> _Strip:
    """A strip without rows."""
    nothing = np.zeros((0, cols))
    return _Strip(nothing.astype(np.float32), nothing.astype(bool), nothing.astype(np.int64), nothing)


def _strip(mask: ByteArray, values: FloatArray, side: int) -> _Strip:
    """Aggregate rows of pixels (h, width) to rows of squares with `side` pixels along a side."""
    cloud, p = mask == CLOUD, np.nan_to_num(values)
    rows, cols = (np.arange(0, size, side) for size in mask.shape)

    def aggregated(function: np.ufunc, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels if side == 1 else function.reduceat(function.reduceat(pixels, rows, axis=0), cols, axis=1)

    cloudy = aggregated(np.logical_or, cloud)
    highest = aggregated(np.maximum, p)
    highest = np.where((highest >= HALF) == cloudy, highest, 1 - highest)
    highest = np.where(cloudy, np.maximum(highest, HALF + MARGIN), np.minimum(highest, HALF - MARGIN))
    valid, pixels = aggregated(np.logical_or, mask != NODATA), aggregated(np.add, cloud.astype(np.int64))
    weight = aggregated(np.add, np.where(cloud, p, 0).astype(np.float64))
    return _Strip(highest, valid, pixels, weight)


def _nodes(above: _Strip, strip: _Strip, below: _Strip) -> Floats:
    """(2 h + 1, 2 cols + 1) P at the corners of a strip's small squares, away from 0.5; NaN at centres of nodata."""
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
    diagonal = (
        (valid[:-1, :-1] == valid[1:, 1:]) & (valid[:-1, 1:] == valid[1:, :-1]) & (valid[1:, 1:] != valid[1:, :-1])
    )
    nodes[0::2, 0::2][diagonal] = 0  # where valid pixels meet only at a corner, an outline would touch itself
    nodes = np.where(nodes >= HALF, np.maximum(nodes, HALF + MARGIN), np.minimum(nodes, HALF - MARGIN))
    nodes[1::2, 1::2][~strip.valid] = np.nan
    return nodes


def _polygons(nodes: Floats, strip: _Strip, row: int) -> tuple[Shapes, Longs, Longs]:
    """The polygons of a strip, and the numbers of those along its upper and its lower seam, as Joiner takes them.

    Coordinates are integers: there are UNITS of them along the side of a small square.

    Args:
        nodes: P at the corners of the small squares.
        strip: rows of squares.
        row: the scene's row (of squares) of the first row of the strip.
    """
    import contourpy

    tracer = contourpy.contour_generator(
        z=np.ma.masked_invalid(nodes), name="serial", corner_mask=False, fill_type=contourpy.FillType.OuterOffset
    )
    contours: tuple[list[Floats], list[NDArray[np.uint32]]] = tracer.filled(HALF, 2.0)  # type: ignore[assignment]
    outlines, offsets = contours
    count = len(outlines)
    points = np.concatenate([np.zeros((0, 2)), *outlines])
    polygon_ends = np.concatenate([[0], np.cumsum([len(ends) - 1 for ends in offsets])]).astype(np.int64)
    lengths = np.concatenate([np.zeros(0, dtype=np.int64), *(np.diff(ends.astype(np.int64)) for ends in offsets)])
    ring_ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    vertices = np.rint(points * UNITS).astype(np.int64)
    owner = np.repeat(np.repeat(np.arange(count), np.diff(polygon_ends)), lengths) + 1
    closing = np.zeros(len(vertices), dtype=bool)
    closing[ring_ends[1:] - 1] = True
    inside = _owners(vertices[~closing], owner[~closing], nodes, strip)
    first, last = (_on_seam(vertices, owner, closing, end, nodes.shape[1] - 1) for end in (0, nodes.shape[0] - 1))
    corners = (vertices + np.array([0, 2 * row * UNITS])).astype(np.float64)
    geometry = shapely.from_ragged_array(shapely.GeometryType.POLYGON, corners, (ring_ends, polygon_ends))
    sums = [np.bincount(inside.ravel(), a.ravel(), count + 1)[1:] for a in (strip.pixels, strip.weight)]
    codes, weight = np.full(count, CLOUD, dtype=np.uint8), sums[1].astype(np.float64)
    return Shapes(geometry, codes, sums[0].astype(np.int64), weight), first, last


def _owners(points: Longs, owner: Longs, nodes: Floats, strip: _Strip) -> Longs:
    """(h, cols) number, from 1, of the polygon around each centre; 0 if there is none.

    An outline has a point wherever it crosses a row of centres: there a polygon begins or ends.

    Args:
        points: (n, 2) vertices of the outlines in integer coordinates, (x, y).
        owner: (n,) number, from 1, of each vertex's polygon.
        nodes: P at the corners of the small squares.
        strip: rows of squares.
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
    first = -(-(x - UNITS) // (2 * UNITS))  # the first centre at or right of the point
    steps = np.bincount(row * (cols + 1) + first, np.where(begins, owner, -owner), height * (cols + 1))
    return steps.reshape(height, cols + 1)[:, :-1].cumsum(axis=1).astype(np.int64)


def _on_seam(points: Longs, owner: Longs, closing: BoolArray, end: int, width: int) -> Longs:
    """(width,) number, from 1, of the polygon along each small square's side on a seam; 0 if there is none.

    Args:
        points: (n, 2) vertices of the outlines in integer coordinates, (x, y).
        owner: (n,) number, from 1, of each vertex's polygon.
        closing: (n,) True for the last vertex of each ring, which repeats the first one.
        end: position of the seam, in small squares from the top of the strip.
        width: number of small squares along the seam.
    """
    on_seam = points[:, 1] == end * UNITS
    edge = np.flatnonzero(on_seam[:-1] & on_seam[1:] & ~closing[:-1])
    low, high = np.sort([points[edge, 0], points[edge + 1, 0]], axis=0)
    steps = np.bincount(low // UNITS, owner[edge], width + 1) - np.bincount(-(-high // UNITS), owner[edge], width + 1)
    return steps[:width].cumsum().astype(np.int64)
