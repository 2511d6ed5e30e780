"""Trace the polygons of a mask strip by strip, join them at the seams, and sum values inside each of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from geocloud.classes import CLASSES
from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.geometry.shapes import Joiner, Shapes, ShapeStore, smallest_members
from geocloud.raster import CLEAR, NODATA, ByteArray, Georef

if TYPE_CHECKING:
    import geopandas

IntArray = NDArray[np.int64]
STRIP_PIXELS = 3 << 20
"""Maximum number of pixels that are traced at once, about: limits the memory of a strip, however wide the scene is."""
STRIP_CHANGES = 500_000
"""Maximum number of changes of code along the rows of a strip, about: limits its memory if it has many polygons."""


class PolygonTracer:
    """Traces the polygons of a mask that comes from the top in pieces; it keeps polygons only, never the mask."""

    def __init__(
        self, width: int, squares: int = 1, folder: Path | None = None, kinds: ByteArray | None = None
    ) -> None:
        """Start at row 0.

        Args:
            width: number of columns of the mask.
            squares: side of the squares, in pixels, that the mask may consist of, each of one code. It makes tracing
                faster if that is so, and never changes the polygons.
            folder: for the temporary file of finished polygons; None: the system's folder for temporary files.
            kinds: (256,) the kind of each code, for `groups`; None: `groups` puts each polygon alone.
        """
        self._width, self._squares = width, squares
        self._contacts = None if kinds is None else Contacts(kinds, width)
        self._row = 0
        self._joiner = Joiner(width, folder)
        self._last: ByteArray = np.full(width, CLEAR, dtype=np.uint8)

    def add(self, mask: ByteArray, values: NDArray[Any]) -> None:
        """Add the next rows: mask codes (h, width), and values (h, width) to sum inside polygons, NaN counted as 0."""
        strips = -(-len(mask) // max(64, STRIP_PIXELS // self._width))
        changes = int(np.count_nonzero(mask[:, 1:] != mask[:, :-1]))
        strips = max(strips, -(-changes // STRIP_CHANGES))
        step = -(-len(mask) // max(1, strips * self._squares)) * self._squares
        for start in range(0, len(mask), step):
            self._add_strip(mask[start : start + step], values[start : start + step])

    def _add_strip(self, mask: ByteArray, values: NDArray[Any]) -> None:
        """Trace a strip and join its polygons with those above."""
        part, edges = trace(mask, values, self._row, self._squares)
        first, last = (covered(edges, row, self._width) for row in (0, len(mask) - 1))
        if self._contacts is not None:
            self._contacts.add(mask, numbered(edges, mask.shape), len(part))
        self._joiner.add(part, first, last, self._last == mask[0])
        self._last = mask[-1].copy()
        self._row += len(mask)

    def finish(self) -> ShapeStore:
        """All polygons, in the order in which their first parts were found. Call it once, after the last row."""
        return self._joiner.finish()

    def groups(self, shapes: ShapeStore) -> IntArray:
        """(n,) group number of each polygon of `finish`: polygons of one kind that share an edge are one group."""
        if self._contacts is None:
            return np.arange(len(shapes))
        _, groups = np.unique(self._contacts.groups()[shapes.numbers], return_inverse=True)
        return groups.astype(np.int64)


class Contacts:
    """Finds which parts of polygons share an edge and are of one kind; it keeps 16 bytes per pair."""

    def __init__(self, kinds: ByteArray, width: int) -> None:
        """Start above the first strip of a mask with `width` columns; `kinds` (256,) is the kind of each code."""
        self._kinds, self._count = kinds, 0
        self._pairs: list[IntArray] = []
        self._above = np.zeros((1, width), dtype=np.uint8), np.zeros((1, width), dtype=np.int64)

    def add(self, mask: ByteArray, numbers: IntArray, count: int) -> None:
        """Add the next strip.

        Args:
            mask: (h, width) codes.
            numbers: (h, width) number of the part that covers each pixel, from 1; 0 if there is none.
            count: number of parts in the strip.
        """
        numbers = np.where(numbers > 0, numbers + self._count, 0)
        kinds = np.concatenate([self._above[0], self._kinds[mask]])
        parts = np.concatenate([self._above[1], numbers])
        self._pairs += [
            self._adjacent_pairs(kinds[1:, :-1], kinds[1:, 1:], parts[1:, :-1], parts[1:, 1:]),
            self._adjacent_pairs(kinds[:-1], kinds[1:], parts[:-1], parts[1:]),
        ]
        self._above = kinds[-1:], parts[-1:]
        self._count += count

    @staticmethod
    def _adjacent_pairs(kind: ByteArray, other_kind: ByteArray, part: IntArray, other_part: IntArray) -> IntArray:
        """(n, 2) numbers, from 0, of parts of one kind that meet at adjacent pixels; each pair once."""
        touching = (part != other_part) & (part > 0) & (other_part > 0) & (kind == other_kind)
        return np.unique(np.stack([part[touching], other_part[touching]], axis=1), axis=0) - 1

    def groups(self) -> IntArray:
        """(parts,) for each part, the smallest number in its group of connected parts."""
        return smallest_members(self._count, np.concatenate([np.zeros((0, 2), dtype=np.int64), *self._pairs]))


def trace(mask: ByteArray, values: NDArray[Any], row: int = 0, squares: int = 1) -> tuple[Shapes, Edges]:
    """Polygons of all codes but clear and nodata in one strip, in the scene's pixel coordinates; and their edges.

    If mask and values consist of squares of one value each, a square is traced as one pixel.

    Args:
        mask: (h, width) codes.
        values: (h, width) values to sum inside polygons, NaN counted as 0.
        row: the scene's row of the first row of the strip.
        squares: side of the squares, in pixels.
    """
    side = squares if made_of_squares(mask, squares) and made_of_squares(values, squares) else 1
    reduced = np.ascontiguousarray(mask[::side, ::side])
    wanted = (reduced != CLEAR) & (reduced != NODATA)
    coordinates = array("d")  # a list of pairs would take eight times the memory
    ring_ends, polygon_ends, codes = [0], [0], []
    for shape, code in features.shapes(reduced, mask=wanted, connectivity=4):
        for ring in shape["coordinates"]:
            coordinates.extend(chain.from_iterable(ring))
            ring_ends.append(len(coordinates) // 2)
        polygon_ends.append(len(ring_ends) - 1)
        codes.append(code)
    xy = np.frombuffer(coordinates, dtype=np.float64).reshape(-1, 2)
    offsets = np.array(ring_ends), np.array(polygon_ends)
    edges = vertical_edges(xy, *offsets)
    weight = sum_values(edges, len(codes), sums_of_squares(values, side))
    edges = edges.enlarged(side, mask.shape)
    corners = np.minimum(xy * side, mask.shape[::-1]) + np.array([0, row])
    geometry = shapely.from_ragged_array(shapely.GeometryType.POLYGON, corners, offsets)
    return Shapes(geometry, np.array(codes, dtype=np.uint8), count_pixels(edges, len(codes)), weight), edges


def made_of_squares(rows: NDArray[Any], side: int) -> bool:
    """Whether each square of side x side pixels, counted from the first row and column, holds a single value."""

    def uniform(lines: NDArray[Any]) -> bool:
        first = lines[::side]
        return all(np.array_equal(other := lines[n::side], first[: len(other)]) for n in range(1, side))

    return uniform(rows) and uniform(rows[::side].T)


def sums_of_squares(values: NDArray[Any], side: int) -> NDArray[Any]:
    """(h / side, w / side), rounded up: the sum inside each square of one value; squares at the ends may be cut off."""
    if side == 1:
        return values
    sums: NDArray[Any] = values[::side, ::side] * np.float32(side**2)
    height, width = values.shape
    sums[-1] *= np.float32((height - 1) % side + 1) / side
    sums[:, -1] *= np.float32((width - 1) % side + 1) / side
    return sums


def burn(shapes: Shapes, shape: tuple[int, int], row: int = 0) -> NDArray[np.bool_]:
    """(height, width) True inside the polygons, for a window of this shape whose first row is the scene's `row`."""
    if not len(shapes):
        return np.zeros(shape, dtype=bool)
    inside: NDArray[np.uint8] = features.rasterize(
        ((polygon, 1) for polygon in shapes.geometry),
        out_shape=shape,
        transform=Affine.translation(0, row),
        dtype=np.uint8,
    )
    return inside.astype(bool)


