"""The maps of each batch of patches: P(cloud), mask codes, and the further maps that outputs ask for."""

from __future__ import annotations

from collections.abc import Collection, Container, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal

import numpy as np

from geocloud.calibration import Calibration
from geocloud.classes import CLOUDS, CODES, ClassName, class_codes, share_out
from geocloud.errors import ModelError
from geocloud.pipeline.domain_check import DomainCheck
from geocloud.pipeline.scoring import SCORE, Layer, Layers, ScoredRows
from geocloud.raster import CLEAR, CLOUD, BoolArray, ByteArray, FloatArray, Parts, PatchBatch, spread
from geocloud.scorers.contract import (
    Scorer,
    detectable_classes,
    require_class_thresholds,
    require_classifier,
    require_unmixer,
)
from geocloud.writers.cog import quantise, reflectance_counts

CODE, SURFACE, SHARES, UNCERTAINTY = "code", "surface", "shares", "uncertainty"
"""Names of the maps besides P(cloud): mask codes, uint8; reflectance of the cloud-free ground, (band, h, w) uint16; the
probability of each class that the scorer detects, (class, h, w) uint8, stored as a score is; the standard deviation of
P(cloud) over mirrored views, float32, 0 to 0.5."""
ClassShares = Mapping[ClassName, FloatArray]
"""Class -> its probability, (n, h, w)."""
Extent = Literal["none", "clouds", "all"]
"""Where P(cloud) is needed, from least to most."""


