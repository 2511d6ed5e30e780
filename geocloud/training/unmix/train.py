"""Training of the unmixing autoencoder.

A batch consists of crops of real scenes, most of them under simulated cloud. What is known of a pixel is combined with
the simulation into one target. It is known from tags of patches, from pixel labels (for the supervised variant), or
from a teacher where that is confident. The teacher is the running average of the weights; it predicts anew every
`teach_every` steps.
"""

from copy import deepcopy
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Generator, Tensor

from geocloud.errors import UsageError
from geocloud.models.networks.cells import CELL
from geocloud.models.networks.unmix import Unmixed, UnmixNet
from geocloud.training.loop import Terms, follow
from geocloud.training.unmix.batches import CLOUD_OPACITY, UnmixBatch, UnmixBatches
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.steps import LogReport, autocast, start_or_resume, train_by_config, weighted_mean
from geocloud.training.unmix.teacher import DETECT_GAIN, DETECT_LOGIT, ask_teacher

RGB_COUNT = 3
"""The first so many of BANDS are always present."""


def train_unmix(
    config: UnmixConfig, scenes: list[TrainingScene], out_dir: Path, report: LogReport, start: UnmixNet | None = None
) -> UnmixNet:
    """Train on scenes by a recipe. A checkpoint in `out_dir` is resumed.

    Args:
        config: the recipe.
        scenes: those that the recipe names, without the ones held out for evaluation.
        out_dir: folder of the checkpoint.
        report: called every 50 steps.
        start: trained network to continue from; None: random weights.

    Returns:
        The averaged network, in evaluation mode.

    Raises:
        UsageError: the recipe needs a network to start from, and there is none.
    """
    torch.manual_seed(config.seed)
    if (config.keep_rgb or config.start_share) and start is None:
        raise UsageError("a recipe with keep_rgb or start_share starts from a model; name that model with --start")
    network = deepcopy(start) if start else UnmixNet(widths=config.widths)
    state = start_or_resume(network, config, out_dir)
    rng, average, first = cast("Generator", state.rng), cast("UnmixNet", state.average), state.step
    labelled = [scene.weight == 1 for scene in scenes]
    batches = UnmixBatches(scenes, config, rng)
    kept = deepcopy(start).eval() if config.keep_rgb and start else None

    def loss(step: int) -> Terms:
        late = step - config.teach_from
        if late >= 0 and (late % config.teach_every == 0 or step == first):
            with autocast(config):
                taught = ask_teacher(average, batches.scenes, labelled, config.teacher_weight)
            batches.scenes, batches.odds = taught.scenes, batches.shares * (1 + config.hard_scene_boost * taught.errors)
        batch = batches.draw()
        batch = batch if kept is None else _keep_rgb(batch, kept, config)
        corner = torch.randint(0, CELL, (2,), generator=rng).tolist()
        with autocast(config):
            logit, parts = network.sampled(batch.x, batch.present, (corner[0], corner[1]))
        return losses(logit, parts, batch, (corner[0], corner[1]))

    train_by_config(state, loss, config, out_dir, report)
    if start is not None and config.start_share:
        follow(average, start, 1 - config.start_share)
    return average


@torch.no_grad()
def _keep_rgb(batch: UnmixBatch, kept: UnmixNet, config: UnmixConfig) -> UnmixBatch:
    """The batch, in which crops of RGB alone have as targets the P(cloud) of the network that training started from."""
    rgb = batch.present[:, RGB_COUNT:].sum(1) == 0
    target, weight = batch.target.clone(), batch.weight.clone()
    if rgb.any():
        with autocast(config):
            logit = kept.score(batch.x[rgb], batch.present[rgb])
        target[rgb] = torch.sigmoid(DETECT_GAIN * (logit.float() - DETECT_LOGIT))
        weight[rgb] = 1
    return batch._replace(target=target, weight=weight)


def losses(logit: Tensor, parts: Unmixed, batch: UnmixBatch, corner: tuple[int, int]) -> dict[str, Tensor]:
    """The weighted terms of the loss, scalars: detection dominates; the parts and the reconstruction keep it physical.

    Args:
        logit: (n, 1, h, w) logit of the opacity.
        parts: the predicted parts at one pixel per cell.
        batch: input and targets.
        corner: row and column of that pixel in its cell.
    """
    scaled = DETECT_GAIN * (logit - DETECT_LOGIT)
    entropy = F.binary_cross_entropy_with_logits(scaled, batch.target, reduction="none")
    return {"detect": 1.5 * weighted_mean(entropy, batch.weight)} | _mixture_losses(parts, batch, corner)


def _mixture_losses(parts: Unmixed, batch: UnmixBatch, corner: tuple[int, int]) -> dict[str, Tensor]:
    """Errors of the parts against the simulation, where they are known, and of the reconstruction everywhere."""
    x, clean, opacity, cloud, shadow, clear = (
        part[..., corner[0] :: CELL, corner[1] :: CELL]
        for part in (batch.x, batch.clean, batch.veil.opacity, batch.veil.cloud, batch.veil.shadow, batch.known_clear)
    )
    flags, opacity = batch.present[..., None, None], opacity[:, :3].mean(1, keepdim=True)
    cloudy, veiled = (opacity > CLOUD_OPACITY).float(), clear * (opacity.amax((2, 3), keepdim=True) > 0)
    return {
        "opacity": 0.5 * weighted_mean((parts.opacity - opacity).abs(), clear),
        "remix": weighted_mean((parts.reconstruction() - x).abs(), flags.expand_as(x)),
        "surface": weighted_mean((parts.surface - clean).abs(), clear * flags),
        "cloud": 0.3 * weighted_mean((parts.cloud - cloud).abs(), cloudy * opacity * flags),
        "slope": 0.1 * weighted_mean((parts.slope - batch.veil.slope).abs(), cloudy),
        "shadow": 0.3 * weighted_mean(F.binary_cross_entropy(parts.shadow, shadow, reduction="none"), veiled),
    }
