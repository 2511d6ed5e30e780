"""Batches for the unmixing autoencoder: real crops, most of them under a simulated cloud, one target for both."""

from collections import Counter
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from geocloud.models.networks.cells import BANDS, BRIGHTEST
from geocloud.models.networks.unmix import SWIR
from geocloud.training.unmix import scenes as surfaces
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.simulator import Veil, chance, cloud_phase, no_veil, simulate, uniform

CLEAR_OPACITY, CLOUD_OPACITY = 0.04, 0.12
"""Simulated opacity up to which a pixel counts as clear, and from which as cloud; between, nothing is asked."""
CONTRAST = 0.06
"""Change of visible reflectance below which a simulated veil cannot be seen: white over snow, for one."""
SNOW_BRIGHT, SNOW_COLOUR = 0.45, 0.12
"""A crop is taken for snow where its mean visible reflectance is above the first and the range of its bands' means, as
a share of that, below the second: no cloud is laid over it where no short-wave infrared is shown, which would teach
that snow with a texture is cloud. Sand is as bright and has more colour."""


class UnmixBatch(NamedTuple):
    """What the network is shown and what it should say."""

    x: Tensor
    """(n, 7, h, w) reflectance, absent bands 0."""
    present: Tensor
    """(n, 7) 1 where a band is shown."""
    clean: Tensor
    """(n, 7, h, w) the same without the simulated cloud and shadow."""
    veil: Veil
    """The simulated cloud, opacity and shadow 0 where none was laid."""
    target: Tensor
    """(n, 1, h, w) 0 clear .. 1 cloud."""
    weight: Tensor
    """(n, 1, h, w) trust in the target."""
    known_clear: Tensor
    """(n, 1, h, w) 1 where the clean surface is surely clear."""


class UnmixBatches:
    """An endless source of batches."""

    def __init__(self, scenes: list[TrainingScene], config: UnmixConfig, rng: Generator) -> None:
        """Index what can be drawn: scenes by source, overcast windows."""
        self.scenes, self.config, self.rng = scenes, config, rng
        self.overcast = surfaces.overcast(scenes, config.size)
        self.shares = place_shares(scenes, config.weights or {})
        self.odds = self.shares

    def draw(self) -> UnmixBatch:
        """One batch."""
        n, size, rng = self.config.batch, self.config.size, self.rng
        picked = [self.scenes[int(i)] for i in torch.multinomial(self.odds, n, replacement=True, generator=rng)]
        planes = torch.stack([surfaces.crop(scene, size, rng) for scene in picked])
        present = torch.stack([surfaces.draw_bands(scene.bands, rng) for scene in picked])
        clean = surfaces.as_shown(picked, planes, self.config.gain, self.config.unaugmented_share, rng)
        hidden = looks_like_snow(clean) & (present[:, SWIR] == 0)
        laid = (chance(n, self.config.simulated, rng).flatten() & ~hidden).nonzero().flatten()
        return _join(clean, present, self._veil(present, laid), planes[:, 7:], rng)

    def _veil(self, present: Tensor, laid: Tensor) -> Veil:
        """Clouds over the crops whose numbers are given, none over the others; small ones where more than RGB is shown.

        In RGB alone small clouds look like snow in patches.
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
        """(n, 7, size, size) real overcast skies; bands that a sky lacks are made from its visible brightness.

        `dimming`: (n, 7, 1, 1) share of that which is left in each band.
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
    """(scene,) odds of each scene: a source has its weight, which its places share alike, and a place its scenes."""
    places: dict[str, Counter[str]] = {}
    for scene in scenes:
        places.setdefault(scene.source, Counter())[scene.place or scene.name] += 1
    odds = []
    for scene in scenes:
        of_source = places[scene.source]
        odds.append(weights.get(scene.source, 1.0) / len(of_source) / of_source[scene.place or scene.name])
    return torch.tensor(odds)


def looks_like_snow(x: Tensor) -> Tensor:
    """(n,) True where a crop (n, 7, h, w) is bright and white on the whole: snow, ice, or overcast sky."""
    means = x[:, :3].mean((2, 3))
    bright = means.mean(1)
    return (bright > SNOW_BRIGHT) & ((means.amax(1) - means.amin(1)) < SNOW_COLOUR * bright)


def _join(clean: Tensor, present: Tensor, veil: Veil, known: Tensor, rng: Generator) -> UnmixBatch:
    """Lay the veil, and join what is known (target and weight, (n, 2, h, w)) with what was simulated."""
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
    """In a tenth of crops fill a slanting collar with the mean of the rest, as the tiler fills nodata."""
    n, size = len(x), x.shape[-1]
    if torch.rand(1, generator=rng) < 0.5:
        return x, teacher_weight, known_clear
    line = torch.linspace(-1, 1, size)
    angle = uniform((n, 1, 1, 1), 0, 6.2832, rng)
    side = line.view(1, 1, 1, -1) * torch.cos(angle) + line.view(1, 1, -1, 1) * torch.sin(angle)
    keep = ((side < uniform((n, 1, 1, 1), -0.2, 0.9, rng)) | ~chance(n, 0.2, rng)).float()
    mean = (x * keep).sum((2, 3), keepdim=True) / keep.sum((2, 3), keepdim=True).clamp(min=1)
    return x * keep + mean * (1 - keep), teacher_weight * keep, known_clear * keep
