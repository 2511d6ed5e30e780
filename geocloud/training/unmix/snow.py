"""Fits the regression that separates clear snow from cloud by texture; the network's other weights do not change.

Windows are labelled by two tags that a person can give at a glance: whether there is snow in the scene, and what a
patch shows (wholly clear or wholly cloud). Clear windows of snowy scenes are snow. Their cloudy windows are not, and
neither are any windows of other scenes: small clouds over dark ground are as rough as snow.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor

from geocloud.errors import InputError
from geocloud.models.networks.cells import CELL, GRID
from geocloud.models.networks.snow import TEXTURE_STRIDE, SnowTexture, textures
from geocloud.training.unmix.scenes import TrainingScene

SCALES = (1.0, 0.6)
"""Factors by which scenes are resized: pixels of 40 m count as such, and as pixels of 67 m."""
TAGGED_SHARE = 0.95
"""Share of a window's pixels that must be tagged, and share of those that must have one tag, for it to be used."""
SNOW_ODDS = 3.0
"""Weight of windows of snow, which are few; others have 1."""
CAUTION = 1.5
"""Logits subtracted from the log odds of snow, so that cloud over snow is still detected."""
RIDGE = 10.0
"""Weight of the squared coefficients against the sum of losses; a scene of k windows weighs as the root of k."""


class Windows(NamedTuple):
    """k windows and their labels."""

    figures: Tensor
    """(k, TEXTURES) features of texture."""
    snow: Tensor
    """(k,) 1 for clear snow, else 0."""
    weight: Tensor
    """(k,) weight in the loss."""


def fit_snow_texture(scenes: list[TrainingScene]) -> SnowTexture:
    """The regression, fitted to all scenes by Newton steps on the log loss; the result is deterministic.

    Raises:
        InputError: no window shows clear snow, or all do.
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
    design = torch.cat([z, torch.ones(len(z), 1, dtype=z.dtype)], 1)  # (k, TEXTURES + 1), the intercept last
    weight = weight * torch.where(snow > 0, SNOW_ODDS, 1.0)
    ridge = torch.full((design.shape[1],), RIDGE, dtype=z.dtype)
    ridge[-1] = 0
    coefficients = torch.zeros(design.shape[1], dtype=z.dtype)
    for _ in range(30):
        p = torch.sigmoid(design @ coefficients)
        gradient = design.T @ (weight * (p - snow)) + ridge * coefficients
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + torch.diag(ridge + 1e-9)
        coefficients = coefficients - torch.linalg.solve(hessian, gradient)
    texture.weight.copy_(coefficients[:-1].view(1, -1, 1, 1))
    texture.bias.copy_(coefficients[-1] - CAUTION)
    return texture.float()


def windows_of(scene: TrainingScene, size: float, scale: float) -> Windows:
    """The labelled windows of a scene that is resized by `size` and whose reflectance is multiplied by `scale`."""
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
