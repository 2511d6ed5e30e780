"""Steps of a scene's run that need no state: masks read and written again, tags, links."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.calibration import Calibration
from geocloud.classes import COUNTED, ENCODINGS, TAG, EncodingName, encode
from geocloud.geometry.dilation import Dilater, Rows
from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.geometry.polygons import PolygonTracer, Shapes, burn, joined_groups
from geocloud.georef import Georef
from geocloud.raster import CLEAR, CLOUD, NODATA, SHADOW, SNOW, ByteArray, FloatArray
from geocloud.readers.files.paths import is_virtual
from geocloud.readers.reader import SceneReader
from geocloud.scorers.contract import Scorer
from geocloud.version import __version__
from geocloud.writers.cog import RasterFormat, RowWriter, mask_product, raster_errors

STRIP = 512
"""Rows handled at once where a written raster is read back."""


def write_encoded(source: Path, target: Path, georef: Georef, encoding: EncodingName) -> None:
    """A mask of our codes written again in another encoding, row strip by row strip."""
    product = RasterFormat(
        "MODE", "NO", ENCODINGS[encoding].dtype, ENCODINGS[encoding].nodata, description="cloud mask"
    )
    with raster_errors(target), rasterio.open(source) as dataset:
        writer = RowWriter(target, georef, product, {**dataset.tags(), TAG: encoding})
        for row in range(0, dataset.height, STRIP):
            window = RasterioWindow(0, row, dataset.width, min(STRIP, dataset.height - row))
            writer.write(row, encode(dataset.read(1, window=window), encoding))
    writer.close()


def read_every(path: Path, step: int) -> NDArray[np.uint8]:
    """Every nth pixel of a raster's first band in both directions, read a few rows at a time."""
    rows = max(step, STRIP // step * step)
    parts = []
    with raster_errors(path), rasterio.open(path) as dataset:
        for row in range(0, dataset.height, rows):
            window = RasterioWindow(0, row, dataset.width, min(rows, dataset.height - row))
            parts.append(dataset.read(1, window=window)[::step, ::step])
    return np.concatenate(parts)


def seen_from(document: Path, source: str) -> str:
    """A source as a link in a document has it: a URL as it is, a local path relative to the document."""
    if is_virtual(source) or not Path(source).exists():
        return source
    try:
        return Path(os.path.relpath(source, document.parent)).as_posix()
    except ValueError:  # another drive
        return Path(source).resolve().as_uri()


def provenance(scene: SceneReader, scorer: Scorer, calibration: Calibration) -> dict[str, str]:
    """Tags every output carries: which model, cut where, from which bands of which source."""
    described = scene.describe()["bands"]
    bands = scorer.choose_bands(scene.bands)
    return {
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_MODEL": scorer.card.name,
        "GEOCLOUD_MODEL_SHA256": scorer.card.sha256,
        "GEOCLOUD_THRESHOLD": repr(float(calibration.threshold)),
        "GEOCLOUD_THRESHOLD_RULE": str(calibration.rule),
        "GEOCLOUD_BANDS": ",".join(bands),
        "GEOCLOUD_REFLECTANCE": "; ".join(
            f"{band} = DN * {described[band]['scale']:.8g} + {described[band]['offset']:.8g}" for band in bands
        ),
        "GEOCLOUD_SOURCE": scene.source,
    }


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
        veils = np.where(np.isin(shapes.code, (SHADOW, SNOW)), shapes.code, CLOUD)
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
