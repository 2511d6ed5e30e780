"""A scene's mask on its way to disk: rows written, grown, counted and traced, small clouds taken out again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geocloud.dilation import Dilater, Rows
from geocloud.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.georef import Georef
from geocloud.polygons import PolygonTracer, Shapes, burn, joined_groups
from geocloud.raster import CLEAR, CLOUD, NODATA, SHADOW, ByteArray, FloatArray
from geocloud.veils import COUNTED
from geocloud.verbs.run_files import STRIP
from geocloud.writers.cog import RowWriter, mask_product

IntArray = NDArray[np.int64]


class MaskOutput:
    """Takes the rows of a mask from the top; `min_area` in m² takes out what is smaller, class borders left aside."""

    def __init__(  # noqa: PLR0913 - by keyword
        self,
        path: Path,
        georef: Georef,
        codes: tuple[int, ...],
        tags: dict[str, str],
        *,
        dilate: int,
        traced: bool,
        squares: int = 1,
    ) -> None:
        """Create the file; `squares`: the side of what was scored as one pixel. OutputError where it cannot be."""
        self.georef, self.codes, self.path = georef, codes, path
        width = georef.shape[1]
        self._writer = RowWriter(path, georef, mask_product(codes), tags)
        self.squares = 1 if dilate else squares  # grown clouds are not made of them
        self._tracer = PolygonTracer(width, self.squares) if traced else None
        self._dilater = Dilater(width, dilate) if dilate else None
        self._pixels: IntArray = np.zeros(256, dtype=np.int64)

    @property
    def traced(self) -> bool:
        """Whether polygons are traced."""
        return self._tracer is not None

    @property
    def valid(self) -> int:
        """Pixels that hold data."""
        return int(self._pixels[:NODATA].sum())

    @property
    def cloud_cover(self) -> float:
        """Percent of the valid pixels that are cloud, thick or thin; NaN where there are none."""
        return sum(self.cover().get(code, 0.0) for code in COUNTED) if self.valid else float("nan")

    def cover(self) -> dict[int, float]:
        """Percent of the valid pixels by code, nodata left out; empty where there are none."""
        valid = self.valid
        return {code: 100 * int(self._pixels[code]) / valid for code in self.codes if code != NODATA} if valid else {}

    def take(self, row: int, codes: ByteArray, p: FloatArray) -> None:
        """The next rows: codes (h, width), and P(cloud) (h, width), needed where a cloud is traced."""
        self._keep(self._dilater.add(codes, p) if self._dilater else [(row, codes, p)])

    def end(self) -> None:
        """There are no more rows."""
        if self._dilater is not None:
            self._keep(self._dilater.finish())

    def _keep(self, final: Iterable[Rows]) -> None:
        """Write, count and trace rows that nothing changes any more but the least area."""
        for row, codes, p in final:
            self._writer.write(row, codes)
            for code in self.codes:
                self._pixels[code] += np.count_nonzero(codes == code)
            if self._tracer is not None:
                self._tracer.add(codes, p)

    def shapes(self, min_area: float) -> Shapes | None:
        """All polygons but those of clouds below the least area, which become clear; None where none were traced."""
        if self._tracer is None:
            return None
        shapes = self._tracer.finish()
        if not min_area or not len(shapes):
            return shapes
        areas = geodesic_areas(to_crs_coordinates(shapes.geometry, self.georef), self.georef)
        veils = np.where(shapes.code == SHADOW, SHADOW, CLOUD)
        group = joined_groups(shapes, veils)
        small = np.bincount(group, areas, len(shapes))[group] < min_area
        if small.any():
            self._clear(shapes.take(small))
            gone = np.bincount(shapes.code[small], shapes.pixels[small], 256).astype(np.int64)
            self._pixels -= gone
            self._pixels[CLEAR] += gone.sum()
        return shapes.take(~small)

    def _clear(self, shapes: Shapes) -> None:
        """Write clear where the polygons are, strip by strip."""
        height = self.georef.shape[0]
        for row in range(0, height, STRIP):
            rows = self._writer.read(row, min(STRIP, height - row))
            inside = burn(shapes, rows.shape, row)
            if inside.any():
                rows[inside] = CLEAR
                self._writer.write(row, rows)

    def close(self) -> None:
        """Flush the file."""
        self._writer.close()
