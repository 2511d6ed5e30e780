"""The unmixing autoencoder: its decoder is a physical model of a cloud over a surface.

    x = (1 - a) * (1 - s) * surface + a * cloud

The encoder reads bands. Four heads give the cloud-free ``surface``, the ``opacity`` a of the cloud, the ``shadow`` s
and the colour of the ``cloud``, whose slope over wavelength separates cloud (flat) from haze and smoke (falling) and
dust (rising). The score is the logit of the opacity; the mask depends on it alone.

A decoder that mixes is the idea of GAN-CDM (Li et al. 2022) and, for anomalies in general, of DRAEM (Zavrtanik et
al. 2021): an autoencoder that has to repair its input learns what to repair. Solved for the opacity, the formula is
affine in x. Its coefficients vary smoothly, with the colours of ground and cloud, so the network predicts them per cell
of 4x4 pixels (`cells.py`). The ``shadow`` head only serves the reconstruction; a smaller network detects cloud shadow.

The logit is lowered on snow (`snow.py`). Pixels that are neither surely clear nor surely cloud are compared with the
clear ground around them. Where the cirrus band is dark, the network looks again without it, and the higher logit
counts: thin low cloud is dark there too.
"""

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.models.networks.cells import (
    BANDS,
    CELL,
    CIRRUS,
    NIR,
    SWIR,
    CellNet,
    faintness,
    ground_features,
    high_cloud,
    to_grid,
    unlikeness,
)
from geocloud.models.networks.snow import DOUBT, PENALTY, UNSURE, SnowTexture, find_snow, low_cirrus, whiteness
from geocloud.readers.bands.names import CENTRES

HIGH = 2.0
"""Logits that high cloud gains where the cirrus band shows it and the snow index no snow."""
HALF_WAY_LOGIT, DOUBT_WIDTH, GAIN, LOSS, FAINT, SWIR_LOGITS, PASSES = -2.6, 2.0, 1.2, 1.5, 2.0, 0.5, 2
"""Logit half-way between clear and cloud; distance from it within which a score is in doubt; weights of unlikeness and
likeness to clear ground; with short-wave infrared, logits that faint pixels lose and all gain, in doubt; passes."""
WAVELENGTHS, REFERENCE_WAVELENGTH = tuple(CENTRES[band] for band in BANDS), 0.56
"""Centre wavelengths of BANDS in micrometres (Sentinel-2 MSI; Landsat's are within 0.02 of them), and of green."""
SHADOW_BANDS = 4
"""Shadow is detected in this many of BANDS, the first: more make it worse, because few training scenes have them."""


class Unmixed(NamedTuple):
    """Output of the network for a batch; maps on the grid of the input."""

    logit: Tensor
    """(n, 1, h, w) logit of the opacity: the score, unbounded, higher = cloudier."""
    surface: Tensor
    """(n, band, h, w) reflectance of the ground without cloud and shadow."""
    cloud: Tensor
    """(n, band, h, w) reflectance of opaque cloud, varying smoothly."""
    slope: Tensor
    """(n, 1, h, w) exponent of the cloud's brightness over wavelength: below 0 falling, 0 flat, above 0 rising."""
    shadow: Tensor
    """(n, 1, h, w) share of light lost to cloud shadow, 0..1."""

    @property
    def opacity(self) -> Tensor:
        """(n, 1, h, w) share of the pixel's light that comes from cloud, 0..1."""
        return torch.sigmoid(self.logit)

    def reconstruction(self) -> Tensor:
        """(n, band, h, w) the input as the decoder mixes it from the parts."""
        return mix(self.surface, self.cloud, self.opacity, self.shadow)


def mix(surface: Tensor, cloud: Tensor, opacity: Tensor, shadow: Tensor) -> Tensor:
    """Reflectance of a cloud over a shadowed surface; the simulator and the decoder share this formula."""
    return (1 - opacity) * (1 - shadow) * surface + opacity * cloud


