"""The rows of an evaluation: one model on one group of scenes, with its metrics and their 95 % intervals."""

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
"""Share of false alarms at which `recall_at_3` is measured."""


@dataclass(frozen=True, slots=True)
class SceneGroup:
    """The scenes of a row: those of one source, all or under one condition."""

    source: str
    condition: str = ""
    """Empty: all scenes of the source."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one group of scenes."""

    group: SceneGroup
    model: str
    supervision: str
    """How the model was trained, a key of `SUPERVISIONS`."""
    unit: str
    """What was counted: `picture` or `pixel`."""
    scenes: int
    """Number of scenes."""
    calibration: Calibration
    counts: ConfusionCounts
    """The confusion matrix of all scenes together."""
    metrics: dict[str, float]
    """Keys as METRICS; shares 0..1; cover_error is the mean absolute error over scenes, in percentage points; NaN where
    undefined."""
    intervals: dict[str, Interval]
    """Metric -> its 95 % interval over scenes."""
    oracle: tuple[float, float]
    """The raw threshold with the best balanced accuracy on these very labels, and that balanced accuracy."""
    scores: ScoreHistogram = field(repr=False)
    """Of all scenes together."""
    reliability: Reliability = field(repr=False)
    """Of all scenes together."""

    @property
    def source(self) -> str:
        """Name of the data set."""
        return self.group.source

    def record(self) -> dict[str, Any]:
        """The row as JSON values; NaN is not yet replaced."""
        counts = self.counts
        return {
            "source": self.source, "condition": self.group.condition, "model": self.model,
            "supervision": self.supervision, "unit": self.unit,
            "scenes": self.scenes, "threshold": self.calibration.threshold, "rule": str(self.calibration.rule),
            "cloud_is": self.calibration.cloud_is, **self.metrics, "oracle_threshold": self.oracle[0],
            "oracle_balanced_accuracy": self.oracle[1],
            "confusion": {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, "tn": counts.tn},
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }  # fmt: skip


def make_row(
    group: SceneGroup,
    model: str,
    supervision: str,
    calibration: Calibration,
    scenes: Sequence[SceneMetrics],
    draws: int,
) -> Row:
    """Add up the scenes of one model in one group; `draws` is the number of bootstrap samples of the intervals."""
    counts = [scene.counts for scene in scenes]
    scores = add_up([scene.scores for scene in scenes])
    reliability = reduce(add, [scene.reliability for scene in scenes])
    total = reduce(add, counts)
    unit = "picture" if all(c.total == 1 for c in counts) else "pixel"
    cover = sum(abs(c.cover_error) for c in counts) / len(counts) if unit == "pixel" else UNDEFINED
    metrics = {name: float(getattr(total, name)) for name in METRICS[:6]} | {
        "auroc": auroc(scores), "ap": average_precision(scores), "cover_error": cover, "ece": reliability.error,
        "recall_at_3": recall_at(scores, FEW_ALARMS),
    }  # fmt: skip
    threshold, best = best_threshold(scores, "balanced_accuracy")
    spans = intervals(counts, [scene.scores for scene in scenes], draws=draws)
    if unit == "picture":
        spans.pop("cover_error")
    return Row(
        group=group,
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
