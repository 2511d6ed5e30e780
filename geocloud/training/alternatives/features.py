"""Fits the linear autoencoder of `features`: the principal components of the features of a pretrained network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from geocloud.errors import ModelError
from geocloud.models.networks.alternatives.features import FeatureAutoencoder
from geocloud.models.pretrained import load_backbone
from geocloud.training.options import Listener
from geocloud.training.patches.data import Patches
from geocloud.training.patches.loop import EpochOptions


@torch.no_grad()
def fit_features(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Load the shipped backbone, and compute mean, scale and principal components of its features over all patches.

    Returns:
        One loss: the mean error of the patches.

    Raises:
        ModelError: there are so many components that no error is left.
    """
    linear = cast("FeatureAutoencoder", network)
    load_backbone(linear.backbone)
    linear.to(options.device).eval()
    total, squares, count = torch.zeros(()), torch.zeros(()), 0
    for done, vectors in _batches(linear, patches, options):
        double = vectors.double()
        total, squares, count = total + double.sum(dim=0), squares + double.T @ double, count + len(double)
        listener.progress(done, len(patches), "features")
    mean = total / count
    covariance = squares / count - mean[:, None] * mean
    scale = covariance.diagonal().clamp(min=1e-6).sqrt()  # a feature that is always 0 has no variance
    values, vectors = torch.linalg.eigh(covariance / scale[:, None] / scale)  # ascending
    kept = len(linear.directions)
    error = float(values[:-kept].sum() / len(values))
    if not error > 0:
        raise ModelError(f"{kept} components leave no error; lower --components")
    linear.mean.copy_(mean)
    linear.scale.copy_(scale)
    linear.directions.copy_(vectors[:, -kept:].T)
    listener.epoch(1, error)
    return [error]


def _batches(linear: FeatureAutoencoder, patches: Patches, options: EpochOptions) -> Iterator[tuple[int, Tensor]]:
    """Number of patches so far, and (m, size) features of the pixels of a batch."""
    for start in range(0, len(patches), options.batch_size):
        x = torch.from_numpy(patches.data[start : start + options.batch_size]).to(options.device)
        yield start + len(x), linear.vectors(x).permute(0, 2, 3, 1).flatten(0, 2)