@dataclass(frozen=True, slots=True)
class PolygonTable:
    """Polygons with their attributes, like a GeoDataFrame; but importing pandas takes half a second."""

    columns: dict[str, NDArray[Any]]
    """Name -> (n,) values."""
    geometry: NDArray[Any]
    """(n,) shapely polygons."""
    crs: str | None
    """CRS as WKT; None: pixel coordinates."""

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self.geometry)

    def take(self, index: NDArray[Any] | slice) -> PolygonTable:
        """The polygons that an index array, slice or boolean mask selects."""
        columns = {name: values[index] for name, values in self.columns.items()}
        return PolygonTable(columns, self.geometry[index], self.crs)

    def frame(self) -> geopandas.GeoDataFrame:
        """The table as a GeoDataFrame."""
        import geopandas

        return geopandas.GeoDataFrame(self.columns, geometry=self.geometry, crs=self.crs)


def to_table(shapes: Shapes, georef: Georef, scene: str) -> PolygonTable:
    """Polygons with the attributes class, area_m2, mean_score and scene.

    area_m2 is geodesic, NaN without georeference. mean_score is the mean of the summed values, P(cloud). Coordinates
    are in the scene's CRS, or pixels (column, row) without one.
    """
    located = georef.located
    geometry = to_crs_coordinates(shapes.geometry, georef) if located and len(shapes) else shapes.geometry
    names = {entry.code: entry.name for entry in CLASSES}
    areas = geodesic_areas(geometry, georef) if located else np.full(len(shapes), np.nan)
    columns = {
        "class": np.array([names.get(code, str(code)) for code in shapes.code.tolist()], dtype=object),
        "area_m2": areas.round(1),
        "mean_score": (shapes.weight / np.maximum(shapes.pixels, 1)).round(4),
        "scene": np.full(len(shapes), scene, dtype=object),
    }
    return PolygonTable(columns, geometry, georef.crs_wkt if located else None)


