"""Mask -> polygons: traced strip by strip, joined at the seams, with the mean score inside each."""

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
"""Pixels traced at once: bounds the memory of a strip however wide the scene is."""
STRIP_CHANGES = 500_000
"""Changes of code along the rows of what is traced at once, about: bounds it however many polygons there are."""


class PolygonTracer:
    """Takes a mask row by row from the top and gives its polygons, holding polygons only, never the mask."""

    def __init__(
        self, width: int, squares: int = 1, folder: Path | None = None, kinds: ByteArray | None = None
    ) -> None:
        """Start at row 0 of a mask this wide.

        The polygons are the same whatever `squares` is, only sooner there where it holds.

        Args:
            width: columns.
            squares: side of squares of one code each that the mask may be made of.
            folder: where many polygons wait; None: the system's for temporary files.
            kinds: (256,) the kind of each code, for `groups`; None: each code is a kind of its own.
        """
        self._width, self._squares = width, squares
        self._contacts = None if kinds is None else Contacts(kinds, width)
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
        if self._contacts is not None:
            self._contacts.add(mask, numbered(edges, mask.shape), len(part))
        self._joiner.add(part, first, last, self._last == mask[0])
        self._last = mask[-1].copy()
        self._row += len(mask)

    def finish(self) -> ShapeStore:
        """All polygons, in the order in which their first parts were found; the tracer keeps none of them."""
        return self._joiner.finish()

    def groups(self, shapes: ShapeStore) -> IntArray:
        """(n,) a number for each polygon of `finish`: those of one kind that share an edge have one number."""
        if self._contacts is None:
            return np.arange(len(shapes))
        _, groups = np.unique(self._contacts.groups()[shapes.numbers], return_inverse=True)
        return groups.astype(np.int64)


class Contacts:
    """Which parts of polygons share an edge and are of one kind: 16 bytes for each pair."""

    def __init__(self, kinds: ByteArray, width: int) -> None:
        """Start above the first strip; `kinds` (256,) is the kind of each code."""
        self._kinds, self._count = kinds, 0
        self._pairs: list[IntArray] = []
        self._above = np.zeros((1, width), dtype=np.uint8), np.zeros((1, width), dtype=np.int64)

    def add(self, mask: ByteArray, numbers: IntArray, count: int) -> None:
        """The next strip: codes (h, width), the number from 1 of each pixel's part (h, width) or 0, and all parts."""
        numbers = np.where(numbers > 0, numbers + self._count, 0)
        kinds = np.concatenate([self._above[0], self._kinds[mask]])
        parts = np.concatenate([self._above[1], numbers])
        self._pairs += [
            self._touching(kinds[1:, :-1], kinds[1:, 1:], parts[1:, :-1], parts[1:, 1:]),
            self._touching(kinds[:-1], kinds[1:], parts[:-1], parts[1:]),
        ]
        self._above = kinds[-1:], parts[-1:]
        self._count += count

    @staticmethod
    def _touching(kind: ByteArray, other_kind: ByteArray, part: IntArray, other: IntArray) -> IntArray:
        """(n, 2) numbers from 0 of parts that lie side by side and are of one kind, each pair once."""
        alike = (part != other) & (part > 0) & (other > 0) & (kind == other_kind)
        return np.unique(np.stack([part[alike], other[alike]], axis=1), axis=0) - 1

    def groups(self) -> IntArray:
        """(parts,) the smallest part of each one's group."""
        return smallest_members(self._count, np.concatenate([np.zeros((0, 2), dtype=np.int64), *self._pairs]))


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


@dataclass(frozen=True, slots=True)
class PolygonTable:
    """Polygons with their attributes, as a GeoDataFrame has them; pandas takes half a second to import."""

    columns: dict[str, NDArray[Any]]
    """Name -> (n,) values."""
    geometry: NDArray[Any]
    """(n,) shapely polygons."""
    crs: str | None
    """As WKT; None: pixel coordinates."""

    def __len__(self) -> int:
        """Number of polygons."""
        return len(self.geometry)

    def take(self, index: NDArray[Any] | slice) -> PolygonTable:
        """Those at an index, slice or boolean mask."""
        columns = {name: values[index] for name, values in self.columns.items()}
        return PolygonTable(columns, self.geometry[index], self.crs)

    def frame(self) -> geopandas.GeoDataFrame:
        """The same as a GeoDataFrame."""
        import geopandas

        return geopandas.GeoDataFrame(self.columns, geometry=self.geometry, crs=self.crs)


def to_table(shapes: Shapes, georef: Georef, scene: str) -> PolygonTable:
    """Polygons with their attributes: class, area_m2 (geodesic, missing without georeference), mean_score, scene.

    mean_score is the mean P(cloud) inside. Coordinates are the scene's CRS, or pixels (column, row) without one.
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
    """The same of many polygons, some at a time; those below `min_area` m² left out."""
    for part in shapes.chunks():
        table = to_table(part, georef, scene)
        yield table.take(table.columns["area_m2"] >= min_area) if min_area else table


@dataclass(frozen=True, slots=True)
class Edges:
    """The vertical edges of a set of polygons that do not overlap, in pixels of a strip; one entry per edge."""

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
        """The same where each pixel has become `times` x `times` pixels, cut off at (height, width)."""
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
    # All rings stand in one array, one after the other. Two points of one ring with one x are a vertical edge; ring and
    # polygon of each are looked up by its place. Which side is inside? A ring's signed area (Green's theorem: the sum
    # of x times the rise) is positive where it runs one way and negative the other. Its sign, turned for holes, times
    # the direction of an edge tells whether the polygon lies to the left of it (1) or to the right (-1).
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
    # before[i] is the sum of the first i pixels. Every edge is split into its rows (`down` counts 0, 1, 2... along
    # each), and each row adds side * before[its pixel] to its polygon: right edge less left edge is the row's sum.
    unknown = np.isnan(values)
    known = np.where(unknown, 0, values) if unknown.any() else values
    before = np.zeros(known.size + 1)
    np.cumsum(known, dtype=np.float64, out=before[1:])
    long = edges.bottom - edges.top
    down = np.arange(long.sum()) - np.repeat(np.cumsum(long) - long, long)
    at = np.repeat(edges.top * values.shape[1] + edges.column, long) + down * values.shape[1]
    held = np.repeat(edges.side, long) * before[at]
    return np.bincount(np.repeat(edges.polygon, long), held, polygons).astype(np.float64)


def covered(edges: Edges, row: int, width: int) -> IntArray:
    """(width,) number from 1 of the polygon that covers each pixel of a row, 0 where none does."""
    # Walking along the row, number + 1 of the polygon is added at its left edge and taken away at its right one.
    here = (edges.top <= row) & (row < edges.bottom)
    steps = -edges.side[here] * (edges.polygon[here] + 1)
    return np.bincount(edges.column[here], steps, width + 1)[:width].cumsum().astype(np.int64)


def numbered(edges: Edges, shape: tuple[int, ...]) -> IntArray:
    """(height, width) number from 1 of the polygon that covers each pixel, 0 where none does."""
    height, width = shape
    long = edges.bottom - edges.top
    down = np.arange(long.sum()) - np.repeat(np.cumsum(long) - long, long)
    at = np.repeat(edges.top * (width + 1) + edges.column, long) + down * (width + 1)  # a place more for the last edge
    steps = np.bincount(at, np.repeat(-edges.side * (edges.polygon + 1), long), height * (width + 1))
    return steps.reshape(height, width + 1)[:, :-1].cumsum(axis=1).astype(np.int64)
