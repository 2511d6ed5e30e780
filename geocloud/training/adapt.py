"""A short training that goes on from a model that unmixes, on a user's own ground, without forgetting cloud.

Each batch is half the ground as it is, half the same under simulated cloud, in the scene's own bands. Ground that is
known to be clear should score below the threshold, visible simulated cloud and known cloud above it. What the model
said before of cloud, and of ground that nobody spoke of, is kept by a penalty. Batch norm stays as it was trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Generator, Tensor

from geocloud.errors import ModelError, UsageError
from geocloud.models.network_scorer import WEIGHTS_FILE, save_weights
from geocloud.models.networks.cells import BANDS, BRIGHTEST
from geocloud.models.networks.unmix import UnmixNet, fine_enough
from geocloud.pipeline.tiling import pixel_side
from geocloud.scorers.card import CARD_FILE, ModelCard, write_card
from geocloud.training.checkpoint import TrainingState, begin, load_checkpoint
from geocloud.training.loop import LoopOptions, Terms, run_training
from geocloud.training.options import CHECKPOINT_FILE, OLDER
from geocloud.training.own_scenes import Tile
from geocloud.training.unmix.batches import CLEAR_OPACITY, CLOUD_OPACITY, CONTRAST
from geocloud.training.unmix.scenes import TrainingScene, as_shown, crop
from geocloud.training.unmix.simulator import simulate, uniform
from geocloud.training.unmix.steps import LARGEST_GRADIENT, weighted_mean
from geocloud.writers.staging import Staging, write_errors

GAIN, UNCHANGED = 0.08, 0.5
"""Largest change of the log gain of a crop, and share of crops shown as they are."""
GRAIN = 0.012
"""Largest standard deviation of the noise that hides that simulated cloud is smooth."""
SAVE_EVERY = 10
"""Steps between checkpoints."""
KEEP = 0.3
"""Weight of the penalty for a lower score where the model saw cloud before."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How long, how fast."""

    steps: int = 400
    batch: int = 6
    size: int = 128
    """Pixels along a side of a crop."""
    lr: float = 1e-3
    average: float = 0.9
    """Share of the running average of weights that a step keeps: it is the average that is used."""
    seed: int = 0


class TrainingTile(NamedTuple):
    """A tile of a user's scene."""

    scene: TrainingScene
    """Target 0 clear, 1 cloud; weight 1 where that is known, 0 where not."""
    present: Tensor
    """(7,) 1 for the bands that it has."""
    fine: bool
    """Whether its pixels are so small that texture tells snow; see UnmixNet."""


class _Shown(NamedTuple):
    """A batch."""

    x: Tensor
    """(n, 7, h, w)"""
    present: Tensor
    """(n, 7)"""
    target: Tensor
    """(n, 1, h, w) 0 clear, 1 cloud."""
    weight: Tensor
    """(n, 1, h, w) 1 where the target is asked for, else 0."""
    fine: bool
    """Of all of it."""


def adapted(  # noqa: PLR0913 - one step of `adapt`, with all that it takes
    network: UnmixNet,
    grounds: list[TrainingTile],
    threshold: float,
    options: FitOptions,
    folder: Path,
    tell: Callable[[int, int], None],
    *,
    anew: bool = False,
) -> UnmixNet:
    """The network after the training; the one that is given stays as it is.

    Args:
        network: to go on from.
        grounds: tiles; at least one pixel of them is known.
        threshold: the score from which a pixel is cloud, before and after.
        options: how long, how fast.
        folder: of the training under way; from a checkpoint in it of the same data and options it goes on.
        tell: called after each step with steps done and steps in all; may raise Cancelled.
        anew: whether the checkpoint of another training may go.

    Raises:
        UsageError: there is one, and it may not.
    """
    before, student = deepcopy(network).eval(), deepcopy(network).eval()
    average = deepcopy(student)
    learned = [value for name, value in student.named_parameters() if not name.startswith("shadow.")]
    rng = Generator().manual_seed(options.seed)
    optimiser = torch.optim.AdamW(learned, lr=options.lr, weight_decay=0.0)
    state = TrainingState(student, optimiser, average, rng)
    loop = LoopOptions(
        options.steps,
        folder,
        SAVE_EVERY,
        _identity(network, grounds, threshold, options),
        rate=lambda step: options.lr * min(1.0, (step + 1) / 10) * (1 - 0.95 * step / options.steps),
        clip=LARGEST_GRADIENT,
        average=options.average,
    )
    resume(folder, state, loop.identity, anew=anew)

    def loss(_: int) -> Terms:
        return {"adapt": _loss(student, before, _draw(grounds, options, rng), threshold)}

    run_training(state, loss, loop, lambda done, _: tell(done, options.steps))
    return average


