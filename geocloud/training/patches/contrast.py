"""Fits the two autoencoders of `contrast`: each learns to reconstruct patches of its own tag."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from geocloud.models.networks.contrast import ContrastNetwork
from geocloud.training.options import Listener
from geocloud.training.patches.data import Patches
from geocloud.training.patches.loop import EpochOptions, TaggedPatches, fit


def fit_contrast(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Train both in one loop; returns the mean loss of each epoch. See `own_error` for the loss, and `fit`."""
    return fit(network, patches, own_error, options, listener)


def own_error(network: nn.Module, batch: TaggedPatches) -> Tensor:
    """() mean squared error of the batch, where each patch is reconstructed by the autoencoder of its tag."""
    clear, cloudy = cast("ContrastNetwork", network).errors(batch.x, batch.present)  # (n, 64, 64) each
    return torch.where(batch.tag[:, None, None] == 1, cloudy, clear).mean()
