"""Training of the network that tells cloud shadow, beside an unmixing one whose scores it leaves as they are.

Clouds with an edge are laid over ground that is known to be clear, and their shadows beside them. No label of a shadow
is read: what is shaded is what was simulated.
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
"""Share of light lost up to which ground counts as lit, and from which as shaded; between, nothing is asked."""
VEILED = 0.06
"""Opacity above which a pixel is the cloud's own, and nothing is asked of it."""
VISIBLE_CHANGE = 0.015
"""Change of reflectance, in the band that shows most, below which a shadow cannot be seen: over water, for one."""
SKY = (0.6, 0.75, 0.88, 1.0, 1.0, 1.0, 1.0)
"""Of the light lost where the sky lights nothing, what is lost in each band: the sky is blue. To a random power."""
FARTHEST = 60
"""Pixels between a cloud and its shadow."""
LAKES = 0.3
"""Share of patches with one."""
CROPS_TRIED = 3
"""Crops of which the clearest is taken."""


class ShadowBatch(NamedTuple):
    """What the network is shown and what it should say."""

    x: Tensor
    """(n, 7, h, w) reflectance, absent bands 0."""
    present: Tensor
    """(n, 7) 1 where a band is shown."""
    shaded: Tensor
    """(n, 1, h, w) 1 in shadow, 0 in the light."""
    weight: Tensor
    """(n, 1, h, w) 1 where that is known, else 0."""


class ShadowBatches:
    """An endless source of batches."""

    def __init__(self, scenes: list[TrainingScene], config: UnmixConfig, rng: Generator) -> None:
        """Index the clear ground; InputError where there is none."""
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
        """One batch: three patches of four under clouds, and of those nine of ten with shadows."""
        n, size, rng = self.config.batch, self.config.size, self.rng
        ground, present, clear = self._ground()
        small = chance(n, self.config.small, rng)
        opacity = torch.where(small, small_clouds(n, size, rng), sharp_clouds(n, size, rng)) * chance(n, 0.75, rng)
        shadow = cast_shadow(opacity, FARTHEST, rng) * chance(n, 0.9, rng)
        cloud, _ = procedural_cloud(n, size, rng)
        sky = torch.tensor(SKY).view(1, -1, 1, 1) ** uniform((n, 1, 1, 1), 0, 1.6, rng)
        x = mix(ground, cloud, opacity, shadow * sky)
        shown = present[..., None, None]
        change = ((x - ground).abs() * shown).amax(1, keepdim=True)
        shaded = (shadow > SHADED_LOSS) & (change > VISIBLE_CHANGE)
        known = (opacity < VEILED) & (shaded | (shadow < LIT_LOSS))
        grain = uniform((n, 7, 1, 1), -0.012, 0.012, rng) * torch.randn(n, 1, size, size, generator=rng)
        return ShadowBatch((x + grain).clamp(0, BRIGHTEST) * shown, present, shaded.float(), known * clear)

    def _ground(self) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 7, h, w) reflectance, some of it under a lake, (n, 7) bands shown, (n, 1, h, w) 1 where known clear."""
        n, rng = self.config.batch, self.rng
        picked = [self.scenes[int(i)] for i in torch.multinomial(self.odds, n, replacement=True, generator=rng)]
        planes = torch.stack([self._clearest(scene) for scene in picked])
        counts = [tuple(min(count, SHADOW_BANDS) for count in scene.bands) for scene in picked]
        present = torch.stack([surfaces.draw_bands(some, rng) for some in counts])
        dry = surfaces.as_shown(picked, planes, self.config.gain, self.config.unaugmented_share, rng)
        ground = torch.where(chance(n, LAKES, rng), flood(dry, rng), dry)
        return ground, present, known_clear(planes[:, 7:8], planes[:, 8:])

    def _clearest(self, scene: TrainingScene) -> Tensor:
        """(9, size, size) of a few random crops the one with most ground that is known to be clear."""
        crops = [surfaces.crop(scene, self.config.size, self.rng) for _ in range(CROPS_TRIED)]
        return max(crops, key=lambda planes: float(known_clear(planes[7], planes[8]).mean()))


def train_shadow(
    config: UnmixConfig, scenes: list[TrainingScene], out_dir: Path, report: LogReport, network: UnmixNet
) -> UnmixNet:
    """Give an unmixing network one that tells shadow; taken up again from the checkpoint in `out_dir` if there is one.

    Args:
        config: a recipe with `shadow_widths`.
        scenes: those that the recipe names.
        out_dir: where the checkpoint is kept.
        report: called every 50 steps.
        network: what it stands beside; nothing else of it is changed.
    """
    torch.manual_seed(config.seed)
    shadow = CellNet(widths=config.shadow_widths)
    state = start_or_resume(shadow, config, out_dir)
    batches = ShadowBatches(scenes, config, cast("Generator", state.rng))

    def loss(_: int) -> Terms:
        batch = batches.draw()
        with autocast(config):
            logit = shadow.score(batch.x, batch.present)
        wrong = F.binary_cross_entropy_with_logits(logit, batch.shaded, reduction="none")
        return {"shadow": weighted_mean(wrong, batch.weight)}

    train_by_config(state, loss, config, out_dir, report)
    network.shadow = cast("CellNet", state.average)
    return network
