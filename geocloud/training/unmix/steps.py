"""What trainings by a recipe share: optimiser, averaged weights, learning rate, checkpoints and the log."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from geocloud.models.network_scorer import has_bf16
from geocloud.training.checkpoint import TrainingState, load_checkpoint
from geocloud.training.loop import LoopOptions, LossOf, Terms, run_training
from geocloud.training.options import CHECKPOINT_FILE
from geocloud.training.unmix.recipe import UnmixConfig

LogReport = Callable[[int, int, str], None]
"""Called with the number of a step, from 0, the number of all steps, and the terms of its loss as text."""
SAVE_EVERY, LOG_EVERY = 250, 50
"""Steps between checkpoints, and between reports."""
LARGEST_GRADIENT = 1.0
"""Norm to which gradients are clipped."""


def start_or_resume(network: nn.Module, config: UnmixConfig, folder: Path) -> TrainingState:
    """The state of a training: that of the folder's checkpoint if there is one, else a new one of this network."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.decay)
    rng = Generator().manual_seed(config.seed)
    state = TrainingState(network, optimizer, deepcopy(network).eval(), rng)
    if (folder / CHECKPOINT_FILE).exists():
        load_checkpoint(folder, state)
    return state


def train_by_config(
    state: TrainingState, loss_of: LossOf, config: UnmixConfig, folder: Path, report: LogReport
) -> None:
    """Train until the state has done all steps of the recipe."""

    def loss(step: int) -> Terms:
        state.network.train(step < config.batch_norm_steps)
        return loss_of(step)

    def log(done: int, terms: Terms) -> None:
        if (done - 1) % LOG_EVERY == 0:
            text = " ".join(f"{name} {float(value.detach()):.3f}" for name, value in terms.items())
            report(done - 1, config.steps, text)

    loop = LoopOptions(
        config.steps,
        folder,
        SAVE_EVERY,
        rate=lambda step: rate_at(step, config),
        clip=LARGEST_GRADIENT,
        average=config.average,
    )
    run_training(state, loss, loop, log)


def autocast(config: UnmixConfig) -> torch.autocast:
    """Context that runs layers in bfloat16, if the recipe allows it and the processor has instructions for it."""
    return torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "auto" and has_bf16())


def rate_at(step: int, config: UnmixConfig) -> float:
    """Learning rate of a step: a ramp of 100 steps, then half a cosine down to a hundredth of the recipe's rate.

    The cosine ends after `lr_decay_steps`, so a recipe with fewer steps ends at a higher rate.
    """
    ramp = min(1.0, (step + 1) / 100)
    fraction = step / max(config.steps, config.lr_decay_steps)
    cosine = 0.5 * (1 + float(torch.cos(torch.tensor(3.14159265 * fraction))))
    return config.lr * ramp * (0.01 + 0.99 * cosine)


def weighted_mean(value: Tensor, weight: Tensor) -> Tensor:
    """() sum of value * weight over the sum of the weights, or over 1 if that is less; the shapes broadcast."""
    return (value * weight).sum() / weight.sum().clamp(min=1)
