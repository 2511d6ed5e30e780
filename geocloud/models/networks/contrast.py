"""Two convolutional autoencoders, of clear ground and of cloud: which of them reconstructs a pixel better?

The paper calls clear ground normal in one place and cloud in another; this kind uses both readings. The score is the
log ratio of the two errors. Each is first averaged over a small window: the ratio of single pixels is mostly noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.models.networks.cells import with_absent
from geocloud.models.networks.conv import ConvAutoencoder

WIDEST = 17
"""Side in pixels of the largest window that fits into the halo."""
FLOOR = 1e-6
"""Added to both errors, reflectance²: smaller errors count as none."""


class ContrastNetwork(nn.Module):
    """Two autoencoders of the same shape."""

    def __init__(self, channels: int, widths: Sequence[int] = (24, 48, 96), latent: int = 16, window: int = 9) -> None:
        """Random weights; ValueError if the window is even or larger than WIDEST.

        Args:
            channels: bands.
            widths: see ConvAutoencoder.
            latent: see there.
            window: side in pixels, odd, of the window over which errors are averaged.
        """
        super().__init__()
        if window % 2 == 0 or not 1 <= window <= WIDEST:
            raise ValueError(f"window must be odd and at most {WIDEST}, not {window}")
        self.window = window
        self.clear = ConvAutoencoder(channels, widths, latent)
        self.cloudy = ConvAutoencoder(channels, widths, latent)

    def errors(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """(n, h, w) mean squared errors of the autoencoders of clear ground and of cloud, reflectance²."""
        return self.clear.error(x, present), self.cloudy.error(x, present)

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, h, w) log of the first error over the second: above 0, the autoencoder of cloud fits the pixel better."""
        clear, cloudy = (self._smooth(error.float()) for error in self.errors(with_absent(x, present), present))
        return ((clear + FLOOR) / (cloudy + FLOOR)).log()

    def _smooth(self, error: Tensor) -> Tensor:
        """(n, h, w) error averaged over the window."""
        return F.avg_pool2d(error, self.window, stride=1, padding=self.window // 2, count_include_pad=False)
