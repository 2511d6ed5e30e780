"""Batches for the unmixing autoencoder: real crops, most of them under a simulated cloud, with targets for both."""

from collections import Counter
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from geocloud.models.networks.cells import BANDS, BRIGHTEST, SWIR
from geocloud.training.unmix import scenes as surfaces
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.simulator import Veil, chance, cloud_phase, no_veil, simulate, uniform

CLEAR_OPACITY, CLOUD_OPACITY = 0.04, 0.12
"""Simulated opacity up to which a pixel is clear, and from which it is cloud; pixels in between do not count."""
CONTRAST = 0.06
"""Change of visible reflectance below which a simulated veil cannot be seen, such as white over snow."""
SNOW_BRIGHT, SNOW_COLOUR = 0.45, 0.12
"""A crop may be snow if its mean visible reflectance is above the first, and the range of its bands' means, as a share
of that, is below the second. No cloud is simulated over it without short-wave infrared, since that would teach that
textured snow is cloud. Sand is as bright, but has more colour."""


class UnmixBatch(NamedTuple):
    """The network's input and targets."""

    x: Tensor
    """(n, 7, h, w) reflectance, absent bands 0."""
    present: Tensor
    """(n, 7) 1 for the bands that a crop has, else 0."""
    clean: Tensor
    """(n, 7, h, w) `x` without the simulated cloud and shadow."""
    veil: Veil
    """The simulated cloud; opacity and shadow are 0 in crops without one."""
    target: Tensor
    """(n, 1, h, w) 0 clear to 1 cloud."""
    weight: Tensor
    """(n, 1, h, w) weight of the target, 0 to 1."""
    known_clear: Tensor
    """(n, 1, h, w) 1 where the clean surface is surely clear, else 0."""


class UnmixBatches:
    """An endless source of batches."""

    def __init__(self, scenes: list[TrainingScene], config: UnmixConfig, rng: Generator) -> None:
        """Compute the odds of the scenes, and find overcast windows in them."""
        self.scenes, self.config, self.rng = scenes, config, rng
        self.overcast = surfaces.overcast(scenes, config.size)
        self.shares = place_shares(scenes, config.weights or {})
        self.odds = self.shares

    def draw(self) -> UnmixBatch:
        """Draw a batch of random crops."""
        n, size, rng = self.config.batch, self.config.size, self.rng
        picked = [self.scenes[int(i)] for i in torch.multinomial(self.odds, n, replacement=True, generator=rng)]
        planes = torch.stack([surfaces.crop(scene, size, rng) for scene in picked])
        present = torch.stack([surfaces.draw_bands(scene.bands, rng) for scene in picked])
        clean = surfaces.as_shown(picked, planes, self.config.gain, self.config.unaugmented_share, rng)
        hidden = looks_like_snow(clean) & (present[:, SWIR] == 0)
        laid = (chance(n, self.config.simulated, rng).flatten() & ~hidden).nonzero().flatten()
        return _join(clean, present, self._veil(present, laid), planes[:, 7:], rng)

    def _veil(self, present: Tensor, laid: Tensor) -> Veil:
        """Clouds over the crops with the numbers `laid`, none over the others.

        Small clouds are only simulated in crops with more bands than RGB, since in RGB they look like patches of snow.
        """
        size, veil = self.config.size, no_veil(len(present), self.config.size)
        if len(laid):
            small = self.config.small * present[laid, 3:].amax(1).view(-1, 1, 1, 1)
            phase = cloud_phase(len(laid), self.rng)
            made = simulate(len(laid), size, self.rng, self._texture(phase.dimming, size), small, phase)
            for whole, part in zip(veil, made, strict=True):
                whole[laid] = part
        return veil

    def _texture(self, dimming: Tensor, size: int) -> Tensor | None:
        """(n, 7, size, size) reflectance of real overcast skies; None if the scenes have none.

        Bands that a sky lacks are made from its visible brightness times `dimming` (n, 7, 1, 1).
        """
        if not self.overcast:
            return None
        n, rng = len(dimming), self.rng
        picked = [self.overcast[int(i)] for i in torch.randint(0, len(self.overcast), (n,), generator=rng)]
        skies = torch.stack([surfaces.turn(surfaces.cut(s, top, left, size), rng)[:7] for s, top, left in picked])
        made = skies[:, :3].mean(1, keepdim=True) * dimming
        has = torch.tensor([[i < len(s.data) for i in range(len(BANDS))] for s, _, _ in picked])[..., None, None]
        return torch.where(has, skies, made) * uniform((n, 1, 1, 1), 0.75, 1.2, rng)


