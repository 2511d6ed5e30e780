"""Draw the plots of training and evaluation as PNG; matplotlib is imported only when one is drawn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geocloud.metrics.confusion import Curve, DoubleArray, Reliability
from geocloud.metrics.histogram import IntArray, ScoreHistogram
from geocloud.raster import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = 80
"""Number of bars of a histogram."""
INNER = (0.15, 0.14, 0.82, 0.77)
"""Left, bottom, width and height of the axes, as shares of the figure; an automatic layout doubles the time."""
Named = Sequence[tuple[str, Curve]]


def plot_loss(losses: Sequence[float], path: Path) -> None:
    """Draw the mean loss of each epoch."""
    figure, axes = new_figure("epoch", "loss")
    axes.plot(np.arange(1, len(losses) + 1), losses, marker="o", markersize=3)
    if min(losses, default=0) >= 0:
        axes.set_ylim(bottom=0)
    save(figure, path)


def plot_errors(errors: ScoreHistogram, threshold: float, path: Path, title: str) -> None:
    """Draw the histogram of errors of normal data and the threshold, as in the paper; raw scores are in `clear`."""
    figure, axes = new_figure("raw score", "share")
    edges = _edges(errors, threshold)
    axes.stairs(_shares(errors.edges, errors.clear, edges), edges, fill=True)
    axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.4g}")
    axes.set_title(title)
    axes.legend(loc="upper right")  # finding the best place is slow
    save(figure, path)


def plot_scores(scores: ScoreHistogram, threshold: float, sign: float, path: Path, title: str) -> None:
    """Draw the histograms of clear and cloudy raw scores (sign * score), each with a sum of 1, and the threshold."""
    figure, axes = new_figure("raw score", "share")
    edges = np.sort(sign * _edges(scores, threshold))
    for name, numbers in (("clear", scores.clear), ("cloud", scores.cloud)):
        axes.stairs(_shares(sign * scores.edges, numbers, edges), edges, fill=True, alpha=0.6, label=name)
    axes.axvline(sign * threshold, color="black", linestyle="--", label=f"threshold {sign * threshold:.4g}")
    axes.set_title(title)
    axes.legend(loc="upper right")  # finding the best place is slow
    save(figure, path)


def plot_roc(curves: Named, path: Path, title: str) -> None:
    """Draw recall against false alarms, one line per model."""
    figure, axes = new_figure("false alarms", "recall")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    _draw(curves, axes, title)
    save(figure, path)


def plot_precision_recall(curves: Named, path: Path, title: str) -> None:
    """Draw precision against recall, one line per model."""
    figure, axes = new_figure("recall", "precision")
    _draw(curves, axes, title)
    save(figure, path)


def new_figure(x: str, y: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; matplotlib's object API needs no window system."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), dpi=120)
    axes = figure.add_axes(INNER)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write the figure, without reading names as formulas and without warnings of letters that the font lacks."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ")
        figure.savefig(path)


def _draw(curves: Named, axes: Axes, title: str) -> None:
    """Draw the curves; of a long one only every n-th point, which looks the same."""
    for name, curve in curves:
        step = max(1, len(curve.x) // 2000)
        axes.plot(np.append(curve.x[::step], curve.x[-1:]), np.append(curve.y[::step], curve.y[-1:]), label=name)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_title(title)
    axes.legend(loc="lower right")


def _shares(values: FloatArray, numbers: IntArray, edges: DoubleArray) -> DoubleArray:
    """(bars,) share of the values, each counted `numbers` times, between each two edges."""
    return np.histogram(values, bins=edges, weights=numbers / max(numbers.sum(), 1))[0]


def _edges(scores: ScoreHistogram, threshold: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(BARS + 1,) edges of bars over the range of the scores."""
    return np.linspace(*score_range(scores, threshold), BARS + 1)


def score_range(scores: ScoreHistogram, threshold: float) -> tuple[float, float]:
    """Range from the 0.5th to the 99.5th percentile of the scores, including the threshold, with a margin of 5 %."""
    numbers = np.cumsum(scores.clear + scores.cloud)
    if not len(numbers):
        return 0.0, 1.0
    percentiles = scores.edges[np.searchsorted(numbers, numbers[-1] * np.array([0.005, 0.995]))]
    low, high = float(min(percentiles[0], threshold)), float(max(percentiles[1], threshold))
    margin = (high - low or abs(high) or 1.0) * 0.05
    return low - margin, high + margin


POINTS = 200
"""Number of thresholds of a sweep."""


def plot_reliability(models: Sequence[tuple[str, Reliability]], path: Path, title: str) -> None:
    """Draw the share of cloud against predicted P(cloud), with the ideal diagonal; larger dots are fuller bins."""
    figure, axes = new_figure("predicted P(cloud)", "share that is cloud")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    for name, reliability in models:
        filled = reliability.number > 0
        number = reliability.number[filled]
        predicted, observed = reliability.predicted[filled] / number, reliability.observed[filled] / number
        (line,) = axes.plot(predicted, observed, linewidth=1, label=f"{name}, ECE {reliability.error:.3f}")
        axes.scatter(predicted, observed, s=4 + 120 * number / number.sum(), color=line.get_color(), alpha=0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_title(title)
    axes.legend(loc="lower right", fontsize="small")
    save(figure, path)


def plot_sweep(scores: ScoreHistogram, threshold: float, sign: float, path: Path, title: str) -> None:
    """Draw balanced accuracy, recall, false alarms and IoU against the threshold, and mark the current one."""
    figure, axes = new_figure("threshold, raw score", "share")
    low, high = score_range(scores, threshold)
    thresholds = np.linspace(low, high, POINTS)
    below = np.searchsorted(scores.edges, thresholds, side="left")
    tp, fp = (np.append(np.cumsum(side[::-1])[::-1], 0)[below] for side in (scores.cloud, scores.clear))
    clear, cloud = scores.sizes
    recall, alarms = tp / max(cloud, 1), fp / max(clear, 1)
    lines = {"balanced accuracy": (recall + 1 - alarms) / 2, "IoU": tp / np.maximum(cloud + fp, 1),
             "recall": recall, "false alarms": alarms}  # fmt: skip
    for name, values in lines.items():
        axes.plot(sign * thresholds, values, label=name)
    axes.axvline(
        sign * threshold, color="black", linestyle="--", linewidth=1, label=f"in force, {sign * threshold:.4g}"
    )
    axes.set_ylim(0, 1.02)
    axes.set_title(title)
    axes.legend(loc="lower left", fontsize="small")  # finding the best place is slow
    save(figure, path)
