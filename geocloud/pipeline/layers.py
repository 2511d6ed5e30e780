"""What a run computes from each batch: P(cloud) and mask codes, and where they are asked for further maps."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Literal

import numpy as np

from geocloud.calibration import Calibration
from geocloud.classes import ClassName, classify, mark_snow
from geocloud.pipeline.domain_check import DomainCheck
from geocloud.pipeline.stitching import SCORE, Layer, Layers, ScoredRows
from geocloud.raster import CLEAR, CLOUD, FloatArray, PatchBatch, spread
from geocloud.scorers.contract import Scorer, require_class_thresholds, require_unmixer
from geocloud.writers.cog import reflectance_counts

CODE, SURFACE = "code", "surface"
"""Maps beside P(cloud): mask codes, uint8; reflectance of the cloud-free ground, (band, h, w) uint16."""
Extent = Literal["none", "clouds", "all"]
"""Where P(cloud) is needed, from least to most."""


class BatchLayers:
    """Maps of a batch of patches, no more of them than are asked for; called from several threads at once."""

    def __init__(
        self,
        scorer: Scorer,
        calibration: Calibration,
        *,
        classes: Sequence[ClassName] = ("cloud",),
        clear_sky: bool = False,
        extent: Extent = "none",
        domain: DomainCheck | None = None,
    ) -> None:
        """Prepare; `domain` is given every batch to count.

        Raises:
            ModelError: the scorer does not unmix, or its card has no threshold for a class.
        """
        self._scorer, self._calibration, self._extent, self._domain = scorer, calibration, extent, domain
        self._classes, self._clear_sky = [name for name in classes if name != "cloud"], clear_sky
        self._unmixer, self._thresholds = None, None
        if self._classes or clear_sky:
            wish = f"class {self._classes[0]}" if self._classes else "cloud-free estimate"
            self._unmixer = require_unmixer(scorer, wish)
        if self._unmixer is not None and self._classes:
            self._thresholds = require_class_thresholds(scorer.card, self._classes)

    def __call__(self, batch: PatchBatch) -> Layers:
        """P(cloud) as SCORE, CODE, and SURFACE where it is asked for, each (n, ..., h, w)."""
        layers = self._maps(batch)
        if self._domain is not None:
            self._count(self._domain, batch, layers[SCORE])
        return self._with_codes(layers)

    def of_rows(self, rows: Generator[ScoredRows, None, None]) -> Generator[ScoredRows, None, None]:
        """The same of rows that were scored before, and hold the score alone."""
        with closing(rows):
            for part in rows:
                layers = self._with_codes({SCORE: part.score})
                yield ScoredRows(part.row, layers[SCORE], part.valid, part.own_valid, layers)

    def _maps(self, batch: PatchBatch) -> dict[str, Layer]:
        """The score, and of a model that unmixes what its parts give."""
        if self._unmixer is None:
            return {SCORE: self._scorer.score(batch)}
        parts = self._unmixer.unmix(batch)
        layers: dict[str, Layer] = {SCORE: parts.score}
        if self._thresholds is not None:
            threshold = self._calibration.score_threshold
            codes = classify(parts.score, parts.slope, parts.shadow, threshold, self._thresholds, self._classes)
            layers[CODE] = mark_snow(codes, parts.snow, self._thresholds, self._classes)
        if self._clear_sky:
            layers[SURFACE] = reflectance_counts(parts.surface)
        return layers

    def _with_codes(self, layers: Layers) -> dict[str, Layer]:
        """P(cloud) for the score, 0 where it is not needed, and codes; clear where the score is NaN, as in nodata."""
        score, codes = layers[SCORE], layers.get(CODE)
        if codes is None:
            codes = np.where(score >= self._calibration.score_threshold, np.uint8(CLOUD), np.uint8(CLEAR))
        p = self._calibration.probability(score) if self._extent == "all" else np.zeros_like(score)
        if self._extent == "clouds":
            inside = codes != CLEAR
            p[inside] = self._calibration.probability(score[inside])
        return {**layers, SCORE: p, CODE: codes}

    def _count(self, domain: DomainCheck, batch: PatchBatch, scores: FloatArray) -> None:
        """Count the pixels of each block, without its halo."""
        halo, threshold = self._scorer.card.halo, self._calibration.score_threshold
        for window, data, valid, score in zip(batch.windows, batch.data, batch.valid, scores, strict=True):
            inner = slice(halo, halo + window.height), slice(halo, halo + window.width)
            cloudy: FloatArray = spread(score, window.height // len(score), window.shape)
            domain.add(data[:, *inner], valid[inner], cloudy >= threshold, batch.bands)