def _identity(network: UnmixNet, grounds: list[TrainingTile], threshold: float, options: FitOptions) -> str:
    """What tells a training from another: the model that it begins with, its ground, what is known of it, options."""
    digest = hashlib.sha256(f"{options} {threshold}".encode())
    tensors = [*network.state_dict().values()]
    for one in grounds:
        tensors += [one.scene.data, one.scene.target, one.scene.weight, one.present, torch.tensor(one.fine)]
    for tensor in tensors:
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def resume(folder: Path, state: TrainingState, identity: str, *, anew: bool) -> None:
    """Take up the steps that an earlier run of the same data and options has taken."""
    path = folder / CHECKPOINT_FILE
    try:
        if path.exists():
            load_checkpoint(folder, state, identity)
            return
    except ModelError as error:  # it is damaged or another's
        if not anew:
            raise UsageError(
                f"{path} is of another training; pass --overwrite to start anew, or choose another folder"
            ) from error
    begin(folder)


def write_adapted(network: UnmixNet, card: ModelCard, folder: Path, staging: Staging, *, overwrite: bool) -> ModelCard:
    """Weights as halves and the card, which appear together; with `overwrite` nothing else of a model before stays."""
    place = staging.path(folder / CARD_FILE).parent
    staging.path(folder / WEIGHTS_FILE)
    with write_errors(folder):
        card = replace(card, sha256=save_weights(network, place, torch.float16))
        write_card(card, place)
    older = [folder / name for name in OLDER] if overwrite else []
    staging.commit(last=folder / CARD_FILE, retired=lambda: older, overwrite=overwrite)
    return card


def _loss(student: UnmixNet, before: UnmixNet, shown: _Shown, threshold: float) -> Tensor:
    """Cross entropy about the threshold, clear and cloud weighing alike, and the penalty for what is forgotten."""
    with torch.no_grad():
        old = before.score(shown.x, shown.present, fine=shown.fine)
    score = student.score(shown.x, shown.present, fine=shown.fine)
    wrong = F.binary_cross_entropy_with_logits(score - threshold, shown.target, reduction="none")
    cloud, clear = shown.target * shown.weight, (1 - shown.target) * shown.weight
    lost = F.relu(old - score) * cloud
    unspoken = 1 - shown.weight
    changed = F.smooth_l1_loss(score, old, reduction="none") * unspoken
    return (
        weighted_mean(wrong, cloud)
        + weighted_mean(wrong, clear)
        + KEEP * (weighted_mean(lost, cloud) + weighted_mean(changed, unspoken))
    )


def _draw(grounds: list[TrainingTile], options: FitOptions, rng: Generator) -> _Shown:
    """Crops of random tiles, every second one under simulated cloud."""
    n, size = options.batch, options.size
    drawn = [int(i) for i in torch.randint(0, len(grounds), (n,), generator=rng)]
    alike = [one for one in grounds if one.fine == grounds[drawn[0]].fine]  # a network takes a batch of one kind
    picked = [grounds[i] if grounds[i].fine == alike[0].fine else alike[i % len(alike)] for i in drawn]
    scenes, present = [one.scene for one in picked], torch.stack([one.present for one in picked])
    planes, there = torch.stack([crop(scene, size, rng) for scene in scenes]), present[..., None, None]
    clean = as_shown(scenes, planes, GAIN, UNCHANGED, rng) * there
    veil = simulate(n, size, rng)
    laid = (torch.arange(n) % 2).view(-1, 1, 1, 1).float()
    veil = veil._replace(opacity=veil.opacity * laid, shadow=veil.shadow * laid)
    x = veil.over(clean)
    opacity = veil.opacity[:, :3].mean(1, keepdim=True)
    seen = (x - clean)[:, :3].abs().mean(1, keepdim=True) >= CONTRAST
    veiled = (opacity >= CLOUD_OPACITY) & seen
    target, weight = planes[:, 7:8], planes[:, 8:]
    sure = (weight > 0.99) & ((target < 0.01) | (target > 0.99))
    asked = veiled | (sure & ((opacity <= CLEAR_OPACITY) | (target > 0.99)))
    noise = uniform((n, len(BANDS), 1, 1), -GRAIN, GRAIN, rng) * torch.randn(n, 1, size, size, generator=rng)
    x = (x + noise).clamp(0, BRIGHTEST) * there
    return _Shown(x, present, torch.where(veiled, 1.0, (target > 0.5).float()), asked.float(), alike[0].fine)


def training_tile(tile: Tile) -> TrainingTile:
    """A tile as training takes it."""
    data = np.zeros((len(BANDS), *tile.valid.shape), dtype=np.float16)
    for band, plane in zip(tile.bands, tile.data, strict=True):
        data[BANDS.index(band)] = plane
    target, weight = (tile.truth == 1).astype(np.float16), tile.known.astype(np.float16)
    present = torch.tensor([float(band in tile.bands) for band in BANDS])
    half, labels, trust = (torch.from_numpy(plane) for plane in (data, target, weight))
    scene = TrainingScene(tile.scene, "own", half, labels, trust, (len(tile.bands),))
    return TrainingTile(scene, present, fine_enough(pixel_side(tile.georef)))
