"""Figures before and after a model is adapted to a user's scenes, and the threshold of the adapted model."""

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
"""Balanced accuracy and recall that a model may lose on held-out scenes without being called worse."""
LARGEST_MOVE, STEP = 1.5, 0.125
"""Logits by which the threshold may be lowered after training, and the step in which it is."""
MOST_FALSE_ALARMS = 0.75
"""The threshold is not lowered further once false alarms exceed this share of those before."""
MIN_CLEAR = 0.05
"""Share of known clear pixels below which no cloud is simulated over a tile."""


@dataclass(frozen=True, slots=True)
class AdaptRow:
    """A figure on the held-out scenes before and after, as shares with 95 % intervals over tiles."""

    figure: str
    before: float
    after: float
    before_95: Interval
    after_95: Interval


Histograms = Mapping[str, list[ScoreHistogram]]
"""`real` and `simulated` -> one histogram per tile, of scores with their labels."""


def measure_tiles(
    tiles: Sequence[Tile], scorer: Scorer, threads: int | None, report: Callable[[int, int], None] = lambda *_: None
) -> Histograms:
    """Score each tile as it is (`real`) and under simulated cloud (`simulated`).

    `report` is called after each tile with (tiles done, tiles in all).
    """
    histograms: dict[str, list[ScoreHistogram]] = {"real": [], "simulated": []}
    for number, tile in enumerate(tiles, start=1):
        clear, cloudy = tile.known & (tile.truth == 0), tile.known & (tile.truth == 1)
        cases = [("real", SimulatedCase(tile.data, tile.bands, cloudy, tile.known))]
        if clear.mean() >= MIN_CLEAR:
            tagged = TaggedScene(f"{tile.scene}{number}", tile.data, tile.bands, clear, cloudy)
            cases += [("simulated", case) for case in simulate_case(tagged, 2)[1:]]
        for kind, case in cases:
            raster = Raster(case.data, np.ones(case.truth.shape, dtype=bool))
            scene = MemoryScene(raster, case.bands, tile.georef, tile.scene)
            score, _ = score_scene(scene, scorer, threads=threads, factor=1)
            use = case.known & ~np.isnan(score) & ~_invisible(case, tile)
            if use.any():
                histograms[kind].append(histogram(score[use], case.truth[use]))
        report(number, len(tiles))
    return histograms


def _invisible(case: SimulatedCase, tile: Tile) -> BoolArray:
    """(h, w) True where a simulated cloud changes the picture too little to be seen, such as white cloud over snow."""
    index = [place for place, band in enumerate(tile.bands) if band in case.bands]
    change = np.abs(case.data - tile.data[index])[: len(VISIBLE)].mean(axis=0)
    invisible: BoolArray = case.truth & (tile.truth != 1) & (change < CONTRAST)
    return invisible


def compare(before: Histograms, after: Histograms, thresholds: Sequence[float]) -> tuple[tuple[AdaptRow, ...], str]:
    """The rows of the table, and what got worse in words (empty if nothing did).

    Args:
        before: of the held-out tiles, from `measure_tiles`.
        after: the same with the adapted model.
        thresholds: score thresholds before and after.
    """
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
    """The 95 % interval of a metric over tiles."""
    if name == "false_alarms":  # fp / (fp + tn) is the recall of counts whose labels are inverted
        inverted = [ConfusionCounts(one.fp, one.tp, one.tn, one.fn) for one in counts]
        return intervals(inverted, parts)["recall"]
    return intervals(counts, parts)[name]


def _loss(row: AdaptRow) -> str:
    """How a figure got worse, in words; empty if it did not."""
    allowed = NOISE if row.figure.startswith("balanced") else LOST_RECALL
    if row.figure.startswith("false") or row.after >= row.before - allowed:
        return ""
    return f"{row.figure} falls from {100 * row.before:.1f} to {100 * row.after:.1f} %"


def by_simulation(learn: Sequence[Tile], scorer: Scorer, threads: int | None) -> Calibration:
    """The calibration with a threshold halfway between the model's own and the best one on simulated cloud.

    Cloud is simulated over ground that is surely clear. Halfway, because simulated clouds differ from the user's, and
    the model's threshold suits more skies.

    Raises:
        UsageError: no ground is surely clear.
    """
    before, parts = scorer.card.calibration, measure_tiles(learn, scorer, threads)["simulated"]
    threshold, accuracy = best_threshold(add_up(parts), "balanced_accuracy") if parts else (UNDEFINED, 0.0)
    if np.isnan(threshold):
        raise UsageError("no ground in these scenes is surely clear; say which scenes are with --clear")
    figure = f"balanced accuracy {accuracy:.3f} at {threshold * before.sign:.3f}"
    rule = ThresholdRule("adapt", None, f"simulated cloud over {len(parts)} tiles of the user's scenes", figure)
    moved = before.at((before.threshold + threshold * before.sign) / 2, rule)
    return replace(moved, alternatives=before.alternatives_without(rule.name))


def with_recall(before: Histograms, learn: Sequence[Tile], scorer: Scorer, threads: int | None) -> Calibration:
    """The calibration with its threshold lowered until the recall on the training tiles is that of `before`.

    It is lowered by at most LARGEST_MOVE logits, and not beyond MOST_FALSE_ALARMS.
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
    rule = ThresholdRule("adapt", None, "cloud of the user's scenes, simulated too", f"recall {old.recall:.3f} wanted")
    others = calibration.alternatives_without(rule.name)
    return replace(calibration.at(chosen * calibration.sign, rule), alternatives=others)


def _total(scores: Histograms, threshold: float) -> ConfusionCounts:
    """The confusion matrix of all tiles, those under simulated cloud too."""
    return sum((count_at(part, threshold) for kind in scores.values() for part in kind), start=ConfusionCounts())
