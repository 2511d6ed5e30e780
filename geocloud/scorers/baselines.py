"""Baselines: formulas of brightness per pixel. Reported beside every result, and used by tests without weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.calibration import Calibration, CloudSide, ThresholdRule, logistic_curve
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.card import ModelCard, TrainingRecord, require_bands
from geocloud.scorers.contract import Scorer

RGB = ("blue", "green", "red")
_FIXED = ThresholdRule("fixed", figure="a round reflectance, chosen before any data")


@dataclass(frozen=True, slots=True)
class Baseline:
    """A scorer that is a formula per pixel."""

    card: ModelCard
    formula: Callable[[FloatArray], FloatArray]
    """From reflectance (n, band, h, w), in the card's bands, to scores (n, h, w)."""

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The card's bands; ModelError where one is missing."""
        return require_bands(self.card.name, available, self.card.bands)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) float32; nodata pixels are scored too, since the stitcher drops them."""
        return np.asarray(self.formula(batch.data), dtype=np.float32)


def brightness() -> Scorer:
    """Mean of blue, green and red; cloud above 0.25 reflectance."""
    card = _card("brightness", RGB, _fixed(0.25, 0.05, "high", "mean visible reflectance"))
    return Baseline(card, _mean)


def hot() -> Scorer:
    """Haze optimised transform with fixed coefficients, blue - 0.5 red (Zhu and Woodcock 2012, eq. 3); above 0.12."""
    return Baseline(_card("hot", ("blue", "red"), _fixed(0.12, 0.03, "high", "blue - 0.5 red")), _haze)


def chroma() -> Scorer:
    """Largest minus smallest of blue, green and red reflectance; below 0.05, which is grey, is cloud."""
    card = _card("chroma", RGB, _fixed(0.05, 0.01, "low", "visible reflectance, largest minus smallest"))
    return Baseline(card, _greyness)


def _card(name: str, bands: tuple[str, ...], calibration: Calibration) -> ModelCard:
    return ModelCard(name, "baseline", bands, calibration=calibration, training=TrainingRecord("T0"))


def _fixed(threshold: float, spread: float, cloud_is: CloudSide, unit: str) -> Calibration:
    return Calibration(threshold, cloud_is, _FIXED, logistic_curve(threshold, spread, cloud_is), unit)


def _mean(data: FloatArray) -> FloatArray:
    return _weighted((1 / 3, 1 / 3, 1 / 3), data)


def _haze(data: FloatArray) -> FloatArray:
    return _weighted((1.0, -0.5), data)


def _greyness(data: FloatArray) -> FloatArray:
    score: FloatArray = data.min(axis=1) - data.max(axis=1)
    return score


def _weighted(weights: tuple[float, ...], data: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("b,nbhw->nhw", np.array(weights, dtype=np.float32), data))


BASELINES = {"brightness": brightness, "hot": hot, "chroma": chroma}
"""Name -> constructor."""
