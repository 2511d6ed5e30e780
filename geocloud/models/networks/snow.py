"""Snow, as infrared bands show it, or, without them, as texture does; the unmixing network lowers its score there.

Snow absorbs at 1.6 micrometres, where water clouds reflect. Ice clouds reflect little there too, but they are bright in
the cirrus band, and ground at common altitudes is not (Hall et al. 1995; Dozier 1989). In near infrared, snow is a
little darker than in red, the more so the coarser its grains; cloud is not (Wiscombe and Warren 1980).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.models.networks.cells import BANDS, CELL, CIRRUS, NIR, SWIR, above, below

SNOWY, SURELY_SNOWY, SNOWY_WITHOUT_CIRRUS = 0.4, 0.6, 0.75
"""Thresholds of the normalised difference snow index (green against 1.6 micrometres): for snow on clear ground, for
snow whatever the network says, and for the latter if no cirrus band rules out ice cloud."""
DARKEST_NIR, BRIGHTEST_CIRRUS = 0.11, 0.035
"""Reflectance that snow, unlike water, exceeds in near infrared, and reflectance that it stays below in cirrus."""
NIR_OF_SNOW, DARKEST_GREEN = (0.65, 1.15), 0.1
"""Range of the ratio of near infrared to green for snow (below it is bright water, above it silt or plants), and
reflectance that snow, also in woods, exceeds in green."""
GRAINS, GRAINS_ODDS = 0.03, 2.5
"""By what share the white of a window is darker in near infrared than in red where it is surely snow, and what this
adds to the log odds by texture. White that is brighter by that share is cloud."""
PENALTY, DOUBT = 6.0, 5.0
"""Logits subtracted where short-wave infrared shows snow, and at most where only texture does."""
SNOW_BRIGHTNESS, SNOW_COLOUR_RANGE = 0.4, 0.15
"""A pixel is white from this mean visible reflectance, if its bands differ by at most this share of the mean."""
PALE, BLANK, UNSURE = 0.25, 0.003, -2.4
"""Mean visible reflectance from which a window can be a snow field (small clouds over dark ground are as rough); mean
difference of neighbours below which a white window is saturated, and the logit that it gets: P(cloud) 0.57."""
COARSEST = 80.0
"""Largest pixel size in metres at which texture alone detects snow (fitted at 40 and 67): at 120 cloud is as rough."""
TEXTURE_WINDOW, TEXTURE_STRIDE = 16, 8
"""Side and stride of the windows in which texture is measured, in cells: 64 and 32 pixels."""
GLARE, DARK, TEXTURES = 0.7, 0.12, 14
"""Visible reflectance above which a pixel is glaring, and below which it is dark; number of features of a window."""


def fine_enough(pixel_size: float | None) -> bool:
    """Whether texture alone can detect snow at this pixel size in metres; None: unknown, treated as small."""
    return pixel_size is None or pixel_size <= COARSEST


def whiteness(blue: Tensor, green: Tensor, red: Tensor) -> Tensor:
    """(n, 1, h, w) how far a pixel is bright and without colour, 0 to 1; arguments of that shape, reflectance."""
    brightest, darkest = torch.maximum(torch.maximum(blue, green), red), torch.minimum(torch.minimum(blue, green), red)
    mean = (blue + green + red) * (1 / 3)
    colour = (brightest - darkest) / (mean + 0.05)
    return above(mean, SNOW_BRIGHTNESS, 0.02) * below(colour, SNOW_COLOUR_RANGE, 0.01)


class Snow(NamedTuple):
    """What infrared bands show of snow; maps of (n, 1, h, w), except `limit`."""

    green: Tensor
    nir: Tensor
    ndsi: Tensor
    """Normalised difference of green and 1.6 micrometres."""
    ground: Tensor
    """0 to 1: bright in near infrared and dark in cirrus, so snow if the index is high; 0 if a band is missing."""
    limit: Tensor
    """(n, 1, 1, 1) the index from which a pixel is surely snow."""

    def correction(self) -> Tensor:
        """(n, 1, h, w) logits to subtract from the score."""
        return PENALTY * self.ground * above(self.ndsi, self.limit, 0.02)

    def bare(self) -> Tensor:
        """(n, 1, h, w) 0 to 1: how surely the index shows that a pixel is not snow."""
        return below(self.ndsi, SNOWY, 0.02)

    def evidence(self) -> Tensor:
        """(n, 1, h, w) evidence of snow on pixels that are not cloud, 0 to 1."""
        ratio = self.nir / (self.green + 1e-3)
        plausible = above(ratio, NIR_OF_SNOW[0], 0.03) * below(ratio, NIR_OF_SNOW[1], 0.03)
        plausible = plausible * above(self.green, DARKEST_GREEN, 0.01)
        return self.ground * plausible * above(self.ndsi, SNOWY, 0.02)


def low_cirrus(cirrus: Tensor) -> Tensor:
    """How surely nothing is so high that the cirrus band shows it, 0 to 1, from the band's reflectance."""
    return below(cirrus, BRIGHTEST_CIRRUS, 0.004)


