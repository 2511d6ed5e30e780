"""The contract every scorer keeps, whether two lines of numpy or a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from geocloud.calibration import Calibration
from geocloud.errors import ModelError
from geocloud.raster import FloatArray, PatchBatch, Raster

Level = Literal["patch", "pixel"]


@runtime_checkable
class Scorer(Protocol):
    """Scores blocks of patches; *higher = cloudier* is the scorer's promise, whatever its network computes.

    Behaviour: `score` is a pure function of the batch, safe to call from several threads at once, and gives the same
    numbers for a block however it is batched. It never sees pixels outside the block and its halo.
    """

    @property
    def name(self) -> str:
        """The name users know it by."""

    @property
    def sha256(self) -> str:
        """Hash of its weights; empty where it has none."""

    @property
    def level(self) -> Level:
        """`pixel`: a score a pixel. `patch`: a score a 64x64 patch."""

    @property
    def block(self) -> int:
        """Patches along each side of the squares it is given; at the scene's last rows and columns they are fewer."""

    @property
    def halo(self) -> int:
        """Context pixels it is given round a block."""

    @property
    def finest(self) -> float:
        """Metres: finer pixels are scored in squares of them, no coarser than this; 0: always a pixel a pixel."""

    @property
    def calibration(self) -> Calibration:
        """Direction, threshold and P(cloud) of its scores."""

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The bands it takes of those a scene has, in its own order; ModelError where one it needs is missing."""

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) of the windows for `pixel`, a 64th of each for `patch`; float32, NaN = not scored."""


@runtime_checkable
class WholeScorer(Scorer, Protocol):
    """A scorer that wants a scene at once, tiling it in its own way; only for scenes that fit in memory."""

    def score_whole(self, raster: Raster, bands: tuple[str, ...]) -> FloatArray:
        """(h, w) scores of a scene in these bands; those of nodata are dropped by who asked."""


def require_bands(
    name: str, available: Sequence[str], required: Sequence[str], optional: Sequence[str] = ()
) -> tuple[str, ...]:
    """The required bands and those optional ones the scene has; ModelError names what is missing."""
    missing = [band for band in required if band not in available]
    if missing:
        raise ModelError(
            f"model {name} needs the bands {', '.join(required)}, but the scene has no {', '.join(missing)} among "
            f"{', '.join(available) or 'its bands'}: name them, as in --bands blue=1,green=2,red=3"
        )
    return (*required, *(band for band in optional if band in available))
