"""One scene's way from scores to staged files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.calibration import Calibration
from geocloud.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.polygons import PolygonTracer, Shapes, burn
from geocloud.progress import Progress
from geocloud.raster import CLEAR, CLOUD, NODATA
from geocloud.readers.contract import SceneReader
from geocloud.scorers.contract import Scorer
from geocloud.stitching import ScoredRows
from geocloud.verbs.detection import Detection, OutputPaths
from geocloud.verbs.scoring import cores, scored_rows
from geocloud.version import __version__
from geocloud.writers.classes import write_attribute_table, write_qgis_style
from geocloud.writers.cog import MASK, SCORE, RowWriter, copy_to_cog, quantise
from geocloud.writers.quicklook import Preview, write_quicklook
from geocloud.writers.staging import Staging
from geocloud.writers.vectors import to_frame, write_vectors

STRIP = 512
"""Rows handled at once where a written raster is read back."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The part of detect's options that concerns the run itself."""

    min_area: float = 0.0
    """Square metres."""
    polygons: bool = True
    threads: int | None = None


class SceneRun:
    """Scores a scene into scratch files, then turns those into staged outputs."""

    def __init__(
        self,
        scene: SceneReader,
        scorer: Scorer,
        calibration: Calibration,
        options: RunOptions,
        paths: OutputPaths,
        staging: Staging,
    ) -> None:
        """Create the scratch files; OutputError where they cannot be."""
        self.scene, self.scorer, self.calibration, self.options = scene, scorer, calibration, options
        self.paths, self.staging, self.georef = paths, staging, scene.georef
        self.valid, self.cloud = 0, 0
        self.shapes: Shapes | None = None
        bands = scorer.choose_bands(scene.bands)
        tags = provenance(scene, scorer, calibration)
        self._preview = Preview(self.georef.shape, bands) if paths.quicklook else None
        self._mask = RowWriter(staging.scratch(paths.mask, "mask.tif"), self.georef, MASK, tags)
        self._score = (
            RowWriter(staging.scratch(paths.score, "score.tif"), self.georef, SCORE, tags) if paths.score else None
        )
        traced = options.polygons or options.min_area
        self._tracer = PolygonTracer(self.georef.shape[1]) if traced else None

    def score(self, progress: Progress) -> None:
        """Score all rows into the scratch files, tracing polygons on the way."""
        height = self.georef.shape[0]
        observe = self._preview.add if self._preview else None
        for rows in scored_rows(self.scene, self.scorer, threads=self.options.threads, observe=observe):
            self._take(rows)
            progress(rows.row + len(rows.score), height, "inference")

    def _take(self, rows: ScoredRows) -> None:
        """Threshold final rows and hand them to mask, score and polygons."""
        codes = np.where(rows.score >= self.calibration.cut, np.uint8(CLOUD), np.uint8(CLEAR))
        codes[~rows.valid] = NODATA
        self._mask.write(rows.row, codes)
        self.valid += int(rows.valid.sum())
        self.cloud += int((codes == CLOUD).sum())
        if self._score is None and self._tracer is None:
            return
        p = self.calibration.probability(rows.score)
        if self._score is not None:
            self._score.write(rows.row, quantise(p))
        if self._tracer is not None:
            self._tracer.add(codes, p)

    def finish(self, progress: Progress) -> None:
        """From scratch files to staged outputs: polygons, sidecars, COGs."""
        if self._tracer is not None:
            progress(0, 1, "polygons")
            shapes = self._without_small(self._tracer.finish())
            if self.options.polygons:
                self.shapes = shapes
                frame = to_frame(shapes, self.georef, self.scene.name)
                write_vectors(frame, self.staging.path(self.paths.polygons))
        progress(0, 1, "write")
        threads = self.options.threads or cores()
        if self._score is not None and self.paths.score is not None:
            self._score.close()
            copy_to_cog(self._score.path, self.staging.path(self.paths.score), SCORE, threads)
        self._finish_mask(threads)
        progress(1, 1, "write")

    def _without_small(self, shapes: Shapes) -> Shapes:
        """Remove clouds below the least area from the polygons, the mask and the count."""
        if not self.options.min_area or not len(shapes):
            return shapes
        areas = geodesic_areas(to_crs_coordinates(shapes.geometry, self.georef), self.georef)
        small = areas < self.options.min_area
        if small.any():
            self._clear(shapes.take(small))
            self.cloud -= int(shapes.pixels[small].sum())
        return shapes.take(~small)

    def _clear(self, shapes: Shapes) -> None:
        """Write clear where the polygons are, strip by strip."""
        height = self.georef.shape[0]
        for row in range(0, height, STRIP):
            rows = self._mask.read(row, min(STRIP, height - row))
            inside = burn(shapes, rows.shape, row)
            if inside.any():
                rows[inside] = CLEAR
                self._mask.write(row, rows)

    def _finish_mask(self, threads: int) -> None:
        """The mask's COG, class names and style; the quicklook, drawn from the mask as written."""
        self._mask.close()
        staged_mask = self.staging.path(self.paths.mask)
        copy_to_cog(self._mask.path, staged_mask, MASK, threads)
        write_attribute_table(self.staging.path(self.paths.attribute_table), MASK.codes)
        write_qgis_style(self.staging.path(self.paths.style), MASK.codes)
        if self._preview is not None and self.paths.quicklook is not None:
            mask = read_every(staged_mask, self._preview.step)
            write_quicklook(self.staging.path(self.paths.quicklook), self._preview.picture(), mask)

    def detection(self, seconds: float) -> Detection:
        """What the run left, as returned to the user."""
        notes = self.scene.notes
        if not self.valid:
            notes = (*notes, "the scene is wholly nodata, so it has no cloud cover")
        if not self.georef.located and not self.options.polygons:
            notes = (
                *notes,
                "no polygons without a georeference; --pixel-polygons gives them in pixel coordinates",
            )
        return Detection(
            scene=self.scene.source,
            mask_path=self.paths.mask,
            polygons_path=self.paths.polygons if self.shapes is not None else None,
            score_path=self.paths.score,
            quicklook_path=self.paths.quicklook,
            cloud_cover=100 * self.cloud / self.valid if self.valid else float("nan"),
            polygon_count=len(self.shapes) if self.shapes is not None else None,
            model=self.scorer.name,
            threshold=self.calibration.threshold,
            rule=str(self.calibration.rule),
            seconds=seconds,
            notes=notes,
        )