def to_tables(shapes: ShapeStore, georef: Georef, scene: str, min_area: float = 0.0) -> Iterator[PolygonTable]:
    """`to_table` for many polygons, in several tables, without polygons smaller than `min_area` m²."""
    for part in shapes.chunks():
        table = to_table(part, georef, scene)
        yield table.take(table.columns["area_m2"] >= min_area) if min_area else table


@dataclass(frozen=True, slots=True)
class Edges:
    """The vertical edges of polygons that do not overlap, in pixels of a strip; one entry per edge in every array."""

    polygon: IntArray
    """Index of the polygon."""
    column: IntArray
    """Number of pixels to the left of the edge."""
    top: IntArray
    """First row beside the edge."""
    bottom: IntArray
    """The row after the last one beside the edge."""
    side: IntArray
    """1 if the polygon lies to the left of the edge, -1 if to the right."""

    def enlarged(self, times: int, shape: tuple[int, int]) -> Edges:
        """The edges after each pixel has become `times` x `times` pixels, cut off at `shape` (height, width)."""
        height, width = shape
        column, top, bottom = (
            np.minimum(pixels * times, end)
            for pixels, end in ((self.column, width), (self.top, height), (self.bottom, height))
        )
        return Edges(self.polygon, column, top, bottom, self.side)


