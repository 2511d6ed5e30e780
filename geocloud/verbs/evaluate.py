"""`evaluate`: measure models on labelled data, beside baselines and peers."""

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
"""Reads existing masks: 0 clear, 1 cloud."""


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Which models to measure, and how."""

    models: tuple[str | os.PathLike[str], ...] = ()
    """Names or folders of models; empty: the default model, unless there are folds."""
    baselines: tuple[str, ...] = ("brightness", "hot")
    """Models without training to compare with."""
    folds: tuple[tuple[str | os.PathLike[str], tuple[str, ...]], ...] = ()
    """A cross-validation: models, each with the names of the scenes that it has not seen and is measured on. Together
    they are one candidate, with the name and threshold of the first."""
    peers: tuple[str, ...] = ()
    """Other people's detectors to compare with, names in geocloud.scorers.peers.PEERS."""
    difference: bool = False
    """Of two models, the first of clear sky and the second of cloud, also measure the difference."""
    threshold: float | str | None = None
    """For the models, as in detect; None: that of each card."""
    suite: str | os.PathLike[str] | None = None
    """A suite that ships with geocloud, or a TOML file; the data are then the folder that its paths start at."""
    data: DataOptions = field(default_factory=DataOptions)
    """Labels and selection of the data."""
    draws: int = 1000
    """Bootstrap samples of the intervals."""
    sheets: int = 0
    """Number of the worst and of the best scenes to draw per source and model; 0: none."""
    overwrite: bool = False
    """Replace the files of an earlier evaluation; otherwise existing files are an error."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""

    def __post_init__(self) -> None:
        """Refuse values out of range and contradicting options with a UsageError."""
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
    """The result of an evaluation."""

    rows: tuple[Row, ...]
    """One row per source and candidate, then those of pools; candidates are models, then peers, then baselines."""
    conditions: tuple[Row, ...] = ()
    """One row per source, candidate and condition."""
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

    Only counts and histograms of each scene are kept, so memory does not grow with the size of scenes.

    Args:
        data: a folder or zip, or several, which are measured separately; with a suite, the folder its paths start at.
        out: folder for `evaluation.json`, `evaluation.md`, plots and sheets; None: nothing is written.
        options: models, labels, selection; None: the defaults.
        progress: called after each scene.

    Raises:
        UsageError: a file that would be written exists without `overwrite`, or is one of the data or of a model; or
            options do not fit the data.
        InputError: data or labels cannot be read, or nothing could be measured.
        ModelError: a model cannot be loaded, or a scene lacks a band.
        OutputError: the report cannot be written.
        MissingExtraError: a peer or matplotlib is not installed.
    """
    options, out = options or EvaluateOptions(), None if out is None else Path(out)
    sources = [Path(one) for one in ([data] if isinstance(data, str | os.PathLike) else data)]
    suite = _suite(sources, options)
    models, baselines = _models(options), _baselines(options)
    if out is None:
        return _measure(suite, models, baselines, options, progress, None)
    names = [*(one.name for one in (*models, *baselines)), *options.peers]
    files = report_files(out, [*(source.name for source in suite.sources), *suite.pools], names)
    read = list(_inputs(suite, options))
    check_outputs(files, read, overwrite=options.overwrite)
    older = partial(_older, out, read) if options.overwrite else tuple
    older()
    with staged(out.resolve().name) as staging:
        folder = staging.path(out / SUMMARY).parent
        evaluation = _measure(suite, models, baselines, options, progress, folder)
        with write_errors(out):
            write_report(evaluation.rows, evaluation.conditions, folder)
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
    models: Sequence[Candidate],
    baselines: Sequence[Candidate],
    options: EvaluateOptions,
    progress: Progress,
    out: Path | None,
) -> Evaluation:
    """Measure all candidates on all sources; sheets are drawn into the folder `out`."""
    rows: list[Row] = []
    condition_rows: list[Row] = []
    notes: list[str] = []
    measured: dict[str, dict[str, list[SceneMetrics]]] = {}  # source -> candidate -> its scenes
    known: dict[str, Candidate] = {}
    for source in suite.sources:
        reason = _reason_to_skip(source, options)
        if reason:
            notes.append(f"{source.name} is left out: {reason}")
            continue
        candidates = [*models, *_peers(source, options), *baselines]
        if options.suite is not None:
            candidates, left_out = usable_candidates(source, candidates)
            notes += left_out
        if not candidates:
            continue
        per_candidate = measure_source(source, candidates, progress)
        by_name = {one.name: scenes for one, scenes in zip(candidates, per_candidate, strict=True)}
        known |= {one.name: one for one in candidates}
        measured[source.name] = by_name
        groups = conditions_of(by_name.get("brightness", ()), source.conditions) if options.suite else {}
        for one, scenes in zip(candidates, per_candidate, strict=True):
            rows.append(_row(SceneGroup(source.name), one, scenes, options))
            condition_rows += _by_condition(source.name, one, scenes, groups, options)
        if out is not None and options.sheets:
            _draw(source, candidates, by_name, options.sheets, out)
    if not rows:
        what = "the suite" if options.suite is not None else "the data"
        raise InputError(f"nothing of {what} could be measured; {'; '.join(notes)}")
    rows += [row for name, members in suite.pools.items() for row in _pooled(name, members, measured, known, options)]
    return Evaluation(tuple(rows), tuple(condition_rows), tuple(notes))