def place_shares(scenes: list[TrainingScene], weights: dict[str, float]) -> Tensor:
    """(scene,) odds of each scene: the weight of its source is divided equally among places, then among scenes."""
    places: dict[str, Counter[str]] = {}
    for scene in scenes:
        places.setdefault(scene.source, Counter())[scene.place or scene.name] += 1
    odds = []
    for scene in scenes:
        of_source = places[scene.source]
        odds.append(weights.get(scene.source, 1.0) / len(of_source) / of_source[scene.place or scene.name])
    return torch.tensor(odds)


def looks_like_snow(x: Tensor) -> Tensor:
    """(n,) True for crops (n, 7, h, w) that are bright and white on average: snow, ice, or overcast sky."""
    means = x[:, :3].mean((2, 3))
    bright = means.mean(1)
    return (bright > SNOW_BRIGHT) & ((means.amax(1) - means.amin(1)) < SNOW_COLOUR * bright)


def _join(clean: Tensor, present: Tensor, veil: Veil, known: Tensor, rng: Generator) -> UnmixBatch:
    """A batch of the crops under the veil; `known` (n, 2, h, w) is target and weight of the crops without it."""
    target, weight = known[:, :1], known[:, 1:]
    opacity = veil.opacity[:, :3].mean(1, keepdim=True)
    x = veil.over(clean)
    cloudy = opacity >= CLOUD_OPACITY
    change, infrared = (x - clean).abs(), present[:, SWIR, None, None, None]
    unseen = (change[:, :3].mean(1, keepdim=True) < CONTRAST) & (change[:, SWIR : SWIR + 1] * infrared < CONTRAST)
    unsure = (opacity > CLEAR_OPACITY) & (~cloudy | unseen) & (target < 0.99)
    teacher_weight = torch.where(cloudy, 1.0, weight).masked_fill(unsure, 0)
    known_clear = surfaces.known_clear(target, weight)
    grain = torch.randn(len(clean), 1, *clean.shape[2:], generator=rng)
    x = x + uniform((len(clean), clean.shape[1], 1, 1), -0.012, 0.012, rng) * grain
    x, teacher_weight, known_clear = _blank(x, teacher_weight, known_clear, rng)
    shown = present[..., None, None]
    joined = torch.where(cloudy, 1.0, target)
    return UnmixBatch(x.clamp(0, BRIGHTEST) * shown, present, clean * shown, veil, joined, teacher_weight, known_clear)


def _blank(x: Tensor, teacher_weight: Tensor, known_clear: Tensor, rng: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """In a tenth of the crops, fill a slanting edge with the mean of the rest, as the tiler fills nodata."""
    n, size = len(x), x.shape[-1]
    if torch.rand(1, generator=rng) < 0.5:
        return x, teacher_weight, known_clear
    line = torch.linspace(-1, 1, size)
    angle = uniform((n, 1, 1, 1), 0, 6.2832, rng)
    side = line.view(1, 1, 1, -1) * torch.cos(angle) + line.view(1, 1, -1, 1) * torch.sin(angle)
    keep = ((side < uniform((n, 1, 1, 1), -0.2, 0.9, rng)) | ~chance(n, 0.2, rng)).float()
    mean = (x * keep).sum((2, 3), keepdim=True) / keep.sum((2, 3), keepdim=True).clamp(min=1)
    return x * keep + mean * (1 - keep), teacher_weight * keep, known_clear * keep
