"""What each batch of patches says of its pixels: P(cloud), mask codes, and the further maps that outputs ask for."""

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
"""Maps beside P(cloud): mask codes, uint8; reflectance of the cloud-free ground, (band, h, w) uint16; the probability
of each class that the scorer tells, (class, h, w) uint8 as a score is stored; the spread of P(cloud) over mirrored
views, float32, 0 to 0.5."""
ClassShares = Mapping[ClassName, FloatArray]
"""Class -> its probability, (n, h, w), of a scorer that tells classes itself."""
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
        further: Collection[str] = (),
        extent: Extent = "none",
        domain: DomainCheck | None = None,
    ) -> None:
        """Prepare; `further` are SURFACE, SHARES and UNCERTAINTY as wanted, `domain` is given every batch to count.

        Raises:
            ModelError: the scorer does not unmix, its card has no threshold for a class, or it scores pixels one by
                one and mirrored views are asked for.
        """
        self._scorer, self._calibration, self._extent, self._domain = scorer, calibration, extent, domain
        self._classes, self._further = [name for name in classes if name != "cloud"], frozenset(further)
        self._unmixer, self._thresholds = None, None
        asked = self._classes or (SHARES in further and len(detectable_classes(scorer)) > 1)
        self._classifier = require_classifier(scorer, self._classes) if asked else None
        if SURFACE in further or (asked and self._classifier is None):
            wish = f"class {self._classes[0]}" if self._classes else "cloud-free estimate"
            self._unmixer = require_unmixer(scorer, wish)
        if self._classes and self._classifier is None:
            self._thresholds = require_class_thresholds(scorer.card, self._classes)
        if UNCERTAINTY in further:
            _require_context(scorer)

    def __call__(self, batch: PatchBatch) -> Layers:
        """P(cloud) as SCORE, CODE, and the further maps that are asked for, each (n, ..., h, w)."""
        parts = None if self._unmixer is None else self._unmixer.unmix(batch)
        found: ClassShares | None = None
        if self._classifier is not None:
            score, found = self._classifier.score_classes(batch)
        else:
            score = self._scorer.score(batch) if parts is None else parts.score
        if self._domain is not None:
            self._count(self._domain, batch, score)
        layers = self._layers(score, parts, found)
        if UNCERTAINTY in self._further:
            layers[UNCERTAINTY] = self._spread(batch, score)
        return layers

    def of_rows(self, rows: Generator[ScoredRows, None, None]) -> Generator[ScoredRows, None, None]:
        """The same of rows that were scored before, and hold the score alone."""
        with closing(rows):
            for part in rows:
                layers = self._layers(part.score, None)
                yield ScoredRows(part.row, layers[SCORE], part.valid, part.own_valid, layers)

    def _layers(self, score: FloatArray, parts: Parts | None, found: ClassShares | None = None) -> dict[str, Layer]:
        """P(cloud), 0 where it is not needed, and what follows from score and parts; clear where the score is NaN."""
        codes = self._codes(score, parts, found)
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
            known = self._scorer.card.class_thresholds
            shares = (
                share_out(p, parts, known) if found is None else share_among(p, found, detectable_classes(self._scorer))
            )
            layers[SHARES] = np.stack([quantise(share) for share in shares.values()], axis=-3)
        return layers

    def _codes(self, score: FloatArray, parts: Parts | None, found: ClassShares | None) -> Layer:
        """Mask codes, of further classes where they are asked for."""
        threshold = self._calibration.score_threshold
        if found is not None:
            p = self._calibration.probability(score)
            shares = share_among(p, found, detectable_classes(self._scorer))
            return classify_shares(shares, score >= threshold, self._classes)
        if parts is None or self._thresholds is None:
            return np.where(score >= threshold, np.uint8(CLOUD), np.uint8(CLEAR))
        return class_codes(parts, threshold, self._thresholds, self._classes)

    def _spread(self, batch: PatchBatch, score: FloatArray) -> FloatArray:
        """(n, h, w) standard deviation of P(cloud) over the batch as it is, and mirrored left, down and both ways."""
        views = [self._calibration.probability(score)]
        for axes in ((-1,), (-2,), (-2, -1)):
            seen = replace(
                batch,
                data=np.ascontiguousarray(np.flip(batch.data, axes)),
                valid=np.ascontiguousarray(np.flip(batch.valid, axes)),
            )
            views.append(self._calibration.probability(np.flip(self._scorer.score(seen), axes)))
        spread_of_views: FloatArray = np.std(views, axis=0, dtype=np.float32)
        return spread_of_views

    def _count(self, domain: DomainCheck, batch: PatchBatch, scores: FloatArray) -> None:
        """Count the pixels of each block, without its halo."""
        halo, threshold = self._scorer.card.halo, self._calibration.score_threshold
        for window, data, valid, score in zip(batch.windows, batch.data, batch.valid, scores, strict=True):
            inner = slice(halo, halo + window.height), slice(halo, halo + window.width)
            cloudy: FloatArray = spread(score, window.height // len(score), window.shape)
            domain.add(data[:, *inner], valid[inner], cloudy >= threshold, batch.bands)


def share_among(cloud: FloatArray, found: ClassShares, names: Iterable[ClassName]) -> dict[ClassName, FloatArray]:
    """As `share_out`, of a scorer that gives probabilities of classes itself: clear and those of `names`.

    What it leaves over is clear. Kinds of cloud share P(cloud), and kinds of ground the rest, as theirs are to each
    other.

    Args:
        cloud: (...) P(cloud) of any kind.
        found: class -> its probability, of that shape.
        names: of the classes, cloud among them.
    """
    nothing = np.zeros_like(cloud)
    left = 1 - np.sum([*found.values(), nothing], axis=0)
    own = {"clear": left.clip(0), **{name: found.get(name, nothing) for name in names}}
    shares: dict[ClassName, FloatArray] = {}
    for whole, base in ((cloud, "cloud"), (1 - cloud, "clear")):
        kinds = [name for name in own if (name in CLOUDS) == (base == "cloud")]
        total = np.sum([own[name] for name in kinds], axis=0)
        for name in kinds:  # where it gives none of them any chance, it is the plain one
            chance = np.divide(own[name], total, out=np.full_like(cloud, name == base), where=total > 0)
            shares[name] = whole * chance
    return {name: shares[name] for name in own}


def classify_shares(shares: ClassShares, cloudy: BoolArray, classes: Container[ClassName]) -> ByteArray:
    """As `class_codes`: the likeliest kind of cloud where it is cloudy, and the likeliest kind of ground elsewhere."""
    codes = np.where(cloudy, np.uint8(CLOUD), np.uint8(CLEAR))
    for inside, base in ((cloudy, "cloud"), (~cloudy, "clear")):
        kinds = [name for name in shares if (name in CLOUDS) == (base == "cloud")]
        likeliest = np.argmax([shares[name] for name in kinds], axis=0)
        for number, name in enumerate(kinds):
            if name in classes and name != base:
                codes[inside & (likeliest == number)] = CODES[name]
    return codes


def _require_context(scorer: Scorer) -> None:
    """ModelError where mirrored views can only agree, for each pixel is scored by itself."""
    if scorer.card.level == "pixel" and not scorer.card.halo:
        raise ModelError(
            f"model {scorer.card.name} scores each pixel by itself, so mirrored views say nothing of its uncertainty; "
            "take a model that sees a pixel's surroundings, such as default"
        )
