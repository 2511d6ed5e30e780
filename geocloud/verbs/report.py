"""Rows of an evaluation, as records, as a Markdown table and as plots."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geocloud.bootstrap import Interval, intervals
from geocloud.calibration import Calibration
from geocloud.histogram import ScoreHistogram, add_up
from geocloud.metrics import NAN, Counts, auroc, average_precision, best_cut, precision_recall, roc

if TYPE_CHECKING:
    from geocloud.verbs.evaluate import Tally

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
)
HEADS = ("precision", "recall", "accuracy", "F1", "IoU", "bal. acc.", "AUROC", "AP", "cover error", "ECE")


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one source."""

    source: str
    model: str
    supervision: str
    unit: str
    """What was counted: `picture` or `pixel`."""
    scenes: int
    calibration: Calibration
    counts: Counts
    """The confusion matrix."""
    metrics: dict[str, float]
    """Keys as METRICS; shares 0..1, cover_error in points (mean absolute, over scenes); NaN where undefined."""
    intervals: dict[str, Interval]
    """95 %, over scenes."""
    oracle: tuple[float, float]
    """The raw threshold with the best balanced accuracy on these very labels, and that balanced accuracy."""
    scores: ScoreHistogram = field(repr=False)
    """All scenes together."""

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        counts = self.counts
        return {
            "source": self.source, "model": self.model, "supervision": self.supervision, "unit": self.unit,
            "scenes": self.scenes, "threshold": self.calibration.threshold, "rule": str(self.calibration.rule),
            "cloud_is": self.calibration.cloud_is, **self.metrics, "oracle_threshold": self.oracle[0],
            "oracle_balanced_accuracy": self.oracle[1],
            "confusion": {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, "tn": counts.tn},
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }  # fmt: skip


def make_row(
    source: str, model: str, supervision: str, calibration: Calibration, tallies: Sequence[Tally], draws: int
) -> Row:
    """Add up the scenes of one model on one source."""
    counts = [tally.counts for tally in tallies]
    scores = add_up([tally.scores for tally in tallies])
    total = reduce(add, counts)
    unit = "picture" if all(c.total == 1 for c in counts) else "pixel"
    cover = sum(abs(c.cover_error) for c in counts) / len(counts) if unit == "pixel" else NAN
    metrics = {name: float(getattr(total, name)) for name in METRICS[:6]} | {
        "auroc": auroc(scores), "ap": average_precision(scores), "cover_error": cover,
        "ece": reduce(add, [tally.reliability for tally in tallies]).error,
    }  # fmt: skip
    cut, best = best_cut(scores, "balanced_accuracy")
    spans = intervals(counts, [tally.scores for tally in tallies], draws=draws)
    if unit == "picture":
        spans.pop("cover_error")
    return Row(
        source,
        model,
        supervision,
        unit,
        len(counts),
        calibration,
        total,
        metrics,
        spans,
        (calibration.sign * cut, best),
        scores,
    )


def markdown(rows: Sequence[Row]) -> str:
    """A table, a row a model and source, with the 95 % interval of the balanced accuracy and the AUROC."""
    head = (
        "source",
        "model",
        "told",
        "scenes",
        "threshold",
        "rule",
        *HEADS,
        "oracle's threshold",
        "its bal. acc.",
    )
    lines = [head, ("---",) * len(head), *(_cells(row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    """A row's cells."""
    values = []
    for name in METRICS:
        text = _figure(row.metrics[name], 1 if name == "cover_error" else 3)
        if name in ("balanced_accuracy", "auroc") and row.scenes > 1 and text != "-":
            low, high = row.intervals[name]
            text += f" ({low:.3f}-{high:.3f})"
        values.append(text)
    return (
        row.source,
        row.model,
        row.supervision,
        str(row.scenes),
        f"{row.calibration.threshold:.4g}",
        str(row.calibration.rule),
        *values,
        f"{row.oracle[0]:.4g}",
        _figure(row.oracle[1], 3),
    )


def _figure(value: float, digits: int) -> str:
    """A number, or a dash where it is none."""
    return f"{value:.{digits}f}" if value == value else "-"  # noqa: PLR0124 - NaN


def write_report(rows: Sequence[Row], out: Path) -> None:
    """`evaluation.json`, `evaluation.md`, and for each source its ROC, precision-recall and score histograms."""
    from geocloud.writers.plots import plot_precision_recall, plot_roc, plot_scores

    records = [{key: _plain(value) for key, value in row.record().items()} for row in rows]
    (out / "evaluation.json").write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    (out / "evaluation.md").write_text(markdown(rows), encoding="utf-8")
    for source in dict.fromkeys(row.source for row in rows):
        mine = [row for row in rows if row.source == source]
        name = _file_name(source)
        plot_roc([(row.model, roc(row.scores)) for row in mine], out / f"{name}_roc.png", source)
        curves = [(row.model, precision_recall(row.scores)) for row in mine]
        plot_precision_recall(curves, out / f"{name}_precision_recall.png", source)
        for row in mine:
            path = out / f"{name}_{_file_name(row.model)}_histogram.png"
            plot_scores(row.scores, float(row.calibration.cut), row.calibration.sign, path, f"{row.model}: {source}")


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """NaN as None, which JSON has."""
    if isinstance(value, float):
        return value if value == value else None  # noqa: PLR0124 - NaN
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _file_name(name: str) -> str:
    """A name as part of a file's."""
    return re.sub(r"[^\w.-]+", "_", name)
