"""`calibrate`: choose a model's threshold and P(cloud) curve by a rule on data."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from geocloud.calibration import PAPER_THRESHOLD, Calibration, ThresholdRule, logistic_curve
from geocloud.datasets.folder import DataFile, DataSet
from geocloud.datasets.labels import read_truth
from geocloud.errors import InputError, OutputError, UsageError
from geocloud.evaluation.samples import DataOptions, open_data, read_samples, source_name
from geocloud.metrics.confusion import best_threshold, count_at
from geocloud.metrics.histogram import ScoreHistogram, add_up, histogram
from geocloud.metrics.threshold_rules import Tagged, conformal_threshold, false_alarms, fit_spread, quantile_threshold
from geocloud.models.network_scorer import WEIGHTS_FILE
from geocloud.models.registry import SHIPPED, load_scorer, model_folder
from geocloud.pipeline.places import model_files
from geocloud.pipeline.scoring import score_scene
from geocloud.progress import Progress, no_progress
from geocloud.raster import BoolArray, Georef, Raster, Window
from geocloud.readers import MemoryScene, open_scene
from geocloud.readers.dispatch import local_files
from geocloud.scorers.card import CARD_FILE, ModelCard, check_unchanged, name_of_folder, read_card, write_card
from geocloud.scorers.contract import Scorer
from geocloud.training.unmix.synthetic import TaggedScene, patch_tags, simulate_case
from geocloud.writers.staging import check_outputs, staged, write_errors

DRAWS = 2
"""Simulated clouds per clear scene."""


def synthetic_scores(
    scorer: Scorer, scenes: Iterable[TaggedScene], *, seed: int = 0, threads: int | None = None
) -> Iterator[ScoreHistogram]:
    """Histograms of scores with the simulated truth, one per scene; scenes without tags are skipped."""
    for scene in scenes:
        parts = []
        for case in simulate_case(scene, DRAWS, seed):
            raster = Raster(case.data, np.ones(case.truth.shape, dtype=bool))
            memory = MemoryScene(raster, case.bands, Georef(case.truth.shape), scene.name)
            score, _ = score_scene(memory, scorer, threads=threads)
            use = case.known & ~np.isnan(score)
            parts.append(histogram(score[use], case.truth[use]))
        if parts:
            yield add_up(parts)


def threshold_on_synthetic(scenes: Sequence[ScoreHistogram], before: Calibration, data: str) -> Calibration:
    """The calibration with the best balanced accuracy on simulated cloud.

    Args:
        scenes: from `synthetic_scores`.
        before: the model's present calibration, which keeps its direction and unit.
        data: name of the data, for the card.

    Raises:
        UsageError: there is no clear patch to simulate cloud over.
    """
    score_threshold, accuracy = best_threshold(add_up(scenes), "balanced_accuracy")
    if math.isnan(score_threshold):
        raise UsageError("rule synthetic needs clear patches to simulate cloud over; name --folders or --labels")
    threshold = score_threshold * before.sign
    words = f"simulated cloud over patches tagged clear, and patches tagged cloudy, of {len(scenes)} scenes of {data}"
    rule = ThresholdRule("synthetic", None, words, f"balanced accuracy {accuracy:.3f}")
    curve = logistic_curve(threshold, fit_spread(scenes, score_threshold), before.cloud_is)
    others = before.alternatives_without(rule.name, "given")
    return Calibration(threshold, before.cloud_is, rule, curve, before.unit, others)


def read_tagged(data: Path, options: DataOptions, progress: Progress = no_progress) -> Iterator[TaggedScene]:
    """Every picture or scene with tags of its pixels: from its label or its subfolder; without either, all are clear.

    Raises:
        InputError: data or labels cannot be read. UsageError: options do not fit the data.
    """
    with open_data(data, options) as opened:
        labels = opened.labels or {}
        for done, file in enumerate(opened.files, start=1):
            is_cloudy = file.tag in opened.cloudy
            yield _scene(opened.source, file, labels.get(file.name), options, is_cloudy=is_cloudy)
            progress(done, len(opened.files), "simulating")


def _scene(
    source: DataSet, file: DataFile, label: Path | None, options: DataOptions, *, is_cloudy: bool
) -> TaggedScene:
    """One picture or scene with its tags; nodata is filled with the mean of each band."""
    if file.zipped:
        data = source.read(file)
        bands: tuple[str, ...] = ("blue", "green", "red")
        valid: BoolArray = np.ones(data.shape[1:], dtype=bool)
    else:
        with open_scene(file.path, options.scene) as scene:
            bands = scene.bands
            raster = scene.read(Window(0, 0, *scene.georef.shape), bands)
        data, valid = raster.data, raster.valid
    data = np.where(valid, data, data.mean(axis=(1, 2), where=valid, keepdims=True)) if valid.any() else data * 0
    if label is None:
        clear, cloudy = valid & (not is_cloudy), valid & is_cloudy
    else:
        cloud, known = read_truth(label, options.codes)
        clear, cloudy = patch_tags(cloud, known & valid)
    return TaggedScene(file.stem, np.nan_to_num(data).astype(np.float32), bands, clear, cloudy)


Rule = Literal["paper", "quantile", "conformal", "synthetic", "f1"]
DEFAULTS = {"quantile": 0.99, "conformal": 0.05}
"""Default parameters of the rules that have one."""


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """By which rule to choose the threshold, and on which data."""

    rule: Rule
    parameter: float | None = None
    """quantile: the share of the data on the correct side (0.99). conformal: the bound on false alarms (0.05)."""
    normal: Tagged | None = None
    """For quantile and conformal, the data that the rule uses; None: clear, or cloudy for a model whose low scores are
    cloud."""
    data: DataOptions = field(default_factory=DataOptions)
    """Labels and selection of the data."""
    overwrite: bool = False
    """Replace a model in `out`."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""

    def __post_init__(self) -> None:
        """UsageError for a parameter of a rule that takes none."""
        if self.parameter is not None and self.rule not in DEFAULTS:
            raise UsageError(f"rule {self.rule} takes no parameter; {' and '.join(DEFAULTS)} do")


