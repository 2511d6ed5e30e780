"""The rule `synthetic`: the threshold with the best balanced accuracy on simulated cloud over tagged scenes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from geocloud.calibration import Calibration, ThresholdRule, logistic_curve
from geocloud.errors import UsageError
from geocloud.georef import Georef
from geocloud.histogram import ScoreHistogram, add_up, histogram
from geocloud.metrics import best_cut
from geocloud.progress import Progress, no_progress
from geocloud.raster import BoolArray, Raster
from geocloud.readers import MemoryScene, open_scene
from geocloud.readers.labels import cloudy_classes, find_labels, pair_labels, read_truth
from geocloud.readers.names import choose_names
from geocloud.readers.pictures import DataFile, DataSet
from geocloud.rules import fit_spread
from geocloud.scorers.contract import Scorer
from geocloud.training.split import choose_part
from geocloud.training.synthetic import TaggedScene, patch_tags, pose
from geocloud.verbs.resolution import score_scene
from geocloud.verbs.samples import DataOptions
from geocloud.window import Window

DRAWS = 2
"""Simulated clouds a scene."""


def synthetic_scores(
    scorer: Scorer, scenes: Iterable[TaggedScene], *, seed: int = 0, threads: int | None = None
) -> Iterator[ScoreHistogram]:
    """Scores beside the simulated truth, a histogram a scene; scenes without a tag are passed over."""
    for scene in scenes:
        parts = []
        for posed in pose(scene, DRAWS, seed):
            raster = Raster(posed.data, np.ones(posed.truth.shape, dtype=bool))
            memory = MemoryScene(raster, posed.bands, Georef(posed.truth.shape), scene.name)
            score, _ = score_scene(memory, scorer, threads=threads)
            use = posed.known & ~np.isnan(score)
            parts.append(histogram(score[use], posed.truth[use]))
        if parts:
            yield add_up(parts)


def cut_synthetic(scenes: Sequence[ScoreHistogram], before: Calibration, data: str) -> Calibration:
    """The calibration by the rule.

    Raises:
        UsageError: no clear patch to lay a cloud over, or no cloud at all.
    """
    cut, reached = best_cut(add_up(scenes), "balanced_accuracy")
    if cut != cut:  # noqa: PLR0124 - NaN
        raise UsageError("rule synthetic needs clear patches to lay simulated cloud over; name --classes or --labels")
    threshold = cut * before.sign
    words = f"simulated cloud over patches tagged clear, and patches tagged cloudy, of {len(scenes)} scenes of {data}"
    rule = ThresholdRule("synthetic", None, words, f"balanced accuracy {reached:.3f}")
    curve = logistic_curve(threshold, fit_spread(scenes, cut), before.cloud_is)
    kept = {before.rule.name: before.threshold, **dict(before.alternatives)}
    others = tuple((name, value) for name, value in kept.items() if name not in ("synthetic", "given"))
    return Calibration(threshold, before.cloud_is, rule, curve, before.unit, others)


def read_tagged(data: Path, options: DataOptions, progress: Progress = no_progress) -> Iterator[TaggedScene]:
    """Every picture or scene with the tags of its patches: by its label, its subfolder, or all clear without either.

    Raises:
        InputError: data or labels cannot be read. UsageError: options do not fit the data.
    """
    labels = find_labels(data, options.labels)
    with DataSet(data, options.classes) as source:
        files = choose_names(source.files, options.only, options.without)
        files = choose_part(files, options.part, options.held_out, options.seed)
        paths = dict(pair_labels(files, labels)) if labels is not None else {}
        cloudy = cloudy_classes(source.classes, options.cloudy)
        for done, file in enumerate(paths or files, start=1):
            yield _scene(source, file, paths.get(file), options, is_cloudy=file.tag in cloudy)
            progress(done, len(paths or files), "simulating")


def _scene(
    source: DataSet, file: DataFile, label: Path | None, options: DataOptions, *, is_cloudy: bool
) -> TaggedScene:
    """One of them."""
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
