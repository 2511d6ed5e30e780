"""Detect: a scene in, a georeferenced cloud mask and polygons out."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from geocloud.calibration import Calibration, ThresholdRule
from geocloud.errors import UsageError
from geocloud.models.card import Precision
from geocloud.models.registry import DEFAULT_MODEL, load_scorer
from geocloud.progress import Progress, no_progress
from geocloud.readers import SceneOptions, SceneReader, Source, open_scene
from geocloud.scorers.contract import Scorer
from geocloud.stitching import ScoredRows
from geocloud.veils import wanted_classes
from geocloud.verbs.detection import Detection, OutputPaths, read_detection
from geocloud.verbs.resolution import coarseness
from geocloud.verbs.scene_run import RunOptions, SceneRun
from geocloud.writers.encodings import EncodingName
from geocloud.writers.stac import require_pystac
from geocloud.writers.staging import staged, writing
from geocloud.writers.vectors import VectorFormat

MAX_DILATE = 500
"""Pixels; beyond that a mask says nothing."""


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to detect; the defaults need nothing."""

    model: str = DEFAULT_MODEL
    """Name of a shipped model or a model folder."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset where the scene does not say."""
    threshold: float | str | None = None
    """Raw score in the model's unit, or the name of a rule in its card; None: the card's own."""
    min_area: float = 0.0
    """Clouds smaller than this many m² (geodesic) are left out of mask and polygons alike."""
    polygons: VectorFormat = "geojson"
    """Format of the polygons file, or `none`."""
    pixel_polygons: bool = False
    """Write polygons in pixel coordinates where a scene has no georeference."""
    score: bool = False
    """Write P(cloud) as a raster too."""
    quicklook: bool = False
    """Write a PNG of scene and mask side by side too."""
    stac: bool = False
    """Write a STAC item beside the mask too."""
    encoding: EncodingName = "geocloud"
    """Codes of the mask: geocloud's own, Sentinel-2's SCL or Landsat's QA_PIXEL."""
    dilate: int = 0
    """Pixels by which clouds grow, in mask, polygons and cloud cover alike; min_area then means the grown clouds."""
    resolution: float | None = None
    """Metres: score the scene as if its pixels were this large; outputs stay on its own grid. None: as large as the
    model's card says that nothing is lost by."""
    classes: tuple[str, ...] = ("cloud",)
    """Classes of the mask besides clear: cloud, and thin, haze, dust and shadow of a model that unmixes."""
    clear_sky: bool = False
    """Write the cloud-free estimate of a model that unmixes too."""
    overwrite: bool = False
    """Replace outputs that exist; otherwise they are kept."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    precision: Precision = "auto"
    """`fp32`, `bf16`, or `auto`: bf16 where the model's card allows it and the machine has instructions for it."""
    threads: int | None = None
    """Scoring threads; None: one a core."""

    @property
    def has_maps(self) -> bool:
        """Whether more than the score is drawn from the model."""
        return self.clear_sky or len(wanted_classes(self.classes)) > 1

    def __post_init__(self) -> None:
        """Numbers and names a user can mistype."""
        if self.min_area < 0 or not np.isfinite(self.min_area):
            raise UsageError(f"min_area {self.min_area} must be 0 or more square metres")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads {self.threads} must be 1 or more")
        if not 0 <= self.dilate <= MAX_DILATE:
            raise UsageError(f"dilate {self.dilate} must be 0 to {MAX_DILATE} pixels")
        if self.resolution is not None and not 0 < self.resolution < float("inf"):
            raise UsageError(f"resolution {self.resolution} must be more than 0 metres")
        wanted_classes(self.classes)


def detect(
    source: Source,
    out: str | os.PathLike[str] | OutputPaths,
    options: DetectOptions | None = None,
    *,
    scorer: Scorer | None = None,
    progress: Progress = no_progress,
) -> Detection:
    """Find the clouds of one scene and write mask, polygons and what else is asked for.

    Args:
        source: path or URL of the scene, an xarray object, or a reader.
        out: folder for the outputs, or their paths one by one.
        options: how; defaults where None.
        scorer: a loaded model to use instead of `options.model`, for many scenes.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        InputError, ModelError, OutputError, UsageError: one sentence each; no output is touched then.
    """
    options = options or DetectOptions()
    started = time.perf_counter()
    progress(0, 1, "load")
    with open_scene(source, options.scene) as scene:
        paths = out if isinstance(out, OutputPaths) else OutputPaths.in_folder(Path(out), scene.name, options)
        if paths.mask.exists() and not options.overwrite:
            return read_detection(paths)
        scorer = scorer or load_scorer(options.model, options.device, options.precision)
        detection = detect_open(scene, scorer, options, paths, progress=progress)
    return replace(detection, seconds=time.perf_counter() - started)


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
        with writing(paths.mask):
            run.finish(progress)
        staging.commit(last=paths.mask)
    return run.detection(time.perf_counter() - started)


def choose_threshold(scorer: Scorer, threshold: float | str | None) -> Calibration:
    """The scorer's calibration, cut where the user says; UsageError for a rule its card does not know."""
    if threshold is None:
        return scorer.calibration
    if isinstance(threshold, str):
        try:
            return scorer.calibration.by_rule(threshold)
        except KeyError as error:
            rules = ", ".join(
                dict.fromkeys((scorer.calibration.rule.name, "paper", *dict(scorer.calibration.alternatives)))
            )
            raise UsageError(
                f"threshold rule {threshold!r} is not in the card of {scorer.name}, which has {rules}; "
                "give a number or calibrate the model"
            ) from error
    if not np.isfinite(threshold):
        raise UsageError(f"threshold {threshold} must be a finite number")
    return scorer.calibration.at(threshold, ThresholdRule("given"))


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
        factor=coarseness(scene.georef, scorer, options.resolution),
        encoding=options.encoding,
        classes=wanted_classes(options.classes),
    )
