"""Training of the unmixing autoencoder, read from top to bottom.

A batch is made of crops of real scenes, most of them under a simulated cloud. What is known of a pixel (from tags of
patches, or from pixel labels for the supervised twin, or from a teacher where it is confident) and what was simulated
are joined into one target. The teacher is the running average of the weights, asked anew every so many steps.
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
"""Of BANDS, the first so many are always shown."""


def train_unmix(
    config: UnmixConfig, scenes: list[TrainingScene], out_dir: Path, report: LogReport, start: UnmixNet | None = None
) -> UnmixNet:
    """Train a recipe on scenes; taken up again from ``out_dir/checkpoint.safetensors`` where there is one.

    Args:
        config: the recipe.
        scenes: those that the recipe names, without what is held back for evaluation.
        out_dir: where the checkpoint is kept.
        report: called every 50 steps.
        start: network of an earlier training to go on from; None for random weights.

    Returns:
        The averaged network, in evaluation mode.
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
    """The batch, its crops in RGB alone with the answers of the network that the training began with for a target."""
    rgb = batch.present[:, RGB_COUNT:].sum(1) == 0
    target, weight = batch.target.clone(), batch.weight.clone()
    if rgb.any():
        with autocast(config):
            logit = kept.score(batch.x[rgb], batch.present[rgb])
        target[rgb] = torch.sigmoid(DETECT_GAIN * (logit.float() - DETECT_LOGIT))
        weight[rgb] = 1
    return batch._replace(target=target, weight=weight)


def losses(logit: Tensor, parts: Unmixed, batch: UnmixBatch, corner: tuple[int, int]) -> dict[str, Tensor]:
    """The terms of the loss, weighted: detection leads; the parts of the mixture and their sum keep it physical.

    Args:
        logit: (n, 1, h, w) of the opacity.
        parts: the mixture at one pixel of each cell.
        batch: what was shown and wanted.
        corner: row and column of that pixel.
    """
    raised = DETECT_GAIN * (logit - DETECT_LOGIT)
    loss = F.binary_cross_entropy_with_logits(raised, batch.target, reduction="none")
    return {"detect": 1.5 * weighted_mean(loss, batch.weight)} | _mixture_losses(parts, batch, corner)


def _mixture_losses(parts: Unmixed, batch: UnmixBatch, corner: tuple[int, int]) -> dict[str, Tensor]:
    """Each part against what was simulated where the ground is known to be clear; their sum everywhere."""
    x, clean, opacity, cloud, shadow, clear = (
        part[..., corner[0] :: CELL, corner[1] :: CELL]
        for part in (batch.x, batch.clean, batch.veil.opacity, batch.veil.cloud, batch.veil.shadow, batch.known_clear)
    )
    shown, opacity = batch.present[..., None, None], opacity[:, :3].mean(1, keepdim=True)
    laid, veiled = (opacity > CLOUD_OPACITY).float(), clear * (opacity.amax((2, 3), keepdim=True) > 0)
    return {
        "opacity": 0.5 * weighted_mean((parts.opacity - opacity).abs(), clear),
        "remix": weighted_mean((parts.reconstruction() - x).abs(), shown.expand_as(x)),
        "surface": weighted_mean((parts.surface - clean).abs(), clear * shown),
        "cloud": 0.3 * weighted_mean((parts.cloud - cloud).abs(), laid * opacity * shown),
        "slope": 0.1 * weighted_mean((parts.slope - batch.veil.slope).abs(), laid),
        "shadow": 0.3 * weighted_mean(F.binary_cross_entropy(parts.shadow, shadow, reduction="none"), veiled),
    }