def calibrate(
    data: str | os.PathLike[str],
    model: str | os.PathLike[str],
    out: str | os.PathLike[str] | None,
    options: CalibrateOptions,
    *,
    progress: Progress = no_progress,
) -> ModelCard:
    """Choose the threshold and write it into the card of the model, or of a copy.

    The former threshold stays in the card as an alternative, under the name of its rule.

    Args:
        data: tagged pictures or labelled scenes.
        model: name or folder.
        out: folder of the copy; None: the model's own folder, which is refused for a shipped model.
        options: the rule, and the selection of the data.
        progress: called after each scene.

    Returns:
        The card that was written.

    Raises:
        OutputError: the model is a shipped one and `out` is None, or `out` holds a model already.
        UsageError: the data do not fit the rule.
        InputError: the data cannot be read. ModelError: the model cannot be loaded.
    """
    folder, data = model_folder(model), Path(data)
    card = read_card(folder)
    target = _target(folder, None if out is None else Path(out), options)
    _check_files(folder, target, data, options)
    if options.rule == "synthetic":
        tagged = read_tagged(data, options.data, progress)
        scores = synthetic_scores(load_scorer(model, options.device), tagged, threads=options.data.threads)
        calibration = threshold_on_synthetic(list(scores), card.calibration, source_name(data))
    else:
        scenes = _scenes(model, data, options, progress)
        calibration = _choose(scenes, card.calibration, options, source_name(data))
    before, card = card, replace(card, calibration=calibration)
    copied = target.resolve() != folder.resolve()
    if copied:
        card = replace(card, name=name_of_folder(target))
    with staged(target.resolve().name) as staging:
        with write_errors(target):
            if copied:
                shutil.copyfile(folder / WEIGHTS_FILE, staging.path(target / WEIGHTS_FILE))
            write_card(card, staging.path(target / CARD_FILE).parent)
        staging.commit(
            last=target / CARD_FILE,
            retired=partial(_replaced, folder, before, _older(target) if copied and options.overwrite else []),
            overwrite=options.overwrite or not copied,
        )
    return card


