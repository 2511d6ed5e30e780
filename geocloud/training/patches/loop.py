"""The training loop, from the first batch to the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geocloud.errors import ModelError
from geocloud.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from geocloud.training.options import Listener
from geocloud.training.patches.data import Patches


class Batch(NamedTuple):
    """Patches that a step is made of."""

    x: Tensor
    """(n, channel, 64, 64) reflectance, missing bands 0."""
    present: Tensor
    """(n, channel) False = that patch lacks the band."""
    tag: Tensor
    """(n,) number of what each shows."""


Loss = Callable[[nn.Module, Batch], Tensor]
"""A scalar."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """Options of the loop."""

    epochs: int
    batch_size: int
    lr: float
    seed: int
    device: torch.device
    folder: Path
    """Where the checkpoint lies."""
    run: str = ""
    """Options and data in words; a checkpoint of another run is refused."""
    resume: bool = False


def mean_squared_error(network: nn.Module, batch: Batch) -> Tensor:
    """The paper's loss, over the bands that are there."""
    x, there = batch.x, batch.present.to(batch.x.dtype)[:, :, None, None]  # (n, channel, 1, 1)
    squares = (network(x) - x).square() * there
    loss: Tensor = squares.sum() / (there.sum() * x[0, 0].numel())
    return loss


def fit_autoencoder(network: nn.Module, patches: Patches, options: LoopOptions, listener: Listener) -> list[float]:
    """Train a network that draws its input again; see `fit`."""
    return fit(network, patches, mean_squared_error, options, listener)


def fit(network: nn.Module, patches: Patches, loss_of: Loss, options: LoopOptions, listener: Listener) -> list[float]:
    """Train the network in place with Adam and return the mean loss of each epoch.

    Batches depend on seed and epoch alone, so a resumed run ends with the weights of one never interrupted.

    Raises:
        ModelError: the loss is no longer a number, or there is nothing to resume from.
    """
    device = options.device
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=options.lr)
    state, losses = TrainingState({"network": network}, optimizer), list[float]()
    if options.resume:
        losses += load_checkpoint(options.folder, state, options.run)["losses"]
    data, present, tags = (torch.from_numpy(part) for part in (patches.data, patches.present, patches.tags))

    for epoch in range(len(losses), options.epochs):
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        torch.manual_seed(options.seed * 1_000_003 + epoch)  # for losses that draw at random
        order = torch.randperm(len(data), generator=generator)
        total = 0.0
        for start in range(0, len(order), options.batch_size):
            chosen = order[start : start + options.batch_size]
            batch = Batch(data[chosen].to(device), present[chosen].to(device), tags[chosen].to(device))

            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(network, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

            total += loss.item() * len(chosen)
            done = epoch * len(order) + start + len(chosen)
            listener.progress(done, options.epochs * len(order), "training")
        if not total < float("inf"):
            raise ModelError(f"the loss of epoch {epoch + 1} is no number; lower --lr from {options.lr:g}")
        losses.append(total / len(order))
        save_checkpoint(options.folder, state, {"losses": losses}, options.run)
        listener.epoch(epoch + 1, losses[-1])

    network.eval()
    return losses
