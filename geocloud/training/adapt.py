"""A short training that adapts a model of kind unmix to a user's scenes, without forgetting cloud.

Half of each batch is ground as it is, and half is ground under simulated cloud, in the scene's own bands. Ground known
to be clear should score below the threshold; visible simulated cloud and known cloud above it. A penalty keeps former
scores of cloud and of unlabelled pixels. Batch-norm statistics stay as they were trained.
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
from geocloud.models.networks.snow import fine_enough
from geocloud.models.networks.unmix import UnmixNet
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
"""Largest change of the log gain of a crop, and share of crops that are not changed."""
GRAIN = 0.012
"""Largest standard deviation of noise, without which simulated cloud would be recognised by its smoothness."""
SAVE_EVERY = 10
"""Steps between checkpoints."""
KEEP = 0.3
"""Weight of the penalty for forgetting."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Options of the training."""

    steps: int = 400
    batch: int = 6
    """Crops per step."""
    size: int = 128
    """Pixels along a side of a crop."""
    lr: float = 1e-3
    """Highest learning rate."""
    average: float = 0.9
    """Share that the running average of weights keeps at each step; the average is the result."""
    seed: int = 0


class TrainingTile(NamedTuple):
    """A tile of a user's scene as tensors."""

    scene: TrainingScene
    """Target 0 clear, 1 cloud; weight 1 where that is known, else 0."""
    present: Tensor
    """(7,) 1 for the bands that it has, else 0."""
    fine: bool
    """Whether its pixels are so small that texture distinguishes snow; see UnmixNet."""


class _Batch(NamedTuple):
    """A batch of crops."""

    x: Tensor
    """(n, 7, h, w) reflectance."""
    present: Tensor
    """(n, 7) 1 for the bands that a crop has, else 0."""
    target: Tensor
    """(n, 1, h, w) 0 clear, 1 cloud."""
    weight: Tensor
    """(n, 1, h, w) 1 where the target counts, else 0."""
    fine: bool
    """Of all crops; see TrainingTile."""


