"""What `evaluate` measures: scorers, each read by a calibration, over the scenes of one source."""

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
    """A scorer under test."""

    name: str
    supervision: str
    calibration: Calibration
    scorer: Scorer | None = None
    """None for existing masks."""
    folds: tuple[tuple[Scorer, tuple[str, ...]], ...] = ()
    """Scorers that stand for it, each for scenes of its own; empty: the scorer for all."""

    @classmethod
    def of(cls, scorer: Scorer, calibration: Calibration | None = None) -> Candidate:
        """A scorer read by its card, or by another calibration."""
        card = scorer.card
        return cls(card.name, card.training.supervision, calibration or card.calibration, scorer)


def usable_candidates(source: SuiteSource, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[str]]:
    """Those that take the bands of the source's first scene, and a sentence for each of the others."""
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
    """For each scorer the tallies of all scenes of one source."""
    tallies: list[list[SceneMetrics]] = [[] for _ in candidates]

    def tell(done: int, total: int, stage: str) -> None:
        progress(done, total, f"{stage} {source.name}")

    for scorers, options in _passes(source, candidates):
        for samples in read_samples(source.data, scorers, options, tell):
            for mine, one, sample in zip(tallies, candidates, samples, strict=True):
                if sample.score.size:
                    mine.append(measure(sample, one.calibration))
    if not tallies[0]:
        raise UsageError(f"{source.data} has no labelled pixel; check --ignore-codes")
    return tallies


def _passes(source: SuiteSource, candidates: Sequence[Candidate]) -> Iterator[tuple[list[Scorer], DataOptions]]:
    """Scorers and scenes of each pass over a source: one of all scenes, or one per fold by the scorer of that fold."""
    folds = next((one.folds for one in candidates if one.folds), ())
    if not folds:
        yield [one.scorer for one in candidates if one.scorer is not None], source.options
    for own, scenes in folds:
        options = replace(source.options, only=tuple(name for name in scenes if name in source.options.only))
        if options.only and any_left(source.data, options):
            yield [own if one.folds else one.scorer for one in candidates if one.scorer is not None], options
