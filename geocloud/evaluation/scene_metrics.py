"""The metrics of one scored scene, and the grouping of scenes by condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.calibration import Calibration
from geocloud.evaluation.samples import Sample
from geocloud.evaluation.suite import Conditions
from geocloud.metrics.confusion import ConfusionCounts, Reliability, count, reliability
from geocloud.metrics.histogram import ScoreHistogram, histogram
from geocloud.readers.bands.known_products import WHITE

SATURATED = 0.98 * WHITE
"""An 8-bit picture whose median visible reflectance reaches this is saturated white and says nothing about cloud."""
FLAT = 0.98
"""A picture is saturated only if its median is also this share of its maximum: with more bits, values go higher."""
WHOLLY_CLEAR = "wholly clear"
UNSATURATED = "unsaturated"


@dataclass(frozen=True, slots=True)
class SceneMetrics:
    """One scene as scored by one scorer: all that is kept of it."""

    name: str
    counts: ConfusionCounts
    scores: ScoreHistogram
    reliability: Reliability


def measure(sample: Sample, calibration: Calibration) -> SceneMetrics:
    """Confusion counts at the threshold, score histogram and reliability of one scene."""
    return SceneMetrics(
        sample.name,
        count(sample.score >= calibration.score_threshold, sample.truth),
        histogram(sample.score, sample.truth, sample.bits),
        reliability(calibration.probability(sample.score), sample.truth),
    )


def saturated(brightness: SceneMetrics) -> bool:
    """Whether a scene is saturated white, by its metrics of the baseline `brightness`."""
    scores = brightness.scores
    pixels = scores.clear + scores.cloud
    median = scores.edges[int(np.searchsorted(np.cumsum(pixels), pixels.sum() / 2))]
    brightest = scores.edges[int(pixels.nonzero()[0][-1])]
    return bool(median >= max(SATURATED, FLAT * brightest))


def conditions_of(brightness: Sequence[SceneMetrics], conditions: Conditions) -> Mapping[str, frozenset[str]]:
    """Condition -> names of its scenes. Saturated scenes are in no condition; labels say which are wholly clear.

    Args:
        brightness: metrics of the baseline `brightness`, one entry per scene.
        conditions: of the source.
    """
    usable = [scene for scene in brightness if not saturated(scene)]
    groups: dict[str, set[str]] = {name: set() for name in conditions.rules}
    for scene in usable:
        for name in conditions.of(scene.name):
            groups[name].add(scene.name)
    groups[WHOLLY_CLEAR] = {scene.name for scene in usable if not scene.scores.sizes[1]}
    if len(usable) < len(brightness):
        groups[UNSATURATED] = {scene.name for scene in usable}
    return {name: frozenset(scenes) for name, scenes in groups.items() if scenes}
