"""`adapt`: the default model, made to fit a user's own scenes, measured on scenes that it did not see."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geocloud.calibration import Calibration, ThresholdRule
from geocloud.errors import ModelError, UsageError
from geocloud.metrics.bootstrap import Interval, intervals
from geocloud.metrics.confusion import NAN, ConfusionCounts, count_at
from geocloud.metrics.histogram import ScoreHistogram, add_up, histogram
from geocloud.models.registry import DEFAULT_MODEL, model_folder
from geocloud.pipeline.places import model_files
from geocloud.pipeline.scoring import score_scene
from geocloud.progress import Progress, no_progress
from geocloud.raster import BoolArray, Georef, Raster
from geocloud.readers import MemoryScene, SceneOptions
from geocloud.readers.bands.names import VISIBLE
from geocloud.readers.files.paths import scene_name
from geocloud.scorers.card import CARD_FILE, ModelCard, TrainingRecord, read_card, write_card
from geocloud.scorers.contract import Scorer
from geocloud.writers.staging import check_outputs, write_errors

if TYPE_CHECKING:
    from geocloud.models.networks.unmix import UnmixNet
    from geocloud.training.own_scenes import Tile
    from geocloud.training.unmix.synthetic import SimulatedCase

NOISE, LOST_RECALL = 0.002, 0.02
"""Balanced accuracy and recall that a model may lose on held-out scenes and still be no worse."""
LARGEST_MOVE, STEP = 1.0, 0.25
"""Logits that the threshold moves at most after learning, and at once."""
MIN_CLEAR = 0.05
"""Share of known clear pixels below which no cloud is simulated over a tile."""


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """What is said of the scenes, and how long to learn. Without any truth only the threshold adapts."""

    model: str | os.PathLike[str] = DEFAULT_MODEL
    """What to start from: a model of kind unmix."""
    clear: Path | None = None
    """Text file of names of scenes that are wholly clear, one per line."""
    cloudy: Path | None = None
    """The same of scenes that are wholly cloud."""
    masks: Path | None = None
    """Folder of corrected masks: NAME.tif or NAME_cloudmask.tif of a scene NAME."""
    polygons: Path | None = None
    """Vector file of corrected clouds; its column `scene` says of which scenes it tells all."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    steps: int = 200
    seed: int = 0
    threads: int | None = None
    allow_worse: bool = False
    """Write the model also where it is worse on the scenes held out."""
    overwrite: bool = False
    """Replace a model that is there under `out`."""

    def __post_init__(self) -> None:
        """Numbers a user can mistype."""
        if not 1 <= self.steps <= 10_000:
            raise UsageError(f"steps {self.steps} must be 1 to 10000")


