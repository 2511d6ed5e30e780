"""Two convolutional autoencoders, one of clear ground and one of cloud: which of them draws a pixel better?

The paper says once that normal is clear and once that normal is cloud; this is both readings at once. The score is the
log ratio of their errors, each averaged over a small window first, for a ratio of single pixels is mostly noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.models.networks.cells import with_absent
from geocloud.models.networks.conv import ConvAutoencoder

WIDEST = 17
"""Widest window that the halo holds."""
FLOOR = 1e-6
"""Added to both errors, reflectance²: below it both are drawn perfectly."""


class ContrastNetwork(nn.Module):
    """A pair of autoencoders of one shape."""

    def __init__(self, channels: int, widths: Sequence[int] = (24, 48, 96), latent: int = 16, window: int = 9) -> None:
        """Build both.

        Args:
            channels: bands.
            widths: see ConvAutoencoder.
            latent: see there.
            window: odd number of pixels per side that errors are averaged over.
        """
        super().__init__()
        if window % 2 == 0 or not 1 <= window <= WIDEST:
            raise ValueError(f"window must be odd and at most {WIDEST}, not {window}")
        self.window = window
        self.clear = ConvAutoencoder(channels, widths, latent)
        self.cloudy = ConvAutoencoder(channels, widths, latent)

    def errors(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """(n, h, w) mean squared error of the autoencoder of clear ground, and of that of cloud."""
        return self.clear.error(x, present), self.cloudy.error(x, present)

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, h, w) log of the first error over the second: above 0 cloud explains the pixel better."""
        clear, cloudy = (self._smooth(error.float()) for error in self.errors(with_absent(x, present), present))
        return ((clear + FLOOR) / (cloudy + FLOOR)).log()

    def _smooth(self, error: Tensor) -> Tensor:
        """Mean over the window."""
        return F.avg_pool2d(error, self.window, stride=1, padding=self.window // 2, count_include_pad=False)
