"""Training of the network that detects cloud shadow. The scores of the unmixing network beside it do not change.

Clouds with sharp edges and their shadows are simulated over ground that is known to be clear. No labels of shadow are
read: the simulation is the ground truth.
"""

from pathlib import Path
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Generator, Tensor

from geocloud.errors import InputError
from geocloud.models.networks.cells import BRIGHTEST, CellNet
from geocloud.models.networks.unmix import SHADOW_BANDS, UnmixNet, mix
from geocloud.training.loop import Terms
from geocloud.training.unmix import scenes as surfaces
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene, known_clear
from geocloud.training.unmix.simulator import (
    cast_shadow,
    chance,
    flood,
    procedural_cloud,
    sharp_clouds,
    small_clouds,
    uniform,
)
from geocloud.training.unmix.steps import LogReport, autocast, start_or_resume, train_by_config, weighted_mean

LIT_LOSS, SHADED_LOSS = 0.03, 0.15
"""Share of light lost up to which ground counts as lit, and from which as shaded; in between there is no target."""
VEILED = 0.06
"""Opacity from which a pixel belongs to the cloud itself and has no target."""
VISIBLE_CHANGE = 0.015
"""Change of reflectance, in the band that changes most, up to which a shadow is invisible, such as over water."""
SKY = (0.6, 0.75, 0.88, 1.0, 1.0, 1.0, 1.0)
"""Share of the loss of direct light that is lost in each band; skylight, which is blue, replaces the rest. It is raised
to a random power."""
FARTHEST = 60
"""Largest distance between a cloud and its shadow, in pixels."""
LAKES = 0.3
"""Share of patches with a lake."""
CROPS_TRIED = 3
"""Number of random crops of which the clearest is used."""


class ShadowBatch(NamedTuple):
    """Input and targets of a step."""

    x: Tensor
    """(n, 7, h, w) reflectance, 0 in missing bands."""
    present: Tensor
    """(n, 7) 1 if the band is present, else 0."""
    shaded: Tensor
    """(n, 1, h, w) the target: 1 in shadow, 0 in the light."""
    weight: Tensor
    """(n, 1, h, w) 1 where the target is known, else 0."""


class ShadowBatches:
    """An endless source of batches."""

    def __init__(self, scenes: list[TrainingScene], config: UnmixConfig, rng: Generator) -> None:
        """Find the odds of each scene, by its clear ground; InputError if no scene has any."""
        self.scenes, self.config, self.rng = scenes, config, rng
        clear = torch.tensor([float(known_clear(scene.target, scene.weight).mean()) for scene in scenes])
        if not clear.sum() > 0:
            raise InputError("no training scene holds ground that is known to be clear, to cast shadows on")
        share = config.weights or {}
        sources = [scene.source for scene in scenes]
        sums = {name: sum(c for c, source in zip(clear, sources, strict=True) if source == name) for name in sources}
        odds = [share.get(name, 1.0) * c / max(sums[name], 1e-9) for c, name in zip(clear, sources, strict=True)]
        self.odds = torch.stack(odds)

    def draw(self) -> ShadowBatch:
        """A random batch: three quarters of the patches have clouds, and nine tenths of those have shadows."""
        n, size, rng = self.config.batch, self.config.size, self.rng
        ground, present, clear = self._ground()
        small = chance(n, self.config.small, rng)
        opacity = torch.where(small, small_clouds(n, size, rng), sharp_clouds(n, size, rng)) * chance(n, 0.75, rng)
        shadow = cast_shadow(opacity, FARTHEST, rng) * chance(n, 0.9, rng)
        cloud, _ = procedural_cloud(n, size, rng)
        sky = torch.tensor(SKY).view(1, -1, 1, 1) ** uniform((n, 1, 1, 1), 0, 1.6, rng)
        x = mix(ground, cloud, opacity, shadow * sky)
        flags = present[..., None, None]
        change = ((x - ground).abs() * flags).amax(1, keepdim=True)
        shaded = (shadow > SHADED_LOSS) & (change > VISIBLE_CHANGE)
        known = (opacity < VEILED) & (shaded | (shadow < LIT_LOSS))
        noise = uniform((n, 7, 1, 1), -0.012, 0.012, rng) * torch.randn(n, 1, size, size, generator=rng)
        return ShadowBatch((x + noise).clamp(0, BRIGHTEST) * flags, present, shaded.float(), known * clear)

    def _ground(self) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 7, h, w) reflectance, some with lakes; (n, 7) 1 if a band is present; (n, 1, h, w) 1 if known clear."""
        n, rng = self.config.batch, self.rng
        chosen = [self.scenes[int(i)] for i in torch.multinomial(self.odds, n, replacement=True, generator=rng)]
        planes = torch.stack([self._clearest(scene) for scene in chosen])
        counts = [tuple(min(count, SHADOW_BANDS) for count in scene.bands) for scene in chosen]
        present = torch.stack([surfaces.draw_bands(allowed, rng) for allowed in counts])
        dry = surfaces.as_shown(chosen, planes, self.config.gain, self.config.unaugmented_share, rng)
        ground = torch.where(chance(n, LAKES, rng), flood(dry, rng), dry)
        return ground, present, known_clear(planes[:, 7:8], planes[:, 8:])

    def _clearest(self, scene: TrainingScene) -> Tensor:
        """(9, size, size) the random crop, of a few, that has the most ground known to be clear."""
        crops = [surfaces.crop(scene, self.config.size, self.rng) for _ in range(CROPS_TRIED)]
        return max(crops, key=lambda planes: float(known_clear(planes[7], planes[8]).mean()))


def train_shadow(
    config: UnmixConfig, scenes: list[TrainingScene], out_dir: Path, report: LogReport, network: UnmixNet
) -> UnmixNet:
    """Train a network that detects shadow and add it to an unmixing network, which is returned.

    A checkpoint in `out_dir` is resumed.

    Args:
        config: a recipe with `shadow_widths`.
        scenes: those that the recipe names.
        out_dir: folder of the checkpoint.
        report: called every 50 steps.
        network: the unmixing network; only its `shadow` is changed.

    Raises:
        InputError: no scene has ground that is known to be clear.
    """
    torch.manual_seed(config.seed)
    shadow = CellNet(widths=config.shadow_widths)
    state = start_or_resume(shadow, config, out_dir)
    batches = ShadowBatches(scenes, config, cast("Generator", state.rng))

    def loss(_: int) -> Terms:
        batch = batches.draw()
        with autocast(config):
            logit = shadow.score(batch.x, batch.present)
        entropy = F.binary_cross_entropy_with_logits(logit, batch.shaded, reduction="none")
        return {"shadow": weighted_mean(entropy, batch.weight)}

    train_by_config(state, loss, config, out_dir, report)
    network.shadow = cast("CellNet", state.average)
    return network
