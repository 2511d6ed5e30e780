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
    """Patches that a step is made of."""

    x: Tensor
    """(n, channel, 64, 64) reflectance, missing bands 0."""
    present: Tensor
    """(n, channel) False = that patch lacks the band."""
    tag: Tensor
    """(n,) number of what each shows."""


Loss = Callable[[nn.Module, TaggedPatches], Tensor]
"""A scalar."""


@dataclass(frozen=True, slots=True)
class EpochOptions:
    """Options of a training by epochs."""

    epochs: int
    batch_size: int
    lr: float
    seed: int
    device: torch.device
    folder: Path
    """Where the checkpoint lies."""
    identity: str = ""
    """Options and data in words; a checkpoint of another run is refused."""
    resume: bool = False


def mean_squared_error(network: nn.Module, batch: TaggedPatches) -> Tensor:
    """The paper's loss, over the bands that are there."""
    x, there = batch.x, batch.present.to(batch.x.dtype)[:, :, None, None]  # (n, channel, 1, 1)
    squares = (network(x) - x).square() * there
    loss: Tensor = squares.sum() / (there.sum() * x[0, 0].numel())
    return loss


def fit_autoencoder(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Train a network that draws its input again; see `fit`."""
    return fit(network, patches, mean_squared_error, options, listener)


def fit(network: nn.Module, patches: Patches, loss_of: Loss, options: EpochOptions, listener: Listener) -> list[float]:
    """Train the network in place with Adam and return the mean loss of each epoch.

    Batches depend on seed and epoch alone, so a resumed run ends with the weights of one never interrupted.

    Raises:
        ModelError: the loss is no longer a number, or there is nothing to resume from.
    """
    network.to(options.device).train()
    state = TrainingState(network, torch.optim.Adam(network.parameters(), lr=options.lr))
    epochs = _Epochs(patches, options)
    identity = f"{options.identity} patches={len(patches)}"
    if options.resume:
        load_checkpoint(options.folder, state, identity)
    else:
        begin(options.folder)
    total = 0.0  # of this epoch: losses of batches, each times its patches

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
    """All patches in batches, each epoch in an order of its own."""

    def __init__(self, patches: Patches, options: EpochOptions) -> None:
        self.data, self.present, self.tags = map(torch.from_numpy, (patches.data, patches.present, patches.tags))
        self.options = options
        self.steps = -(-len(patches) // options.batch_size)
        """Of an epoch."""
        self.order = torch.arange(0)

    def size(self, step: int) -> int:
        """Patches of the batch of a step, counted from 0 over all epochs."""
        start = step % self.steps * self.options.batch_size
        return min(self.options.batch_size, len(self.data) - start)

    def batch(self, step: int) -> TaggedPatches:
        """The batch of a step; steps come one after another, the first of them at the start of an epoch."""
        epoch, place = divmod(step, self.steps)
        if place == 0:
            seed = self.options.seed * 1_000_003 + epoch
            torch.manual_seed(seed)  # for losses that draw at random
            self.order = torch.randperm(len(self.data), generator=torch.Generator().manual_seed(seed))
        start, device = place * self.options.batch_size, self.options.device
        chosen = self.order[start : start + self.options.batch_size]
        return TaggedPatches(
            self.data[chosen].to(device), self.present[chosen].to(device), self.tags[chosen].to(device)
        )
