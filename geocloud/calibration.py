"""How scores are read: threshold, direction and P(cloud) of one scorer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.errors import UsageError
from geocloud.raster import FloatArray

CloudSide = Literal["high", "low"]
PAPER_THRESHOLD = 0.02
"""Cherif, Ziada and Habib, "Image anomaly detection": mean squared error above which a patch is an anomaly."""


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """How a threshold was chosen, so that anyone can judge and repeat it."""

    name: str = "given"
    """Such as `paper`, `quantile`, `conformal`, `synthetic`, `f1`, `half-way`; `given` if the user gave a number."""
    parameter: float | None = None
    """The rule's number, such as a quantile or a false-alarm bound; None if it has none."""
    data: str = ""
    """The data that it was chosen on, in words; empty: none."""
    figure: str = ""
    """What the rule achieved on these data, such as `balanced accuracy 0.93`."""

    def __str__(self) -> str:
        """Name and parameter of the rule."""
        return self.name if self.parameter is None else f"{self.name} {self.parameter:g}"


@dataclass(frozen=True, slots=True)
class Probability:
    """A threshold in P(cloud), whatever the unit of the model's raw scores."""

    value: float

    def __post_init__(self) -> None:
        """UsageError unless 0 < value < 1: at 0 everything would be cloud, at 1 nothing."""
        if not 0 < self.value < 1:
            raise UsageError(f"probability {self.value:g} must be more than 0 and less than 1")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reads scores. A *score* is higher where it is cloudier; a *raw* score has the model's own unit and direction."""

    threshold: float
    """A raw score."""
    cloud_is: CloudSide = "high"
    """`high`: raw scores at or above the threshold are cloud. `low`: those at or below it, such as small errors of a
    model of cloud."""
    rule: ThresholdRule = field(default_factory=ThresholdRule)
    """How the threshold was chosen."""
    curve: tuple[tuple[float, float], ...] = ()
    """Knots (raw, P(cloud)), raw ascending, P monotone towards the cloudy side; empty: a step at the threshold."""
    unit: str = ""
    """Unit of a raw score, such as `mean squared error`."""
    alternatives: tuple[tuple[str, float], ...] = ()
    """(rule, raw threshold) of other rules that were tried, for `--threshold RULE`."""

    def __post_init__(self) -> None:
        """ValueError for values that are not finite, or a curve that is not monotone."""
        raws, ps = [raw for raw, _ in self.curve], [p for _, p in self.curve]
        ascending = ps if self.cloud_is == "high" else ps[::-1]
        if self.cloud_is not in ("high", "low"):
            raise ValueError(f"cloud_is must be 'high' or 'low', not {self.cloud_is!r}")
        if not np.isfinite([self.threshold, *raws, *ps]).all():
            raise ValueError(f"threshold and curve must be finite numbers, and the threshold is {self.threshold}")
        if raws != sorted(set(raws)) or ascending != sorted(ascending) or any(not 0 <= p <= 1 for p in ps):
            raise ValueError("curve knots must ascend in raw score and be monotone probabilities")

    @property
    def sign(self) -> float:
        """+1 if high raw scores are cloud, -1 if low ones are: score = sign * raw, and raw = sign * score."""
        return 1.0 if self.cloud_is == "high" else -1.0

    @property
    def score_threshold(self) -> np.float32:
        """The threshold as a score: a pixel is cloud where score >= threshold."""
        return np.float32(self.sign * self.threshold)

    def probability(self, score: FloatArray) -> FloatArray:
        """P(cloud) of each score, float32 0..1 in the same shape, NaN where the score is NaN.

        It is at least 0.5 exactly where score >= score_threshold, so that it never contradicts the mask.
        """
        if not self.curve:
            step = np.where(score >= self.score_threshold, np.float32(1), np.float32(0))
            return np.where(np.isnan(score), np.float32(np.nan), step).astype(np.float32)
        raws, ps = np.array(self.curve, dtype=np.float64).T
        p = np.interp(score * self.sign, raws, ps).astype(np.float32)
        below = np.nextafter(np.float32(0.5), np.float32(0))
        cloud = score >= self.score_threshold
        p = np.where(cloud, np.maximum(p, np.float32(0.5)), np.minimum(p, below))
        return np.where(np.isnan(score), np.float32(np.nan), p).astype(np.float32)

    def by_rule(self, rule: str) -> Calibration:
        """The calibration with the threshold of a named rule: its own, an alternative, or `paper`; else KeyError."""
        if rule == self.rule.name:
            return self
        known = {"paper": PAPER_THRESHOLD, **dict(self.alternatives)}
        return self.at(known[rule], ThresholdRule(rule))

    def alternatives_without(self, *names: str) -> tuple[tuple[str, float], ...]:
        """(rule, raw threshold) of its own rule and its alternatives except `names`: those of its successor."""
        own = (self.rule.name, self.threshold)
        others = (other for other in self.alternatives if other[0] != self.rule.name)
        return tuple((name, threshold) for name, threshold in (own, *others) if name not in names)

    def at(self, threshold: float, rule: ThresholdRule) -> Calibration:
        """The calibration with another raw threshold; the curve moves with it, so that P(cloud) is 0.5 there."""
        shift = threshold - self.threshold
        curve = tuple((raw + shift, p) for raw, p in self.curve)
        return replace(self, threshold=threshold, rule=rule, curve=curve)

    def at_probability(self, probability: Probability) -> Calibration:
        """The calibration with the threshold at this P(cloud); UsageError if the curve is missing or misses it."""
        ps = [p for _, p in self.curve]
        if not ps:
            raise UsageError(
                f"the model has no probabilities of cloud, so {probability.value:g} is no threshold; give a raw score"
            )
        if not min(ps) < probability.value < max(ps):
            raise UsageError(
                f"the model's probabilities of cloud are {min(ps):.4g} to {max(ps):.4g}, not {probability.value:g}"
            )
        knots = sorted((p, raw) for raw, p in self.curve)
        raw = float(np.interp(probability.value, [p for p, _ in knots], [raw for _, raw in knots]))
        return self.at(raw, ThresholdRule("probability", probability.value))


def logistic_curve(threshold: float, spread: float, cloud_is: CloudSide) -> tuple[tuple[float, float], ...]:
    """Knots (raw, P(cloud)) of a logistic curve that is 0.5 at `threshold`, and 0.73 one `spread` to the cloudy side.

    Both `threshold` and `spread` are in raw units.
    """
    steps = np.linspace(-8, 8, 33)
    slope = 1.0 if cloud_is == "high" else -1.0
    ps: NDArray[np.float64] = 1 / (1 + np.exp(-slope * steps))
    return tuple((float(threshold + spread * step), float(p)) for step, p in zip(steps, ps, strict=True))
