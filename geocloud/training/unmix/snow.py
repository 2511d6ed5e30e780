"""Fits what tells clear snow from cloud by texture, beside an unmixing network whose weights stay as they are.

Windows are sorted by two tags that a person can give at a glance: whether there is snow in the scene, and what the
patch shows (wholly clear or wholly cloud). Clear windows of snowy scenes are snow. Their cloudy windows are not, nor is
any window of another scene, whatever lies in it: small clouds over dark ground are as rough as snow.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor

from geocloud.errors import InputError
from geocloud.models.networks.cells import CELL, GRID, TEXTURE_STRIDE, textures
from geocloud.models.networks.unmix import SnowTexture
from geocloud.training.unmix.scenes import TrainingScene

SCALES = (1.0, 0.6)
"""Sizes that scenes are shown at: pixels of 40 m are shown as such of 67 m as well."""
TAGGED_SHARE = 0.95
"""Share of a window's pixels that must be tagged, and tagged alike, for it to count."""
SNOW_ODDS = 3.0
"""Weight of windows of snow, where others have 1: they are few."""
CAUTION = 1.5
"""Logits that the chance is held back by: cloud over snow is to be found all the same."""
RIDGE = 10.0
"""Weight of the squared coefficients, against the sum over windows; scenes count by the root of their windows."""


class Windows(NamedTuple):
    """What is fitted to."""

    figures: Tensor
    """(k, TEXTURES) of each window."""
    snow: Tensor
    """(k,) 1 where it shows clear snow, else 0."""
    weight: Tensor
    """(k,) how much it counts."""


def fit_snow_texture(scenes: list[TrainingScene]) -> SnowTexture:
    """The regression, fitted to all scenes by Newton steps on the log loss; nothing is drawn at random.

    Raises:
        InputError: no scene has clear snow, or none has anything else.
    """
    parts = [windows_of(scene, size, scale) for scene in scenes for size in SCALES for scale in scene.scales]
    figures, snow, weight = (torch.cat(part).double() for part in zip(*parts, strict=True))
    if not 0 < snow.sum() < len(snow):
        raise InputError("snow texture needs scenes with clear snow and scenes without; tags.csv marks no such pair")
    texture = SnowTexture()
    mean = figures.mean(0)
    for name, value in (("middle", mean), ("spread", (figures - mean).square().mean(0).sqrt() + 1e-4)):
        getattr(texture, name).copy_(value.view(1, -1, 1, 1))
    z = texture.double().standardised(figures[..., None, None])[..., 0, 0]
    known = torch.cat([z, torch.ones(len(z), 1, dtype=z.dtype)], 1)
    weight = weight * torch.where(snow > 0, SNOW_ODDS, 1.0)
    ridge = torch.full((known.shape[1],), RIDGE, dtype=z.dtype)
    ridge[-1] = 0
    found = torch.zeros(known.shape[1], dtype=z.dtype)
    for _ in range(30):
        chance = torch.sigmoid(known @ found)
        slope = known.T @ (weight * (chance - snow)) + ridge * found
        curve = (known * (weight * chance * (1 - chance))[:, None]).T @ known + torch.diag(ridge + 1e-9)
        found = found - torch.linalg.solve(curve, slope)
    texture.weight.copy_(found[:-1].view(1, -1, 1, 1))
    texture.bias.copy_(found[-1] - CAUTION)
    return texture.float()


def windows_of(scene: TrainingScene, size: float, scale: float) -> Windows:
    """The windows of a scene, shown smaller by `size` and darker by `scale`, that its tags say something of."""
    planes = torch.cat([scene.data[:3].float() * scale, scene.target[None].float(), (scene.weight[None] == 1).float()])
    if size < 1:
        planes = F.interpolate(planes[None], scale_factor=size, mode="bilinear", antialias=True)[0]
    height, width = (side // GRID * GRID for side in planes.shape[1:])
    planes = planes[None, :, :height, :width].clamp(0, 1)
    if not height or not width:
        return Windows(torch.zeros(0, textures(torch.zeros(1, 3, GRID, GRID)).shape[1]), torch.zeros(0), torch.zeros(0))
    known = F.avg_pool2d(planes[:, 3:], CELL * TEXTURE_STRIDE)[0]
    share = known[0] / known[1].clamp(min=1e-6)
    clear, cloud = share < 1 - TAGGED_SHARE, share > TAGGED_SHARE
    use = (known[1] > TAGGED_SHARE) & (clear | cloud) if scene.snow else torch.ones_like(clear)
    figures = textures(planes)[0][:, use].T
    snow = (clear & torch.tensor(scene.snow))[use].float()
    return Windows(figures, snow, torch.full((len(snow),), max(1, len(snow)) ** -0.5))
