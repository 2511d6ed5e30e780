"""Training by epochs on patches in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geocloud.training.checkpoint import TrainingState, begin, load_checkpoint
from geocloud.training.loop import LoopOptions, Terms, run_training
from geocloud.training.options import Listener
from geocloud.training.patches.data import Patches


class TaggedPatches(NamedTuple):
    """The patches of one step."""

    x: Tensor
    """(n, channel, 64, 64) reflectance, 0 in missing bands."""
    present: Tensor
    """(n, channel) bool, False if the patch lacks the band."""
    tag: Tensor
    """(n,) number of the tag or class of each."""


Loss = Callable[[nn.Module, TaggedPatches], Tensor]
"""(network, batch) -> loss, a scalar."""


@dataclass(frozen=True, slots=True)
class EpochOptions:
    """Options of a training by epochs."""

    epochs: int
    batch_size: int
    lr: float
    seed: int
    device: torch.device
    folder: Path
    """Folder of the checkpoint."""
    identity: str = ""
    """Options and data as text; a checkpoint with another identity is refused."""
    resume: bool = False


def mean_squared_error(network: nn.Module, batch: TaggedPatches) -> Tensor:
    """() the paper's loss, over the bands that are present."""
    x, flags = batch.x, batch.present.to(batch.x.dtype)[:, :, None, None]  # (n, channel, 1, 1)
    squares = (network(x) - x).square() * flags
    loss: Tensor = squares.sum() / (flags.sum() * x[0, 0].numel())
    return loss


def fit_autoencoder(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Train a network that reconstructs its input; see `fit`."""
    return fit(network, patches, mean_squared_error, options, listener)


def fit(network: nn.Module, patches: Patches, loss_of: Loss, options: EpochOptions, listener: Listener) -> list[float]:
    """Train the network in place with Adam, and return the mean loss of each epoch.

    Batches depend only on seed and epoch, so a resumed run ends with the weights of an uninterrupted one.

    Raises:
        ModelError: the loss is not finite, or there is nothing to resume from.
    """
    network.to(options.device).train()
    state = TrainingState(network, torch.optim.Adam(network.parameters(), lr=options.lr))
    epochs = _Epochs(patches, options)
    identity = f"{options.identity} patches={len(patches)}"
    if options.resume:
        load_checkpoint(options.folder, state, identity)
    else:
        begin(options.folder)
    total = 0.0  # sum over this epoch's batches of loss times number of patches

    def loss(step: int) -> Terms:
        return {"loss": loss_of(network, epochs.batch(step))}

    def report(done: int, terms: Terms) -> None:
        nonlocal total
        total += terms["loss"].item() * epochs.size(done - 1)
        listener.progress(done, loop.steps, "training")
        if done % epochs.steps == 0:
            state.losses.append(total / len(patches))
            listener.epoch(len(state.losses), state.losses[-1])
            total = 0.0

    loop = LoopOptions(options.epochs * epochs.steps, options.folder, save_every=epochs.steps, identity=identity)
    run_training(state, loss, loop, report)
    network.eval()
    return state.losses


class _Epochs:
    """All patches in batches; each epoch has its own random order."""

    def __init__(self, patches: Patches, options: EpochOptions) -> None:
        self.data, self.present, self.tags = map(torch.from_numpy, (patches.data, patches.present, patches.tags))
        self.options = options
        self.steps = -(-len(patches) // options.batch_size)
        """Steps of an epoch."""
        self.order = torch.arange(0)

    def size(self, step: int) -> int:
        """Number of patches in the batch of a step; steps are counted from 0 over all epochs."""
        start = step % self.steps * self.options.batch_size
        return min(self.options.batch_size, len(self.data) - start)

    def batch(self, step: int) -> TaggedPatches:
        """The batch of a step. Steps must be consecutive, and the first one must begin an epoch."""
        epoch, position = divmod(step, self.steps)
        if position == 0:
            seed = self.options.seed * 1_000_003 + epoch
            torch.manual_seed(seed)  # for losses with random numbers
            self.order = torch.randperm(len(self.data), generator=torch.Generator().manual_seed(seed))
        start, device = position * self.options.batch_size, self.options.device
        chosen = self.order[start : start + self.options.batch_size]
        return TaggedPatches(
            self.data[chosen].to(device), self.present[chosen].to(device), self.tags[chosen].to(device)
        )
