"""A Gaussian mixture of band vectors, or of an autoencoder's codes: what is unlikely is an anomaly.

With one Gaussian it ranks as the RX detector does (Reed and Yu 1990), by Mahalanobis distance from the mean of all
normal pixels. Fitted by geocloud.training.alternatives.gmm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.models.kinds import On
from geocloud.models.networks.conv import STRIDE, ConvAutoencoder


class GaussianMixture(nn.Module):
    """Weights, means and precisions, as tensors that are fitted rather than learnt."""

    def __init__(
        self,
        channels: int,
        components: int = 4,
        on: On = "bands",
        widths: Sequence[int] = (24, 48, 96),
        latent: int = 8,
    ) -> None:
        """An unfitted mixture: standard Gaussians.

        Args:
            channels: bands.
            components: Gaussians; 1 is RX.
            on: `bands`: a vector per pixel. `codes`: a vector for each 8x8 pixels, of a convolutional autoencoder.
            widths: of that autoencoder.
            latent: of its code.
        """
        super().__init__()
        if components < 1 or on not in ("bands", "codes"):
            raise ValueError(f"components must be at least 1 and on bands or codes, not {components} and {on!r}")
        size = latent if on == "codes" else channels
        self.coder = ConvAutoencoder(channels, widths, latent) if on == "codes" else None
        self.log_weights: Tensor
        self.means: Tensor
        self.whiteners: Tensor
        self.register_buffer("log_weights", torch.full((components,), -math.log(components)))
        self.register_buffer("means", torch.zeros(components, size))
        self.register_buffer("whiteners", torch.eye(size).repeat(components, 1, 1))

    def vectors(self, x: Tensor) -> Tensor:
        """(n, size, h, w) band vectors, or (n, size, h/8, w/8) codes."""
        return x if self.coder is None else self.coder.encoder(x)

    def log_density(self, vectors: Tensor) -> Tensor:
        """(m, size) vectors to (m,) log of their density under the mixture."""
        parts = []
        for log_weight, mean, whitener in zip(self.log_weights, self.means, self.whiteners, strict=True):
            white = (vectors - mean) @ whitener.T  # precision = whitener.T @ whitener
            log_scale = whitener.diagonal().log().sum() - 0.5 * len(mean) * math.log(2 * math.pi)
            parts.append(log_weight + log_scale - 0.5 * white.square().sum(dim=1))
        return torch.stack(parts).logsumexp(dim=0)

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:  # noqa: ARG002 - it needs all its bands
        """(n, h, w) negative log density; of codes, interpolated between their cells."""
        vectors = self.vectors(x).float()
        with torch.autocast(x.device.type, enabled=False):
            n, size, height, width = vectors.shape
            unlikely = -self.log_density(vectors.permute(0, 2, 3, 1).reshape(-1, size)).view(n, 1, height, width)
        if self.coder is None:
            return unlikely[:, 0]
        return F.interpolate(unlikely, scale_factor=STRIDE, mode="bilinear", align_corners=False)[:, 0]
