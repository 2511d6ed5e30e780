"""The unmixing autoencoder: its decoder is the physics of a cloud over a surface.

    x = (1 - a) * (1 - s) * surface + a * cloud

The encoder reads bands; four heads give the cloud-free ``surface``, the ``opacity`` a of the veil, the ``shadow``
s and the ``cloud`` colour, whose slope over wavelength tells cloud (flat) from haze and smoke (falling) and dust
(rising). The mask is read from the opacity alone: its logit is the score.

The idea of a decoder that mixes is that of GAN-CDM (Li et al. 2022) and, for anomalies in general, of DRAEM
(Zavrtanik et al. 2021): an autoencoder that must repair learns what to repair. The encoder-decoder is a U-Net on
the half grid (pixel unshuffle by two), of layers that fold into convolutions at inference.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
"""Channel order of every input and output, fixed."""
WAVELENGTHS = (0.49, 0.56, 0.665, 0.842, 1.61, 2.2, 1.375)
"""Band centres in micrometres (Sentinel-2 MSI; Landsat's lie within 0.02 of them)."""
OPTIONAL = BANDS[3:]
"""Bands that a scene may lack: zero filled, and said to be absent by a plane of their own."""
REFERENCE_WAVELENGTH = 0.56
BRIGHTEST = 1.5
"""Reflectance at which inputs are cut, as in training."""
GRID = 32
"""Heights and widths must be multiples of it: the half grid, halved four times."""


class Unmixed(NamedTuple):
    """What the network says of a batch; maps on the grid of the input."""

    logit: Tensor
    """(n, 1, h, w) logit of the opacity: the score, higher = cloudier, unbounded."""
    surface: Tensor
    """(n, band, h, w) reflectance of the ground without cloud and shadow."""
    cloud: Tensor
    """(n, band, h, w) reflectance of the cloud where it is opaque, smooth."""
    slope: Tensor
    """(n, 1, h, w) exponent of the cloud's brightness over wavelength: 0 flat, below 0 falling, above 0 rising."""
    shadow: Tensor
    """(n, 1, h, w) share of light lost to cloud shadow, 0..1."""

    @property
    def opacity(self) -> Tensor:
        """(n, 1, h, w) share of the pixel's light that comes from cloud, 0..1."""
        return torch.sigmoid(self.logit)

    def reconstruction(self) -> Tensor:
        """(n, band, h, w) the input, mixed again from its parts."""
        return mix(self.surface, self.cloud, self.opacity, self.shadow)


def mix(surface: Tensor, cloud: Tensor, opacity: Tensor, shadow: Tensor) -> Tensor:
    """Lay a cloud over a shadowed surface: the one formula that simulator and decoder share."""
    return (1 - opacity) * (1 - shadow) * surface + opacity * cloud


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU: folds into one convolution at inference."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same."""
        return F.relu(x + self.second(self.first(x)))


class UnmixNet(nn.Module):
    """U-Net on the half grid whose heads are the parts of a mixed pixel.

    Args:
        channels: band channels; always the seven of BANDS.
        widths: channels of each level, from the half grid down; each next level halves the grid.
        blocks: residual blocks of each level on the way down.
    """

    def __init__(
        self,
        channels: int = len(BANDS),
        widths: Sequence[int] = (24, 48, 96, 128, 160),
        blocks: Sequence[int] = (0, 1, 1, 1, 1),
    ) -> None:
        """Random weights; ValueError for any other number of channels."""
        super().__init__()
        if not 3 <= len(widths) == len(blocks) <= 8 or sum(blocks) > 64 or min(*widths, 1) < 1:
            raise ValueError(
                f"widths and blocks must be 3 to 8 levels with 64 blocks in all, not {widths} and {blocks}"
            )
        if channels != len(BANDS):
            raise ValueError(f"channels must be {len(BANDS)}, the bands {', '.join(BANDS)}, not {channels}")
        self.stem = _conv(4 * len(BANDS) + len(OPTIONAL), widths[0])
        self.down = nn.ModuleList()
        for i, width in enumerate(widths):
            entry = [_conv(widths[i - 1], width, stride=2)] if i else []
            self.down.append(nn.Sequential(*entry, *[_Residual(width) for _ in range(blocks[i])]))
        self.lateral = nn.ModuleList(nn.Conv2d(above, above, 1) for above in widths[:-1])
        self.lift = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.up = nn.ModuleList(_conv(above, above) for above in widths[:-1])
        self.veil = nn.Sequential(_conv(widths[0], widths[0]), nn.Conv2d(widths[0], 4 * 2, 1))
        self.colour = nn.Conv2d(widths[2], len(BANDS) + 1, 1)
        self.ground = nn.Conv2d(widths[0], 4 * len(BANDS), 3, padding=1)
        ratio = torch.tensor(WAVELENGTHS).log() - torch.tensor(REFERENCE_WAVELENGTH).log()
        self.log_ratio: Tensor
        self.register_buffer("log_ratio", ratio.view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor, present: Tensor) -> Unmixed:
        """Unmix a batch.

        Args:
            x: (n, 7, h, w) reflectance in the order of BANDS, absent bands 0; h and w multiples of 32.
            present: (n, 7) 1 where a scene has the band, else 0.
        """
        code, middle = self._encode(x, present)
        veil = F.pixel_shuffle(self.veil(code), 2)
        surface = F.pixel_shuffle(self.ground(code), 2).float()
        cloud, slope = self._colour(middle, x.shape[-2:])
        return Unmixed(
            logit=veil[:, :1].float(),
            surface=surface + x,
            cloud=cloud,
            slope=slope,
            shadow=torch.sigmoid(veil[:, 1:].float() - 3),
        )

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """The contract of a scorer's network: (n, h, w) logit of the opacity, for any height and width."""
        height, width = x.shape[-2:]
        padding = (0, -width % GRID, 0, -height % GRID)
        even = F.pad(x.clamp(0, BRIGHTEST), padding, mode="replicate") if any(padding) else x.clamp(0, BRIGHTEST)
        return self.score(even, present.to(x.dtype).expand(len(x), -1))[:, 0, :height, :width]

    def score(self, x: Tensor, present: Tensor) -> Tensor:
        """(n, 1, h, w) logit of the opacity only: what detection needs, without the other heads' cost."""
        code, _ = self._encode(x, present)
        return F.pixel_shuffle(self.veil(code), 2)[:, :1].float()

    def _encode(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """The code on the half grid, and the level of an eighth that the cloud's colour is read from."""
        flags = present[:, 3:, None, None].expand(-1, -1, x.shape[2] // 2, x.shape[3] // 2).to(x.dtype)
        h = self.stem(torch.cat([F.pixel_unshuffle(x, 2), flags], 1).contiguous(memory_format=torch.channels_last))
        skips = []
        for level in self.down:
            h = level(h)
            skips.append(h)
        middle = h
        for i in reversed(range(len(self.up))):
            raised = F.interpolate(self.lift[i](h), scale_factor=2.0, mode="nearest")
            h = self.up[i](F.relu(self.lateral[i](skips[i]) + raised))
            middle = h if i == 2 else middle
        return h, middle

    def _colour(self, middle: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The cloud's reflectance a band: brightness times a power of wavelength; SWIR and cirrus dim on their own."""
        raw = F.interpolate(self.colour(middle).float(), size=tuple(size), mode="bilinear", align_corners=False)
        slope = torch.tanh(raw[:, 1:2]) * 2
        dim = torch.cat([torch.zeros_like(raw[:, :4]), F.softplus(raw[:, 5:8])], 1)
        return F.softplus(raw[:, :1]) * torch.exp(slope * self.log_ratio - dim), slope
