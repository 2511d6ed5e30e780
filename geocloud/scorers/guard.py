"""Checks the results of scorers from other packages, so that a mistake in one is an error and not a wrong mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from geocloud.classes import ClassName, wanted_classes
from geocloud.errors import GeocloudError, ModelError, UsageError
from geocloud.raster import PATCH, FloatArray, Parts, PatchBatch, Raster
from geocloud.scorers.card import ModelCard
from geocloud.scorers.contract import Classifier, Scorer, Unmixer, WholeScorer

SLACK = 1e-3
"""By how much probabilities may lie outside 0 to 1, since networks round."""


class GuardedScorer:
    """Wraps a scorer, and raises ModelError for whatever breaks the contract."""

    def __init__(self, scorer: Any, card: ModelCard) -> None:  # noqa: ANN401 - another package's object
        """Wrap `scorer`, which has this card."""
        self.scorer, self.card = scorer, card

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The scorer's choice; ModelError unless it is some of the available bands, each once."""
        with self._calling("choose_bands"):
            bands = self.scorer.choose_bands(available)
        chosen = tuple(bands) if isinstance(bands, Sequence) and not isinstance(bands, str) else ()
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(available):
            raise ModelError(
                f"model {self.card.name} chooses the bands {bands!r:.80} of {', '.join(available)}; "
                "choose_bands must return some of these names, each once"
            )
        return chosen

    def score(self, batch: PatchBatch) -> FloatArray:
        """The scorer's scores, checked; see Scorer."""
        with self._calling("score"):
            result = self.scorer.score(_copy(batch))
        return self._checked("score", result, batch)

    def _checked(self, method: str, result: Any, batch: PatchBatch) -> FloatArray:  # noqa: ANN401
        """The result as float32; ModelError if its shape, dtype or values break the contract."""
        step = PATCH if self.card.level == "patch" else 1
        window = batch.windows[0]
        expected = len(batch.data), window.height // step, window.width // step
        if not isinstance(result, np.ndarray) or result.dtype.kind not in "fiub" or result.shape != expected:
            actual = f"{result.dtype} {result.shape}" if isinstance(result, np.ndarray) else type(result).__name__
            raise ModelError(
                f"model {self.card.name} returns {actual} from {method}, where float32 {expected} is expected; it must "
                f"cut off the halo of {self.card.halo} pixels and nothing else"
            )
        array = np.asarray(result, dtype=np.float32)
        if np.isnan(array).any():
            halo = self.card.halo
            inner = batch.valid[:, halo : halo + window.height, halo : halo + window.width]
            if step > 1 or np.isnan(array[inner]).any():
                raise ModelError(
                    f"model {self.card.name} returns values that are not numbers (NaN) from {method} for valid pixels; "
                    "check its scale"
                )
        return array

    @contextmanager
    def _calling(self, method: str) -> Iterator[None]:
        """ModelError for any error that the scorer raises, except geocloud's own and lack of memory."""
        try:
            yield
        except (GeocloudError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"model {self.card.name} fails in {method} ({type(error).__name__}: {reason})") from error


class _GuardedClassifier(GuardedScorer):
    """Wraps a Classifier."""

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """The scorer's classes; `guarded` has checked them."""
        return wanted_classes(self.scorer.classes)

    def score_classes(self, batch: PatchBatch) -> tuple[FloatArray, Mapping[ClassName, FloatArray]]:
        """The scorer's scores and probabilities, checked; see Classifier."""
        with self._calling("score_classes"):
            score, probabilities = self.scorer.score_classes(_copy(batch))
            probabilities = {name: probabilities[name] for name in self.scorer.classes}
        checked = {name: self._checked(f"score_classes[{name!r}]", p, batch) for name, p in probabilities.items()}
        for name, p in checked.items():
            if (p < -SLACK).any() or (p > 1 + SLACK).any():
                raise ModelError(
                    f"model {self.card.name} returns probabilities of {name} from {p.min():.3g} to {p.max():.3g}; "
                    "score_classes must return 0 to 1, as softmax or sigmoid do"
                )
        return self._checked("score_classes", score, batch), checked


class _GuardedUnmixer(GuardedScorer):
    """Wraps an Unmixer."""

    def unmix(self, batch: PatchBatch) -> Parts:
        """The scorer's parts, their score checked; see Unmixer."""
        with self._calling("unmix"):
            parts: Parts = self.scorer.unmix(_copy(batch))
            return replace(parts, score=self._checked("unmix", parts.score, batch))


class _GuardedWhole(GuardedScorer):
    """Wraps a WholeScorer."""

    def score_whole(self, raster: Raster, bands: tuple[str, ...]) -> FloatArray:
        """The scorer's scores, their shape checked; see WholeScorer."""
        with self._calling("score_whole"):
            scores: FloatArray = self.scorer.score_whole(raster, bands)
        if scores.shape != raster.valid.shape:
            raise ModelError(
                f"model {self.card.name} returns {scores.shape} from score_whole for {raster.valid.shape} pixels; "
                "it must return one score per pixel"
            )
        return scores


_GUARDS = ((Classifier, _GuardedClassifier), (Unmixer, _GuardedUnmixer), (WholeScorer, _GuardedWhole))


def guarded(scorer: Any, source: str) -> Scorer:  # noqa: ANN401 - any object of another package
    """The scorer, wrapped so that its results are checked.

    Args:
        scorer: what another package gave.
        source: where it came from, for messages.

    Raises:
        ModelError: it is no scorer, or it names classes that geocloud does not have.
    """
    if isinstance(scorer, GuardedScorer):
        return scorer
    try:
        is_scorer = isinstance(scorer, Scorer) and isinstance(scorer.card, ModelCard)
        if isinstance(scorer, Classifier):
            wanted_classes(scorer.classes)
    except UsageError as error:
        raise ModelError(f"{source} names classes that do not exist: {error}") from error
    except Exception as error:
        raise ModelError(f"{source} cannot be used ({type(error).__name__}: {error})") from error
    if not is_scorer:
        raise ModelError(f"{source} is no scorer: it needs card, choose_bands and score")
    # A scorer may be of several kinds. The wrapper has the methods of those kinds and no others, since callers ask by
    # isinstance what a scorer can do.
    bases = tuple(guard for kind, guard in _GUARDS if isinstance(scorer, kind)) or (GuardedScorer,)
    made: Scorer = type("Guarded", bases, {})(scorer, scorer.card)
    return made


def _copy(batch: PatchBatch) -> PatchBatch:
    """The batch with its own copy of the pixels, so that a scorer that writes into them does no harm."""
    return replace(batch, data=batch.data.copy())
