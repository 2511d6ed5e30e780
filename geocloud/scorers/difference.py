"""Two scorers combined into one, such as an autoencoder of clear sky and one of cloud."""

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

_EQUAL = ThresholdRule("equal", 0.0, figure="both errors equal, chosen before any data")


@dataclass(frozen=True, slots=True)
class Difference:
    """The sum of the scores of a model of clear sky and of one of cloud.

    Since a score is higher where there is cloud, the sum is the error of the first model minus the error of the second.
    Above 0, the model of cloud explains the patch better.
    """

    clear: Scorer
    """Its error is high on cloud."""
    cloudy: Scorer
    """Its error is low on cloud."""
    card: ModelCard

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The bands that either takes."""
        both = (*self.clear.choose_bands(available), *self.cloudy.choose_bands(available))
        return tuple(dict.fromkeys(both))

    def score(self, batch: PatchBatch) -> FloatArray:
        """The sum of both scores; each scorer is given only the bands that it takes."""
        first, second = (part.score(_only(batch, part.choose_bands(batch.bands))) for part in (self.clear, self.cloudy))
        return cast("FloatArray", first + second)


def difference(clear: Scorer, cloudy: Scorer) -> Difference:
    """Combine two scorers; ModelError if their blocks differ, or if they are not one of clear sky and one of cloud."""
    first, second = clear.card, cloudy.card
    if (first.level, first.block, first.halo) != (second.level, second.block, second.halo):
        raise ModelError(
            f"models {first.name} and {second.name} cannot be combined: level, block and halo must be the same; "
            "train both with one --kind"
        )
    if (first.calibration.cloud_is, second.calibration.cloud_is) != ("high", "low"):
        raise ModelError(
            f"a difference takes first a model of clear sky, then one of cloud, not {first.name} and {second.name}; "
            "train them with --normal clear and --normal cloudy"
        )
    bands = tuple(dict.fromkeys((*first.bands, *second.bands)))
    card = ModelCard(
        f"{first.name[:48]} - {second.name[:48]}",  # a card's name has at most 100 characters
        "difference",
        bands,
        tuple(dict.fromkeys(band for one in (first, second) for band in one.optional_bands if band not in bands)),
        level=first.level,
        block=first.block,
        halo=first.halo,
        min_resolution=first.min_resolution,
        calibration=Calibration(0.0, "high", _EQUAL, unit="difference of errors"),
        training=TrainingRecord("W"),
    )
    return Difference(clear, cloudy, card)


def _only(batch: PatchBatch, bands: Sequence[str]) -> PatchBatch:
    """The batch with these bands, in this order."""
    index = [batch.bands.index(band) for band in bands]
    return PatchBatch(batch.windows, np.ascontiguousarray(batch.data[:, index]), batch.valid, tuple(bands))
