"""Null models: what brightness alone can tell. Printed beside every result, and used by tests without weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.calibration import Calibration, ThresholdRule, logistic_curve
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.contract import Level, Scorer, require_bands

_FIXED = ThresholdRule("fixed", figure="a round reflectance, chosen before any data")


@dataclass(frozen=True, slots=True)
class BandSum:
    """A weighted sum of reflectances, a pixel."""

    name: str
    weights: tuple[tuple[str, float], ...]
    """Bands and their weights, in order."""
    calibration: Calibration
    sha256: str = ""
    level: Level = "pixel"
    block: int = 8
    halo: int = 0
    min_resolution: float = 0.0

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The weighted bands; ModelError where one is missing."""
        return require_bands(self.name, available, [band for band, _ in self.weights])

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, side, side) float32: the weighted sum; nodata included, since the stitcher drops it."""
        weight = np.array([dict(self.weights)[band] for band in batch.bands], dtype=np.float32)
        return np.asarray(np.einsum("b,nbhw->nhw", weight, batch.data), dtype=np.float32)


def brightness() -> Scorer:
    """Mean of blue, green and red; cloud above 0.25 reflectance."""
    curve = logistic_curve(0.25, 0.05, "high")
    return BandSum(
        "brightness",
        (("blue", 1 / 3), ("green", 1 / 3), ("red", 1 / 3)),
        Calibration(0.25, "high", _FIXED, curve, "mean visible reflectance"),
    )


def hot() -> Scorer:
    """Haze optimised transform with fixed coefficients, blue - 0.5 red (Zhu and Woodcock 2012, eq. 3); above 0.12."""
    curve = logistic_curve(0.12, 0.03, "high")
    return BandSum("hot", (("blue", 1.0), ("red", -0.5)), Calibration(0.12, "high", _FIXED, curve, "blue - 0.5 red"))


@dataclass(frozen=True, slots=True)
class Chroma:
    """Greatest less least of blue, green and red, a pixel; low is cloud."""

    calibration: Calibration
    name: str = "chroma"
    sha256: str = ""
    level: Level = "pixel"
    block: int = 8
    halo: int = 0
    min_resolution: float = 0.0

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


BASELINES = {"brightness": brightness, "hot": hot, "chroma": chroma}
"""Names to constructors."""
