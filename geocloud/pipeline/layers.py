"""What a run draws from each batch: the score alone, or classes and a cloud-free estimate besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from geocloud.calibration import Calibration
from geocloud.classes import ClassName, classify, mark_snow
from geocloud.pipeline.domain_check import DomainCheck
from geocloud.pipeline.scoring import Look, plain_look
from geocloud.pipeline.stitching import SCORE, Layer, Layers
from geocloud.raster import CLEAR, CLOUD, FloatArray, PatchBatch, spread
from geocloud.scorers.contract import Scorer, require_class_thresholds, require_unmixer
from geocloud.writers.cog import reflectance_counts

CODE, SURFACE = "code", "surface"
"""Maps beside the score: mask codes, uint8; reflectance of the cloud-free ground, (band, h, w) uint16."""
ProbabilityExtent = Literal["all", "clouds", "none"]
"""Where P(cloud) is asked for."""


def make_look(scorer: Scorer, calibration: Calibration, classes: Sequence[ClassName], *, clear_sky: bool) -> Look:
    """The look that draws no more than is asked for.

    Raises:
        ModelError: the scorer does not unmix, or its card does not say where a class is cut.
    """
    further = [name for name in classes if name != "cloud"]
    if not further and not clear_sky:
        return plain_look(scorer)
    unmixer = require_unmixer(scorer, f"class {further[0]}" if further else "cloud-free estimate")
    thresholds = require_class_thresholds(scorer.card, further) if further else None

    def look(batch: PatchBatch) -> Layers:
        parts = unmixer.unmix(batch)
        layers: dict[str, Layer] = {SCORE: parts.score}
        if thresholds is not None:
            cut = calibration.score_threshold
            codes = classify(parts.score, parts.slope, parts.shadow, cut, thresholds, further)
            layers[CODE] = mark_snow(codes, parts.snow, thresholds, further)
        if clear_sky:
            layers[SURFACE] = reflectance_counts(parts.surface)
        return layers

    return look


def judge(layers: Layers, calibration: Calibration, probability_extent: ProbabilityExtent) -> dict[str, Layer]:
    """The same maps with P(cloud) for the score, 0 where it is not asked for, and with mask codes where there are none.

    Where the score is NaN, as in nodata, the code is clear.
    """
    score = layers[SCORE]
    codes = layers.get(CODE)
    if codes is None:
        codes = np.where(score >= calibration.score_threshold, np.uint8(CLOUD), np.uint8(CLEAR))
    p = calibration.probability(score) if probability_extent == "all" else np.zeros_like(score)
    if probability_extent == "clouds":
        inside = codes != CLEAR
        p[inside] = calibration.probability(score[inside])
    return {**layers, SCORE: p, CODE: codes}


def judged(look: Look, calibration: Calibration, probability_extent: ProbabilityExtent) -> Look:
    """The same look, judged: done a batch at a time, on whatever grid is scored."""
    return lambda batch: judge(look(batch), calibration, probability_extent)


def tallied(look: Look, tally: DomainCheck, halo: int, cut: np.float32) -> Look:
    """The same look, every batch counted on the way."""

    def counted(batch: PatchBatch) -> Layers:
        layers = look(batch)
        for window, data, valid, score in zip(batch.windows, batch.data, batch.valid, layers[SCORE], strict=True):
            inner = slice(halo, halo + window.height), slice(halo, halo + window.width)
            cloudy: FloatArray = spread(score, window.height // len(score), window.shape)
            tally.add(data[:, *inner], valid[inner], cloudy >= cut, batch.bands)
        return layers

    return counted
