"""Run one scene: score it, compute its maps, write its outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from geocloud.calibration import Calibration
from geocloud.classes import ClassName, classes_of, mask_codes, wanted_classes
from geocloud.errors import UsageError
from geocloud.pipeline.crop import Crop, make_crop
from geocloud.pipeline.detection import Detection, DetectOptions, choose_threshold, run_tags
from geocloud.pipeline.domain_check import DomainCheck
from geocloud.pipeline.layers import BatchLayers, Extent
from geocloud.pipeline.mask import MaskRaster
from geocloud.pipeline.outputs import OUTPUTS, Output, Polygons
from geocloud.pipeline.places import check_places, earlier_products, output_files
from geocloud.pipeline.scoring import SEGMENT_PIXELS, ScoredRows, scored_rows
from geocloud.pipeline.tiling import Segment, aggregation_factor, read_segments, scored_grid
from geocloud.progress import Progress, Warn, no_progress
from geocloud.raster import PATCH
from geocloud.readers.reader import SceneReader, own_georef, whole_of
from geocloud.scorers.contract import Scorer
from geocloud.writers.cog import RasterFormat, copy_to_cog
from geocloud.writers.copying import turn_over
from geocloud.writers.stac import require_pystac
from geocloud.writers.staging import Staging, staged, write_errors


@dataclass(slots=True)
class Run:
    """The state of the run of one scene, which every output may read."""

    scene: SceneReader
    scorer: Scorer
    calibration: Calibration
    options: DetectOptions
    classes: tuple[ClassName, ...]
    """Of the mask, besides clear."""
    bands: tuple[str, ...]
    """The bands that the scorer takes, in its order."""
    factor: int
    """Squares of `factor` x `factor` pixels are averaged and scored as one pixel."""
    score_side: int
    """Side in pixels of the squares in which outputs have one value."""
    crop: Crop | None
    """The area of interest; None: the whole scene."""
    paths: Mapping[str, Path]
    """Key of each output that is asked for -> its path."""
    staging: Staging
    tags: dict[str, str]
    mask: MaskRaster
    domain: DomainCheck | None
    """Measures how unlike the training data the scene is; None if that cannot be measured."""
    outputs: list[Output] = field(default_factory=list)

    def write_cog(self, source: Path, target: Path, product: RasterFormat, squares: int) -> None:
        """Copy a GeoTIFF to a COG on the grid of the scene's own files; see copy_to_cog.

        A reader may turn a south-up scene over, so that rows run from north to south; here they are turned back.
        """
        own = own_georef(self.scene)
        if own.transform != self.scene.georef.transform:
            source, squares = turn_over(source, own), 1
        copy_to_cog(source, target, product, squares)

    def class_percent(self) -> dict[str, float] | None:
        """Percent of the valid pixels by class name; None if no further classes were asked for."""
        if len(self.classes) == 1:
            return None
        cover = self.mask.cover()
        return {entry.name: round(cover[entry.code], 3) for entry in classes_of(tuple(cover))}


def detect_open(
    scene: SceneReader,
    scorer: Scorer,
    options: DetectOptions,
    paths: Mapping[str, Path],
    *,
    rows: Generator[ScoredRows, None, None] | None = None,
    progress: Progress = no_progress,
) -> Detection:
    """Score the scene, pass its rows to every output, finish the outputs, and move all of them into place at once.

    Args:
        scene: open.
        scorer: loaded.
        options: of the detection.
        paths: key -> path of each output that is wanted, the mask among them. With `overwrite`, existing outputs are
            replaced, and other outputs of earlier runs beside the mask are removed.
        rows: the scene's rows, holding only the score, if they were scored before; None: they are scored now.
        progress: called as work goes on.

    Raises:
        UsageError: the options do not fit the scene, or an output would replace an input.
        ModelError: the scorer lacks a band, or cannot compute what the options ask for.
        InputError: the scene cannot be read to its end.
        OutputError: an output cannot be written.
    """
    started = time.perf_counter()
    check_options(scene, options)
    check_places(scene, options, output_files(scene, options, paths))
    with staged(paths["mask"].stem) as staging:
        run = _prepare(scene, scorer, options, paths, staging, counted=rows is None)
        height = run.crop.reach.height if run.crop else scene.georef.shape[0]
        scored = _scored(run) if rows is None else _scored_before(run, rows)
        with closing(scored):
            for part in scored:
                inside = part if run.crop is None else run.crop.rows(part)
                for output in run.outputs:
                    taken = part if output.takes_margin else inside
                    if taken is not None:
                        output.write(taken)
                progress(part.row + len(part.score), height, "inference")
        with write_errors(paths["mask"]):
            progress(0, 1, "polygons")
            run.mask.end()
            progress(0, 1, "write")
            _finish(run.outputs)
            progress(1, 1, "write")
        older = partial(earlier_products, paths["mask"]) if options.overwrite else tuple
        staging.commit(last=paths["mask"], retired=older, overwrite=options.overwrite)
    return _detection(run, time.perf_counter() - started)


def check_options(scene: SceneReader, options: DetectOptions) -> None:
    """Refuse, before anything is written, options that could only fail at the end.

    Raises:
        UsageError: the scene has no georeference, and an option is in metres. MissingExtraError: pystac is missing.
    """
    if options.min_area and not scene.georef.located:
        raise UsageError(f"{scene.source} has no georeference, so areas in m² are unknown; leave out --min-area")
    if options.resolution and not scene.georef.located:
        raise UsageError(f"{scene.source} has no georeference, so metres are unknown; leave out --resolution")
    if options.stac:
        require_pystac()


def _prepare(
    scene: SceneReader,
    scorer: Scorer,
    options: DetectOptions,
    paths: Mapping[str, Path],
    staging: Staging,
    *,
    counted: bool,
) -> Run:
    """The run, with scratch files of its outputs; `counted`: whether pixels are compared with the training data."""
    calibration, classes = choose_threshold(scorer, options.threshold), wanted_classes(options.classes)
    whole, area = whole_of(scene)
    crop = None if area is None else make_crop(area, whole.georef, options.dilate, options.min_area)
    wanted = [kind for kind in OUTPUTS if kind.key in paths and kind.possible(scene, options)]
    tags = run_tags(scene, scorer, options)
    factor, seen = aggregation_factor(whole.georef, scorer, options.resolution), scorer.card.domain
    mask = MaskRaster(
        staging.scratch(paths["mask"], "mask.tif"),
        scene.georef,
        codes=mask_codes(classes),
        tags=tags,
        dilate=options.dilate,
        traced=Polygons in wanted or options.min_area > 0,
        min_area=options.min_area,
        factor=_score_side(scorer, factor, crop),
        crop=crop,
        outline=options.outline if Polygons in wanted else "pixel",
    )
    run = Run(
        scene=scene,
        scorer=scorer,
        calibration=calibration,
        options=options,
        classes=classes,
        bands=scorer.choose_bands(scene.bands),
        factor=factor,
        score_side=_score_side(scorer, factor, crop),
        crop=crop,
        paths=paths,
        staging=staging,
        tags=tags,
        mask=mask,
        domain=DomainCheck(seen) if seen is not None and counted else None,
    )
    run.outputs += [kind(run, paths[kind.key]) for kind in wanted]
    return run


def _score_side(scorer: Scorer, factor: int, crop: Crop | None) -> int:
    """Side in pixels of the squares in which a mask has one value; 1 if an area may cut through squares."""
    return 1 if crop else factor * (PATCH if scorer.card.level == "patch" else 1)


def _layers(run: Run) -> BatchLayers:
    """Computes the maps of each batch that any output needs, and no others."""
    order: tuple[Extent, ...] = ("none", "clouds", "all")
    extent = max((run.mask.extent, *(output.extent for output in run.outputs)), key=order.index)
    return BatchLayers(
        run.scorer,
        run.calibration,
        classes=run.classes,
        further=[output.layer for output in run.outputs if output.layer],
        extent=extent,
        domain=run.domain,
    )


def _scored(run: Run) -> Generator[ScoredRows, None, None]:
    """The scene's rows, scored now."""
    return scored_rows(
        whole_of(run.scene)[0],
        run.scorer,
        factor=run.factor,
        threads=run.options.threads,
        maps=_layers(run),
        observe=_see(run),
        part=run.crop.reach if run.crop else None,
    )


