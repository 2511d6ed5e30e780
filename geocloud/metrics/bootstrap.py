"""Bootstrap intervals over scenes: how much the metrics would vary if other scenes of the kind had been labelled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geocloud.metrics.confusion import ConfusionCounts
from geocloud.metrics.histogram import ScoreHistogram, add_up

DoubleArray = NDArray[np.float64]
Interval = tuple[float, float]
COARSE = 1024
"""Number of bins, about equally filled, from which AUROC is computed for each draw; AUROC itself uses the fine bins."""
AT_ONCE = 100
"""Draws that are computed together; bounds memory."""


def intervals(
    counts: Sequence[ConfusionCounts], scores: Sequence[ScoreHistogram], *, draws: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """95 % percentile intervals of each metric, from drawing whole scenes with replacement (Efron 1979).

    Args:
        counts: confusion counts of each scene at the threshold.
        scores: score histogram of each scene.
        draws: number of times that the scenes are drawn.
        seed: of the draws.

    Returns:
        Metric -> (2.5th, 97.5th percentile); NaN if there are fewer than two scenes.
    """
    table = np.array([(c.tp, c.fp, c.fn, c.tn) for c in counts], dtype=np.float64)  # (scene, 4)
    clear, cloud = _coarse(scores)  # (scene, bin) each
    generator = np.random.default_rng(seed)
    parts = []
    for start in range(0, draws, AT_ONCE):
        often = generator.multinomial(len(table), np.full(len(table), 1 / len(table)), min(AT_ONCE, draws - start))
        parts.append(_metrics(often.astype(np.float64), table, clear, cloud))
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: _percentiles(values) if len(table) > 1 else (np.nan, np.nan) for name, values in drawn.items()}


def _metrics(often: DoubleArray, table: DoubleArray, clear: DoubleArray, cloud: DoubleArray) -> dict[str, DoubleArray]:
    """Name -> (draw,) metric of each draw; formulas as in `confusion.py`.

    Args:
        often: (draw, scene) how often each scene was drawn.
        table: (scene, 4) tp, fp, fn, tn.
        clear: (scene, bin) number of clear pixels.
        cloud: (scene, bin) number of cloudy pixels.
    """
    # A draw of whole scenes is a vector of how often each was drawn, so the summed counts of many draws are one matrix
    # product with the table of scenes, and so are their histograms. AUROC is the share of (clear, cloudy) pairs that
    # ranked correctly: cloudy pixels of a bin win against all clear ones below it, and half against those in it.
    tp, fp, fn, tn = (often @ table).T
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, specificity = tp / (tp + fn), tn / (tn + fp)
        cover = np.abs(table[:, 1] - table[:, 2]) / table.sum(axis=1)
        clears, clouds = often @ clear, often @ cloud  # (draw, bin)
        below = np.cumsum(clears, axis=1) - clears
        wins = (clouds * (below + clears / 2)).sum(axis=1)
        return {
            "precision": tp / (tp + fp),
            "recall": recall,
            "accuracy": (tp + tn) / (tp + fp + fn + tn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "iou": tp / (tp + fp + fn),
            "balanced_accuracy": (recall + specificity) / 2,
            "auroc": wins / clears.sum(axis=1) / clouds.sum(axis=1),
            "cover_error": 100 * (often @ cover) / often.sum(axis=1),
        }


def _coarse(scores: Sequence[ScoreHistogram]) -> tuple[DoubleArray, DoubleArray]:
    """(scene, bin) numbers of clear and of cloudy pixels, in COARSE bins, about equally filled over all scenes."""
    pooled = add_up(scores)
    rank = np.cumsum(pooled.clear + pooled.cloud)
    group = (rank * (COARSE - 1) // max(int(rank[-1]) if len(rank) else 1, 1)).astype(np.int64)
    clear, cloud = np.zeros((len(scores), COARSE)), np.zeros((len(scores), COARSE))
    for row, scene in enumerate(scores):
        where = group[np.searchsorted(pooled.edges, scene.edges)]
        np.add.at(clear[row], where, scene.clear)
        np.add.at(cloud[row], where, scene.cloud)
    return clear, cloud


def _percentiles(values: DoubleArray) -> Interval:
    """2.5th and 97.5th percentile of the finite values; NaN if there are none."""
    numbers = values[np.isfinite(values)]
    if not len(numbers):
        return float("nan"), float("nan")
    low, high = np.percentile(numbers, [2.5, 97.5])
    return float(low), float(high)
