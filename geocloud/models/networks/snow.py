"""What physics says of snow, beside what the network learned: where it is sure, and where nobody can tell.

Snow absorbs at 1.6 micrometres, where clouds of water drops reflect; ice clouds reflect little there, too, but shine in
the cirrus band, which ground at common heights does not (Hall et al. 1995; Dozier 1989). In visible light alone, snow
and overcast sky are both white.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SNOWY, SURELY_SNOWY, SNOWY_WITHOUT_CIRRUS = 0.4, 0.6, 0.75
"""Normalised difference snow index (green against 1.6 micrometres) from which clear ground is snow, from which a pixel
is snow whatever the network says, and from which it is so where no cirrus band rules out ice cloud."""
DARKEST_NIR, BRIGHTEST_CIRRUS = 0.11, 0.035
"""Reflectance that snow exceeds in near infrared, as water does not; and stays below in the cirrus band."""
NIR_OF_SNOW = (0.65, 1.15)
"""Reflectance in near infrared as a share of that in green: less is bright water, more is silt or plants."""
DARKEST_GREEN = 0.1
"""Reflectance in green that snow exceeds, in woods too."""
WHITE, COLOUR = 0.4, 0.15
"""In RGB: visible reflectance from which, and range of the bands as a share of it up to which, a pixel is white."""
PENALTY, DOUBT = 6.0, 1.0
"""Logits taken off where snow is sure; and off white pixels in RGB: a picture that is white all over, which shows
nothing, comes out at P(cloud) near one half then and not above it."""


class Snow(NamedTuple):
    """Evidence of snow, (n, 1, h, w) each, from 0 to 1."""

    evidence: Tensor
    """Bright in near infrared, dark at 1.6 micrometres and no cirrus: snow, if it is not cloud; in RGB: white."""
    correction: Tensor
    """Logits to take off the score."""


def find_snow(x: Tensor, present: Tensor, shown: Tensor | None = None) -> Snow:
    """Look for snow in reflectance.

    Args:
        x: (n, 7, h, w) reflectance in the order of BANDS, or only the bands that are `shown`.
        present: (n, 7) 1 where a band is there.
        shown: (7,) bool; None: x has all seven.
    """
    places = range(present.shape[1]) if shown is None else torch.nonzero(shown).flatten().tolist()
    planes = {band: x[:, place : place + 1].float() for place, band in enumerate(places)}
    nothing = x.new_zeros(1, 1, 1, 1, dtype=torch.float32)
    nir, swir, cirrus = (planes.get(band, nothing) for band in (3, 4, 6))
    has_nir, has_swir, has_cirrus = (present[:, band, None, None, None].float() for band in (3, 4, 6))
    infrared = has_nir * has_swir

    index = (planes[1] - swir) / (planes[1] + swir + 1e-3)
    low_cirrus = 1 - has_cirrus + has_cirrus * torch.sigmoid((BRIGHTEST_CIRRUS - cirrus) / 0.004)
    ground = infrared * torch.sigmoid((nir - DARKEST_NIR) / 0.01) * low_cirrus
    limit = has_cirrus * SURELY_SNOWY + (1 - has_cirrus) * SNOWY_WITHOUT_CIRRUS
    sure = ground * torch.sigmoid((index - limit) / 0.02)
    white = (1 - has_nir) * (1 - has_swir) * _whiteness(planes[0], planes[1], planes[2])
    share = nir / (planes[1] + 1e-3)
    level = torch.sigmoid((share - NIR_OF_SNOW[0]) / 0.03) * torch.sigmoid((NIR_OF_SNOW[1] - share) / 0.03)
    level = level * torch.sigmoid((planes[1] - DARKEST_GREEN) / 0.01)
    return Snow(ground * level * torch.sigmoid((index - SNOWY) / 0.02) + white, PENALTY * sure + DOUBT * white)


def _whiteness(blue: Tensor, green: Tensor, red: Tensor) -> Tensor:
    """(n, 1, h, w) 1 where a pixel is bright and without colour, 0 elsewhere."""
    brightest, darkest = torch.maximum(torch.maximum(blue, green), red), torch.minimum(torch.minimum(blue, green), red)
    mean = (blue + green + red) * (1 / 3)
    return torch.sigmoid((mean - WHITE) / 0.02) * torch.sigmoid((COLOUR - (brightest - darkest) / (mean + 0.05)) / 0.01)
