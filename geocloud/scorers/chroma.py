"""A null model of colour: clouds are grey, so the least coloured pixel is the cloudiest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geocloud.calibration import Calibration, ThresholdRule, logistic_curve
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.contract import Level, Scorer, require_bands


@dataclass(frozen=True, slots=True)
class Chroma:
    """Greatest less least of blue, green and red, a pixel; low is cloud."""

    calibration: Calibration
    name: str = "chroma"
    sha256: str = ""
    level: Level = "pixel"
    block: int = 8
    halo: int = 0
    finest: float = 0.0

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """Blue, green and red; ModelError where one is missing."""
        return require_bands(self.name, available, ("blue", "green", "red"))

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, side, side) float32, at most 0; higher = greyer."""
        score: FloatArray = batch.data.min(axis=1) - batch.data.max(axis=1)
        return score


def chroma() -> Scorer:
    """Grey below 0.05 reflectance between the greatest and the least band."""
    rule = ThresholdRule("fixed", figure="a round reflectance, chosen before any data")
    curve = logistic_curve(0.05, 0.01, "low")
    return Chroma(Calibration(0.05, "low", rule, curve, "visible reflectance, greatest less least"))
