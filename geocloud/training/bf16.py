"""Whether a network may run in bfloat16: how much of its mask stays what it is in fp32."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from geocloud.models.network_scorer import CPU, make_scorer
from geocloud.raster import FloatArray
from geocloud.scorers.card import ModelCard
from geocloud.scorers.contract import score_patches

MIN_SCORES = 1000
"""Scores that must be compared: of fewer, a thousandth cannot be measured."""
Pictures = Iterable[tuple[FloatArray, tuple[str, ...]]]
"""(n, band, side, side) reflectance, side a multiple of 64, and the names of the bands."""


def bf16_agreement(network: torch.nn.Module, card: ModelCard, pictures: Pictures) -> float | None:
    """Share of pixels (patches, where those are scored) that both precisions call the same at the card's threshold.

    None of fewer than MIN_SCORES scores.
    """
    fp32, bf16 = (make_scorer(network, card, CPU, bf16=bf16) for bf16 in (False, True))
    threshold, alike = card.calibration.score_threshold, []
    for data, bands in pictures:
        exact, rough = (score_patches(scorer, data, bands) >= threshold for scorer in (fp32, bf16))
        alike.append((exact == rough).ravel())
    same = np.concatenate(alike)
    return float(same.mean()) if len(same) >= MIN_SCORES else None