def _choose(scenes: list[ScoreHistogram], before: Calibration, options: CalibrateOptions, name: str) -> Calibration:
    """The calibration by any rule but synthetic; `name` is that of the data."""
    tagged: Tagged = options.normal or ("clear" if before.cloud_is == "high" else "cloudy")
    parameter = options.parameter if options.parameter is not None else DEFAULTS.get(options.rule)
    score_threshold = _score_threshold(scenes, before, options.rule, parameter, tagged)
    threshold = score_threshold * before.sign
    rule = ThresholdRule(
        options.rule, parameter, f"{len(scenes)} files of {name}", _figure(scenes, score_threshold, options, tagged)
    )
    curve = logistic_curve(threshold, fit_spread(scenes, score_threshold), before.cloud_is)
    others = before.alternatives_without(rule.name)
    return Calibration(threshold, before.cloud_is, rule, curve, before.unit, others)


def _score_threshold(
    scenes: list[ScoreHistogram], before: Calibration, rule: Rule, parameter: float | None, tagged: Tagged
) -> float:
    """The score from which a pixel is cloud, by any rule but synthetic."""
    if rule == "paper":
        return PAPER_THRESHOLD * before.sign
    if rule == "f1":
        score_threshold, _ = best_threshold(add_up(scenes), "f1")
        if math.isnan(score_threshold):
            raise UsageError("rule f1 needs clear and cloudy data; name --folders and --cloudy, or --labels")
        return score_threshold
    number = parameter if parameter is not None else DEFAULTS[rule]
    return (quantile_threshold if rule == "quantile" else conformal_threshold)(scenes, number, tagged)


def _figure(scenes: list[ScoreHistogram], score_threshold: float, options: CalibrateOptions, tagged: Tagged) -> str:
    """What the threshold achieves on the data, in words."""
    pooled = add_up(scenes)
    if options.rule == "f1":
        return f"F1 {count_at(pooled, score_threshold).f1:.3f}"
    sides: list[tuple[Tagged, str]] = [("clear", "false alarms"), ("cloudy", "misses")]
    figures = [
        f"{word} {100 * false_alarms(scenes, score_threshold, side):.2f} %"
        for (side, word), size in zip(sides, pooled.sizes, strict=True)
        if size
    ]
    if options.rule == "conformal":
        bound = options.parameter if options.parameter is not None else DEFAULTS["conformal"]
        figures.append(f"expected {dict(sides)[tagged]} in a new scene at most {100 * bound:g} %")
    return ", ".join(figures)


def _scenes(
    model: str | os.PathLike[str], data: Path, options: CalibrateOptions, progress: Progress
) -> list[ScoreHistogram]:
    """One histogram per file: of all its pixels; for f1 of what has a label, pixels of scenes or whole pictures."""
    scorer = load_scorer(model, options.device)
    chosen = replace(options.data, per_pixel=options.rule != "f1")
    samples = (row[0] for row in read_samples(data, [scorer], chosen, progress))
    scenes = [histogram(sample.score, sample.truth, sample.bits) for sample in samples if sample.score.size]
    if not scenes:
        raise InputError(f"{data} has no labelled pixel to choose a threshold on; check --ignore-codes")
    return scenes


def _target(folder: Path, out: Path | None, options: CalibrateOptions) -> Path:
    """The folder of the card that is written; OutputError if it must not be written."""
    if out is None:
        if SHIPPED.resolve() in folder.resolve().parents:
            raise OutputError(f"{folder.name} is a shipped model and is never rewritten; give --out for a copy")
        return folder
    if out.resolve() != folder.resolve() and (out / CARD_FILE).exists() and not options.overwrite:
        raise OutputError(f"{out} already holds a model; give another --out or --overwrite")
    return out


def _check_files(folder: Path, target: Path, data: Path, options: CalibrateOptions) -> None:
    """UsageError if a file of the copy exists already, or card or weights would replace a file that is read."""
    read = (file for path in (data, options.data.labels) if path is not None for file in local_files(os.fspath(path)))
    if target.resolve() == folder.resolve():
        check_outputs([target / CARD_FILE], read, overwrite=True)
    else:
        files = [target / CARD_FILE, target / WEIGHTS_FILE, *(_older(target) if options.overwrite else ())]
        check_outputs(files, chain(read, model_files(folder)), overwrite=options.overwrite)


def _replaced(model: Path, card: ModelCard, older: list[Path]) -> list[Path]:
    """What goes; OutputError where the model that was calibrated is another by now."""
    check_unchanged(model, card)
    return older


def _older(folder: Path) -> list[Path]:
    """The files of a training beside a model, which are removed when the model is replaced."""
    from geocloud.training.options import OLDER

    return [folder / name for name in OLDER]
