"""Reliability and threshold sweep, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geocloud.histogram import ScoreHistogram
from geocloud.metrics import Reliability
from geocloud.writers.plots import new_figure, score_range

POINTS = 200


def plot_reliability(models: Sequence[tuple[str, Reliability]], path: Path, title: str) -> None:
    """Share that is cloud against P(cloud) that was said; the diagonal is honest. Fuller bins have larger dots."""
    figure, axes = new_figure("P(cloud) said", "share that is cloud")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    for name, found in models:
        full = found.number > 0
        said, seen = found.said[full] / found.number[full], found.seen[full] / found.number[full]
        (line,) = axes.plot(said, seen, linewidth=1, label=f"{name}, ECE {found.error:.3f}")
        sizes = 4 + 120 * found.number[full] / found.number.sum()
        axes.scatter(said, seen, s=sizes, color=line.get_color(), alpha=0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_title(title)
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(path)


def plot_sweep(scores: ScoreHistogram, cut: float, sign: float, path: Path, title: str) -> None:
    """Balanced accuracy, recall, false alarms and IoU of every threshold (sign * score), and the one in force."""
    figure, axes = new_figure("threshold, raw score", "share")
    low, high = score_range(scores, cut)
    cuts = np.linspace(low, high, POINTS)
    below = np.searchsorted(scores.edges, cuts, side="left")
    tp, fp = (np.append(np.cumsum(side[::-1])[::-1], 0)[below] for side in (scores.cloud, scores.clear))
    clear, cloud = scores.sizes
    recall, alarms = tp / max(cloud, 1), fp / max(clear, 1)
    lines = {"balanced accuracy": (recall + 1 - alarms) / 2, "IoU": tp / np.maximum(cloud + fp, 1),
             "recall": recall, "false alarms": alarms}  # fmt: skip
    for name, values in lines.items():
        axes.plot(sign * cuts, values, label=name)
    axes.axvline(sign * cut, color="black", linestyle="--", linewidth=1, label=f"in force, {sign * cut:.4g}")
    axes.set_ylim(0, 1.02)
    axes.set_title(title)
    axes.legend(loc="lower left", fontsize="small")  # finding the best place is slow
    figure.savefig(path)