def find_snow(x: Tensor, present: Tensor, shown: Tensor | None = None) -> Snow:
    """What the infrared bands show of snow; arguments as in `ground_features`."""
    bands = range(len(BANDS)) if shown is None else torch.nonzero(shown).flatten().tolist()
    planes = {band: x[:, i : i + 1].float() for i, band in enumerate(bands)}
    green, zero = planes[1], x.new_zeros(1, 1, 1, 1, dtype=torch.float32)
    nir, swir, cirrus = (planes.get(band, zero) for band in (NIR, SWIR, CIRRUS))
    has_nir, has_swir, has_cirrus = (present[:, band, None, None, None].float() for band in (NIR, SWIR, CIRRUS))
    ground = has_nir * has_swir * above(nir, DARKEST_NIR, 0.01) * low_cirrus(cirrus)
    limit = has_cirrus * SURELY_SNOWY + (1 - has_cirrus) * SNOWY_WITHOUT_CIRRUS
    return Snow(green, nir, (green - swir) / (green + swir + 1e-3), ground, limit)


class SnowTexture(nn.Module):
    """Probability of clear snow from the texture of a window of 64x64 pixels, by logistic regression.

    Snow fields are rough at the scale of a pixel, for relief and trees show, and smooth at larger scales; clouds are
    the opposite:

        cells of 4x4 pixels:  mean colour, shares of glare and dark, differences of neighbours at 1, 2, 4 and 8 pixels
        windows of 16x16 cells, one every 8:  means of these -> one probability -> interpolated to every pixel

    The weights are fitted by `geocloud.training.unmix.snow`; before that the probability is 0. Near infrared adds to
    the log odds by a published property of snow, not by a fit: too few scenes of snow have it without 1.6 micrometres.
    """

    def __init__(self) -> None:
        """Weights for which the probability is 0 everywhere."""
        super().__init__()
        self.middle: Tensor
        self.spread: Tensor
        self.weight: Tensor
        self.bias: Tensor
        for name, value in (("middle", 0.0), ("spread", 1.0), ("weight", 0.0)):
            self.register_buffer(name, torch.full((1, TEXTURES, 1, 1), value))
        self.register_buffer("bias", torch.tensor(-20.0))

    def forward(self, x: Tensor, has_nir: Tensor | None = None, *, fine: bool = True) -> tuple[Tensor, Tensor]:
        """Score a batch.

        Args:
            x: (n, 3 or more, h, w) reflectance: blue, green, red, then any near infrared; h, w multiples of GRID.
            has_nir: (n, 1, 1, 1) 1 if the scene has near infrared, else 0; None: no scene has.
            fine: see `fine_enough`.

        Returns:
            (n, 1, h, w) probability of snow, and (n, 1, h, w) how far the window is white without texture, 0 to 1.
        """
        features = textures(x)
        log_odds = (self.standardised(features) * self.weight).sum(1, keepdim=True) + self.bias
        trust = torch.full_like(log_odds, float(fine))
        if has_nir is not None and x.shape[1] > NIR:
            darker = has_nir * _darker_in_nir(x)
            log_odds, trust = log_odds + GRAINS_ODDS * darker.clamp(min=0), (trust + darker).clamp(0, 1)
        pale = above(features[:, :3].mean(1, keepdim=True), PALE, 0.02)
        white = above(features[:, :3].amin(1, keepdim=True), GLARE, 0.01)
        blank = white * below(features[:, 6:7], BLANK, 0.0005)
        both = torch.cat([torch.sigmoid(log_odds) * pale * trust, blank], 1)
        both = F.interpolate(both, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return both[:, :1], both[:, 1:]

    def standardised(self, features: Tensor) -> Tensor:
        """(n, TEXTURES, ...) features minus their mean in training, divided by their spread, clipped to -4..4."""
        return ((features - self.middle) / self.spread).clamp(-4, 4)


def _darker_in_nir(x: Tensor) -> Tensor:
    """(n, 1, h/32, w/32) whether the white of a window is darker (1) or brighter (-1) in near infrared than in red."""
    blue, green, red, nir = torch.split(F.avg_pool2d(x[:, : NIR + 1].float(), CELL), 1, 1)
    white = whiteness(blue, green, red)
    infrared, visible = torch.split(over_windows(torch.cat([white * nir, white * red], 1)), 1, 1)
    return ((1 - (infrared + 1e-6) / (visible + 1e-6)) / GRAINS).clamp(-1, 1)


def over_windows(cells: Tensor) -> Tensor:
    """(n, c, h/8, w/8) means of cells (n, c, h, w) over windows of 16x16 of them."""
    margin = (TEXTURE_WINDOW - TEXTURE_STRIDE) // 2
    return F.avg_pool2d(cells, TEXTURE_WINDOW, TEXTURE_STRIDE, margin, count_include_pad=False)


def textures(x: Tensor) -> Tensor:
    """(n, TEXTURES, h/32, w/32) features of windows of reflectance (n, 3 or more, h, w), h and w multiples of GRID."""
    # Steps are absolute differences of neighbours. They and their squares are computed at scales of 1, 2, 4 and 8
    # pixels and brought to the grid of cells (4 pixels): 1 and 2 are averaged, 4 fits, 8 is repeated 2x2.
    #
    #   channels of `means`: 3 colours, 1 blue - red, 2 shares of glare and dark, 4 steps, 4 squares of steps
    #
    # They are averaged over windows of 16x16 cells, one every 8. The roots of the squares are taken last.
    visible = x[:, :3].float()
    bright = visible.mean(1, keepdim=True)
    steps, scaled = [], bright
    for scale in (1, 2, 4, 8):
        step = _steps(scaled)
        steps.append(F.avg_pool2d(step, CELL // scale) if scale < CELL else step)
        steps.append(F.avg_pool2d(step.square(), CELL // scale) if scale < CELL else step.square())
        scaled = F.avg_pool2d(scaled, 2)
    steps[6:] = [F.interpolate(step, scale_factor=2.0) for step in steps[6:]]
    cells = [F.avg_pool2d(plane, CELL) for plane in (visible, (bright > GLARE).float(), (bright < DARK).float())]
    means = torch.cat([cells[0], cells[0][:, :1] - cells[0][:, 2:], *cells[1:], *steps[0::2], *steps[1::2]], 1)
    pooled = over_windows(means)
    return torch.cat([pooled[:, :10], pooled[:, 10:].clamp(min=0).add(1e-12).sqrt()], 1)


def _steps(plane: Tensor) -> Tensor:
    """(n, 1, h, w) sum of the absolute differences from the right and the lower neighbour; 0 without a neighbour."""
    across = F.pad((plane[..., 1:] - plane[..., :-1]).abs(), (0, 1))
    return across + F.pad((plane[..., 1:, :] - plane[..., :-1, :]).abs(), (0, 0, 0, 1))