def read_every(path: Path, step: int) -> NDArray[np.uint8]:
    """Every nth pixel of a raster's first band in both directions, read a few rows at a time."""
    rows = max(step, STRIP // step * step)
    parts = []
    with rasterio.open(path) as dataset:
        for row in range(0, dataset.height, rows):
            window = RasterioWindow(0, row, dataset.width, min(rows, dataset.height - row))
            parts.append(dataset.read(1, window=window)[::step, ::step])
    return np.concatenate(parts)


def provenance(scene: SceneReader, scorer: Scorer, calibration: Calibration) -> dict[str, str]:
    """Tags every output carries: which model, cut where, from which bands of which source."""
    described = scene.describe()["bands"]
    bands = scorer.choose_bands(scene.bands)
    return {
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_MODEL": scorer.name,
        "GEOCLOUD_MODEL_SHA256": scorer.sha256,
        "GEOCLOUD_THRESHOLD": repr(float(calibration.threshold)),
        "GEOCLOUD_THRESHOLD_RULE": str(calibration.rule),
        "GEOCLOUD_BANDS": ",".join(bands),
        "GEOCLOUD_REFLECTANCE": "; ".join(
            f"{band} = DN * {described[band]['scale']:.8g} + {described[band]['offset']:.8g}" for band in bands
        ),
        "GEOCLOUD_SOURCE": scene.source,
    }
