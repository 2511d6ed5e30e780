"""The models that `evaluate` compares, each a scorer with a calibration, measured on the scenes of one source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from geocloud.calibration import Calibration
from geocloud.datasets.folder import DataSet
from geocloud.errors import ModelError, UsageError
from geocloud.evaluation.samples import DataOptions, any_left, read_samples
from geocloud.evaluation.scene_metrics import SceneMetrics, measure
from geocloud.evaluation.suite import SuiteSource
from geocloud.progress import Progress
from geocloud.readers import open_scene
from geocloud.readers.scenes.band_subset import subset_bands
from geocloud.scorers.contract import Scorer


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that is measured."""

    name: str
    supervision: str
    """How it was trained, a key of `SUPERVISIONS`."""
    calibration: Calibration
    scorer: Scorer | None = None
    """None: existing masks are measured."""
    folds: tuple[tuple[Scorer, tuple[str, ...]], ...] = ()
    """(scorer, names of the scenes that it scores) of each fold of a cross-validation; empty: `scorer` scores all."""

    @classmethod
    def of(cls, scorer: Scorer, calibration: Calibration | None = None) -> Candidate:
        """A candidate of a scorer, with the calibration of its card or another one."""
        card = scorer.card
        return cls(card.name, card.training.supervision, calibration or card.calibration, scorer)


def usable_candidates(source: SuiteSource, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[str]]:
    """The candidates whose bands the source's first scene has, and a sentence for each of the others."""
    with DataSet(source.data) as data:
        first = next(file for file in data.files if file.tag != "labels")
        with subset_bands(open_scene(first.path, source.options.scene), source.options.bands) as scene:
            bands = scene.bands
    usable, notes = [], []
    for one in candidates:
        try:
            if one.scorer is not None:
                one.scorer.choose_bands(bands)
            usable.append(one)
        except ModelError as error:
            notes.append(f"{source.name}: {one.name} is left out ({error})")
    return usable, notes


def measure_source(
    source: SuiteSource, candidates: Sequence[Candidate], progress: Progress
) -> list[list[SceneMetrics]]:
    """Measure all scenes of one source.

    Returns:
        For each candidate, the metrics of each scene that has a labelled pixel.

    Raises:
        UsageError: no scene has a labelled pixel. As `read_samples` otherwise.
    """
    per_candidate: list[list[SceneMetrics]] = [[] for _ in candidates]

    def named_progress(done: int, total: int, stage: str) -> None:
        progress(done, total, f"{stage} {source.name}")

    for scorers, options in _passes(source, candidates):
        for samples in read_samples(source.data, scorers, options, named_progress):
            for scenes, candidate, sample in zip(per_candidate, candidates, samples, strict=True):
                if sample.score.size:
                    scenes.append(measure(sample, candidate.calibration))
    if not per_candidate[0]:
        raise UsageError(f"{source.data} has no labelled pixel; check --ignore-codes")
    return per_candidate


def _passes(source: SuiteSource, candidates: Sequence[Candidate]) -> Iterator[tuple[list[Scorer], DataOptions]]:
    """Scorers and options of each pass over a source: one pass over all scenes, or one per fold over its scenes."""
    folds = next((one.folds for one in candidates if one.folds), ())
    if not folds:
        yield [one.scorer for one in candidates if one.scorer is not None], source.options
    for fold_scorer, scenes in folds:
        options = replace(source.options, only=tuple(name for name in scenes if name in source.options.only))
        if options.only and any_left(source.data, options):
            yield [fold_scorer if one.folds else one.scorer for one in candidates if one.scorer is not None], options
