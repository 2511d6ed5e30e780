"""A linear autoencoder on the features of a network that was trained on another task.

The best linear autoencoder is the projection on the first principal components (Baldi and Hornik 1989), so it is
fitted in one step (geocloud.training.alternatives.features); its error is the part that they do not explain.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.models.networks.alternatives.backbone import Backbone

FEATURE_STRIDE = 4


class FeatureAutoencoder(nn.Module):
    """Frozen features, their mean and scale, and the directions in which normal features vary."""

    def __init__(self, channels: int, components: int = 16, widths: Sequence[int] = (24, 48, 96)) -> None:
        """An unfitted model without directions; ValueError for a number of components out of range.

        Args:
            channels: bands of the backbone.
            components: number of principal components.
            widths: of the backbone.
        """
        super().__init__()
        size = sum(widths[1:])
        if not 1 <= components < size:
            raise ValueError(f"components must be 1 to {size - 1}, not {components}")
        self.backbone = Backbone(channels, widths, classes=1)
        self.mean: Tensor
        self.scale: Tensor
        self.directions: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("directions", torch.zeros(components, size))

    def vectors(self, x: Tensor) -> Tensor:
        """(n, size, h/4, w/4) features."""
        return self.backbone.features(x)

    def residual(self, vectors: Tensor) -> Tensor:
        """(m,) mean squared error of the reconstruction of (m, size) features, in standard deviations²."""
        scaled = (vectors - self.mean) / self.scale
        error: Tensor = (scaled - scaled @ self.directions.T @ self.directions).square().mean(dim=1)
        return error

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:  # noqa: ARG002 - it needs all its bands
        """(n, h, w) the error, interpolated between cells of 4x4 pixels."""
        vectors = self.vectors(x).float()
        n, size, height, width = vectors.shape
        error = self.residual(vectors.permute(0, 2, 3, 1).reshape(-1, size)).view(n, 1, height, width)
        return F.interpolate(error, scale_factor=FEATURE_STRIDE, mode="bilinear", align_corners=False)[:, 0]
