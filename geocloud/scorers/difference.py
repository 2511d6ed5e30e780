"""Two scorers read together, such as an autoencoder of clear sky and one of cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from geocloud.calibration import Calibration, ThresholdRule
from geocloud.errors import ModelError
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.card import ModelCard, TrainingRecord
from geocloud.scorers.contract import Scorer

_EQUAL = ThresholdRule("equal", 0.0, figure="both errors alike, chosen before any data")


@dataclass(frozen=True, slots=True)
class Difference:
    """The sum of the scores of a model of clear sky and of one of cloud.

    Since a score rises towards cloud, this is the error of the first less the error of the second. Above 0 the model
    of cloud explains the patch better.
    """

    clear: Scorer
    """Its high errors are cloud."""
    cloudy: Scorer
    """Its low errors are cloud."""
    card: ModelCard

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The bands of either."""
        both = (*self.clear.choose_bands(available), *self.cloudy.choose_bands(available))
        return tuple(dict.fromkeys(both))

    def score(self, batch: PatchBatch) -> FloatArray:
        """The sum of both scores, each given only the bands it takes."""
        first, second = (part.score(_only(batch, part.choose_bands(batch.bands))) for part in (self.clear, self.cloudy))
        return cast("FloatArray", first + second)


def difference(clear: Scorer, cloudy: Scorer) -> Difference:
    """Both scorers read together; ModelError where they take different blocks or both find cloud on one side."""
    mine, other = clear.card, cloudy.card
    if (mine.level, mine.block, mine.halo) != (other.level, other.block, other.halo):
        raise ModelError(
            f"models {mine.name} and {other.name} cannot be read together: level, block and halo must be the same; "
            "train both with one --kind"
        )
    if (mine.calibration.cloud_is, other.calibration.cloud_is) != ("high", "low"):
        raise ModelError(
            f"a difference takes first a model of clear sky, then one of cloud, not {mine.name} and {other.name}; "
            "train them with --normal clear and --normal cloudy"
        )
    bands = tuple(dict.fromkeys((*mine.bands, *other.bands)))
    card = ModelCard(
        f"{mine.name[:48]} - {other.name[:48]}",  # a card's name has at most 100 characters
        "difference",
        bands,
        tuple(dict.fromkeys(band for one in (mine, other) for band in one.optional_bands if band not in bands)),
        level=mine.level,
        block=mine.block,
        halo=mine.halo,
        min_resolution=mine.min_resolution,
        calibration=Calibration(0.0, "high", _EQUAL, unit="difference of errors"),
        training=TrainingRecord("W"),
    )
    return Difference(clear, cloudy, card)


def _only(batch: PatchBatch, bands: Sequence[str]) -> PatchBatch:
    """The batch with these bands, in this order."""
    index = [batch.bands.index(band) for band in bands]
    return PatchBatch(batch.windows, np.ascontiguousarray(batch.data[:, index]), batch.valid, tuple(bands))