def vertical_edges(xy: NDArray[Any], ring_ends: IntArray, polygon_ends: IntArray) -> Edges:
    """The vertical edges of rectilinear polygons. Each ring may run either way.

    Args:
        xy: (points, 2) corners of all rings, (column, row), each ring closed.
        ring_ends: (rings + 1,) 0, then the end of each ring in `xy`.
        polygon_ends: (polygons + 1,) 0, then the end of each polygon in the list of rings. Its first ring is the
            exterior.
    """
    # All rings are in one array, one after the other. Two successive points of a ring with the same x are a vertical
    # edge. Which side of it is inside? The sign of a ring's signed area (Green's theorem: the sum of x times the rise)
    # shows which way the ring runs. That sign, reversed for holes, times the direction of the edge is 1 if the polygon
    # lies to the left of the edge and -1 if it lies to the right.
    #
    #      +-----+  column 2 -> 7
    #      |     |          the edge at 2 has side -1, the one at 7 side 1:
    #      +-----+          7 * 1 + 2 * -1 = 5 pixels in each row
    x, y = xy.astype(np.int64).reshape(-1, 2).T
    ring = np.repeat(np.arange(len(ring_ends) - 1), np.diff(ring_ends))
    exterior = np.full(len(ring_ends) - 1, -1)
    exterior[polygon_ends[:-1]] = 1
    start = np.flatnonzero((ring[:-1] == ring[1:]) & (x[:-1] == x[1:]))
    rise, ring = y[start + 1] - y[start], ring[start]
    orientation = np.sign(np.bincount(ring, x[start] * rise, len(exterior))).astype(np.int64)  # signs of the areas
    polygon = np.repeat(np.arange(len(polygon_ends) - 1), np.diff(polygon_ends))[ring]
    top, bottom = np.minimum(y[start], y[start + 1]), np.maximum(y[start], y[start + 1])
    return Edges(polygon, x[start], top, bottom, np.sign(rise) * (orientation * exterior)[ring])


def count_pixels(edges: Edges, polygons: int) -> IntArray:
    """(polygons,) number of pixels inside each."""
    strips = edges.side * edges.column * (edges.bottom - edges.top)
    return np.bincount(edges.polygon, strips, polygons).astype(np.int64)


def sum_values(edges: Edges, polygons: int, values: NDArray[Any]) -> NDArray[np.float64]:
    """(polygons,) sum of the values (h, width) inside each, NaN counted as 0."""
    # before[i] is the sum of the first i pixels in reading order. In each row a polygon lies between left and right
    # edges, so that its sum there is `before` at the right edges minus `before` at the left ones. Every edge is split
    # into its rows (`down` counts 0, 1, 2... along each edge), and each row adds side * before[its pixel].
    missing = np.isnan(values)
    filled = np.where(missing, 0, values) if missing.any() else values
    before = np.zeros(filled.size + 1)
    np.cumsum(filled, dtype=np.float64, out=before[1:])
    height = edges.bottom - edges.top
    down = np.arange(height.sum()) - np.repeat(np.cumsum(height) - height, height)
    pixel = np.repeat(edges.top * values.shape[1] + edges.column, height) + down * values.shape[1]
    sums = np.repeat(edges.side, height) * before[pixel]
    return np.bincount(np.repeat(edges.polygon, height), sums, polygons).astype(np.float64)


def covered(edges: Edges, row: int, width: int) -> IntArray:
    """(width,) number, from 1, of the polygon that covers each pixel of a row; 0 if none does."""
    # A polygon's number is added at its left edge and subtracted at its right edge; the cumulative sum fills the row.
    in_row = (edges.top <= row) & (row < edges.bottom)
    steps = -edges.side[in_row] * (edges.polygon[in_row] + 1)
    return np.bincount(edges.column[in_row], steps, width + 1)[:width].cumsum().astype(np.int64)


def numbered(edges: Edges, shape: tuple[int, ...]) -> IntArray:
    """(height, width) number, from 1, of the polygon that covers each pixel; 0 if none does. See `covered`."""
    height, width = shape
    length = edges.bottom - edges.top
    down = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    # width + 1: an extra column takes the edges at the right end
    position = np.repeat(edges.top * (width + 1) + edges.column, length) + down * (width + 1)
    steps = np.bincount(position, np.repeat(-edges.side * (edges.polygon + 1), length), height * (width + 1))
    return steps.reshape(height, width + 1)[:, :-1].cumsum(axis=1).astype(np.int64)
