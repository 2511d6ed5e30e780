"""An adversarially trained autoencoder: GANomaly (Akçay, Atapour-Abarghouei, Breckon 2018), a score per pixel.

An encoder, a decoder, and a second encoder that reads the reconstruction. It is trained on normal patches together with
a critic (`training/alternatives/gan.py`), so reconstructions look normal. Where the input is not normal, the codes of
input and reconstruction differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.models.networks.cells import with_absent
from geocloud.models.networks.conv import STRIDE, conv_decoder, conv_encoder


class GanAutoencoder(nn.Module):
    """Encoder, decoder, encoder; the raw score is the distance between the two codes."""

    def __init__(self, channels: int, widths: Sequence[int] = (24, 48, 96), latent: int = 16) -> None:
        """Random weights; arguments and ValueError as of ConvAutoencoder."""
        super().__init__()
        if len(widths) != 3 or min(*widths, latent) < 1:
            raise ValueError(f"three widths and a latent of at least 1 are needed, not {widths} and {latent}")
        self.encoder = conv_encoder(channels, widths, latent)
        self.decoder = conv_decoder(channels, widths, latent)
        self.second = conv_encoder(channels, widths, latent)

    def forward(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct a batch.

        Args:
            x: (n, channels, h, w) reflectance, h and w multiples of 8, missing bands 0.
            present: (channels,) for all or (n, channels) for each.

        Returns:
            (n, channels, h, w) reconstruction, missing bands 0; (n, latent, h/8, w/8) codes of the input and of it.
        """
        there = present.to(x.dtype).expand(x.shape[0], x.shape[1])[:, :, None, None]
        code = self.encoder(x)
        reconstruction = self.decoder(code) * there
        return reconstruction, code, self.second(reconstruction)

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, h, w) mean absolute difference of the codes, interpolated between their 8x8 cells (the paper's eq. 5)."""
        _, code, again = self(with_absent(x, present), present)
        distance = (code - again).float().abs().mean(dim=1, keepdim=True)
        return F.interpolate(distance, scale_factor=STRIDE, mode="bilinear", align_corners=False)[:, 0]
