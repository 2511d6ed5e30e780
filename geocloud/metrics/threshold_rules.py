"""Rules that choose a threshold, on the score histograms of scenes (or pictures: a scene of one score).

All work on scores, higher = cloudier; cloud is where score >= threshold. Each scene has the same weight, however many
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
    """The threshold that leaves `quantile` of the data on its own side, scenes weighing alike.

    Args:
        scenes: of clear data (tagged clear: at most 1 - quantile false alarms) or of cloudy (at most as many misses).
        quantile: within 0..1.
        tagged: what the data show; only that side of the histograms is read.

    Raises:
        UsageError: the quantile is not within 0..1, or there are no data.
    """
    if not 0 < quantile < 1:
        raise UsageError(f"quantile {quantile:g} must lie between 0 and 1, as 0.99")
    return _bounded_threshold(scenes, 1 - quantile, tagged)


def conformal_threshold(scenes: Sequence[ScoreHistogram], bound: float, tagged: Tagged) -> float:
    """The threshold whose expected share of false alarms in a new scene is at most `bound`, if scenes are exchangeable.

    Conformal risk control (Angelopoulos, Bates, Fisch, Lei, Schuster 2022, eq. 4): with n scenes the mean share of
    false alarms R must meet n/(n+1) R + 1/(n+1) <= bound. With one score per scene this is the conformal p-value
    (1 + scores at or above) / (n + 1). For data tagged cloudy the bound is on misses.

    Raises:
        UsageError: the bound is not within 0..1, or the scenes are too few for it.
    """
    n = sum(bool((scene.clear if tagged == "clear" else scene.cloud).any()) for scene in scenes)
    if not 0 < bound < 1:
        raise UsageError(f"false-alarm bound {bound:g} must lie between 0 and 1, as 0.05")
    allowed = bound * (n + 1) / n - 1 / n if n else -1.0
    if allowed < 0:
        raise UsageError(
            f"{n} scenes are too few for a bound of {bound:g}; it needs {int(np.ceil(1 / bound - 1))} "
            "or a higher --parameter"
        )
    return _bounded_threshold(scenes, allowed, tagged)


def false_alarms(scenes: Sequence[ScoreHistogram], threshold: float, tagged: Tagged) -> float:
    """Mean over scenes of the share on the wrong side of the threshold."""
    edges, weights = _weights(scenes, tagged)
    wrong = edges >= threshold if tagged == "clear" else edges < threshold
    return float(weights[wrong].sum())


def fit_spread(scenes: Sequence[ScoreHistogram], threshold: float) -> float:
    """Spread of the logistic P(cloud) that is 0.5 at the threshold, in score units.

    With clear and cloudy data the likeliest of a range, both weighing alike; with one of them P is 0.02 (or 0.98) at
    its median.
    """
    pooled = add_up(scenes)
    clear, cloud = pooled.sizes
    edges = pooled.edges.astype(np.float64)
    if not clear or not cloud:
        middle = _median(edges, pooled.clear if clear else pooled.cloud)
        return max(abs(threshold - middle) / 4, abs(threshold) * 1e-3, 1e-9)
    away = np.abs(edges - threshold)
    scale = max(float(np.average(away, weights=pooled.clear / clear + pooled.cloud / cloud)), 1e-9)
    spreads = scale * np.geomspace(0.02, 5, 40)
    return float(min(spreads, key=lambda spread: _surprise(pooled, (edges - threshold) / spread)))


def _surprise(pooled: ScoreHistogram, steps: DoubleArray) -> float:
    """Mean negative log-likelihood of the truth under a logistic P(cloud), clear and cloudy weighing alike."""
    clear, cloud = pooled.sizes
    return float((np.logaddexp(0, -steps) * pooled.cloud / cloud + np.logaddexp(0, steps) * pooled.clear / clear).sum())


def _bounded_threshold(scenes: Sequence[ScoreHistogram], allowed: float, tagged: Tagged) -> float:
    """The threshold nearest to the data that leaves at most a share of `allowed` on the wrong side."""
    edges, weights = _weights(scenes, tagged)
    slack = allowed + 1e-12
    if tagged == "clear":
        at_or_above = np.cumsum(weights[::-1])[::-1]
        fine = np.flatnonzero(at_or_above <= slack)
        return float(edges[fine[0]]) if len(fine) else float(np.nextafter(edges[-1], np.float32(np.inf)))
    below = np.cumsum(weights) - weights
    return float(edges[np.flatnonzero(below <= slack)[-1]])


def _weights(scenes: Sequence[ScoreHistogram], tagged: Tagged) -> tuple[NDArray[np.float32], DoubleArray]:
    """All scores of the tagged side, ascending, and their weights, which add up to 1."""
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
    """The score in the middle."""
    return float(edges[np.searchsorted(np.cumsum(numbers), numbers.sum() / 2)])
