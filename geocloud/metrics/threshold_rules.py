"""Rules that choose a threshold from the score histograms of scenes (a picture is a scene of one score).

Scores are higher where it is cloudier; cloud is where score >= threshold. Each scene has the same weight, however many
pixels it has, since neighbouring pixels are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.errors import UsageError
from geocloud.metrics.histogram import ScoreHistogram, add_up

Tagged = Literal["clear", "cloudy"]
DoubleArray = NDArray[np.float64]


def quantile_threshold(scenes: Sequence[ScoreHistogram], quantile: float, tagged: Tagged) -> float:
    """The threshold that leaves at least `quantile` of the data on the correct side.

    Args:
        scenes: histograms of clear data (at most 1 - quantile are false alarms) or cloudy data (so many are misses).
        quantile: between 0 and 1.
        tagged: whether the data are clear or cloudy; only that side of the histograms is used.

    Raises:
        UsageError: the quantile is not between 0 and 1, or there are no data.
    """
    if not 0 < quantile < 1:
        raise UsageError(f"quantile {quantile:g} must lie between 0 and 1, such as 0.99")
    return _bounded_threshold(scenes, 1 - quantile, tagged)


def conformal_threshold(scenes: Sequence[ScoreHistogram], bound: float, tagged: Tagged) -> float:
    """The threshold whose expected share of false alarms in a new scene is at most `bound`, if scenes are exchangeable.

    Conformal risk control (Angelopoulos, Bates, Fisch, Lei, Schuster 2022, eq. 4): with n scenes the mean share of
    false alarms R must meet n/(n+1) R + 1/(n+1) <= bound. With one score per scene this is the conformal p-value
    (1 + scores at or above) / (n + 1). For data tagged cloudy the bound is on misses.

    Raises:
        UsageError: the bound is not between 0 and 1, or there are too few scenes for it.
    """
    n = sum(bool((scene.clear if tagged == "clear" else scene.cloud).any()) for scene in scenes)
    if not 0 < bound < 1:
        raise UsageError(f"false-alarm bound {bound:g} must lie between 0 and 1, such as 0.05")
    allowed = bound * (n + 1) / n - 1 / n if n else -1.0
    if allowed < 0:
        raise UsageError(
            f"{n} scenes are too few for a bound of {bound:g}; use at least {int(np.ceil(1 / bound - 1))} scenes, "
            "or a higher --parameter"
        )
    return _bounded_threshold(scenes, allowed, tagged)


def false_alarms(scenes: Sequence[ScoreHistogram], threshold: float, tagged: Tagged) -> float:
    """Share of the tagged data on the wrong side of the threshold, as the mean over scenes."""
    edges, weights = _weights(scenes, tagged)
    wrong = edges >= threshold if tagged == "clear" else edges < threshold
    return float(weights[wrong].sum())


def fit_spread(scenes: Sequence[ScoreHistogram], threshold: float) -> float:
    """Spread, in score units, of the logistic P(cloud) that is 0.5 at the threshold.

    With clear and cloudy data it is the most likely of 40 spreads, both kinds having the same weight. With only one
    kind, it is chosen so that P(cloud) at the median is 0.02 (clear data) or 0.98 (cloudy data).
    """
    pooled = add_up(scenes)
    clear, cloud = pooled.sizes
    edges = pooled.edges.astype(np.float64)
    if not clear or not cloud:
        middle = _median(edges, pooled.clear if clear else pooled.cloud)
        return max(abs(threshold - middle) / 4, abs(threshold) * 1e-3, 1e-9)
    distance = np.abs(edges - threshold)
    scale = max(float(np.average(distance, weights=pooled.clear / clear + pooled.cloud / cloud)), 1e-9)
    spreads = scale * np.geomspace(0.02, 5, 40)
    return float(min(spreads, key=lambda spread: _log_loss(pooled, (edges - threshold) / spread)))


def _log_loss(pooled: ScoreHistogram, logits: DoubleArray) -> float:
    """Negative log-likelihood of the labels if the bins have these logits; clear and cloudy have the same weight."""
    clear, cloud = pooled.sizes
    loss = np.logaddexp(0, -logits) * pooled.cloud / cloud + np.logaddexp(0, logits) * pooled.clear / clear
    return float(loss.sum())


def _bounded_threshold(scenes: Sequence[ScoreHistogram], allowed: float, tagged: Tagged) -> float:
    """The threshold closest to the data that leaves at most the share `allowed` on the wrong side."""
    edges, weights = _weights(scenes, tagged)
    limit = allowed + 1e-12  # sums of weights are not exact
    if tagged == "clear":
        at_or_above = np.cumsum(weights[::-1])[::-1]
        good = np.flatnonzero(at_or_above <= limit)
        return float(edges[good[0]]) if len(good) else float(np.nextafter(edges[-1], np.float32(np.inf)))
    below = np.cumsum(weights) - weights
    return float(edges[np.flatnonzero(below <= limit)[-1]])


def _weights(scenes: Sequence[ScoreHistogram], tagged: Tagged) -> tuple[NDArray[np.float32], DoubleArray]:
    """All scores of the tagged side, ascending, and their weights, which add up to 1; UsageError if there are none."""
    sides = [(scene.edges, scene.clear if tagged == "clear" else scene.cloud) for scene in scenes]
    sides = [(edges, numbers) for edges, numbers in sides if numbers.any()]
    if not sides:
        raise UsageError(
            f"there are no data tagged {tagged} to choose a threshold on; name their --folders or --labels"
        )
    edges = np.concatenate([edges for edges, _ in sides])
    weights = np.concatenate([numbers / numbers.sum() / len(sides) for _, numbers in sides])
    kept = weights > 0
    values, where = np.unique(edges[kept], return_inverse=True)
    return values, np.bincount(where, weights[kept]).astype(np.float64)


def _median(edges: DoubleArray, numbers: NDArray[np.int64]) -> float:
    """The median score of a histogram."""
    return float(edges[np.searchsorted(np.cumsum(numbers), numbers.sum() / 2)])
