"""`evaluate`: models on labelled data, beside the null models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from geocloud.calibration import Calibration, ThresholdRule
from geocloud.errors import OutputError, UsageError
from geocloud.histogram import ScoreHistogram, histogram
from geocloud.metrics import Counts, Reliability, count, reliability
from geocloud.models.registry import DEFAULT_MODEL, load_scorer
from geocloud.progress import Progress, no_progress
from geocloud.scorers.contract import Scorer
from geocloud.scorers.difference import Difference
from geocloud.verbs.detect import choose_threshold
from geocloud.verbs.report import Row, make_row, write_report
from geocloud.verbs.samples import DataOptions, Sample, read_samples, source_name
from geocloud.verbs.supervision import supervision

MASKS = Calibration(0.5, rule=ThresholdRule("given"), unit="mask")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to measure and on what."""

    models: tuple[str, ...] = (DEFAULT_MODEL,)
    """Names or folders."""
    nulls: tuple[str, ...] = ("brightness", "hot")
    """Models without learning that stand beside them."""
    difference: bool = False
    """Two models, the first of clear sky and the second of cloud: add their difference as a third."""
    threshold: float | str | None = None
    """For the models, as in detect; None: that of each card."""
    data: DataOptions = field(default_factory=DataOptions)
    draws: int = 1000
    """Bootstrap draws."""
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.draws < 1:
            raise UsageError(f"draws {self.draws} must be at least 1")
        if self.difference and len(self.models) != 2:
            raise UsageError(f"a difference takes two models, not {len(self.models)}; give --model twice")


@dataclass(frozen=True, slots=True)
class Judged:
    """A scorer under test."""

    name: str
    supervision: str
    calibration: Calibration
    scorer: Scorer | None = None
    """None for masks that stand already."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One scene by one scorer: all that is kept of it."""

    counts: Counts
    scores: ScoreHistogram
    reliability: Reliability


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result."""

    rows: tuple[Row, ...]
    """Source by source, models first, then null models."""


def evaluate(
    sources: Sequence[Path],
    options: EvaluateOptions,
    out: Path | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Measure models on tagged pictures (a score a picture) or labelled scenes (a score a pixel).

    Only counts and histograms of each scene are kept, so memory does not grow with their size.

    Args:
        sources: folders or zips; each is scored apart, since label styles differ.
        options: models, truth, selection.
        out: folder for `evaluation.json`, `evaluation.md` and plots; None: none is written.
        progress: called after each scene.

    Raises:
        UsageError, InputError, ModelError, OutputError: one sentence each.
    """
    judged = _judged(options)
    if out is not None:
        _make(out)
    rows: list[Row] = []
    for source in sources:
        tallies = _tally(source, judged, options, progress)
        rows += [
            make_row(source_name(source), one.name, one.supervision, one.calibration, tally, options.draws)
            for one, tally in zip(judged, tallies, strict=True)
        ]
    if out is not None:
        write_report(rows, out)
    return Evaluation(tuple(rows))


def _judged(options: EvaluateOptions) -> list[Judged]:
    """Models, their difference, null models."""
    if options.data.masks:
        return [Judged("masks", "", MASKS)]
    scorers = [load_scorer(name, options.device) for name in options.models]
    judged = [
        Judged(scorer.name, supervision(scorer), choose_threshold(scorer, options.threshold), scorer)
        for scorer in scorers
    ]
    if options.difference:
        both = Difference(scorers[0], scorers[1])
        judged.append(Judged(both.name, supervision(both), both.calibration, both))
    nulls = [load_scorer(name) for name in options.nulls if name not in options.models]
    return judged + [Judged(null.name, supervision(null), null.calibration, null) for null in nulls]


def _tally(source: Path, judged: Sequence[Judged], options: EvaluateOptions, progress: Progress) -> list[list[Tally]]:
    """For each scorer the tallies of all scenes of one source."""
    scorers = [one.scorer for one in judged if one.scorer is not None]
    tallies: list[list[Tally]] = [[] for _ in judged]
    for samples in read_samples(source, scorers, options.data, progress):
        for mine, one, sample in zip(tallies, judged, samples, strict=True):
            if sample.score.size:
                mine.append(_measure(sample, one.calibration))
    if not tallies[0]:
        raise UsageError(f"{source} has no labelled pixel; look at --ignore-codes")
    return tallies


def _measure(sample: Sample, calibration: Calibration) -> Tally:
    """Counts at the threshold, histogram and reliability of one scene."""
    return Tally(
        count(sample.score >= calibration.cut, sample.truth),
        histogram(sample.score, sample.truth, sample.bits),
        reliability(calibration.probability(sample.score), sample.truth),
    )


def _make(out: Path) -> None:
    """Make the folder before the work."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror}); give another --out") from error