def _inputs(suite: Suite, options: EvaluateOptions) -> Iterator[str]:
    """The files that the evaluation reads: data, labels and models."""
    for source in suite.sources:
        labels = source.options.labels or source.data.with_name("labels")
        for path in (source.data, labels):
            yield from local_files(os.fspath(path))
    for model in (*options.models, *(name for name, _ in options.folds)):
        yield from model_files(model)


def _reason_to_skip(source: SuiteSource, options: EvaluateOptions) -> str:
    """Why a source is not measured; empty if it is."""
    needed = source.options.reference
    if needed is not None and find_spec(needed) is None:
        return f"it needs {needed} (pip install 'geocloud[bench]')"
    if (options.suite is not None or options.folds) and not any_left(source.data, source.options):
        return "none of its scenes is wanted"
    return ""


def _suite(sources: Sequence[Path], options: EvaluateOptions) -> Suite:
    """The suite to measure; in a cross-validation only the scenes of its folds."""
    data = options.data
    if not data.only:
        data = replace(data, only=tuple(name for _, scenes in options.folds for name in scenes))
    if options.suite is None:
        return plain_suite(sources, data)
    if len(sources) != 1:
        raise UsageError(f"a suite takes one folder, the one that its paths start at, not {len(sources)}")
    return read_suite(os.fspath(options.suite), sources[0], data)


def _models(options: EvaluateOptions) -> list[Candidate]:
    """The candidates that the user asks for: models, their difference, and the cross-validation; or existing masks."""
    if options.data.masks:
        return [Candidate("masks", "", MASKS)]
    models = options.models or (() if options.folds else (DEFAULT_MODEL,))
    scorers = [load_scorer(name, options.device) for name in models]
    candidates = [Candidate.of(scorer, choose_threshold(scorer, options.threshold)) for scorer in scorers]
    names = [one.name for one in candidates]
    if len(set(names)) < len(names):  # such as a model and one adapted from it
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
    """The baselines that are not among the models."""
    if options.data.masks:
        return []
    baselines = [load_scorer(name) for name in options.baselines if name not in options.models]
    return [Candidate.of(one) for one in baselines]


def _peers(source: SuiteSource, options: EvaluateOptions) -> list[Candidate]:
    """The peers, for the product level of a source."""
    return [Candidate.of(PEERS[name](source.product_level)) for name in options.peers]


def _row(group: SceneGroup, one: Candidate, scenes: Sequence[SceneMetrics], options: EvaluateOptions) -> Row:
    """The row of a candidate for a group of scenes."""
    return make_row(group, one.name, one.supervision, one.calibration, scenes, options.draws)


def _by_condition(
    source: str,
    one: Candidate,
    scenes: Sequence[SceneMetrics],
    groups: Mapping[str, frozenset[str]],
    options: EvaluateOptions,
) -> list[Row]:
    """One row per condition; `groups` are condition -> names of its scenes."""
    return [
        _row(SceneGroup(source, condition), one, [scene for scene in scenes if scene.name in names], options)
        for condition, names in groups.items()
    ]


def _pooled(
    name: str,
    members: Sequence[str],
    measured: Mapping[str, Mapping[str, Sequence[SceneMetrics]]],
    candidates: Mapping[str, Candidate],
    options: EvaluateOptions,
) -> list[Row]:
    """Rows of the scenes of several sources together, one for each candidate that was measured on all of them."""
    sources = [measured[member] for member in members if member in measured]
    return [
        _row(SceneGroup(name), candidates[model], [scene for source in sources for scene in source[model]], options)
        for model in candidates
        if len(sources) > 1 and all(model in source for source in sources)
    ]


def _draw(
    source: SuiteSource,
    candidates: Sequence[Candidate],
    by_name: Mapping[str, Sequence[SceneMetrics]],
    number: int,
    out: Path,
) -> None:
    """Draw contact sheets for each trained model, except cross-validated ones; without saturated scenes."""
    white = {scene.name for scene in by_name.get("brightness", ()) if saturated(scene)}
    for one in candidates:
        if one.scorer is not None and one.supervision != "T0" and not one.folds:
            scenes = [scene for scene in by_name[one.name] if scene.name not in white]
            write_sheets(source, one.scorer, one.calibration, scenes, number, out)
