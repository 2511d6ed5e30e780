"""`evaluate`: models on labelled data, beside baselines and peers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from geocloud.calibration import Calibration, ThresholdRule
from geocloud.errors import InputError, UsageError
from geocloud.evaluation.candidates import Candidate, measure_source, usable_candidates
from geocloud.evaluation.contact_sheet import write_sheets
from geocloud.evaluation.report import SUMMARY, report_files, write_report, written_before
from geocloud.evaluation.results import Row, SceneGroup, make_row
from geocloud.evaluation.samples import DataOptions, any_left
from geocloud.evaluation.scene_metrics import SceneMetrics, conditions_of, saturated
from geocloud.evaluation.suite import Suite, SuiteSource, plain_suite, read_suite
from geocloud.models.registry import DEFAULT_MODEL, load_scorer
from geocloud.pipeline.detection import choose_threshold
from geocloud.pipeline.places import model_files
from geocloud.progress import Progress, no_progress
from geocloud.readers.dispatch import local_files
from geocloud.scorers.difference import difference
from geocloud.scorers.peers import PEERS
from geocloud.writers.staging import check_not_read, check_outputs, staged, write_errors

MASKS = Calibration(0.5, rule=ThresholdRule("given"), unit="mask")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to measure and on what."""

    models: tuple[str | os.PathLike[str], ...] = ()
    """Names or folders; none: the default, where there are no folds."""
    baselines: tuple[str, ...] = ("brightness", "hot")
    """Models without learning that stand beside them."""
    folds: tuple[tuple[str | os.PathLike[str], tuple[str, ...]], ...] = ()
    """Of a cross-validation: models, each with the names of the scenes that it has not seen and is measured on. They
    count as one model, with the first one's name and threshold."""
    peers: tuple[str, ...] = ()
    """Other people's detectors that stand beside them, of geocloud.scorers.peers.PEERS."""
    difference: bool = False
    """Two models, the first of clear sky and the second of cloud: add their difference as a third."""
    threshold: float | str | None = None
    """For the models, as in detect; None: that of each card."""
    suite: str | os.PathLike[str] | None = None
    """A suite that ships, or a TOML file; the one source is then the folder its paths start at."""
    data: DataOptions = field(default_factory=DataOptions)
    draws: int = 1000
    """Bootstrap draws."""
    sheets: int = 0
    """How many of the worst and best scenes to draw, a source and model; 0: none."""
    overwrite: bool = False
    """Replace what an earlier evaluation wrote; otherwise files that exist are an error."""
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        names = [name for _, scenes in self.folds for name in scenes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(f"scene {twice[0]} is in two folds; every scene is measured by one model")
        if self.draws < 1 or self.sheets < 0:
            raise UsageError(f"draws {self.draws} must be at least 1, and sheets {self.sheets} at least 0")
        if self.difference and len(self.models) != 2:
            raise UsageError(f"a difference takes two models, not {len(self.models)}; give --model twice")
        unknown = [name for name in self.peers if name not in PEERS]
        if unknown:
            raise UsageError(f"peer {unknown[0]!r} is unknown; there are {', '.join(PEERS)}")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result."""

    rows: tuple[Row, ...]
    """All scenes of each source, then pools: models first, then peers, then baselines."""
    conditions: tuple[Row, ...] = ()
    """The same by condition."""
    notes: tuple[str, ...] = ()
    """What was left out, a sentence each."""


def evaluate(
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    options: EvaluateOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> Evaluation:
    """Measure models on tagged pictures (one score per picture) or labelled scenes (one score per pixel).

    Only counts and histograms of each scene are kept, so memory does not grow with their size.

    Args:
        data: a folder or zip, or several, each scored apart, since label styles differ; with a suite its root folder.
        out: folder for `evaluation.json`, `evaluation.md`, plots and sheets; None: none is written.
        options: models, truth, selection; defaults where None.
        progress: called after each scene.

    Raises:
        UsageError: a file that would be written exists without `overwrite`, or is one of the data or of a model; and
            what does not fit. InputError, ModelError, OutputError, MissingExtraError: one sentence each.
    """
    options, out = options or EvaluateOptions(), None if out is None else Path(out)
    sources = [Path(one) for one in ([data] if isinstance(data, str | os.PathLike) else data)]
    suite = _suite(sources, options)
    own, baselines = _judged(options), _baselines(options)
    if out is None:
        return _measure(suite, own, baselines, options, progress, None)
    names = [*(one.name for one in (*own, *baselines)), *options.peers]
    files = report_files(out, [*(source.name for source in suite.sources), *suite.pools], names)
    read = list(_inputs(suite, options))
    check_outputs(files, read, overwrite=options.overwrite)
    older = partial(_older, out, read) if options.overwrite else tuple
    older()
    with staged(out.resolve().name) as staging:
        place = staging.path(out / SUMMARY).parent
        evaluation = _measure(suite, own, baselines, options, progress, place)
        with write_errors(out):
            write_report(evaluation.rows, evaluation.conditions, place)
        for file in files:
            staging.path(file)
        staging.commit(last=out / SUMMARY, retired=older, overwrite=options.overwrite)
    return evaluation


def _older(out: Path, read: Sequence[str]) -> list[Path]:
    """The files of an earlier evaluation, which go; UsageError where one is an input."""
    found = written_before(out)
    check_not_read(found, read)
    return found


def _measure(
    suite: Suite,
    own: Sequence[Candidate],
    baselines: Sequence[Candidate],
    options: EvaluateOptions,
    progress: Progress,
    out: Path | None,
) -> Evaluation:
    """All figures; sheets are drawn into `out`."""
    rows: list[Row] = []
    parts: list[Row] = []
    notes: list[str] = []
    kept: dict[str, dict[str, list[SceneMetrics]]] = {}
    seen: dict[str, Candidate] = {}
    for source in suite.sources:
        reason = _unwanted(source, options)
        if reason:
            notes.append(f"{source.name} is left out: {reason}")
            continue
        candidates = [*own, *_peers(source, options), *baselines]
        if options.suite is not None:
            candidates, left_out = usable_candidates(source, candidates)
            notes += left_out
        if not candidates:
            continue
        tallies = measure_source(source, candidates, progress)
        seen |= {one.name: one for one in candidates}
        kept[source.name] = {one.name: found for one, found in zip(candidates, tallies, strict=True)}
        groups = conditions_of(kept[source.name].get("brightness", ()), source.conditions) if options.suite else {}
        for one, found in zip(candidates, tallies, strict=True):
            rows.append(_row(SceneGroup(source.name), one, found, options))
            parts += _by_condition(source.name, one, found, groups, options)
        if out is not None and options.sheets:
            _draw(source, candidates, kept[source.name], options.sheets, out)
    if not rows:
        what = "the suite" if options.suite is not None else "the data"
        raise InputError(f"nothing of {what} could be measured; {'; '.join(notes)}")
    rows += [row for name in suite.pools for row in _pooled(name, suite.pools[name], kept, seen, options)]
    return Evaluation(tuple(rows), tuple(parts), tuple(notes))


def _inputs(suite: Suite, options: EvaluateOptions) -> Iterator[str]:
    """The files that are read: data, labels, models."""
    for source in suite.sources:
        labels = source.options.labels or source.data.with_name("labels")
        for path in (source.data, labels):
            yield from local_files(os.fspath(path))
    for model in (*options.models, *(name for name, _ in options.folds)):
        yield from model_files(model)


def _unwanted(source: SuiteSource, options: EvaluateOptions) -> str:
    """Why a source is not measured; empty where it is."""
    needed = source.options.reference
    if needed is not None and find_spec(needed) is None:
        return f"it needs {needed} (pip install 'geocloud[bench]')"
    if (options.suite is not None or options.folds) and not any_left(source.data, source.options):
        return "none of its scenes is wanted"
    return ""


def _suite(sources: Sequence[Path], options: EvaluateOptions) -> Suite:
    """What is to be measured; in a cross-validation nothing but the scenes of its folds."""
    data = options.data
    if not data.only:
        data = replace(data, only=tuple(name for _, scenes in options.folds for name in scenes))
    if options.suite is None:
        return plain_suite(sources, data)
    if len(sources) != 1:
        raise UsageError(f"a suite takes the one folder that its paths start at, not {len(sources)}")
    return read_suite(os.fspath(options.suite), sources[0], data)


def _judged(options: EvaluateOptions) -> list[Candidate]:
    """Models and their difference."""
    if options.data.masks:
        return [Candidate("masks", "", MASKS)]
    models = options.models or (() if options.folds else (DEFAULT_MODEL,))
    scorers = [load_scorer(name, options.device) for name in models]
    candidates = [Candidate.of(scorer, choose_threshold(scorer, options.threshold)) for scorer in scorers]
    names = [one.name for one in candidates]
    if len(set(names)) < len(names):  # such as a model and what it was trained on from
        candidates = [replace(one, name=os.fspath(model)) for one, model in zip(candidates, models, strict=True)]
    if options.difference:
        candidates.append(Candidate.of(difference(scorers[0], scorers[1])))
    if options.folds:
        folds = tuple((load_scorer(name, options.device), scenes) for name, scenes in options.folds)
        first = folds[0][0]
        calibration = choose_threshold(first, options.threshold)
        candidates.append(
            replace(Candidate.of(first, calibration), name=f"{first.card.name}, cross-validated", folds=folds)
        )
    return candidates


def _baselines(options: EvaluateOptions) -> list[Candidate]:
    """Baselines that are not among the models."""
    if options.data.masks:
        return []
    baselines = [load_scorer(name) for name in options.baselines if name not in options.models]
    return [Candidate.of(one) for one in baselines]


def _peers(source: SuiteSource, options: EvaluateOptions) -> list[Candidate]:
    """Peers as they are to be used for a source."""
    return [Candidate.of(PEERS[name](source.product_level)) for name in options.peers]


def _row(under: SceneGroup, one: Candidate, tallies: Sequence[SceneMetrics], options: EvaluateOptions) -> Row:
    """All of them together."""
    return make_row(under, one.name, one.supervision, one.calibration, tallies, options.draws)


def _by_condition(
    source: str,
    one: Candidate,
    tallies: Sequence[SceneMetrics],
    groups: Mapping[str, frozenset[str]],
    options: EvaluateOptions,
) -> list[Row]:
    """One row per condition."""
    return [
        _row(SceneGroup(source, name), one, [tally for tally in tallies if tally.name in scenes], options)
        for name, scenes in groups.items()
    ]


def _pooled(
    name: str,
    members: Sequence[str],
    kept: Mapping[str, Mapping[str, Sequence[SceneMetrics]]],
    candidates: Mapping[str, Candidate],
    options: EvaluateOptions,
) -> list[Row]:
    """Rows of the scenes of several sources together, for those that could score them all."""
    there = [kept[member] for member in members if member in kept]
    return [
        _row(SceneGroup(name), candidates[model], [tally for source in there for tally in source[model]], options)
        for model in candidates
        if len(there) > 1 and all(model in source for source in there)
    ]


def _draw(
    source: SuiteSource,
    candidates: Sequence[Candidate],
    tallies: Mapping[str, Sequence[SceneMetrics]],
    number: int,
    out: Path,
) -> None:
    """Sheets of the worst and best scenes of each single model that learnt; saturated white ones show nothing."""
    white = {tally.name for tally in tallies.get("brightness", ()) if saturated(tally)}
    for one in candidates:
        if one.scorer is not None and one.supervision != "T0" and not one.folds:
            seen = [tally for tally in tallies[one.name] if tally.name not in white]
            write_sheets(source, one.scorer, one.calibration, seen, number, out)
