"""The paper's autoencoder with convolutions: any number of bands, and an error for every pixel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from geocloud.models.kinds import LastLayer
from geocloud.models.networks.cells import with_absent

STRIDE = 8
"""Side in pixels of the square that one code vector describes; a block and its halo are multiples of it."""


class ConvAutoencoder(nn.Module):
    """Halves the resolution three times to a map of codes, and doubles it three times back.

    It has no skip connections: with them it could reconstruct anything. No layer normalises over pixels, so the error
    of a pixel depends only on its surroundings within the halo.
    """

    def __init__(
        self, channels: int, widths: Sequence[int] = (24, 48, 96), latent: int = 16, output: LastLayer = "linear"
    ) -> None:
        """Random weights; ValueError if an argument is out of its range.

        Args:
            channels: bands.
            widths: features at a half, a quarter and an eighth of the resolution.
            latent: values of the code, for each 8x8 pixels.
            output: `linear`, or `sigmoid` for reflectance within 0..1.
        """
        super().__init__()
        if len(widths) != 3 or min(*widths, latent) < 1 or output not in ("sigmoid", "linear"):
            raise ValueError(f"three widths and a latent of at least 1 are needed, not {widths} and {latent}")
        self.channels = channels
        self.encoder = conv_encoder(channels, widths, latent)
        self.decoder = conv_decoder(channels, widths, latent)
        self.squash: nn.Module = nn.Sigmoid() if output == "sigmoid" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w), h and w multiples of 8 → its reconstruction, of the same shape."""
        reconstruction: Tensor = self.squash(self.decoder(self.encoder(x)))
        return reconstruction

    def error(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, h, w) mean squared error over the bands that are there, reflectance².

        `present` is (channels,) for all or (n, channels) for each; x is 0 in the bands that are missing.
        """
        there = present.to(x.dtype).expand(x.shape[0], self.channels)[:, :, None, None]
        squares = (self(x) - x).square() * there
        error: Tensor = squares.sum(dim=1) / there.sum(dim=1).clamp(min=1)
        return error

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, h, w): the error of each pixel."""
        return self.error(with_absent(x, present), present)


def conv_encoder(channels: int, widths: Sequence[int], latent: int) -> nn.Sequential:
    """(n, channels, h, w) → (n, latent, h/8, w/8); a code sees 15 pixels beyond each side of its square."""
    half, quarter, eighth = widths
    return nn.Sequential(*_down(channels, half), *_down(half, quarter), *_down(quarter, eighth), _conv(eighth, latent))


def conv_decoder(channels: int, widths: Sequence[int], latent: int) -> nn.Sequential:
    """(n, latent, h/8, w/8) → (n, channels, h, w); a pixel depends on codes up to two squares away."""
    half, quarter, eighth = widths
    return nn.Sequential(*_up(latent, eighth), *_up(eighth, quarter), *_up(quarter, half), _conv(half, channels))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution; it divides the height and width by its stride."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, padding_mode="reflect")


def _down(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """Layers that halve the resolution."""
    return _conv(inputs, outputs, stride=2), nn.SiLU()


def _up(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """Layers that double the resolution."""
    return _conv(inputs, outputs), nn.SiLU(), nn.Upsample(scale_factor=2, mode="nearest")
