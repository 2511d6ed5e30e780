"""What a scorer offers besides its score when it takes a pixel apart: veil and ground, each as a map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from geocloud.errors import ModelError
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.contract import Scorer
from geocloud.veils import ClassName, VeilCuts


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a batch's pixels, maps on the blocks without their halo."""

    score: FloatArray
    """(n, h, w) exactly what `score` gives for the batch."""
    slope: FloatArray
    """(n, h, w) exponent of the veiled pixel's brightness over wavelength: 0 flat, below 0 falling, above 0 rising."""
    shadow: FloatArray | None
    """(n, h, w) logit of lying in cloud shadow, higher = likelier; None: the model has no network that tells."""
    surface: FloatArray
    """(n, band, h, w) reflectance of the ground without cloud and shadow, in the batch's order of bands."""


@runtime_checkable
class Unmixer(Scorer, Protocol):
    """A pixel-level scorer that also takes pixels apart.

    Behaviour: as `score`, `unmix` is a pure function of the batch, and it costs more: it is called only where its maps
    are asked for.
    """

    @property
    def cuts(self) -> VeilCuts | None:
        """Where its parts are cut into classes; None where that was never measured."""

    def unmix(self, batch: PatchBatch) -> Parts:
        """Score and parts of a batch."""


def require_unmixer(scorer: Scorer, wish: str) -> Unmixer:
    """The scorer as an Unmixer; ModelError, naming what was wished for, where it is none."""
    if not isinstance(scorer, Unmixer):
        raise ModelError(f"model {scorer.name} gives a score alone, so no {wish}; take a model of kind unmix")
    return scorer


def require_cuts(unmixer: Unmixer, classes: Iterable[ClassName]) -> VeilCuts:
    """Its cuts; ModelError where its card has none, or none for a class."""
    cuts = unmixer.cuts
    if cuts is None:
        raise ModelError(
            f"the card of model {unmixer.name} does not say where classes are cut; measure that with geocloud survey"
        )
    told = {"cloud": True, **{name: getattr(cuts, name) is not None for name in ("thin", "haze", "dust", "shadow")}}
    dumb = [name for name in classes if not told[name]]
    if dumb:
        able = ", ".join(name for name, can in told.items() if can)
        raise ModelError(f"model {unmixer.name} cannot tell {', '.join(dumb)}: by its card it tells {able}")
    return cuts
