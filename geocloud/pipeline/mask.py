"""The mask while it is made: its raster, pixel counts and polygons; and its other encodings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.classes import COUNTED, ENCODINGS, NO_CLOUD, TAG, EncodingName, cover_tags, encode
from geocloud.geometry.dilation import Dilater, Rows
from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.geometry.outlines import OutlineTracer
from geocloud.geometry.polygons import PolygonTracer, burn
from geocloud.geometry.shapes import Outline, Shapes, ShapeStore
from geocloud.pipeline.crop import Crop
from geocloud.pipeline.layers import Extent
from geocloud.raster import CLEAR, CLOUD, NODATA, ByteArray, FloatArray, Georef
from geocloud.writers.cog import RasterFormat, RowWriter, mask_product, raster_errors
from geocloud.writers.staging import write_errors

IntArray = NDArray[np.int64]
P_STEPS = 50_000
"""P(cloud) is stored as a whole number of 1/P_STEPS, for smooth outlines."""
P_FORMAT = RasterFormat("AVERAGE", "NO", "uint16", None)
STRIP = 512
"""Rows read at once when a written raster is read back."""


class MaskRaster:
    """Takes the rows of a mask from the top down; writes them, counts their pixels and traces their polygons."""

    def __init__(  # noqa: PLR0913 - by keyword
        self,
        path: Path,
        georef: Georef,
        *,
        codes: tuple[int, ...],
        tags: dict[str, str],
        dilate: int,
        traced: bool,
        min_area: float = 0.0,
        factor: int = 1,
        crop: Crop | None = None,
        outline: Outline = "pixel",
    ) -> None:
        """Create the file.

        Args:
            path: a GeoTIFF that is kept only during the run.
            georef: of the mask.
            codes: all codes that it may hold.
            tags: of the file.
            dilate: pixels by which clouds grow.
            traced: whether polygons are traced.
            min_area: square metres; smaller clouds, of all their classes together, become clear. Needs `traced`.
            factor: pixels along each side of a square that was scored as one pixel.
            crop: the area to keep of the rows that are written; None: all of them.
            outline: of the polygons, if they are traced.

        Raises:
            OutputError: the file cannot be created.
        """
        self.georef, self.codes, self.path = georef, codes, path
        self.factor = 1 if dilate else factor  # grown clouds are not made of squares
        self._min_area, self._dilate, self._crop = min_area, dilate, crop
        width = crop.reach.width if crop else georef.shape[1]
        self._writer = RowWriter(path, georef, mask_product(codes), tags)
        smooth = traced and outline == "smooth"
        self._p = RowWriter(path.with_name("p.tif"), georef, P_FORMAT, {}) if smooth else None
        pixel = traced and (not smooth or min_area)
        kinds = whole_clouds(codes) if min_area else None
        inside = None if crop else kinds
        self._tracer = PolygonTracer(georef.shape[1], self.factor, path.parent, inside) if pixel else None
        self._shapes: ShapeStore | None = None
        self._uncut = PolygonTracer(width, folder=path.parent, kinds=kinds) if crop and min_area else None
        self._dilater = Dilater(width, dilate) if dilate else None
        self._pixels: IntArray = np.zeros(256, dtype=np.int64)

    @property
    def extent(self) -> Extent:
        """Where P(cloud) is needed: in clouds for the polygons' mean; everywhere to grow clouds or smooth outlines."""
        if self._p is not None:
            return "all"
        if self._tracer is None:
            return "none"
        return "all" if self._dilate else "clouds"

    @property
    def valid(self) -> int:
        """Number of pixels that hold data."""
        return int(self._pixels[:NODATA].sum())

    @property
    def cloud_cover(self) -> float:
        """Percent of the valid pixels that are cloud, thick or thin; NaN where there are none."""
        return sum(self.cover().get(code, 0.0) for code in COUNTED) if self.valid else float("nan")

    def cover(self) -> dict[int, float]:
        """Percent of the valid pixels by code, nodata left out; empty where there are none."""
        valid = self.valid
        return {code: 100 * int(self._pixels[code]) / valid for code in self.codes if code != NODATA} if valid else {}

    def write(self, row: int, codes: ByteArray, p: FloatArray) -> None:
        """Take the next rows: codes and P(cloud), each (h, width), of the crop's reach if there is a crop."""
        self._keep(self._dilater.add(codes, p) if self._dilater else [(row, codes, p)])

    def end(self) -> None:
        """Finish after the last row: drop small clouds and trace smooth outlines."""
        if self._dilater is not None:
            self._keep(self._dilater.finish())
        if self._min_area:
            self._shapes = self.shapes()
            self._drop_small(self._shapes)
        if self._p is not None:
            self._shapes = self._outlines(self._p)

    def shapes(self) -> ShapeStore:
        """All polygons; can be taken only once, after `end`."""
        shapes, self._shapes = self._shapes, None
        if shapes is None:
            if self._tracer is None:
                raise ValueError("no polygons were traced")
            shapes = self._tracer.finish()
        return shapes

    def close(self) -> None:
        """Write the percentages of the classes into the tags, and close the files."""
        counts = {code: int(self._pixels[code]) for code in self.codes if code != NODATA}
        self._writer.add_tags(cover_tags(counts, math.prod(self.georef.shape)))
        self._writer.close()
        if self._p is not None:
            self._p.close()

    def _keep(self, final: Iterable[Rows]) -> None:
        """Write, count and trace rows that nothing but the removal of small clouds will change."""
        for rows in final:
            if self._uncut is not None:
                with write_errors(self.path):
                    self._uncut.add(*rows[1:])
            kept = self._crop.codes(*rows) if self._crop else rows
            if kept is None:
                continue
            row, codes, p = kept
            self._writer.write(row, codes)
            if self._p is not None:
                self._p.write(row, np.rint(np.nan_to_num(p) * P_STEPS).astype(np.uint16))
            for code in self.codes:
                self._pixels[code] += np.count_nonzero(codes == code)
            if self._tracer is not None:
                with write_errors(self.path):  # the tracer writes polygons to a scratch file once they are many
                    self._tracer.add(codes, p)

    def _outlines(self, p: RowWriter) -> ShapeStore:
        """Smooth polygons of the finished mask; `p` holds P(cloud)."""
        height, width = self.georef.shape
        tracer = OutlineTracer((height, width), self.factor, self.path.parent)
        rows = max(1, STRIP // self.factor) * self.factor
        with write_errors(self.path):
            for row in range(0, height, rows):
                strip = row, min(rows, height - row)
                tracer.add(self._writer.read(*strip), (p.read(*strip) / P_STEPS).astype(np.float32))
            return tracer.finish()

    def _drop_small(self, shapes: ShapeStore) -> None:
        """Remove small clouds from the polygons and from the mask.

        All classes of cloud that touch are one cloud: a thin rim counts together with its thick middle, a shadow beside
        them does not. A cloud that extends beyond the area of interest is measured whole, with its part outside.
        """
        clouds = shapes if self._uncut is None else self._uncut.finish()
        small = self._below_least_area(clouds)
        self._clear(clouds, small)
        if self._crop is None:
            shapes.keep(~small)
            return
        # The area's polygons were traced separately: each that lies within a removed cloud is removed too.
        removed = shapely.STRtree(self._moved(clouds.take(small)))
        points = [shapely.point_on_surface(part.geometry) for part in shapes.chunks()]
        inside = removed.query(np.concatenate(points), predicate="within")[0]
        shapes.keep(~np.isin(np.arange(len(shapes)), inside))

    def _below_least_area(self, clouds: ShapeStore) -> NDArray[np.bool_]:
        """(n,) whether each polygon belongs to a cloud that is too small."""
        parts = [to_crs_coordinates(self._moved(part), self.georef) for part in clouds.chunks() if len(part)]
        areas = np.concatenate([geodesic_areas(part, self.georef) for part in parts] or [np.zeros(0)])
        tracer = self._uncut or self._tracer
        if tracer is not None:
            group = tracer.groups(clouds)
            areas = np.bincount(group, areas, len(clouds))[group]
        return np.asarray(areas < self._min_area)

    def _moved(self, shapes: Shapes) -> NDArray[Any]:
        """Polygons moved from pixel coordinates of the reach to those of the mask."""
        if self._crop is None:
            return shapes.geometry
        down, right = self._crop.offset
        return np.asarray(shapely.transform(shapes.geometry, lambda xy: xy - [right, down]))

    def _clear(self, clouds: ShapeStore, small: NDArray[np.bool_]) -> None:
        """Write clear where the polygons marked `small` are, strip by strip, and correct the counts."""
        height, (top, bottom) = self.georef.shape[0], clouds.rows
        down = self._crop.offset[0] if self._crop else 0
        for row in range(0, height, STRIP):
            here = small & (top < row + down + STRIP) & (bottom > row + down)
            if here.any():
                rows, shapes = self._writer.read(row, min(STRIP, height - row)), clouds.take(here)
                inside = burn(replace(shapes, geometry=self._moved(shapes)), rows.shape, row) & (rows != NODATA)
                cleared = np.bincount(rows[inside], minlength=256)
                self._pixels -= cleared
                self._pixels[CLEAR] += cleared.sum()
                rows[inside] = CLEAR
                self._writer.write(row, rows)


def whole_clouds(codes: Iterable[int]) -> ByteArray | None:
    """(256,) table that maps all classes of cloud to one code, so that they are traced together.

    None where the table would change nothing, since at most one of the codes is cloud.
    """
    kinds = np.arange(256, dtype=np.uint8)
    own = [code for code in codes if code not in (CLEAR, NODATA)]
    kinds[[code for code in own if code not in NO_CLOUD]] = CLOUD
    return None if len(np.unique(kinds[own])) == len(own) else kinds


def write_encoded(source: Path, target: Path, georef: Georef, encoding: EncodingName) -> None:
    """Write a mask of geocloud's codes in another encoding, strip by strip."""
    product = RasterFormat("MODE", "NO", ENCODINGS[encoding].dtype, ENCODINGS[encoding].nodata, names=("cloud mask",))
    with raster_errors(target), rasterio.open(source) as dataset:
        writer = RowWriter(target, georef, product, {**dataset.tags(), TAG: encoding})
        for row in range(0, dataset.height, STRIP):
            window = RasterioWindow(0, row, dataset.width, min(STRIP, dataset.height - row))
            writer.write(row, encode(dataset.read(1, window=window), encoding))
    writer.close()


def read_every(path: Path, step: int) -> NDArray[np.uint8]:
    """(h, w) every `step`th pixel, along rows and columns, of a raster's first band; read a few rows at a time."""
    rows = max(step, STRIP // step * step)
    parts = []
    with raster_errors(path), rasterio.open(path) as dataset:
        for row in range(0, dataset.height, rows):
            window = RasterioWindow(0, row, dataset.width, min(rows, dataset.height - row))
            parts.append(dataset.read(1, window=window)[::step, ::step])
    return np.concatenate(parts)
