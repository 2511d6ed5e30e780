"""One scene's way from scores to staged files."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from geocloud.calibration import Calibration
from geocloud.dilation import Dilater, Rows
from geocloud.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.grid import PatchGrid
from geocloud.polygons import PolygonTracer, Shapes, burn
from geocloud.progress import Progress
from geocloud.raster import CLEAR, CLOUD, NODATA
from geocloud.readers.coarse import CoarseScene
from geocloud.readers.contract import SceneReader
from geocloud.scorers.contract import Scorer
from geocloud.stitching import ScoredRows
from geocloud.tiling import read_segments
from geocloud.verbs.detection import Detection, OutputPaths
from geocloud.verbs.run_files import STRIP, provenance, read_every, rows_on_grid, seen_from, write_encoded
from geocloud.verbs.scoring import SEGMENT_PIXELS, cores
from geocloud.writers.classes import write_attribute_table, write_qgis_style, written_classes
from geocloud.writers.cog import MASK, SCORE, RowWriter, copy_to_cog, quantise
from geocloud.writers.encodings import ENCODINGS, EncodingName
from geocloud.writers.quicklook import Preview, write_quicklook
from geocloud.writers.stac import ItemRecord, write_item
from geocloud.writers.staging import Staging
from geocloud.writers.vectors import to_frame, write_vectors


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The part of detect's options that concerns the run itself."""

    min_area: float = 0.0
    """Square metres."""
    polygons: bool = True
    threads: int | None = None
    dilate: int = 0
    """Pixels by which clouds grow."""
    factor: int = 1
    """Side, in the scene's pixels, of the squares that are scored as one pixel."""
    encoding: EncodingName = "geocloud"


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
        self._tags = tags = provenance(scene, scorer, calibration)
        self._scored = CoarseScene(scene, options.factor) if options.factor > 1 else scene
        self._preview = Preview(self._scored.georef.shape, bands) if paths.quicklook else None
        self._mask = RowWriter(staging.scratch(paths.mask, "mask.tif"), self.georef, MASK, tags)
        self._score = (
            RowWriter(staging.scratch(paths.score, "score.tif"), self.georef, SCORE, tags) if paths.score else None
        )
        traced = options.polygons or options.min_area
        self._tracer = PolygonTracer(self.georef.shape[1]) if traced else None
        self._dilater = Dilater(self.georef.shape[1], options.dilate) if options.dilate else None

    def score(self, progress: Progress) -> None:
        """Score all rows into the scratch files, tracing polygons on the way."""
        observe = self._preview.add if self._preview else None
        self._take_all(rows_on_grid(self._scored, self.scorer, threads=self.options.threads, observe=observe), progress)

    def take_scored(self, rows: Generator[ScoredRows, None, None], progress: Progress) -> None:
        """The same with rows that were scored elsewhere; a quicklook's picture is read from the scene."""
        if self._preview is not None:
            bands = self.scorer.choose_bands(self.scene.bands)
            grid = PatchGrid(self._scored.georef.shape, self.scorer.block)
            for segment in read_segments(self._scored, bands, grid, 0, SEGMENT_PIXELS // self.options.factor**2):
                self._preview.add(segment)
        self._take_all(rows, progress)

    def _take_all(self, rows: Generator[ScoredRows, None, None], progress: Progress) -> None:
        with closing(rows):
            for part in rows:
                self._take(part)
                progress(part.row + len(part.score), self.georef.shape[0], "inference")
        if self._dilater is not None:
            self._keep(self._dilater.finish())

    def _take(self, rows: ScoredRows) -> None:
        """Threshold final rows and hand them to mask, score and polygons."""
        codes = np.where(rows.score >= self.calibration.cut, np.uint8(CLOUD), np.uint8(CLEAR))
        codes[~rows.valid] = NODATA
        self.valid += int(rows.valid.sum())
        wanted = self._score is not None or self._tracer is not None
        p = self.calibration.probability(rows.score) if wanted else rows.score
        if self._score is not None:
            self._score.write(rows.row, quantise(p))
        self._keep(self._dilater.add(codes, p) if self._dilater else [(rows.row, codes, p)])

    def _keep(self, final: Iterable[Rows]) -> None:
        """Write, count and trace rows of the mask that nothing changes any more but the least area."""
        for row, codes, p in final:
            self._mask.write(row, codes)
            self.cloud += int((codes == CLOUD).sum())
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
                write_vectors(frame, self.staging.path(self.paths.polygons), self._tags)
        progress(0, 1, "write")
        threads = self.options.threads or cores()
        if self._score is not None and self.paths.score is not None:
            self._score.close()
            copy_to_cog(self._score.path, self.staging.path(self.paths.score), SCORE, threads)
        self._finish_mask(threads)
        self._finish_item()
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
        encoding, values = self.options.encoding, ENCODINGS[self.options.encoding].codes
        written = self._mask.path
        if encoding != "geocloud":
            written = self.staging.scratch(self.paths.mask, "encoded.tif")
            write_encoded(self._mask.path, written, self.georef, encoding)
        copy_to_cog(written, staged_mask, MASK, threads)
        write_attribute_table(self.staging.path(self.paths.attribute_table), MASK.codes, values)
        write_qgis_style(self.staging.path(self.paths.style), MASK.codes, values)
        if self._preview is not None and self.paths.quicklook is not None:
            mask = read_every(self._mask.path, self._preview.step * self.options.factor)
            write_quicklook(self.staging.path(self.paths.quicklook), self._preview.picture(), mask, self._tags)

    def _finish_item(self) -> None:
        """The STAC item, once all other files are there."""
        if self.paths.item is None:
            return
        files = {
            "mask": self.paths.mask,
            "score": self.paths.score,
            "polygons": self.paths.polygons if self.shapes is not None else None,
            "quicklook": self.paths.quicklook,
        }
        described, encoding = self.scene.describe(), ENCODINGS[self.options.encoding]
        record = ItemRecord(
            self.scene.name,
            self.georef,
            100 * self.cloud / self.valid if self.valid else float("nan"),
            described.get("taken") or "",
            seen_from(self.paths.item, described.get("item") or self.scene.source),
            self._tags,
            written_classes(MASK.codes, encoding.codes),
            encoding.nodata,
            {key: (self.staging.path(path), path.name) for key, path in files.items() if path is not None},
        )
        write_item(self.staging.path(self.paths.item), record)

    def detection(self, seconds: float) -> Detection:
        """What the run left, as returned to the user."""
        notes = self.scene.notes
        if self.options.factor > 1:
            side = self.options.factor
            notes = (*notes, f"scored coarser than the scene: squares of {side}x{side} pixels as one")
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
            item_path=self.paths.item,
        )