class UnmixNet(CellNet):
    """The network whose heads predict the parts of a mixed pixel.

    Args:
        channels: number of bands; always the seven of BANDS.
        widths: channels of each level, finest first.
        blocks: residual blocks of each level on the way down; None: the default of CellNet.
        shadow_widths: channels of each level of the network that detects shadow; None: there is no such network.
    """

    def __init__(
        self,
        channels: int = len(BANDS),
        widths: Sequence[int] = (48, 96, 128, 160, 160),
        blocks: Sequence[int] | None = None,
        shadow_widths: Sequence[int] | None = None,
    ) -> None:
        """Random weights; ValueError for other channels than BANDS, or levels outside the limits of CellNet."""
        super().__init__(channels, widths, blocks)
        self.shade = nn.Conv2d(widths[0], CELL**2, 1)
        self.colour = nn.Conv2d(widths[2], len(BANDS) + 1, 1)
        self.ground = nn.Conv2d(widths[0], (CELL**2 + 1) * len(BANDS), 1)
        ratio = [[[log(wavelength / REFERENCE_WAVELENGTH)]] for wavelength in WAVELENGTHS]
        self.log_ratio: Tensor
        self.register_buffer("log_ratio", torch.tensor([ratio], device="cpu"), persistent=False)
        self.shadow = None if shadow_widths is None else CellNet(widths=shadow_widths)
        self.texture = SnowTexture()

    def forward(self, x: Tensor, present: Tensor, *, fine: bool = True) -> Unmixed:
        """Unmix a batch.

        Args:
            x: (n, 7, h, w) reflectance in the order of BANDS, 0 in missing bands; h and w multiples of GRID.
            present: (n, 7) 1 if the scene has the band, else 0.
            fine: see `fine_enough`.
        """
        code, middle, mean = self._encode(x, present)
        cloud, slope = self._colour(middle, x.shape[-2:])
        return Unmixed(
            logit=self._detect(code, x, present, None, fine=fine),
            surface=x + self._surface_change(code, x, mean),
            cloud=cloud,
            slope=slope,
            shadow=torch.sigmoid(F.pixel_shuffle(self.shade(code), CELL).float() - 3),
        )

    def sampled(self, x: Tensor, present: Tensor, corner: tuple[int, int]) -> tuple[Tensor, Unmixed]:
        """For training: the logit of every pixel, and all parts at one pixel per cell, at a sixteenth of their cost.

        Args:
            x: as in ``forward``.
            present: as in ``forward``.
            corner: row and column of that pixel in its cell, 0..3 each.

        Returns:
            (n, 1, h, w) logit as of ``score``, and ``[..., row::4, column::4]`` of the maps of ``forward``, except
            that the logit is not refined and the cloud's colour, a smooth map, is approximate.
        """
        # A head gives each cell 16 values, one per pixel, in channels k = 4 * row + column. So channel k, together with
        # every fourth pixel of x from (row, column) on, gives every fourth pixel of the maps.
        code, middle, mean = self._encode(x, present)
        logit = self._detect(code, x, present, None, refine=False)
        row, column = corner
        pixels = x[..., row::CELL, column::CELL]
        cloud, slope = self._colour(middle, pixels.shape[-2:])
        k = row * CELL + column
        offset, gain = self.ground(code).split((CELL**2 * len(BANDS), len(BANDS)), 1)
        surface = pixels + (offset[:, k :: CELL**2] + gain * (pixels - mean)).float()
        shadow = torch.sigmoid(self.shade(code)[:, k : k + 1].float() - 3)
        return logit, Unmixed(logit[..., row::CELL, column::CELL], surface, cloud, slope, shadow)

    def raw_score(self, x: Tensor, present: Tensor, *, fine: bool = True) -> Tensor:
        """(n, h, w) logit of the opacity, for h and w of any size; see the contract in `networks/__init__.py`."""
        height, width = x.shape[-2:]
        padded, per_scene = to_grid(x), present.expand(len(x), -1)
        code, _, _ = self._encode(padded, per_scene, present)
        return self._detect(code, padded, per_scene, present, fine=fine)[:, 0, :height, :width]

    def score(self, x: Tensor, present: Tensor, *, fine: bool = True) -> Tensor:
        """(n, 1, h, w) logit for training, less snow but not refined; arguments as in ``forward``."""
        code, _, _ = self._encode(x, present)
        return self._detect(code, x, present, None, fine=fine, refine=False)

    def shadow_logit(self, x: Tensor, present: Tensor) -> Tensor | None:
        """(n, 1, h, w) logit of cloud shadow, None without a network for it; arguments as in ``forward``."""
        if self.shadow is None:
            return None
        used = torch.arange(len(BANDS), device=x.device) < SHADOW_BANDS
        return self.shadow.score(x * used[:, None, None], present * used)

    def _detect(
        self, code: Tensor, x: Tensor, present: Tensor, shown: Tensor | None, *, fine: bool = True, refine: bool = True
    ) -> Tensor:
        """(n, 1, h, w) logit from the code of the cells, lowered on snow; `refine`: also the steps after training."""
        logit, blank = self._logit(code, x), None
        has_nir, has_swir = (present[:, band, None, None, None].float() for band in (NIR, SWIR))
        use_cirrus = refine and (shown is None or bool(shown[CIRRUS]))
        if use_cirrus:
            logit = torch.maximum(logit, self._without_cirrus(x, present, shown))
        if shown is None or (shown[NIR] and shown[SWIR]):
            snow = find_snow(x, present, shown)
            logit = logit - snow.correction()
            if use_cirrus:
                there = present[:, (NIR, SWIR, CIRRUS)].prod(1)[:, None, None, None]
                logit = logit + HIGH * there * high_cloud(x[:, -1:].float()) * snow.bare()
        if shown is None or not shown[SWIR]:
            snowy, blank = self.texture(x, has_nir, fine=fine)
            logit = logit - (1 - has_swir) * DOUBT * snowy
        if refine:
            logit = _against_ground(logit, x, present, shown)
        return logit if blank is None else logit.lerp(torch.full_like(logit, UNSURE), (1 - has_swir) * blank)

    def _without_cirrus(self, x: Tensor, present: Tensor, shown: Tensor | None) -> Tensor:
        """(n, 1, h, w) logit as if cirrus, the last band of x, were missing; low where that band is bright."""
        others = torch.arange(len(BANDS), device=x.device) != CIRRUS
        code, _, _ = self._encode(x[:, :-1], present * others, others if shown is None else shown & others)
        return self._logit(code, x) - PENALTY * (1 - low_cirrus(x[:, -1:].float()))

    def snow_evidence(self, x: Tensor, present: Tensor, *, fine: bool = True) -> Tensor:
        """(n, 1, h, w) evidence of snow, 0 to 1; arguments as in ``forward``."""
        has_nir, has_swir = (present[:, band, None, None, None].float() for band in (NIR, SWIR))
        probability: Tensor = self.texture(x, has_nir, fine=fine)[0]
        white = (1 - has_swir) * whiteness(x[:, :1], x[:, 1:2], x[:, 2:3])
        return find_snow(x, present).evidence() + white * torch.where(has_nir > 0, probability, 1.0)

    def _surface_change(self, code: Tensor, x: Tensor, mean: Tensor) -> Tensor:
        """(n, 7, h, w) what to add to the input to get the surface: an offset, and a multiple of the input's detail."""
        # The heads give, per cell and band, an offset for each of the 16 pixels, and a gain for all their differences
        # from the mean of the cell. Pixels become channels and back: (n, 7, h, w)  <->  (n, 7 * 16, h/4, w/4).
        offset, gain = self.ground(code).split((CELL**2 * len(BANDS), len(BANDS)), 1)
        detail = F.pixel_unshuffle(x, CELL).view(len(x), len(BANDS), CELL**2, *mean.shape[2:]) - mean[:, :, None]
        return F.pixel_shuffle(offset + (gain[:, :, None] * detail).flatten(1, 2), CELL).float()

    def _colour(self, middle: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(n, 7, *size) reflectance of cloud: a power of wavelength, dimmed in SWIR and cirrus; (n, 1, *size) power."""
        raw = F.interpolate(self.colour(middle).float(), size=tuple(size), mode="bilinear", align_corners=False)
        slope = torch.tanh(raw[:, 1:2]) * 2
        dim = torch.cat([torch.zeros_like(raw[:, :4]), F.softplus(raw[:, 5:8])], 1)
        return F.softplus(raw[:, :1]) * torch.exp(slope * self.log_ratio - dim), slope


def _against_ground(logit: Tensor, x: Tensor, present: Tensor, shown: Tensor | None) -> Tensor:
    """(n, 1, h, w) logit, changed where it is in doubt by how like the clear ground around a pixel is."""
    features = ground_features(x, present, shown)
    doubt = torch.exp(-((logit - HALF_WAY_LOGIT) / DOUBT_WIDTH).square())
    shift: Tensor | float = 0.0
    if shown is None or shown[SWIR]:
        shift = present[:, SWIR, None, None, None].float() * (SWIR_LOGITS - FAINT * faintness(x, logit))
    changed = logit
    for _ in range(PASSES):  # the second time by the ground that is clear after the first
        unlike = unlikeness(features, changed)
        changed = logit + doubt * (unlike * torch.where(unlike > 0, GAIN, LOSS) + shift)
    return changed
