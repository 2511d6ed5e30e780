"""The training loop, from the first batch to the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from geocloud.errors import ModelError
from geocloud.training.checkpoint import load_checkpoint, save_checkpoint
from geocloud.training.data import Patches
from geocloud.training.options import Listener

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(network, x (n, channel, 64, 64), present (n, channel)) → scalar."""


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


def mean_squared_error(network: nn.Module, x: Tensor, present: Tensor) -> Tensor:
    """The paper's loss, over the bands that are there."""
    there = present.to(x.dtype)[:, :, None, None]  # (n, channel, 1, 1)
    squares = (network(x) - x).square() * there
    loss: Tensor = squares.sum() / (there.sum() * x[0, 0].numel())
    return loss


def fit(network: nn.Module, patches: Patches, loss_of: Loss, options: LoopOptions, listener: Listener) -> list[float]:
    """Train the network in place with Adam and return the mean loss of each epoch.

    Batches depend on seed and epoch alone, so a resumed run ends with the weights of one never interrupted.

    Raises:
        ModelError: the loss is no longer a number, or there is nothing to resume from.
    """
    device = options.device
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=options.lr)
    losses = load_checkpoint(options.folder, network, optimizer, options.run) if options.resume else []
    data, present = torch.from_numpy(patches.data), torch.from_numpy(patches.present)

    for epoch in range(len(losses), options.epochs):
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        order = torch.randperm(len(data), generator=generator)
        total = 0.0
        for start in range(0, len(order), options.batch_size):
            batch = order[start : start + options.batch_size]
            x, there = data[batch].to(device), present[batch].to(device)

            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(network, x, there)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

            total += loss.item() * len(batch)
            done = epoch * len(order) + start + len(batch)
            listener.progress(done, options.epochs * len(order), "training")
        if not total < float("inf"):
            raise ModelError(f"the loss of epoch {epoch + 1} is no number; lower --lr from {options.lr:g}")
        losses.append(total / len(order))
        save_checkpoint(options.folder, network, optimizer, losses, options.run)
        listener.epoch(epoch + 1, losses[-1])

    network.eval()
    return losses
