"""The contract that every scorer keeps, whether it is two lines of numpy or a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from geocloud.classes import ClassName, ClassThresholds, wanted_classes
from geocloud.errors import ModelError
from geocloud.raster import FloatArray, Parts, PatchBatch, Raster, Window
from geocloud.scorers.card import ModelCard


@runtime_checkable
class Scorer(Protocol):
    """Scores blocks of patches; *higher = cloudier* is the scorer's promise, whatever its network computes.

    Behaviour: `score` is a pure function of the batch, safe to call from several threads at once, and gives the same
    numbers for a block however it is batched. It never sees pixels outside the block and its halo.
    """

    @property
    def card(self) -> ModelCard:
        """Name, bands, block, halo, level and calibration."""

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """Those of the available bands that it takes, in its own order; ModelError if one that it needs is missing."""

    def score(self, batch: PatchBatch) -> FloatArray:
        """Scores of the blocks without their halo; float32, NaN = not scored.

        (n, height, width) at pixel level, (n, height/64, width/64) at patch level.
        """


@runtime_checkable
class WholeScorer(Scorer, Protocol):
    """A scorer that takes a whole scene and tiles it in its own way; only for scenes that fit in memory."""

    def score_whole(self, raster: Raster, bands: tuple[str, ...]) -> FloatArray:
        """(h, w) scores of a scene in these bands, float32; the caller drops those of nodata pixels."""


def score_patches(scorer: Scorer, data: FloatArray, bands: tuple[str, ...], *, batch: int = 64) -> FloatArray:
    """Score patches, each with its own reflection as halo.

    Args:
        scorer: any scorer.
        data: (n, band, side, side) reflectance, side a multiple of 64.
        bands: names of the bands; those that the scorer does not take are ignored.
        batch: patches scored at once; changes the memory needed, never the scores.

    Returns:
        (n, side, side) from a pixel-level scorer, (n, side/64, side/64) from a patch-level one; float32, NaN = not
        scored.

    Raises:
        ModelError: a band that the scorer needs is missing.
    """
    taken = scorer.choose_bands(bands)
    chosen = data[:, [bands.index(band) for band in taken]]
    pad = [(0, 0), (0, 0), (scorer.card.halo, scorer.card.halo), (scorer.card.halo, scorer.card.halo)]
    scores = []
    for start in range(0, len(chosen), batch):
        part = np.pad(chosen[start : start + batch], pad, mode="reflect")
        window = Window(0, 0, *data.shape[2:])
        valid = np.ones((len(part), *part.shape[2:]), dtype=bool)
        scores.append(scorer.score(PatchBatch((window,) * len(part), part, valid, taken)))
    return np.concatenate(scores)


@runtime_checkable
class Unmixer(Scorer, Protocol):
    """A pixel-level scorer that also separates cloud from the ground below it.

    Behaviour: like `score`, `unmix` is a pure function of the batch. It costs more, so it is called only if its maps
    are needed.
    """

    def unmix(self, batch: PatchBatch) -> Parts:
        """What `score` gives, and the parts of each pixel."""


@runtime_checkable
class Classifier(Scorer, Protocol):
    """A pixel-level scorer that predicts classes itself.

    Behaviour: like `score`, `score_classes` is a pure function of the batch.
    """

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """Keys of geocloud's classes that it predicts: of cloud, thin, haze, dust, shadow and snow."""

    def score_classes(self, batch: PatchBatch) -> tuple[FloatArray, Mapping[ClassName, FloatArray]]:
        """What `score` gives, and for each class its probability (n, height, width); the rest to 1 is clear."""


def require_unmixer(scorer: Scorer, wish: str) -> Unmixer:
    """The scorer as an Unmixer; if it is none, ModelError, which names what was asked for (`wish`)."""
    if not isinstance(scorer, Unmixer):
        raise ModelError(f"model {scorer.card.name} gives only a score, so no {wish}; take a model of kind unmix")
    return scorer


def require_class_thresholds(card: ModelCard, classes: Iterable[ClassName]) -> ClassThresholds:
    """The card's thresholds; ModelError if it has none, or none for one of the classes."""
    thresholds = card.class_thresholds
    if thresholds is None:
        raise ModelError(
            f"the card of model {card.name} has no thresholds for classes: measure them with geocloud survey"
        )
    known = thresholds.known()
    missing = [name for name in classes if name not in known]
    if missing:
        raise ModelError(
            f"model {card.name} cannot detect {', '.join(missing)}: by its card it detects {', '.join(known)}"
        )
    return thresholds


def require_classifier(scorer: Scorer, classes: Iterable[ClassName]) -> Classifier | None:
    """The scorer as a Classifier, None if it is none; ModelError if it is one that lacks a class."""
    if not isinstance(scorer, Classifier):
        return None
    known = detectable_classes(scorer)
    if missing := [name for name in classes if name not in known]:
        raise ModelError(f"model {scorer.card.name} cannot detect {', '.join(missing)}: it detects {', '.join(known)}")
    return scorer


def detectable_classes(scorer: Scorer) -> tuple[ClassName, ...]:
    """The classes that a scorer can detect, in order of code; cloud is always among them."""
    if isinstance(scorer, Classifier):
        return wanted_classes(scorer.classes)
    thresholds = scorer.card.class_thresholds
    return thresholds.known() if isinstance(scorer, Unmixer) and thresholds is not None else ("cloud",)
