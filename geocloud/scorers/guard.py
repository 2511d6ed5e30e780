"""A scorer that is not geocloud's own, its answers checked: a mistake in it is a sentence, and no wrong mask."""

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
"""By which probabilities may lie outside 0 to 1: networks round."""


class GuardedScorer:
    """Calls the scorer it holds, and raises ModelError for whatever breaks the contract."""

    def __init__(self, scorer: Any, card: ModelCard) -> None:  # noqa: ANN401 - what others give
        """Hold it."""
        self.scorer, self.card = scorer, card

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The scorer's, of those available."""
        with self._calling("choose_bands"):
            bands = self.scorer.choose_bands(available)
        chosen = tuple(bands) if isinstance(bands, Sequence) and not isinstance(bands, str) else ()
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(available):
            raise ModelError(
                f"model {self.card.name} chooses the bands {bands!r:.80} of {', '.join(available)}; "
                "choose_bands gives some of these names, each once"
            )
        return chosen

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) float32 of the scorer."""
        with self._calling("score"):
            found = self.scorer.score(_copy(batch))
        return self._checked("score", found, batch)

    def _checked(self, what: str, found: Any, batch: PatchBatch) -> FloatArray:  # noqa: ANN401
        """The array as float32; ModelError where shape or values are not the contract's."""
        step = PATCH if self.card.level == "patch" else 1
        window = batch.windows[0]
        wanted = len(batch.data), window.height // step, window.width // step
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub" or found.shape != wanted:
            given = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise ModelError(
                f"model {self.card.name} gives {given} by {what} for a batch whose scores are float32 {wanted}; "
                f"it cuts off the halo of {self.card.halo} pixels and nothing else"
            )
        array = np.asarray(found, dtype=np.float32)
        if np.isnan(array).any():
            halo = self.card.halo
            inner = batch.valid[:, halo : halo + window.height, halo : halo + window.width]
            if step > 1 or np.isnan(array[inner]).any():
                raise ModelError(f"model {self.card.name} gives values that are no numbers by {what}; check its scale")
        return array

    @contextmanager
    def _calling(self, what: str) -> Iterator[None]:
        """ModelError for what it raises."""
        try:
            yield
        except (GeocloudError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"model {self.card.name} fails in {what} ({type(error).__name__}: {reason})") from error


class _Classes(GuardedScorer):
    """Of a Classifier."""

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """The scorer's, checked when it was taken."""
        return wanted_classes(self.scorer.classes)

    def score_classes(self, batch: PatchBatch) -> tuple[FloatArray, Mapping[ClassName, FloatArray]]:
        """The scorer's."""
        with self._calling("score_classes"):
            score, found = self.scorer.score_classes(_copy(batch))
            every = {name: found[name] for name in self.scorer.classes}
        checked = {name: self._checked(f"score_classes[{name!r}]", one, batch) for name, one in every.items()}
        for name, one in checked.items():
            if (one < -SLACK).any() or (one > 1 + SLACK).any():
                raise ModelError(
                    f"model {self.card.name} gives probabilities of {name} that are not 0 to 1; score_classes gives "
                    "what softmax or sigmoid makes of the network's output"
                )
        return self._checked("score_classes", score, batch), checked


class _Unmixing(GuardedScorer):
    """Of an Unmixer."""

    def unmix(self, batch: PatchBatch) -> Parts:
        """The scorer's."""
        with self._calling("unmix"):
            parts: Parts = self.scorer.unmix(_copy(batch))
            return replace(parts, score=self._checked("unmix", parts.score, batch))


class _Whole(GuardedScorer):
    """Of a WholeScorer."""

    def score_whole(self, raster: Raster, bands: tuple[str, ...]) -> FloatArray:
        """The scorer's."""
        with self._calling("score_whole"):
            found: FloatArray = self.scorer.score_whole(raster, bands)
        if found.shape != raster.valid.shape:
            raise ModelError(
                f"model {self.card.name} gives {found.shape} by score_whole for {raster.valid.shape} pixels; "
                "it gives one score per pixel"
            )
        return found


_KINDS = ((Classifier, _Classes), (Unmixer, _Unmixing), (WholeScorer, _Whole))


def guarded(scorer: Any, source: str) -> Scorer:  # noqa: ANN401 - anything a package gives
    """The scorer with its answers checked; ModelError, naming its source, where it is no scorer."""
    if isinstance(scorer, GuardedScorer):
        return scorer
    try:
        is_scorer = isinstance(scorer, Scorer) and isinstance(scorer.card, ModelCard)
        if isinstance(scorer, Classifier):
            wanted_classes(scorer.classes)
    except UsageError as error:
        raise ModelError(f"{source} names classes that there are not: {error}") from error
    except Exception as error:
        raise ModelError(f"{source} cannot be used ({type(error).__name__}: {error})") from error
    if not is_scorer:
        raise ModelError(f"{source} is no scorer: it needs card, choose_bands and score")
    bases = tuple(guard for kind, guard in _KINDS if isinstance(scorer, kind)) or (GuardedScorer,)
    made: Scorer = type("Guarded", bases, {})(scorer, scorer.card)
    return made


def _copy(batch: PatchBatch) -> PatchBatch:
    """Its own pixels: what it writes into them is lost."""
    return replace(batch, data=batch.data.copy())
