"""The training loop of all networks that are trained by gradient descent.

What differs between trainings is passed in: the loss of a batch, the optimiser, the learning rate, the averaging.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from geocloud.errors import ModelError
from geocloud.training.checkpoint import TrainingState, save_checkpoint

Terms = Mapping[str, Tensor]
"""Name -> scalar term; the loss is their sum."""
LossOf = Callable[[int], Terms]
"""From the number of a step, counted from 0, to its loss; draws the batch and runs the network."""
StepReport = Callable[[int, Terms], None]
"""Called after each step with the number of steps done and the loss, before a checkpoint is written."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """Number of steps, learning rate and checkpoints of a training."""

    steps: int
    folder: Path
    """Of the checkpoint."""
    save_every: int
    """Steps between checkpoints; another is written after the last step."""
    identity: str = ""
    """Options and data in words, or a hash of them; a checkpoint with another identity is refused."""
    rate: Callable[[int], float] | None = None
    """From the number of a step, counted from 0, to its learning rate; None: the optimiser's rate throughout."""
    clip: float = float("inf")
    """Gradients with a larger norm are scaled down to it."""
    average: float = 0.0
    """Share that the running average of weights keeps at each step; less in the first steps."""


def run_training(state: TrainingState, loss_of: LossOf, options: LoopOptions, report: StepReport) -> None:
    """Take the steps that the state has not taken yet; the state is changed in place and saved.

    Raises:
        ModelError: the loss is no longer a number.
    """
    parameters = [value for group in state.optimizer.param_groups for value in group["params"]]
    for step in range(state.step, options.steps):
        if options.rate is not None:
            for group in state.optimizer.param_groups:
                group["lr"] = options.rate(step)

        terms = loss_of(step)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise ModelError(
                f"the loss of step {step + 1} is not a number; train with a lower learning rate than "
                f"{state.optimizer.param_groups[0]['lr']:.3g}"
            )
        state.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if options.clip < float("inf"):
            nn.utils.clip_grad_norm_(parameters, options.clip)
        state.optimizer.step()
        if state.average is not None:
            follow(state.average, state.network, min(options.average, (step + 1) / (step + 10)))

        state.step = step + 1
        report(state.step, terms)
        if state.step % options.save_every == 0 or state.step == options.steps:
            save_checkpoint(options.folder, state, options.identity)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, keep: float) -> None:
    """Move a running average of weights and batch-norm statistics towards a network; `keep` is the share it keeps."""
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.mul_(keep).add_(fast, alpha=1 - keep)