class BatchLayers:
    """Computes the maps of a batch of patches, only those that are asked for; called from several threads at once."""

    def __init__(
        self,
        scorer: Scorer,
        calibration: Calibration,
        *,
        classes: Sequence[ClassName] = ("cloud",),
        further: Collection[str] = (),
        extent: Extent = "none",
        domain: DomainCheck | None = None,
    ) -> None:
        """Check that the scorer can compute what is asked for.

        Args:
            scorer: scores each batch.
            calibration: turns scores into P(cloud), and has the threshold.
            classes: of the mask, besides clear.
            further: those of SURFACE, SHARES and UNCERTAINTY that are wanted.
            extent: where P(cloud) is needed.
            domain: counts the pixels of every batch; None: nothing is counted.

        Raises:
            ModelError: the scorer does not unmix, its card has no threshold for a class, or mirrored views are asked
                for of a scorer that scores each pixel by itself.
        """
        self._scorer, self._calibration, self._extent, self._domain = scorer, calibration, extent, domain
        self._classes, self._further = [name for name in classes if name != "cloud"], frozenset(further)
        self._unmixer, self._thresholds = None, None
        needs_classes = self._classes or (SHARES in further and len(detectable_classes(scorer)) > 1)
        self._classifier = require_classifier(scorer, self._classes) if needs_classes else None
        if SURFACE in further or (needs_classes and self._classifier is None):
            wish = f"class {self._classes[0]}" if self._classes else "cloud-free estimate"
            self._unmixer = require_unmixer(scorer, wish)
        if self._classes and self._classifier is None:
            self._thresholds = require_class_thresholds(scorer.card, self._classes)
        if UNCERTAINTY in further:
            _require_context(scorer)

    def __call__(self, batch: PatchBatch) -> Layers:
        """P(cloud) under the name SCORE, mask codes under CODE, and the further maps, each (n, ..., h, w)."""
        parts = None if self._unmixer is None else self._unmixer.unmix(batch)
        predicted: ClassShares | None = None
        if self._classifier is not None:
            score, predicted = self._classifier.score_classes(batch)
        else:
            score = self._scorer.score(batch) if parts is None else parts.score
        if self._domain is not None:
            self._count(self._domain, batch, score)
        layers = self._layers(score, parts, predicted)
        if UNCERTAINTY in self._further:
            layers[UNCERTAINTY] = self._spread(batch, score)
        return layers

    def of_rows(self, rows: Generator[ScoredRows, None, None]) -> Generator[ScoredRows, None, None]:
        """The same for rows that were scored before and hold only the score."""
        with closing(rows):
            for part in rows:
                layers = self._layers(part.score, None)
                yield ScoredRows(part.row, layers[SCORE], part.valid, part.own_valid, layers)

    def _layers(self, score: FloatArray, parts: Parts | None, predicted: ClassShares | None = None) -> dict[str, Layer]:
        """P(cloud), 0 where it is not needed, and the maps that follow from it; clear where the score is NaN."""
        codes = self._codes(score, parts, predicted)
        p = np.zeros_like(score)
        if self._extent == "all" or SHARES in self._further:
            p = self._calibration.probability(score)
        elif self._extent == "clouds":
            inside = codes != CLEAR
            p[inside] = self._calibration.probability(score[inside])
        layers: dict[str, Layer] = {SCORE: p, CODE: codes}
        if parts is not None and SURFACE in self._further:
            layers[SURFACE] = reflectance_counts(parts.surface)
        if SHARES in self._further:
            if predicted is None:
                shares = share_out(p, parts, self._scorer.card.class_thresholds)
            else:
                shares = share_among(p, predicted, detectable_classes(self._scorer))
            layers[SHARES] = np.stack([quantise(share) for share in shares.values()], axis=-3)
        return layers

    def _codes(self, score: FloatArray, parts: Parts | None, predicted: ClassShares | None) -> Layer:
        """Mask codes: clear and cloud, and the further classes that are asked for."""
        threshold = self._calibration.score_threshold
        if predicted is not None:
            p = self._calibration.probability(score)
            shares = share_among(p, predicted, detectable_classes(self._scorer))
            return classify_shares(shares, score >= threshold, self._classes)
        if parts is None or self._thresholds is None:
            return np.where(score >= threshold, np.uint8(CLOUD), np.uint8(CLEAR))
        return class_codes(parts, threshold, self._thresholds, self._classes)

    def _spread(self, batch: PatchBatch, score: FloatArray) -> FloatArray:
        """(n, h, w) standard deviation of P(cloud) over four views: as it is, mirrored in columns, in rows, in both."""
        views = [self._calibration.probability(score)]
        for axes in ((-1,), (-2,), (-2, -1)):
            mirrored = replace(
                batch,
                data=np.ascontiguousarray(np.flip(batch.data, axes)),
                valid=np.ascontiguousarray(np.flip(batch.valid, axes)),
            )
            views.append(self._calibration.probability(np.flip(self._scorer.score(mirrored), axes)))
        spread_of_views: FloatArray = np.std(views, axis=0, dtype=np.float32)
        return spread_of_views

    def _count(self, domain: DomainCheck, batch: PatchBatch, scores: FloatArray) -> None:
        """Let the domain check count the pixels of each block, without its halo."""
        halo, threshold = self._scorer.card.halo, self._calibration.score_threshold
        for window, data, valid, score in zip(batch.windows, batch.data, batch.valid, scores, strict=True):
            inner = slice(halo, halo + window.height), slice(halo, halo + window.width)
            cloudy: FloatArray = spread(score, window.height // len(score), window.shape)
            domain.add(data[:, *inner], valid[inner], cloudy >= threshold, batch.bands)


def share_among(cloud: FloatArray, predicted: ClassShares, names: Iterable[ClassName]) -> dict[ClassName, FloatArray]:
    """Probabilities of clear and of `names` that agree with P(cloud), for a scorer that predicts classes itself.

    Kinds of cloud share P(cloud) in proportion to their predicted probabilities; kinds of ground share the rest. What
    the predicted probabilities leave to 1 is clear. See `share_out` for scorers that unmix.

    Args:
        cloud: (...) P(cloud), of any kind of cloud.
        predicted: class -> its probability, of that shape.
        names: of the classes, cloud among them.
    """
    nothing = np.zeros_like(cloud)
    left = 1 - np.sum([*predicted.values(), nothing], axis=0)
    own = {"clear": left.clip(0), **{name: predicted.get(name, nothing) for name in names}}
    shares: dict[ClassName, FloatArray] = {}
    for whole, base in ((cloud, "cloud"), (1 - cloud, "clear")):
        kinds = [name for name in own if (name in CLOUDS) == (base == "cloud")]
        total = np.sum([own[name] for name in kinds], axis=0)
        for name in kinds:  # where all are 0, the plain class ("cloud" or "clear") takes everything
            share = np.divide(own[name], total, out=np.full_like(cloud, name == base), where=total > 0)
            shares[name] = whole * share
    return {name: shares[name] for name in own}


def classify_shares(shares: ClassShares, cloudy: BoolArray, classes: Container[ClassName]) -> ByteArray:
    """Mask codes, uint8 in the shape of `cloudy`: the likeliest kind of cloud in cloud, of ground elsewhere.

    Args:
        shares: class -> its probability; see `share_among`.
        cloudy: True where the score passes the threshold.
        classes: those that get a code of their own; others are plain cloud or clear.
    """
    codes = np.where(cloudy, np.uint8(CLOUD), np.uint8(CLEAR))
    for inside, base in ((cloudy, "cloud"), (~cloudy, "clear")):
        kinds = [name for name in shares if (name in CLOUDS) == (base == "cloud")]
        likeliest = np.argmax([shares[name] for name in kinds], axis=0)
        for number, name in enumerate(kinds):
            if name in classes and name != base:
                codes[inside & (likeliest == number)] = CODES[name]
    return codes


def _require_context(scorer: Scorer) -> None:
    """ModelError if each pixel is scored by itself, since mirrored views would then always agree."""
    if scorer.card.level == "pixel" and not scorer.card.halo:
        raise ModelError(
            f"model {scorer.card.name} scores each pixel by itself, so mirrored views say nothing about its "
            "uncertainty; take a model that sees a pixel's surroundings, such as default"
        )
