"""One scene's way from scores to staged files."""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from geocloud.calibration import Calibration, Probability, ThresholdRule
from geocloud.classes import ENCODINGS, ClassName, EncodingName, classes_of, mask_codes, wanted_classes, written_classes
from geocloud.errors import UsageError
from geocloud.geometry.polygons import Shapes
from geocloud.grid import PATCH, PatchGrid
from geocloud.pipeline.detection import Detection, OutputPaths
from geocloud.pipeline.domain_check import DomainCheck, DomainStats
from geocloud.pipeline.layers import CODE, SURFACE, ProbabilityExtent, judge, judged, make_look, tallied
from geocloud.pipeline.options import DetectOptions
from geocloud.pipeline.outputs import MaskOutput, provenance, read_every, seen_from, write_encoded
from geocloud.pipeline.quicklook import Preview, write_quicklook
from geocloud.pipeline.scoring import SEGMENT_PIXELS, aggregation_factor, coarsened, rows_on_grid
from geocloud.pipeline.stitching import SCORE as SCORES
from geocloud.pipeline.stitching import ScoredRows
from geocloud.pipeline.tiling import read_segments
from geocloud.progress import Progress, Warn, no_progress
from geocloud.raster import NODATA
from geocloud.readers.reader import SceneReader
from geocloud.scorers.contract import Scorer
from geocloud.writers.cog import MASK, SCORE, RowWriter, clear_sky_product, copy_to_cog, quantise
from geocloud.writers.sidecars import write_attribute_table, write_qgis_style
from geocloud.writers.stac import ItemRecord, require_pystac, write_item
from geocloud.writers.staging import Staging, staged, write_errors
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
    classes: tuple[ClassName, ...] = ("cloud",)
    """Of the mask, besides clear."""


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
        """Create the scratch files; OutputError where they cannot be, ModelError where the scorer lacks a map."""
        self.scene, self.scorer, self.calibration, self.options = scene, scorer, calibration, options
        self.paths, self.staging, self.georef = paths, staging, scene.georef
        self.polygon_count: int | None = None
        self._look = make_look(scorer, calibration, options.classes, clear_sky=paths.clear_sky is not None)
        self._seen = scorer.card.domain
        self._tally = DomainCheck(self._seen)
        bands = scorer.choose_bands(scene.bands)
        self._tags = tags = provenance(scene, scorer, calibration)
        if len(options.classes) > 1:
            tags["GEOCLOUD_CLASSES"] = ",".join(options.classes)
        self._scored = coarsened(scene, options.factor)
        self._squares = options.factor * (PATCH if scorer.card.level == "patch" else 1)  # of one score each
        self._preview = Preview(self._scored.georef.shape, bands) if paths.quicklook else None
        self.mask = MaskOutput(
            staging.scratch(paths.mask, "mask.tif"),
            self.georef,
            mask_codes(options.classes),
            tags,
            dilate=options.dilate,
            traced=options.polygons or options.min_area > 0,
            squares=self._squares,
        )
        self._score, self._surface = None, None
        if paths.score:
            self._score = RowWriter(staging.scratch(paths.score, "score.tif"), self.georef, SCORE, tags)
        if paths.clear_sky:
            product = clear_sky_product(len(bands))
            self._surface = RowWriter(staging.scratch(paths.clear_sky, "clearsky.tif"), self.georef, product, tags)
            self._surface.describe_bands(bands)

    def score(self, progress: Progress) -> None:
        """Score all rows into the scratch files, tracing polygons on the way."""
        look = self._look
        if self._seen is not None:
            look = tallied(look, self._tally, self.scorer.card.halo, self.calibration.score_threshold)
        look = judged(look, self.calibration, self._chances)
        observe = self._preview.add if self._preview else None
        threads = self.options.threads
        rows = rows_on_grid(self._scored, self.scorer, threads=threads, look=look, observe=observe)
        self._take_all(rows, progress)

    def take_scored(self, rows: Generator[ScoredRows, None, None], progress: Progress) -> None:
        """The same with rows that were scored elsewhere, without further maps and without a word on strange scenes.

        A quicklook's picture is read from the scene.
        """
        if self._preview is not None:
            bands = self.scorer.choose_bands(self.scene.bands)
            grid = PatchGrid(self._scored.georef.shape, self.scorer.card.block)
            for segment in read_segments(self._scored, bands, grid, 0, SEGMENT_PIXELS // self.options.factor**2):
                self._preview.add(segment)
        self._seen = None  # no pixel was counted on the way
        self._take_all(self._judged(rows), progress)

    def _judged(self, rows: Generator[ScoredRows, None, None]) -> Generator[ScoredRows, None, None]:
        """Scored rows with what a look of this run would have made of them."""
        with closing(rows):
            for part in rows:
                layers = judge({SCORES: part.score}, self.calibration, self._chances)
                yield ScoredRows(part.row, layers[SCORES], part.valid, layers)

    def _take_all(self, rows: Generator[ScoredRows, None, None], progress: Progress) -> None:
        with closing(rows):
            for part in rows:
                self._take(part)
                progress(part.row + len(part.score), self.georef.shape[0], "inference")
        self.mask.end()

    def _take(self, rows: ScoredRows) -> None:
        """Final rows, P(cloud) for their score, to mask, score and cloud-free estimate."""
        codes, p = rows.further.get(CODE), rows.score
        if codes is None:  # where a whole row of blocks is nodata, nothing was looked at
            codes = np.full(p.shape, NODATA, dtype=np.uint8)
        codes[~rows.valid] = NODATA
        if self._score is not None:
            self._score.write(rows.row, quantise(p))
        if self._surface is not None and SURFACE in rows.further:
            self._surface.write(rows.row, rows.further[SURFACE])
        self.mask.take(rows.row, codes, p)

    @property
    def _chances(self) -> ProbabilityExtent:
        """Where P(cloud) is asked for: everywhere for a score raster or where clouds grow, in clouds for polygons."""
        if self._score is not None or (self.mask.traced and self.options.dilate):
            return "all"
        return "clouds" if self.mask.traced else "none"

    def finish(self, progress: Progress) -> None:
        """From scratch files to staged outputs: polygons and their file on one thread, COGs and sidecars on another."""
        progress(0, 1, "polygons")
        least = self.options.min_area
        shapes = self.mask.shapes(least) if least else None  # small clouds leave the mask too
        progress(0, 1, "write")
        with ThreadPoolExecutor(1, thread_name_prefix="polygons") as beside:
            polygons = beside.submit(self._finish_polygons, shapes)
            self._finish_rasters()
            polygons.result()
        self._finish_item()
        progress(1, 1, "write")

    def _finish_polygons(self, shapes: Shapes | None) -> None:
        """The polygons file, where one is wanted, of shapes that are joined already or else of all."""
        if not self.options.polygons:
            return
        if shapes is None:
            shapes = self.mask.shapes(0)
        if shapes is not None:
            self.polygon_count = len(shapes)
            frame = to_frame(shapes, self.georef, self.scene.name)
            del shapes  # needed no longer, and there may be a million vertices
            write_vectors(frame, self.staging.path(self.paths.polygons), self._tags)

    def _finish_rasters(self) -> None:
        """Score, cloud-free estimate and mask as COGs."""
        if self._score is not None and self.paths.score is not None:
            self._score.close()
            copy_to_cog(self._score.path, self.staging.path(self.paths.score), SCORE, self._squares)
        if self._surface is not None and self.paths.clear_sky is not None:
            self._surface.close()
            product = clear_sky_product(1)
            copy_to_cog(self._surface.path, self.staging.path(self.paths.clear_sky), product, self.options.factor)
        self._finish_mask()

    def _finish_mask(self) -> None:
        """The mask's COG, class names and style; the quicklook, drawn from the mask as written."""
        self.mask.close()
        staged_mask = self.staging.path(self.paths.mask)
        encoding, values = self.options.encoding, ENCODINGS[self.options.encoding].codes
        written = self.mask.path
        if encoding != "geocloud":
            written = self.staging.scratch(self.paths.mask, "encoded.tif")
            write_encoded(self.mask.path, written, self.georef, encoding)
        copy_to_cog(written, staged_mask, MASK, self.mask.squares)
        write_attribute_table(self.staging.path(self.paths.attribute_table), self.mask.codes, values)
        write_qgis_style(self.staging.path(self.paths.style), self.mask.codes, values)
        if self._preview is not None and self.paths.quicklook is not None:
            mask = read_every(self.mask.path, self._preview.step * self.options.factor)
            write_quicklook(self.staging.path(self.paths.quicklook), self._preview.picture(), mask, self._tags)

    def _finish_item(self) -> None:
        """The STAC item, once all other files are there."""
        if self.paths.item is None:
            return
        files = {
            "mask": self.paths.mask,
            "score": self.paths.score,
            "clear_sky": self.paths.clear_sky,
            "polygons": self.paths.polygons if self.polygon_count is not None else None,
            "quicklook": self.paths.quicklook,
        }
        described, encoding = self.scene.describe(), ENCODINGS[self.options.encoding]
        record = ItemRecord(
            self.scene.name,
            self.georef,
            self.mask.cloud_cover,
            described.get("taken") or "",
            seen_from(self.paths.item, described.get("item") or self.scene.source),
            self._tags,
            written_classes(self.mask.codes, encoding.codes),
            encoding.nodata,
            {key: (self.staging.path(path), path.name) for key, path in files.items() if path is not None},
            {f"geocloud:{key}": value for key, value in self._figures().items()},
        )
        write_item(self.staging.path(self.paths.item), record)

    def _strangeness(self) -> tuple[DomainStats | None, tuple[str, ...]]:
        """How far the scene is from the training data, and what to warn of; nothing where the card does not say."""
        if self._seen is None:
            return None, ()
        strangeness = self._tally.strangeness()
        return strangeness, strangeness.warnings(self._seen)

    def _figures(self) -> dict[str, object]:
        """What the item says besides the cloud cover."""
        figures: dict[str, object] = {}
        if len(self.options.classes) > 1:
            figures["class_percent"] = self._class_cover()
        strangeness, warnings = self._strangeness()
        if strangeness is not None:
            figures["unfamiliar_percent"] = strangeness.percent
            figures["unlike_training_data"] = list(warnings)
        return figures

    def _class_cover(self) -> dict[str, float]:
        """Percent of the valid pixels by class."""
        cover = self.mask.cover()
        return {entry.name: round(cover[entry.code], 3) for entry in classes_of(tuple(cover))}

    def detection(self, seconds: float) -> Detection:
        """What the run left, as returned to the user."""
        strangeness, warnings = self._strangeness()
        notes = (*self.scene.notes, *warnings)
        if self.options.factor > 1:
            side = self.options.factor
            notes = (*notes, f"squares of {side}x{side} pixels were scored as one; --resolution has it otherwise")
        if not self.mask.valid:
            notes = (*notes, Warn("the scene is wholly nodata, so it has no cloud cover"))
        if not self.georef.located and not self.options.polygons:
            notes = (
                *notes,
                "no polygons without a georeference; --pixel-polygons gives them in pixel coordinates",
            )
        return Detection(
            scene=self.scene.source,
            mask_path=self.paths.mask,
            polygons_path=self.paths.polygons if self.polygon_count is not None else None,
            score_path=self.paths.score,
            quicklook_path=self.paths.quicklook,
            cloud_cover=self.mask.cloud_cover,
            polygon_count=self.polygon_count,
            model=self.scorer.card.name,
            threshold=self.calibration.threshold,
            rule=str(self.calibration.rule),
            seconds=seconds,
            notes=notes,
            item_path=self.paths.item,
            clear_sky_path=self.paths.clear_sky,
            class_cover=self._class_cover() if len(self.options.classes) > 1 else None,
            unfamiliar=strangeness.percent if strangeness is not None else None,
            unlike_training_data=bool(warnings),
        )


def detect_open(
    scene: SceneReader,
    scorer: Scorer,
    options: DetectOptions,
    paths: OutputPaths,
    *,
    rows: Generator[ScoredRows, None, None] | None = None,
    progress: Progress = no_progress,
) -> Detection:
    """`detect` of an open scene, replacing outputs; `rows`, where they are scored already, are taken as they are."""
    started = time.perf_counter()
    check_options(scene, options)
    calibration = choose_threshold(scorer, options.threshold)
    with staged(paths.mask.stem) as staging:
        run = SceneRun(scene, scorer, calibration, _run_options(scene, scorer, options), paths, staging)
        if rows is None:
            run.score(progress)
        else:
            run.take_scored(rows, progress)
        with write_errors(paths.mask):
            run.finish(progress)
        staging.commit(last=paths.mask)
    return run.detection(time.perf_counter() - started)


def choose_threshold(scorer: Scorer, threshold: float | str | Probability | None) -> Calibration:
    """The scorer's calibration, cut where the user says; UsageError for a rule its card does not know."""
    if threshold is None:
        return scorer.card.calibration
    if isinstance(threshold, Probability):
        return scorer.card.calibration.at_probability(threshold)
    if isinstance(threshold, str):
        try:
            return scorer.card.calibration.by_rule(threshold)
        except KeyError as error:
            rules = ", ".join(
                dict.fromkeys((scorer.card.calibration.rule.name, "paper", *dict(scorer.card.calibration.alternatives)))
            )
            raise UsageError(
                f"threshold rule {threshold!r} is not in the card of {scorer.card.name}, which has {rules}; "
                "give a number or calibrate the model"
            ) from error
    if not np.isfinite(threshold):
        raise UsageError(f"threshold {threshold} must be a finite number")
    return scorer.card.calibration.at(threshold, ThresholdRule("given"))


def check_options(scene: SceneReader, options: DetectOptions) -> None:
    """Refuse before anything is written what could only fail at the end."""
    if options.min_area and not scene.georef.located:
        raise UsageError(f"{scene.source} has no georeference, so areas in m² are unknown; leave out --min-area")
    if options.resolution and not scene.georef.located:
        raise UsageError(f"{scene.source} has no georeference, so metres are unknown; leave out --resolution")
    if options.stac:
        require_pystac()


def _run_options(scene: SceneReader, scorer: Scorer, options: DetectOptions) -> RunOptions:
    """What of the options concerns the run; polygons only where they can be placed or pixel ones are wanted."""
    placed = scene.georef.located or options.pixel_polygons
    return RunOptions(
        options.min_area,
        polygons=options.polygons != "none" and placed,
        threads=options.threads,
        dilate=options.dilate,
        factor=aggregation_factor(scene.georef, scorer, options.resolution),
        encoding=options.encoding,
        classes=wanted_classes(options.classes),
    )