@dataclass(frozen=True, slots=True)
class AdaptRow:
    """A figure on the scenes held out, before and after, as shares with 95 % intervals over tiles."""

    figure: str
    before: float
    after: float
    before_95: Interval
    after_95: Interval


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What `adapt` made."""

    folder: Path | None
    """None: it was worse, and was not written."""
    card: ModelCard
    rows: tuple[AdaptRow, ...]
    learned: tuple[str, ...]
    """Names of the scenes it learned from."""
    held_out: tuple[str, ...]
    worse: str
    """What got worse, in words; empty: nothing."""


def adapt(
    scenes: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: AdaptOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> Adaptation:
    """Go on from a model on a user's scenes; measure it on scenes left out; write it unless it is worse.

    Args:
        scenes: paths or URLs, of any bands, sensor and resolution that geocloud reads.
        out: the model folder. A run that was broken off goes on from the checkpoint in it.
        options: what is said of the scenes; defaults where None.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        UsageError: too few scenes, or options that do not fit them.
        InputError, ModelError, OutputError: a file cannot be read, a model of another kind, a folder that holds one.
    """
    from geocloud.models.network_scorer import WEIGHTS_FILE
    from geocloud.training.own_scenes import Truth, read_tiles, scene_names, split, taken_for_clear

    options, folder = options or AdaptOptions(), Path(out)
    network, card = _start(options.model)
    check_outputs([folder / CARD_FILE, folder / WEIGHTS_FILE], model_files(options.model), overwrite=options.overwrite)
    truth = Truth.of(options.clear, options.cloudy, options.masks, options.polygons)
    truth.check([scene_name(os.fspath(scene)) for scene in scenes])
    scorer = _scorer(network, card)
    tiles: list[Tile] = []
    for number, scene in enumerate(scenes, start=1):
        tiles += read_tiles(scene, options.scene, scorer, truth)
        progress(number, len(scenes), "reading")
    told = any(tile.known.any() for tile in tiles)
    if not told:
        tiles = [taken_for_clear(tile, scorer, options.threads) for tile in tiles]
    learn, held = split(tiles, options.seed)
    measured = _measure(held, scorer, options, _part(progress, "measuring before"))
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if told:
        seen = _measure(learn, scorer, options, _part(progress, "measuring before"))
        network = _trained(network, card, learn, options, folder, progress)
        calibration = _with_recall(seen, learn, _scorer(network, card), options)
    else:
        calibration = _recut(learn, scorer, card.calibration, options)
    card = replace(card, calibration=calibration)
    after = _measure(held, _scorer(network, card), options, _part(progress, "measuring after"))
    cuts = float(scorer.card.calibration.score_threshold), float(calibration.score_threshold)
    rows, worse = compare(measured, after, cuts)
    card = _described(card, learn, rows, options, told=told)
    if worse and not options.allow_worse:
        return Adaptation(None, card, rows, scene_names(learn), scene_names(held), worse)
    card = _write(network, replace(card, name=folder.resolve().name), folder)
    return Adaptation(folder, card, rows, scene_names(learn), scene_names(held), worse)


def _start(model: str | os.PathLike[str]) -> tuple[UnmixNet, ModelCard]:
    """Network and card of a model that unmixes; ModelError for another."""
    from geocloud.models.network_scorer import load_network
    from geocloud.models.networks.unmix import UnmixNet

    folder = model_folder(model)
    card = read_card(folder)
    network = load_network(folder, card) if card.kind == "unmix" else None
    if not isinstance(network, UnmixNet):
        raise ModelError(f"model {card.name} is of kind {card.kind}; only models of kind unmix adapt, such as default")
    return network.eval(), card


def _scorer(network: UnmixNet, card: ModelCard) -> Scorer:
    """In fp32 on the CPU: the figures are the same on every processor, but for rounding."""
    import torch

    from geocloud.models.network_scorer import make_scorer

    return make_scorer(network, card, torch.device("cpu"), bf16=False)


Histograms = Mapping[str, list[ScoreHistogram]]


def _measure(
    tiles: Sequence[Tile], scorer: Scorer, options: AdaptOptions, tell: Callable[[int, int], None]
) -> Histograms:
    """Scores beside the truth of each tile, as it is (`real`) and under simulated cloud (`simulated`)."""
    from geocloud.training.unmix.synthetic import SimulatedCase, TaggedScene, simulate_case

    found: dict[str, list[ScoreHistogram]] = {"real": [], "simulated": []}
    for number, tile in enumerate(tiles, start=1):
        clear, cloudy = tile.known & (tile.truth == 0), tile.known & (tile.truth == 1)
        cases = [("real", SimulatedCase(tile.data, tile.bands, cloudy, tile.known))]
        if clear.mean() >= MIN_CLEAR:
            posed = simulate_case(TaggedScene(f"{tile.scene}{number}", tile.data, tile.bands, clear, cloudy), 2)
            cases += [("simulated", case) for case in posed[1:]]
        for kind, case in cases:
            raster = Raster(case.data, np.ones(case.truth.shape, dtype=bool))
            scene = MemoryScene(raster, case.bands, Georef(case.truth.shape), tile.scene)
            score, _ = score_scene(scene, scorer, threads=options.threads)
            use = case.known & ~np.isnan(score) & ~_unseen(case, tile)
            if use.any():
                found[kind].append(histogram(score[use], case.truth[use]))
        tell(number, len(tiles))
    return found


def _unseen(case: SimulatedCase, tile: Tile) -> BoolArray:
    """(h, w) where a simulated cloud changes too little to be seen, as white over snow: nobody could find it."""
    from geocloud.training.unmix.batches import CONTRAST

    index = [place for place, band in enumerate(tile.bands) if band in case.bands]
    change = np.abs(case.data - tile.data[index])[: len(VISIBLE)].mean(axis=0)
    unseen: BoolArray = case.truth & (tile.truth != 1) & (change < CONTRAST)
    return unseen


def compare(before: Histograms, after: Histograms, cuts: Sequence[float]) -> tuple[tuple[AdaptRow, ...], str]:
    """The rows of the table, and what got worse."""
    rows = []
    for figure, kind, name in (
        ("false alarms on clear ground", "real", "false_alarms"),
        ("recall of cloud", "real", "recall"),
        ("recall of simulated cloud", "simulated", "recall"),
        ("balanced accuracy, simulated cloud too", "both", "balanced_accuracy"),
    ):
        values, spans = [], []
        for scores, cut in zip((before, after), cuts, strict=True):
            parts = [*scores["real"], *scores["simulated"]] if kind == "both" else scores[kind]
            counts = [count_at(part, cut) for part in parts]
            total = sum(counts, start=ConfusionCounts())
            values.append(float(getattr(total, name)))
            spans.append(_interval(counts, parts, name) if parts else (NAN, NAN))
        if not np.isnan(values).any():
            rows.append(AdaptRow(figure, values[0], values[1], spans[0], spans[1]))
    return tuple(rows), "; ".join(filter(None, map(_loss, rows)))


def _interval(counts: Sequence[ConfusionCounts], parts: Sequence[ScoreHistogram], name: str) -> Interval:
    """95 % over tiles; of false alarms by the recall of clear."""
    if name == "false_alarms":
        turned = [ConfusionCounts(one.fp, one.tp, one.tn, one.fn) for one in counts]
        return intervals(turned, parts)["recall"]
    return intervals(counts, parts)[name]


def _loss(row: AdaptRow) -> str:
    """What a row says got worse; empty for nothing."""
    allowed = NOISE if row.figure.startswith("balanced") else LOST_RECALL
    if row.figure.startswith("false") or row.after >= row.before - allowed:
        return ""
    return f"{row.figure} falls from {100 * row.before:.1f} to {100 * row.after:.1f} %"


def _recut(learn: Sequence[Tile], scorer: Scorer, before: Calibration, options: AdaptOptions) -> Calibration:
    """The threshold by simulated cloud over ground that is surely clear, halfway from the model's own.

    Halfway, for simulated cloud is not the user's: the model's own threshold knows more skies.
    """
    from geocloud.metrics.confusion import best_threshold

    parts = _measure(learn, scorer, options, lambda _done, _total: None)["simulated"]
    cut, reached = best_threshold(add_up(parts), "balanced_accuracy") if parts else (NAN, 0.0)
    if np.isnan(cut):
        raise UsageError("no ground in these scenes is surely clear; say which scenes are with --clear")
    figure = f"balanced accuracy {reached:.3f} at {cut * before.sign:.3f}"
    rule = ThresholdRule("adapt", None, f"simulated cloud over {len(parts)} tiles of the user's scenes", figure)
    kept = {**dict(before.alternatives), before.rule.name: before.threshold}
    moved = before.at((before.threshold + cut * before.sign) / 2, rule)
    return replace(moved, alternatives=tuple((name, value) for name, value in kept.items() if name != "adapt"))


def _with_recall(before: Histograms, learn: Sequence[Tile], scorer: Scorer, options: AdaptOptions) -> Calibration:
    """The calibration, its threshold lowered until as much cloud is found over the learned ground as before.

    By at most LARGEST_MOVE logits, and not beyond half of the false alarms that there were.
    """
    calibration = scorer.card.calibration
    cut = float(calibration.score_threshold)
    old = _total(before, cut)
    after = _measure(learn, scorer, options, lambda _done, _total: None)
    chosen = cut
    for lower in np.arange(0, LARGEST_MOVE + STEP, STEP):
        new = _total(after, cut - float(lower))
        if new.false_alarms > max(old.false_alarms / 2, _total(after, cut).false_alarms):
            break
        chosen = cut - float(lower)
        if new.recall >= old.recall:
            break
    if chosen == cut:
        return calibration
    kept = {**dict(calibration.alternatives), calibration.rule.name: calibration.threshold}
    rule = ThresholdRule("adapt", None, "cloud of the user's scenes, simulated too", f"recall {old.recall:.3f} wanted")
    others = tuple((name, value) for name, value in kept.items() if name != "adapt")
    return replace(calibration.at(chosen * calibration.sign, rule), alternatives=others)


def _total(scores: Histograms, cut: float) -> ConfusionCounts:
    """Of all tiles, simulated cloud too."""
    return sum((count_at(part, cut) for kind in scores.values() for part in kind), start=ConfusionCounts())


def _trained(
    network: UnmixNet, card: ModelCard, learn: Sequence[Tile], options: AdaptOptions, folder: Path, progress: Progress
) -> UnmixNet:
    """The network after learning."""
    from geocloud.training.adapt import FitOptions, adapted, ground_of

    fit = FitOptions(steps=options.steps, seed=options.seed)
    threshold = float(card.calibration.score_threshold)
    return adapted(network, [ground_of(tile) for tile in learn], threshold, fit, folder, _part(progress, "training"))


def _described(
    card: ModelCard, learn: Sequence[Tile], rows: Sequence[AdaptRow], options: AdaptOptions, *, told: bool
) -> ModelCard:
    """The card: what the model saw, and how well it did on what it did not see."""
    from geocloud.training.own_scenes import describe_tiles, scene_names

    labels = any((tile.truth[tile.known] == 1).any() for tile in learn)
    record = TrainingRecord(
        "S" if told and labels else card.training.supervision,
        (*card.training.data, describe_tiles(learn, told=told)),
        f"{card.training.recipe}; then geocloud adapt of {len(scene_names(learn))} scenes from {card.name}",
        options.seed,
        card.training.steps + (options.steps if told else 0),
    )
    figures = {
        f"held-out scenes, {when}": {row.figure: round(float(getattr(row, when)), 4) for row in rows}
        for when in ("before", "after")
    }
    return replace(
        card, training=record, metrics=figures, bf16_agreement=None if told else card.bf16_agreement,
        description=f"{card.description} Adapted to the user's scenes: elsewhere take the model it comes from.",
    )  # fmt: skip


def _write(network: UnmixNet, card: ModelCard, folder: Path) -> ModelCard:
    """Weights as halves, then the card; the checkpoint goes."""
    import torch

    from geocloud.models.network_scorer import save_weights
    from geocloud.training.checkpoint import CHECKPOINT_FILE

    with write_errors(folder):
        (folder / CARD_FILE).unlink(missing_ok=True)
        card = replace(card, sha256=save_weights(network, folder, torch.float16))
        write_card(card, folder)
        (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return card


def _part(progress: Progress, stage: str) -> Callable[[int, int], None]:
    """A stage of the work."""
    return lambda done, total: progress(done, total, stage)
