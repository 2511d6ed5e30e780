"""The paper's network: a 64x64 picture as one vector, reduced to a short code and reconstructed.

Cherif, Ziada, Habib, "Image anomaly detection": a fully connected encoder, code and decoder on 64x64x3 = 12288 values,
trained to reconstruct normal pictures; what it reconstructs badly is an anomaly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from geocloud.models.kinds import LastLayer
from geocloud.raster import PATCH


class DenseAutoencoder(nn.Module):
    """Fully connected autoencoder of single patches; the raw score of a patch is its mean squared error."""

    def __init__(
        self, channels: int, widths: Sequence[int] = (512,), latent: int = 128, output: LastLayer = "sigmoid"
    ) -> None:
        """Layers 64*64*channels → widths → latent and back, ReLU between them.

        Args:
            channels: bands of a patch.
            widths: hidden values of the encoder's layers; the decoder mirrors them.
            latent: values of the code.
            output: `sigmoid` for reflectance within 0..1, as of 8-bit pictures; `linear` for scenes brighter than 1.
        """
        super().__init__()
        sizes = [PATCH * PATCH * channels, *widths, latent]
        if min(sizes) < 1 or output not in ("sigmoid", "linear"):
            raise ValueError(
                f"widths and latent must be at least 1 and output sigmoid or linear, not {sizes}, {output}"
            )
        self.channels = channels
        self.encoder = _layers(sizes)
        self.decoder = _layers(sizes[::-1])
        self.squash: nn.Module = nn.Sigmoid() if output == "sigmoid" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, 64, 64) → its reconstruction, of the same shape."""
        code = self.encoder(x.flatten(1))  # (n, latent)
        reconstructed: Tensor = self.squash(self.decoder(torch.relu(code)))  # (n, channels*64*64)
        return reconstructed.view(-1, self.channels, PATCH, PATCH)

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:  # noqa: ARG002 - it needs all its bands
        """(n, channels, h, w) → (n, h/64, w/64): mean squared error of each patch, reflectance²."""
        n, _, height, width = x.shape
        rows, cols = height // PATCH, width // PATCH
        patches = x.reshape(n, self.channels, rows, PATCH, cols, PATCH).permute(0, 2, 4, 1, 3, 5)
        patches = patches.reshape(-1, self.channels, PATCH, PATCH)  # (n*rows*cols, channels, 64, 64)
        error: Tensor = (self(patches) - patches).square().mean(dim=(1, 2, 3))
        return error.view(n, rows, cols)


def _layers(sizes: Sequence[int]) -> nn.Sequential:
    """A linear layer from each size to the next, with ReLU between layers but not after the last."""
    layers: list[nn.Module] = []
    for size, following in pairwise(sizes):
        layers += [nn.Linear(size, following), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
