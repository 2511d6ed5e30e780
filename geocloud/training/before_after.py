"""What a model gains on tiles of a user's scenes: the table before and after, and the threshold that fits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from geocloud.calibration import Calibration, ThresholdRule
from geocloud.errors import UsageError
from geocloud.metrics.bootstrap import Interval, intervals
from geocloud.metrics.confusion import UNDEFINED, ConfusionCounts, best_threshold, count_at
from geocloud.metrics.histogram import ScoreHistogram, add_up, histogram
from geocloud.pipeline.scoring import score_scene
from geocloud.raster import BoolArray, Raster
from geocloud.readers import MemoryScene
from geocloud.readers.bands.names import VISIBLE
from geocloud.scorers.contract import Scorer
from geocloud.training.own_scenes import Tile
from geocloud.training.unmix.batches import CONTRAST
from geocloud.training.unmix.synthetic import SimulatedCase, TaggedScene, simulate_case

NOISE, LOST_RECALL = 0.002, 0.02
"""Balanced accuracy and recall that a model may lose on held-out scenes and still be no worse."""
LARGEST_MOVE, STEP = 1.5, 0.125
"""Logits that the threshold moves at most after learning, and at once."""
MOST_FALSE_ALARMS = 0.75
"""Of those that there were, beyond which the threshold is not lowered for the sake of recall."""
MIN_CLEAR = 0.05
"""Share of known clear pixels below which no cloud is simulated over a tile."""


@dataclass(frozen=True, slots=True)
class AdaptRow:
    """A figure on the scenes held out, before and after, as shares with 95 % intervals over tiles."""

    figure: str
    before: float
    after: float
    before_95: Interval
    after_95: Interval


Histograms = Mapping[str, list[ScoreHistogram]]


def measure_tiles(
    tiles: Sequence[Tile], scorer: Scorer, threads: int | None, tell: Callable[[int, int], None] = lambda *_: None
) -> Histograms:
    """Scores beside the truth of each tile, as it is (`real`) and under simulated cloud (`simulated`).

    `tell` is called after each tile with tiles done and tiles in all.
    """
    found: dict[str, list[ScoreHistogram]] = {"real": [], "simulated": []}
    for number, tile in enumerate(tiles, start=1):
        clear, cloudy = tile.known & (tile.truth == 0), tile.known & (tile.truth == 1)
        cases = [("real", SimulatedCase(tile.data, tile.bands, cloudy, tile.known))]
        if clear.mean() >= MIN_CLEAR:
            posed = simulate_case(TaggedScene(f"{tile.scene}{number}", tile.data, tile.bands, clear, cloudy), 2)
            cases += [("simulated", case) for case in posed[1:]]
        for kind, case in cases:
            raster = Raster(case.data, np.ones(case.truth.shape, dtype=bool))
            scene = MemoryScene(raster, case.bands, tile.georef, tile.scene)
            score, _ = score_scene(scene, scorer, threads=threads, factor=1)
            use = case.known & ~np.isnan(score) & ~_unseen(case, tile)
            if use.any():
                found[kind].append(histogram(score[use], case.truth[use]))
        tell(number, len(tiles))
    return found


def _unseen(case: SimulatedCase, tile: Tile) -> BoolArray:
    """(h, w) where a simulated cloud changes too little to be seen, as white over snow: nobody could find it."""
    index = [place for place, band in enumerate(tile.bands) if band in case.bands]
    change = np.abs(case.data - tile.data[index])[: len(VISIBLE)].mean(axis=0)
    unseen: BoolArray = case.truth & (tile.truth != 1) & (change < CONTRAST)
    return unseen


def compare(before: Histograms, after: Histograms, thresholds: Sequence[float]) -> tuple[tuple[AdaptRow, ...], str]:
    """The rows of the table, and what got worse."""
    rows = []
    for figure, kind, name in (
        ("false alarms on clear ground", "real", "false_alarms"),
        ("recall of cloud", "real", "recall"),
        ("recall of simulated cloud", "simulated", "recall"),
        ("balanced accuracy, simulated cloud too", "both", "balanced_accuracy"),
    ):
        values, spans = [], []
        for scores, threshold in zip((before, after), thresholds, strict=True):
            parts = [*scores["real"], *scores["simulated"]] if kind == "both" else scores[kind]
            counts = [count_at(part, threshold) for part in parts]
            total = sum(counts, start=ConfusionCounts())
            values.append(float(getattr(total, name)))
            spans.append(_interval(counts, parts, name) if parts else (UNDEFINED, UNDEFINED))
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


def by_simulation(learn: Sequence[Tile], scorer: Scorer, threads: int | None) -> Calibration:
    """The threshold by simulated cloud over ground that is surely clear, halfway from the model's own.

    Halfway, for simulated cloud is not the user's: the model's own threshold knows more skies.

    Raises:
        UsageError: no ground is surely clear.
    """
    before, parts = scorer.card.calibration, measure_tiles(learn, scorer, threads)["simulated"]
    threshold, reached = best_threshold(add_up(parts), "balanced_accuracy") if parts else (UNDEFINED, 0.0)
    if np.isnan(threshold):
        raise UsageError("no ground in these scenes is surely clear; say which scenes are with --clear")
    figure = f"balanced accuracy {reached:.3f} at {threshold * before.sign:.3f}"
    rule = ThresholdRule("adapt", None, f"simulated cloud over {len(parts)} tiles of the user's scenes", figure)
    kept = {**dict(before.alternatives), before.rule.name: before.threshold}
    moved = before.at((before.threshold + threshold * before.sign) / 2, rule)
    return replace(moved, alternatives=tuple((name, value) for name, value in kept.items() if name != "adapt"))


def with_recall(before: Histograms, learn: Sequence[Tile], scorer: Scorer, threads: int | None) -> Calibration:
    """The calibration, its threshold lowered until as much cloud is found over the learned ground as before.

    By at most LARGEST_MOVE logits, and not beyond MOST_FALSE_ALARMS.
    """
    calibration = scorer.card.calibration
    threshold = float(calibration.score_threshold)
    old = _total(before, threshold)
    after = measure_tiles(learn, scorer, threads)
    chosen = threshold
    for lower in np.arange(0, LARGEST_MOVE + STEP, STEP):
        new = _total(after, threshold - float(lower))
        if new.false_alarms > max(MOST_FALSE_ALARMS * old.false_alarms, _total(after, threshold).false_alarms):
            break
        chosen = threshold - float(lower)
        if new.recall >= old.recall:
            break
    if chosen == threshold:
        return calibration
    kept = {**dict(calibration.alternatives), calibration.rule.name: calibration.threshold}
    rule = ThresholdRule("adapt", None, "cloud of the user's scenes, simulated too", f"recall {old.recall:.3f} wanted")
    others = tuple((name, value) for name, value in kept.items() if name != "adapt")
    return replace(calibration.at(chosen * calibration.sign, rule), alternatives=others)


def _total(scores: Histograms, threshold: float) -> ConfusionCounts:
    """Of all tiles, simulated cloud too."""
    return sum((count_at(part, threshold) for kind in scores.values() for part in kind), start=ConfusionCounts())
