"""Writes an evaluation: records as JSON, tables in Markdown, and plots."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from geocloud.evaluation.results import METRICS, Row
from geocloud.metrics.confusion import precision_recall, roc

HEADS = (
    "precision", "recall", "accuracy", "F1", "IoU", "bal. acc.", "AUROC", "AP", "cover error", "ECE", "recall at 3 %",
)  # fmt: skip
SUMMARY, TABLE = "evaluation.json", "evaluation.md"
_OF_SOURCE = ("roc", "precision_recall", "reliability")
_OF_MODEL = ("histogram", "sweep", "worst", "best")


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table, one row per model and source, with 95 % intervals of balanced accuracy and AUROC."""
    head = (
        "source",
        "model",
        "supervision",
        "scenes",
        "threshold",
        "rule",
        *HEADS,
        "oracle's threshold",
        "its bal. acc.",
    )
    return _table(head, [_cells(row) for row in rows])


def condition_table(rows: Sequence[Row]) -> str:
    """A shorter Markdown table, one row per condition and model."""
    head = ("source", "scenes", "number", "model", "bal. acc.", "AUROC", "recall", "false alarms", "cover error")
    body = [
        (
            row.source,
            row.group.condition,
            str(row.scenes),
            row.model,
            _with_interval(row, "balanced_accuracy"),
            _with_interval(row, "auroc"),
            figure(row.metrics["recall"]),
            figure(row.counts.false_alarms),
            figure(row.metrics["cover_error"], 1),
        )
        for row in rows
    ]
    return _table(head, body)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table of a head and rows of cells."""
    lines = [head, ("---",) * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    """The cells of a row of `markdown`."""
    values = [
        _with_interval(row, name)
        if name in ("balanced_accuracy", "auroc")
        else figure(row.metrics[name], 1 if name == "cover_error" else 3)
        for name in METRICS
    ]
    return (
        row.source,
        row.model,
        row.supervision,
        str(row.scenes),
        figure(row.calibration.threshold, 4, "g"),
        str(row.calibration.rule),
        *values,
        figure(row.oracle[0], 4, "g"),
        figure(row.oracle[1]),
    )


def _with_interval(row: Row, name: str) -> str:
    """A metric, with its interval if there are several scenes."""
    text = figure(row.metrics[name])
    if row.scenes == 1 or text == "-":
        return text
    low, high = row.intervals[name]
    return f"{text} ({low:.3f}-{high:.3f})"


def figure(value: float, digits: int = 3, form: str = "f") -> str:
    """A number as text, a dash for NaN; `form` is a format code such as f or g."""
    return f"{value:.{digits}{form}}" if not math.isnan(value) else "-"


def report_files(out: Path, sources: Iterable[str], models: Iterable[str]) -> list[Path]:
    """All files that an evaluation of these sources and models may write: the report and the contact sheets."""
    ends = [*_OF_SOURCE, *(f"{file_name(model)}_{end}" for model in models for end in _OF_MODEL)]
    pictures = [f"{file_name(source)}_{end}.png" for source in sources for end in ends]
    return [out / name for name in dict.fromkeys((SUMMARY, TABLE, *pictures))]


def written_before(out: Path) -> list[Path]:
    """The files of an earlier evaluation in a folder, by its summary; empty if there is no readable one."""
    if not (out / SUMMARY).is_file():
        return []
    try:
        rows = json.loads((out / SUMMARY).read_bytes())
        sources, models = ({str(row[key]) for row in rows} for key in ("source", "model"))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return []
    return report_files(out, sorted(sources), sorted(models))


def write_report(rows: Sequence[Row], conditions: Sequence[Row], out: Path) -> None:
    """Write `evaluation.json`, `evaluation.md`, and plots of each source to the folder `out`.

    The plots are ROC, precision-recall and reliability, and for each model its score histogram and threshold sweep.
    """
    records = [{key: _plain(value) for key, value in row.record().items()} for row in (*rows, *conditions)]
    (out / SUMMARY).write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    more = f"\n{condition_table(conditions)}" if conditions else ""
    (out / TABLE).write_text(markdown(rows) + more, encoding="utf-8")
    for source in dict.fromkeys(row.source for row in rows):
        _plot([row for row in rows if row.source == source], source, out)


def _plot(rows: Sequence[Row], source: str, out: Path) -> None:
    """Draw the plots of one source."""
    from geocloud.writers.plots import plot_precision_recall, plot_reliability, plot_roc, plot_scores, plot_sweep

    name = file_name(source)
    plot_roc([(row.model, roc(row.scores)) for row in rows], out / f"{name}_roc.png", source)
    curves = [(row.model, precision_recall(row.scores)) for row in rows]
    plot_precision_recall(curves, out / f"{name}_precision_recall.png", source)
    plot_reliability([(row.model, row.reliability) for row in rows], out / f"{name}_reliability.png", source)
    for row in rows:
        base, title = f"{name}_{file_name(row.model)}", f"{row.model}: {source}"
        threshold, sign = float(row.calibration.score_threshold), row.calibration.sign
        plot_scores(row.scores, threshold, sign, out / f"{base}_histogram.png", title)
        plot_sweep(row.scores, threshold, sign, out / f"{base}_sweep.png", title)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with NaN replaced by None, since JSON has no NaN."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def file_name(name: str) -> str:
    """A name with characters that a file name should not have replaced by _."""
    return re.sub(r"[^\w.-]+", "_", name)
