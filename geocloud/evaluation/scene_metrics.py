"""What is kept of a scene that was scored, and how scenes are gathered into groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.calibration import Calibration
from geocloud.evaluation.samples import Sample
from geocloud.evaluation.suite import Conditions
from geocloud.metrics.confusion import ConfusionCounts, Reliability, count, reliability
from geocloud.metrics.histogram import ScoreHistogram, histogram
from geocloud.readers.bands.sensors import WHITE

SATURATED = 0.98 * WHITE
"""Mean visible reflectance that half of an 8-bit picture reaches only where it is saturated white and tells nothing."""
FLAT = 0.98
"""Share of its brightest pixels' reflectance that half of such a picture reaches: pictures of more bits go on above."""
WHOLLY_CLEAR = "wholly clear"
UNSATURATED = "unsaturated"


@dataclass(frozen=True, slots=True)
class SceneMetrics:
    """One scene by one scorer: all that is kept of it."""

    name: str
    counts: ConfusionCounts
    scores: ScoreHistogram
    reliability: Reliability


def measure(sample: Sample, calibration: Calibration) -> SceneMetrics:
    """Counts at the threshold, histogram and reliability of one scene."""
    return SceneMetrics(
        sample.name,
        count(sample.score >= calibration.score_threshold, sample.truth),
        histogram(sample.score, sample.truth, sample.bits),
        reliability(calibration.probability(sample.score), sample.truth),
    )


def saturated(brightness: SceneMetrics) -> bool:
    """Whether a scene is saturated white, by what the baseline `brightness` scored."""
    scores = brightness.scores
    both = scores.clear + scores.cloud
    middle = int(np.searchsorted(np.cumsum(both), both.sum() / 2))
    brightest = scores.edges[int(both.nonzero()[0][-1])]
    return bool(scores.edges[middle] >= max(SATURATED, FLAT * brightest))


def conditions_of(brightness: Sequence[SceneMetrics], conditions: Conditions) -> Mapping[str, frozenset[str]]:
    """Condition to the names of its scenes; saturated ones are in none, wholly clear ones are known by their labels.

    Args:
        brightness: tallies of the baseline `brightness`, one per scene; without it no scene counts as saturated.
        conditions: of the source.
    """
    plain = [tally for tally in brightness if not saturated(tally)]
    groups: dict[str, set[str]] = {name: set() for name in conditions.rules}
    for tally in plain:
        for name in conditions.of(tally.name):
            groups[name].add(tally.name)
    groups[WHOLLY_CLEAR] = {tally.name for tally in plain if not tally.scores.sizes[1]}
    if len(plain) < len(brightness):
        groups[UNSATURATED] = {tally.name for tally in plain}
    return {name: frozenset(scenes) for name, scenes in groups.items() if scenes}
