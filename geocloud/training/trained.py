"""What a trainer hands to the verb that writes the model folder."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from geocloud.histogram import ScoreHistogram
from geocloud.models.card import ModelCard


@dataclass(frozen=True, slots=True)
class Trained:
    """A network after training."""

    network: torch.nn.Module
    card: ModelCard
    """Without the weights' hash."""
    losses: tuple[float, ...]
    """Mean loss of each epoch, or of each round of a fit without epochs."""
    errors: ScoreHistogram | None = None
    """Raw scores of held-out patches: of normal ones all under `clear`; None where there is nothing to draw."""
    dtype: torch.dtype = torch.float32
    """What the weights are stored as."""
