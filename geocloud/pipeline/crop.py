"""Rows of scores cut to an area of interest: blocks are whole and scored as in the whole scene, then cut.

. . . . . . . .     . blocks of the scene that are neither read nor scored
. b b b b . . .     b blocks that touch the reach, scored whole
. b r r r b . .     r the reach: the area's window, and a margin that grown or small clouds need
. b r A r b . .     A the area: what is written
. b b b b . . .
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyproj.exceptions import ProjError

from geocloud.geometry.geodesy import pixel_area
from geocloud.pipeline.scoring import Layer, ScoredRows, blank
from geocloud.raster import NODATA, BoolArray, ByteArray, FloatArray, Georef, Window
from geocloud.readers.area import Area
from geocloud.readers.reader import window_georef


@dataclass(frozen=True, slots=True)
class Crop:
    """What is scored of a scene, and what of it is written."""

    area: Area
    """Of the scene."""
    reach: Window
    """Of the scene: the area's window and the margin round it that lies in the scene."""

    @property
    def first(self) -> tuple[int, int]:
        """(row, column) in the scene of the area's first pixel."""
        return self.area.window.row, self.area.window.col

    @property
    def offset(self) -> tuple[int, int]:
        """(rows, columns) from the reach's first pixel to that of the area's window."""
        return self.area.window.row - self.reach.row, self.area.window.col - self.reach.col

    def rows(self, rows: ScoredRows) -> ScoredRows | None:
        """The area's part of rows of the reach, nodata outside the polygons; None where they lie above or below it."""
        found = self._cut(rows.row, len(rows.score))
        if found is None:
            return None
        row, at, inside = found

        def cut(layer: Layer) -> Layer:
            return np.where(inside, layer[..., *at], blank((), layer.dtype))

        further = {name: cut(layer) for name, layer in rows.further.items()}
        return ScoredRows(row, cut(rows.score), rows.valid[at] & inside, rows.own_valid[at] & inside, further)

    def codes(self, row: int, codes: ByteArray, p: FloatArray) -> tuple[int, ByteArray, FloatArray] | None:
        """The same of rows of a mask and of P(cloud)."""
        found = self._cut(row, len(codes))
        if found is None:
            return None
        row, at, inside = found
        return row, np.where(inside, codes[at], np.uint8(NODATA)), np.ascontiguousarray(p[at])

    def _cut(self, row: int, height: int) -> tuple[int, tuple[slice, slice], BoolArray] | None:
        """Of rows of the reach those of the area: the first one's number, where they are, and which pixels are inside.

        None where there are none.
        """
        window, (down, right) = self.area.window, self.offset
        first, stop = max(row, down), min(row + height, down + window.height)
        if first >= stop:
            return None
        inside = self.area.inside(Window(self.reach.row + first, window.col, stop - first, window.width))
        return first - down, (slice(first - row, stop - row), slice(right, right + window.width)), inside


def make_crop(area: Area, georef: Georef, dilate: int, min_area: float) -> Crop:
    """The crop of a scene: with so wide a margin that clouds grow, and small ones go, as in the whole scene."""
    margin = dilate + (_longest(georef, min_area) if min_area else 0)
    return Crop(area, area.window.grow(margin).clip(georef.shape))


def _longest(georef: Georef, min_area: float) -> int:
    """Pixels along which no cloud smaller than `min_area` m² can reach: as many as it can have in a row."""
    height, width = georef.shape
    places = [(row, col) for row in {0, height // 2, height - 1} for col in {0, width // 2, width - 1}]
    areas = []
    for row, col in places:
        try:
            areas.append(pixel_area(window_georef(georef, Window(row, col, 1, 1))))
        except ProjError:
            continue
    known = [area for area in areas if 0 < area < float("inf")]
    return min(int(min_area / (0.98 * min(known))) + 2, max(georef.shape)) if known else max(georef.shape)
