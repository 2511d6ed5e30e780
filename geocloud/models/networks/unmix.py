"""The unmixing autoencoder: its decoder is the physics of a cloud over a surface.

    x = (1 - a) * (1 - s) * surface + a * cloud

The encoder reads bands; four heads give the cloud-free ``surface``, the ``opacity`` a of the veil, the ``shadow``
s and the ``cloud`` colour, whose slope over wavelength tells cloud (flat) from haze and smoke (falling) and dust
(rising). The mask is read from the opacity alone: its logit is the score.

A decoder that mixes is the idea of GAN-CDM (Li et al. 2022) and, for anomalies in general, of DRAEM (Zavrtanik et
al. 2021): an autoencoder that must repair learns what to repair. Solved for the opacity, the formula is affine in x,
with coefficients that ground and cloud colour set, and those are smooth: so the network finds the coefficients of each
cell (`cells.py`), and outlines come out at every pixel for the price of a quarter of the grid.

The head's ``shadow`` serves the sum alone: ground in shadow is found by a smaller network of the same make.

Where the infrared shows that a pixel is snow, and where texture says so without it, the logit is lowered. Snow absorbs
at 1.6 micrometres, where clouds of water drops reflect; ice clouds reflect little there, too, but shine in the cirrus
band, which ground at common heights does not (Hall et al. 1995; Dozier 1989). In near infrared snow is a little darker
than in red, the more so the coarser its grains, and cloud is not (Wiscombe and Warren 1980).
A pixel that is neither surely clear nor surely cloud is set against the clear ground around it. Where there is a cirrus
band the network looks twice, once without it, and the higher logit counts: thin low cloud is as dark there as ground.
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
    GLARE,
    TEXTURES,
    CellNet,
    faintness,
    ground_features,
    over_windows,
    textures,
    to_grid,
    unlikeness,
    whiteness,
)
from geocloud.readers.bands.names import CENTRES

NIR, SWIR, CIRRUS = (BANDS.index(name) for name in ("nir", "swir16", "cirrus"))
SNOWY, SURELY_SNOWY, SNOWY_WITHOUT_CIRRUS = 0.4, 0.6, 0.75
"""Normalised difference snow index (green against 1.6 micrometres) from which clear ground is snow, from which a pixel
is snow whatever the network says, and from which it is so where no cirrus band rules out ice cloud."""
DARKEST_NIR, BRIGHTEST_CIRRUS = 0.11, 0.035
"""Reflectance that snow exceeds in near infrared, as water does not; and stays below in the cirrus band."""
NIR_OF_SNOW, DARKEST_GREEN = (0.65, 1.15), 0.1
"""Reflectance in near infrared as a share of that in green (less is bright water, more is silt or plants), and in green
that snow exceeds, in woods too."""
GRAINS, GRAINS_ODDS = 0.03, 2.5
"""How much darker than in red the white of a window is in near infrared where it is surely snow, as a share, and what
that adds to the log odds by texture; as much brighter it is cloud."""
PENALTY, DOUBT = 6.0, 5.0
"""Logits taken off where short-wave infrared shows snow, and at most where texture does."""
HALF_WAY_LOGIT, DOUBT_WIDTH, GAIN, LOSS, FAINT, SWIR_LOGITS, PASSES = -2.6, 2.0, 1.2, 1.5, 2.0, 0.5, 2
"""Logit half-way between clear and cloud; how far from it a score is in doubt; weights of unlikeness to clear ground
and of likeness; with short-wave infrared, logits taken off what is faint, and added; how often unlikeness is asked."""
PALE, BLANK, UNSURE = 0.25, 0.003, -2.4
"""Mean visible reflectance from which a window may be a snow field: small clouds over dark ground are as rough. Mean
step between neighbours below which a white window is saturated, and the logit that it gets: P(cloud) 0.57."""
COARSEST = 80.0
"""Metres along a side of a pixel up to which texture tells alone: it was fitted at 40 and 67 m, and fails at 120 m."""


def fine_enough(pixel_size: float | None) -> bool:
    """Whether texture alone tells snow in pixels of that many metres; None: unknown, taken for small."""
    return pixel_size is None or pixel_size <= COARSEST


class Snow(NamedTuple):
    """What infrared says of snow, (n, 1, h, w) each."""

    green: Tensor
    nir: Tensor
    ndsi: Tensor
    """Normalised difference of green and 1.6 micrometres."""
    ground: Tensor
    """Bright in near infrared and no cirrus, 0 to 1: snow, if the index is high; 0 where a band of these is missing."""
    limit: Tensor
    """The index from which it is surely snow."""

    def correction(self) -> Tensor:
        """Logits to take off the score."""
        return PENALTY * self.ground * torch.sigmoid((self.ndsi - self.limit) / 0.02)

    def evidence(self) -> Tensor:
        """How far it is snow, if it is not cloud, 0 to 1."""
        share = self.nir / (self.green + 1e-3)
        level = torch.sigmoid((share - NIR_OF_SNOW[0]) / 0.03) * torch.sigmoid((NIR_OF_SNOW[1] - share) / 0.03)
        level = level * torch.sigmoid((self.green - DARKEST_GREEN) / 0.01)
        return self.ground * level * torch.sigmoid((self.ndsi - SNOWY) / 0.02)


def find_snow(x: Tensor, present: Tensor, shown: Tensor | None = None) -> Snow:
    """Look for snow in reflectance; arguments as in `ground_features`."""
    places = range(len(BANDS)) if shown is None else torch.nonzero(shown).flatten().tolist()
    planes = {band: x[:, place : place + 1].float() for place, band in enumerate(places)}
    green, nothing = planes[1], x.new_zeros(1, 1, 1, 1, dtype=torch.float32)
    nir, swir, cirrus = (planes.get(band, nothing) for band in (NIR, SWIR, CIRRUS))
    has_nir, has_swir, has_cirrus = (present[:, band, None, None, None].float() for band in (NIR, SWIR, CIRRUS))
    low_cirrus = 1 - has_cirrus + has_cirrus * torch.sigmoid((BRIGHTEST_CIRRUS - cirrus) / 0.004)
    ground = has_nir * has_swir * torch.sigmoid((nir - DARKEST_NIR) / 0.01) * low_cirrus
    limit = has_cirrus * SURELY_SNOWY + (1 - has_cirrus) * SNOWY_WITHOUT_CIRRUS
    return Snow(green, nir, (green - swir) / (green + swir + 1e-3), ground, limit)


class SnowTexture(nn.Module):
    """The chance that clear snow lies somewhere, by what the 64 pixels around look like.

    A logistic regression on means over windows. Snow fields are rough at the scale of a pixel, and smooth beyond, for
    relief and trees show through; clouds are smooth first and rough at larger scales:

        cells of 4x4 pixels:  mean colour, share of glare and dark, steps between neighbours of 1, 2, 4 and 8 pixels
        windows of 16x16 cells, one every 8:  their means -> one chance each -> interpolated to every pixel

    The weights are fitted by `geocloud.training.unmix.snow`; before that the chance is 0. Near infrared adds to the log
    odds, by a published property of snow and not by a fit: too few scenes of snow show it without 1.6 micrometres. In
    pixels of more than COARSEST metres clouds are as rough as snow: there it takes near infrared to tell.
    """

    def __init__(self) -> None:
        """No chance of snow anywhere."""
        super().__init__()
        self.middle: Tensor
        self.spread: Tensor
        self.weight: Tensor
        self.bias: Tensor
        for name, value in (("middle", 0.0), ("spread", 1.0), ("weight", 0.0)):
            self.register_buffer(name, torch.full((1, TEXTURES, 1, 1), value))
        self.register_buffer("bias", torch.tensor(-20.0))

    def forward(self, x: Tensor, has_nir: Tensor | None = None, *, fine: bool = True) -> tuple[Tensor, Tensor]:
        """Look at reflectance.

        Args:
            x: (n, 3 or more, h, w) blue, green, red first, then near infrared where there is any.
            has_nir: (n, 1, 1, 1) 1 where there is, else 0; None: nowhere.
            fine: see `fine_enough`.

        Returns:
            (n, 1, h, w) the chance of snow, and how far a pixel lies in a window of white that shows nothing, 0 to 1.
        """
        figures = textures(x)
        raw = (self.standardised(figures) * self.weight).sum(1, keepdim=True) + self.bias
        counts = torch.full_like(raw, float(fine))
        if has_nir is not None and x.shape[1] > NIR:
            dull = has_nir * _dullness(x)
            raw, counts = raw + GRAINS_ODDS * dull.clamp(min=0), (counts + dull).clamp(0, 1)
        pale = torch.sigmoid((figures[:, :3].mean(1, keepdim=True) - PALE) / 0.02)
        white = torch.sigmoid((figures[:, :3].amin(1, keepdim=True) - GLARE) / 0.01)
        blank = white * torch.sigmoid((BLANK - figures[:, 6:7]) / 0.0005)
        both = torch.cat([torch.sigmoid(raw) * pale * counts, blank], 1)
        both = F.interpolate(both, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return both[:, :1], both[:, 1:]

    def standardised(self, figures: Tensor) -> Tensor:
        """(n, TEXTURES, ...) figures less their mean in training, over their spread there, clipped to -4..4."""
        return ((figures - self.middle) / self.spread).clamp(-4, 4)


def _dullness(x: Tensor) -> Tensor:
    """(n, 1, h/32, w/32) whether the white in a window is darker (1) or brighter (-1) in near infrared than in red."""
    blue, green, red, nir = torch.split(F.avg_pool2d(x[:, : NIR + 1].float(), CELL), 1, 1)
    white = whiteness(blue, green, red)
    infrared, visible = torch.split(over_windows(torch.cat([white * nir, white * red], 1)), 1, 1)
    return ((1 - (infrared + 1e-6) / (visible + 1e-6)) / GRAINS).clamp(-1, 1)


WAVELENGTHS, REFERENCE_WAVELENGTH = tuple(CENTRES[band] for band in BANDS), 0.56
"""Centres of BANDS in micrometres (Sentinel-2 MSI; Landsat's lie within 0.02 of them), and of green."""
SHADOW_BANDS = 4
"""Of BANDS, those that shadow is found with: infrared ones make it worse, for few training scenes have them."""


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


class UnmixNet(CellNet):
    """The network whose heads are the parts of a mixed pixel.

    Args:
        channels: band channels; always the seven of BANDS.
        widths: channels of each level, from the cells down.
        blocks: residual blocks of each level on the way down; None: as CellNet has them.
        shadow_widths: channels of each level of the network that finds shadow; None: there is none.
    """

    def __init__(
        self,
        channels: int = len(BANDS),
        widths: Sequence[int] = (48, 96, 128, 160, 160),
        blocks: Sequence[int] | None = None,
        shadow_widths: Sequence[int] | None = None,
    ) -> None:
        """Random weights; ValueError for any other number of channels, or levels out of bounds."""
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
            x: (n, 7, h, w) reflectance in the order of BANDS, absent bands 0; h and w multiples of GRID.
            present: (n, 7) 1 where a scene has the band, else 0.
            fine: see `fine_enough`.
        """
        code, middle, mean = self._encode(x, present)
        cloud, slope = self._colour(middle, x.shape[-2:])
        return Unmixed(
            logit=self._detect(code, x, present, None, fine=fine),
            surface=x + self._repair(code, x, mean),
            cloud=cloud,
            slope=slope,
            shadow=torch.sigmoid(F.pixel_shuffle(self.shade(code), CELL).float() - 3),
        )

    def sampled(self, x: Tensor, present: Tensor, corner: tuple[int, int]) -> tuple[Tensor, Unmixed]:
        """For training: the logit of every pixel, and all parts at one pixel of each cell, a sixteenth of their cost.

        Args:
            x: as in ``forward``.
            present: as in ``forward``.
            corner: row and column, 0..3, of that pixel in each cell.

        Returns:
            (n, 1, h, w) logit, and maps of (h/4, w/4): ``forward``'s ``[..., row::4, column::4]``, the cloud's smooth
            colour to within its own smoothness.
        """
        # A head gives each cell 16 values, one per pixel, in channels k = 4 * row + column. So one k, and every fourth
        # pixel of x from (row, column) on, give every fourth pixel of the maps.
        code, middle, mean = self._encode(x, present)
        logit = self._detect(code, x, present, None, last=False)
        row, column = corner
        shown = x[..., row::CELL, column::CELL]
        cloud, slope = self._colour(middle, shown.shape[-2:])
        k = row * CELL + column
        offset, gain = self.ground(code).split((CELL**2 * len(BANDS), len(BANDS)), 1)
        surface = shown + (offset[:, k :: CELL**2] + gain * (shown - mean)).float()
        shadow = torch.sigmoid(self.shade(code)[:, k : k + 1].float() - 3)
        return logit, Unmixed(logit[..., row::CELL, column::CELL], surface, cloud, slope, shadow)

    def raw_score(self, x: Tensor, present: Tensor, *, fine: bool = True) -> Tensor:
        """The contract of a scorer's network: (n, h, w) logit of the opacity, of any size; x lacks the absent bands."""
        height, width = x.shape[-2:]
        whole, there = to_grid(x), present.expand(len(x), -1)
        code, _, _ = self._encode(whole, there, present)
        return self._detect(code, whole, there, present, fine=fine)[:, 0, :height, :width]

    def score(self, x: Tensor, present: Tensor, *, fine: bool = True) -> Tensor:
        """(n, 1, h, w) the network's own logit, for training; arguments as in ``forward``."""
        code, _, _ = self._encode(x, present)
        return self._detect(code, x, present, None, fine=fine, last=False)

    def shadow_logit(self, x: Tensor, present: Tensor) -> Tensor | None:
        """(n, 1, h, w) logit of lying in cloud shadow; arguments as in ``forward``. None without a network for it."""
        if self.shadow is None:
            return None
        used = torch.arange(len(BANDS), device=x.device) < SHADOW_BANDS
        return self.shadow.score(x * used[:, None, None], present * used)

    def _detect(
        self, code: Tensor, x: Tensor, present: Tensor, shown: Tensor | None, *, fine: bool = True, last: bool = True
    ) -> Tensor:
        """(n, 1, h, w) what the cells say, less what speaks for snow; `last`: all of the score, as not in training."""
        logit, nothing = self._logit(code, x), None
        has_nir, has_swir = (present[:, band, None, None, None].float() for band in (NIR, SWIR))
        if last and (shown is None or shown[CIRRUS]):
            logit = torch.maximum(logit, self._without_cirrus(x, present, shown))
        if shown is None or (shown[NIR] and shown[SWIR]):
            logit = logit - find_snow(x, present, shown).correction()
        if shown is None or not shown[SWIR]:
            chance, nothing = self.texture(x, has_nir, fine=fine)
            logit = logit - (1 - has_swir) * DOUBT * chance
        if last:
            features, alone = ground_features(x, present, shown), logit
            doubt = torch.exp(-((alone - HALF_WAY_LOGIT) / DOUBT_WIDTH).square())
            shift = has_swir * (SWIR_LOGITS - FAINT * faintness(x, alone)) if shown is None or shown[SWIR] else 0.0
            for _ in range(PASSES):
                unlike = unlikeness(features, logit)
                logit = alone + doubt * (unlike * torch.where(unlike > 0, GAIN, LOSS) + shift)
        return logit if nothing is None else logit.lerp(torch.full_like(logit, UNSURE), (1 - has_swir) * nothing)

    def _without_cirrus(self, x: Tensor, present: Tensor, shown: Tensor | None) -> Tensor:
        """(n, 1, h, w) what the cells say of x, whose last band is cirrus, if they do not see that band."""
        others = torch.arange(len(BANDS), device=x.device) != CIRRUS
        code, _, _ = self._encode(x[:, :-1], present * others, others if shown is None else shown & others)
        return self._logit(code, x)

    def snow_evidence(self, x: Tensor, present: Tensor, *, fine: bool = True) -> Tensor:
        """(n, 1, h, w) what speaks for snow, 0 to 1; arguments as in ``forward``."""
        has_nir, has_swir = (present[:, band, None, None, None].float() for band in (NIR, SWIR))
        chance: Tensor = self.texture(x, has_nir, fine=fine)[0]
        white = (1 - has_swir) * whiteness(x[:, :1], x[:, 1:2], x[:, 2:3])
        return find_snow(x, present).evidence() + white * torch.where(has_nir > 0, chance, 1.0)

    def _repair(self, code: Tensor, x: Tensor, mean: Tensor) -> Tensor:
        """(n, 7, h, w) what to add to the input to get the ground: offsets, and a part of its detail."""
        # Per cell and band: an offset for each of the 16 pixels, and one gain for their distance from the cell's mean.
        # The pixels of a cell are its channels, and back: (n, 7, h, w)  <->  (n, 7 * 16, h/4, w/4).
        offset, gain = self.ground(code).split((CELL**2 * len(BANDS), len(BANDS)), 1)
        detail = F.pixel_unshuffle(x, CELL).view(len(x), len(BANDS), CELL**2, *mean.shape[2:]) - mean[:, :, None]
        return F.pixel_shuffle(offset + (gain[:, :, None] * detail).flatten(1, 2), CELL).float()

    def _colour(self, middle: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The cloud's reflectance per band: brightness times a power of wavelength; SWIR and cirrus dim apart."""
        raw = F.interpolate(self.colour(middle).float(), size=tuple(size), mode="bilinear", align_corners=False)
        slope = torch.tanh(raw[:, 1:2]) * 2
        dim = torch.cat([torch.zeros_like(raw[:, :4]), F.softplus(raw[:, 5:8])], 1)
        return F.softplus(raw[:, :1]) * torch.exp(slope * self.log_ratio - dim), slope