def adapted(  # noqa: PLR0913 - one step of `adapt`, with all that it takes
    network: UnmixNet,
    tiles: list[TrainingTile],
    threshold: float,
    options: FitOptions,
    folder: Path,
    report: Callable[[int, int], None],
    *,
    anew: bool = False,
) -> UnmixNet:
    """A network trained further on a user's tiles; the given network is not changed.

    Args:
        network: the one to start from.
        tiles: of which at least one pixel is labelled.
        threshold: score from which a pixel is cloud, before and after.
        options: of the training.
        folder: of the training in progress; a checkpoint in it, of the same data and options, is continued.
        report: called after each step with (steps done, steps in all); may raise Cancelled.
        anew: whether the checkpoint of another training may be replaced.

    Raises:
        UsageError: there is a checkpoint of another training, which may not be replaced.
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
        _identity(network, tiles, threshold, options),
        rate=lambda step: options.lr * min(1.0, (step + 1) / 10) * (1 - 0.95 * step / options.steps),
        clip=LARGEST_GRADIENT,
        average=options.average,
    )
    resume(folder, state, loop.identity, anew=anew)

    def loss(_: int) -> Terms:
        return {"adapt": _loss(student, before, _draw(tiles, options, rng), threshold)}

    run_training(state, loss, loop, lambda done, _: report(done, options.steps))
    return average


def _identity(network: UnmixNet, tiles: list[TrainingTile], threshold: float, options: FitOptions) -> str:
    """A hash of all that decides the result: the network to start from, the tiles, their labels, and the options."""
    digest = hashlib.sha256(f"{options} {threshold}".encode())
    tensors = [*network.state_dict().values()]
    for tile in tiles:
        tensors += [tile.scene.data, tile.scene.target, tile.scene.weight, tile.present, torch.tensor(tile.fine)]
    for tensor in tensors:
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def resume(folder: Path, state: TrainingState, identity: str, *, anew: bool) -> None:
    """Continue from the checkpoint of an earlier run of the same data and options, or begin a new training.

    Raises:
        UsageError: there is another checkpoint, and not `anew`.
    """
    path = folder / CHECKPOINT_FILE
    try:
        if path.exists():
            load_checkpoint(folder, state, identity)
            return
    except ModelError as error:  # it is damaged, or of another training
        if not anew:
            raise UsageError(
                f"{path} is of another training; pass --overwrite to start anew, or choose another folder"
            ) from error
    begin(folder)


def write_adapted(network: UnmixNet, card: ModelCard, folder: Path, staging: Staging, *, overwrite: bool) -> ModelCard:
    """Write weights, in half precision, and card; both appear together, and the card is returned.

    With `overwrite`, other files of an earlier model in the folder are removed.
    """
    stage = staging.path(folder / CARD_FILE).parent
    staging.path(folder / WEIGHTS_FILE)
    with write_errors(folder):
        card = replace(card, sha256=save_weights(network, stage, torch.float16))
        write_card(card, stage)
    older = [folder / name for name in OLDER] if overwrite else []
    staging.commit(last=folder / CARD_FILE, retired=lambda: older, overwrite=overwrite)
    return card


def _loss(student: UnmixNet, before: UnmixNet, batch: _Batch, threshold: float) -> Tensor:
    """Cross entropy at the threshold, with equal weights of clear and cloud, plus the penalty for forgetting."""
    with torch.no_grad():
        old = before.score(batch.x, batch.present, fine=batch.fine)
    score = student.score(batch.x, batch.present, fine=batch.fine)
    entropy = F.binary_cross_entropy_with_logits(score - threshold, batch.target, reduction="none")
    cloud, clear = batch.target * batch.weight, (1 - batch.target) * batch.weight
    lost = F.relu(old - score) * cloud
    unlabelled = 1 - batch.weight
    changed = F.smooth_l1_loss(score, old, reduction="none") * unlabelled
    return (
        weighted_mean(entropy, cloud)
        + weighted_mean(entropy, clear)
        + KEEP * (weighted_mean(lost, cloud) + weighted_mean(changed, unlabelled))
    )


def _draw(tiles: list[TrainingTile], options: FitOptions, rng: Generator) -> _Batch:
    """A batch of crops of random tiles, every second one under simulated cloud."""
    n, size = options.batch, options.size
    drawn = [int(i) for i in torch.randint(0, len(tiles), (n,), generator=rng)]
    # The network takes batches that are all fine or all coarse: the first tile decides, others of its kind fill up.
    same_kind = [tile for tile in tiles if tile.fine == tiles[drawn[0]].fine]
    chosen = [tiles[i] if tiles[i].fine == same_kind[0].fine else same_kind[i % len(same_kind)] for i in drawn]
    scenes, present = [tile.scene for tile in chosen], torch.stack([tile.present for tile in chosen])
    planes, has_band = torch.stack([crop(scene, size, rng) for scene in scenes]), present[..., None, None]
    clean = as_shown(scenes, planes, GAIN, UNCHANGED, rng) * has_band
    veil = simulate(n, size, rng)
    under_cloud = (torch.arange(n) % 2).view(-1, 1, 1, 1).float()
    veil = veil._replace(opacity=veil.opacity * under_cloud, shadow=veil.shadow * under_cloud)
    x = veil.over(clean)
    opacity = veil.opacity[:, :3].mean(1, keepdim=True)
    visible = (x - clean)[:, :3].abs().mean(1, keepdim=True) >= CONTRAST
    veiled = (opacity >= CLOUD_OPACITY) & visible
    target, weight = planes[:, 7:8], planes[:, 8:]
    # Labels that are mixed by interpolation do not count, nor does ground known to be clear under a thin veil.
    sure = (weight > 0.99) & ((target < 0.01) | (target > 0.99))
    counts = veiled | (sure & ((opacity <= CLEAR_OPACITY) | (target > 0.99)))
    noise = uniform((n, len(BANDS), 1, 1), -GRAIN, GRAIN, rng) * torch.randn(n, 1, size, size, generator=rng)
    x = (x + noise).clamp(0, BRIGHTEST) * has_band
    return _Batch(x, present, torch.where(veiled, 1.0, (target > 0.5).float()), counts.float(), same_kind[0].fine)


def training_tile(tile: Tile) -> TrainingTile:
    """A tile as tensors of half precision, with a plane for each of BANDS."""
    data = np.zeros((len(BANDS), *tile.valid.shape), dtype=np.float16)
    for band, plane in zip(tile.bands, tile.data, strict=True):
        data[BANDS.index(band)] = plane
    target, weight = (tile.truth == 1).astype(np.float16), tile.known.astype(np.float16)
    present = torch.tensor([float(band in tile.bands) for band in BANDS])
    planes = [torch.from_numpy(plane) for plane in (data, target, weight)]
    scene = TrainingScene(tile.scene, "own", planes[0], planes[1], planes[2], (len(tile.bands),))
    return TrainingTile(scene, present, fine_enough(pixel_side(tile.georef)))
