"""Measures how much of a network's mask is the same in bfloat16 as in fp32."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from geocloud.models.network_scorer import CPU, make_scorer
from geocloud.raster import FloatArray
from geocloud.scorers.card import ModelCard
from geocloud.scorers.contract import score_patches

MIN_SCORES = 1000
"""Least number of scores to compare; with fewer, differences of a thousandth cannot be measured."""
Pictures = Iterable[tuple[FloatArray, tuple[str, ...]]]
"""(n, band, side, side) reflectance, side a multiple of 64, and the names of the bands."""


def bf16_agreement(network: torch.nn.Module, card: ModelCard, pictures: Pictures) -> float | None:
    """Share of pixels (or patches) with the same class in both precisions at the card's threshold.

    None for fewer than MIN_SCORES scores.
    """
    scorers = [make_scorer(network, card, CPU, bf16=bf16) for bf16 in (False, True)]
    threshold, parts = card.calibration.score_threshold, []
    for data, bands in pictures:
        exact, rough = (score_patches(scorer, data, bands) >= threshold for scorer in scorers)
        parts.append((exact == rough).ravel())
    same = np.concatenate(parts)
    return float(same.mean()) if len(same) >= MIN_SCORES else None
