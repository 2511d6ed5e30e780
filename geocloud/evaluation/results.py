"""The rows of an evaluation: one model on one group of scenes, with its metrics and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from geocloud.calibration import Calibration
from geocloud.evaluation.scene_metrics import SceneMetrics
from geocloud.metrics.bootstrap import Interval, intervals
from geocloud.metrics.confusion import (
    UNDEFINED,
    ConfusionCounts,
    Reliability,
    auroc,
    average_precision,
    best_threshold,
    recall_at,
)
from geocloud.metrics.histogram import ScoreHistogram, add_up

METRICS = (
    "precision",
    "recall",
    "accuracy",
    "f1",
    "iou",
    "balanced_accuracy",
    "auroc",
    "ap",
    "cover_error",
    "ece",
    "recall_at_3",
)
FEW_ALARMS = 0.03
"""False alarms of `recall_at_3`."""


@dataclass(frozen=True, slots=True)
class SceneGroup:
    """What a row is of."""

    source: str
    condition: str = ""
    """Empty: all scenes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one group of scenes."""

    under: SceneGroup
    model: str
    supervision: str
    unit: str
    """What was counted: `picture` or `pixel`."""
    scenes: int
    calibration: Calibration
    counts: ConfusionCounts
    """The confusion matrix."""
    metrics: dict[str, float]
    """Keys as METRICS; shares 0..1, cover_error in points (mean absolute, over scenes); NaN where undefined."""
    intervals: dict[str, Interval]
    """95 %, over scenes."""
    oracle: tuple[float, float]
    """The raw threshold with the best balanced accuracy on these very labels, and that balanced accuracy."""
    scores: ScoreHistogram = field(repr=False)
    """All scenes together."""
    reliability: Reliability = field(repr=False)
    """All scenes together."""

    @property
    def source(self) -> str:
        """The data set."""
        return self.under.source

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        counts = self.counts
        return {
            "source": self.source, "condition": self.under.condition, "model": self.model,
            "supervision": self.supervision, "unit": self.unit,
            "scenes": self.scenes, "threshold": self.calibration.threshold, "rule": str(self.calibration.rule),
            "cloud_is": self.calibration.cloud_is, **self.metrics, "oracle_threshold": self.oracle[0],
            "oracle_balanced_accuracy": self.oracle[1],
            "confusion": {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, "tn": counts.tn},
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }  # fmt: skip


def make_row(
    under: SceneGroup,
    model: str,
    supervision: str,
    calibration: Calibration,
    tallies: Sequence[SceneMetrics],
    draws: int,
) -> Row:
    """Add up the scenes of one model in one group."""
    counts = [tally.counts for tally in tallies]
    scores = add_up([tally.scores for tally in tallies])
    reliability = reduce(add, [tally.reliability for tally in tallies])
    total = reduce(add, counts)
    unit = "picture" if all(c.total == 1 for c in counts) else "pixel"
    cover = sum(abs(c.cover_error) for c in counts) / len(counts) if unit == "pixel" else UNDEFINED
    metrics = {name: float(getattr(total, name)) for name in METRICS[:6]} | {
        "auroc": auroc(scores), "ap": average_precision(scores), "cover_error": cover, "ece": reliability.error,
        "recall_at_3": recall_at(scores, FEW_ALARMS),
    }  # fmt: skip
    threshold, best = best_threshold(scores, "balanced_accuracy")
    spans = intervals(counts, [tally.scores for tally in tallies], draws=draws)
    if unit == "picture":
        spans.pop("cover_error")
    return Row(
        under=under,
        model=model,
        supervision=supervision,
        unit=unit,
        scenes=len(counts),
        calibration=calibration,
        counts=total,
        metrics=metrics,
        intervals=spans,
        oracle=(calibration.sign * threshold, best),
        scores=scores,
        reliability=reliability,
    )