def _scored_before(run: Run, rows: Generator[ScoredRows, None, None]) -> Generator[ScoredRows, None, None]:
    """Rows that were scored elsewhere, with their maps. Outputs that need the scene's pixels are given them first."""
    if any(type(output).see is not Output.see for output in run.outputs):
        see = _see(run)
        grid = scored_grid(run.scene.georef, run.factor, run.scorer.card.block)
        pixels = SEGMENT_PIXELS // run.factor**2
        for segment in read_segments(run.scene, run.bands, grid, 0, pixels, factor=run.factor):
            see(segment)
    return _layers(run).of_rows(rows)


def _see(run: Run) -> Callable[[Segment], None]:
    """A function that shows a segment to every output."""

    def see(segment: Segment) -> None:
        for output in run.outputs:
            output.see(segment)

    return see


def _finish(outputs: list[Output]) -> None:
    """Finish all outputs in order of `Output.turn`; vector files are written while rasters are copied to COGs."""
    with ThreadPoolExecutor(1, thread_name_prefix="outputs") as pool:
        beside = [pool.submit(output.finish) for output in outputs if output.turn == "beside"]
        for output in outputs:
            if output.turn == "main":
                output.finish()
        for future in beside:
            future.result()
    for output in outputs:
        if output.turn == "last":
            output.finish()


def _detection(run: Run, seconds: float) -> Detection:
    """The result of the run."""
    scene, warnings = run.scene, () if run.domain is None else run.domain.warnings()
    notes = (*scene.notes, *warnings)
    if run.factor > 1:
        notes = (
            *notes,
            f"scored {run.factor}x{run.factor} pixels at a time; --resolution sets the pixel size to score at",
        )
    if not run.mask.valid:
        notes = (*notes, Warn("the scene is wholly nodata, so it has no cloud cover"))
    if "polygons" in run.paths and not Polygons.possible(scene, run.options):
        notes = (*notes, "no polygons without a georeference; --pixel-polygons gives them in pixel coordinates")
    return Detection(
        scene=scene.source,
        files={key: path for output in run.outputs for key, path in output.files().items()},
        cloud_cover=run.mask.cloud_cover,
        polygon_count=next((output.count for output in run.outputs if isinstance(output, Polygons)), None),
        model=run.scorer.card.name,
        threshold=run.calibration.threshold,
        rule=str(run.calibration.rule),
        seconds=seconds,
        notes=notes,
        class_cover=run.class_percent(),
        unfamiliar=None if run.domain is None else run.domain.stats().percent,
        unlike_training_data=bool(warnings),
    )
