"""Simulated snow: clear ground made white in the visible and dark in the short-wave infrared, as snow is.

Of real clear snow few scenes are at hand. Reflectances are those of snow of any grain (Warren 1982; Dozier 1989): 0.45
to 1 in the visible, little less in the near infrared, at most 0.2 at 1.6 micrometres and less at 2.2. Where no band
beyond the near infrared is shown, snow like this could not be told from cloud, and is not laid.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Generator, Tensor

from geocloud.training.simulator import chance, uniform, value_noise


def lay_snow(x: Tensor, where: Tensor, rng: Generator) -> Tensor:
    """Cover ground with snow that keeps its relief, whole crops or in patches.

    Args:
        x: (n, 7, h, w) reflectance of clear ground.
        where: (n, 1, h, w) 1 where there may be snow, else 0.
        rng: the source of all randomness.

    Returns:
        (n, 7, h, w) with snow; the cirrus band is left as it is.
    """
    n, size = len(x), x.shape[-1]
    patchy = ((value_noise(n, size, rng) - uniform((n, 1, 1, 1), 0.2, 0.6, rng)) * 8).clamp(0, 1)
    amount = where * torch.where(chance(n, 0.5, rng), patchy, torch.ones_like(patchy))
    return x + amount * (_snow(x, rng) - x)


def _snow(x: Tensor, rng: Generator) -> Tensor:
    """(n, 7, h, w) snow everywhere, lit as the ground is."""
    n = len(x)
    bright = x[:, :3].mean(1, keepdim=True)
    relief = (bright - bright.mean((2, 3), keepdim=True)) / (bright.std((2, 3), keepdim=True) + 1e-3)
    relief = relief.clamp(-2.5, 2.5) * uniform((n, 1, 1, 1), 0.01, 0.18, rng)
    white = uniform((n, 1, 1, 1), 0.45, 1.0, rng) * (1 + 0.015 * torch.randn((n, 3, 1, 1), generator=rng))
    nir = white.mean(1, keepdim=True) * uniform((n, 1, 1, 1), 0.65, 0.97, rng)
    swir16 = white.mean(1, keepdim=True) * uniform((n, 1, 1, 1), 0.01, 0.2, rng)
    swir22 = swir16 * uniform((n, 1, 1, 1), 0.4, 1.0, rng)
    lit = F.relu(torch.cat([white, nir, swir16, swir22], 1) * (1 + relief))
    return torch.cat([lit, x[:, 6:]], 1)
