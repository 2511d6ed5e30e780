"""The state of a training by steps, kept in a checkpoint: network, running average, optimiser, random numbers."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Generator, Tensor, nn

from geocloud.models.network_scorer import has_bf16
from geocloud.training.checkpoint import CHECKPOINT_FILE, TrainingState, load_checkpoint, save_checkpoint
from geocloud.training.unmix.recipe import UnmixConfig

StepReport = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and the terms of the loss."""
Network = TypeVar("Network", bound=nn.Module)
SAVE_EVERY, REPORT_EVERY = 250, 50
"""Steps."""


class Run(Generic[Network]):
    """A training from its first step, or from the one after its checkpoint's."""

    def __init__(self, config: UnmixConfig, folder: Path, network: Network, report: StepReport) -> None:
        """Take the network as it is, or everything from the folder's checkpoint where there is one."""
        self.config, self.folder, self.report, self.step = config, folder, report, 0
        self.rng = Generator().manual_seed(config.seed)
        self.student, self.average = network, deepcopy(network).eval()
        self.optimiser = torch.optim.AdamW(self.student.parameters(), lr=config.lr, weight_decay=config.decay)
        networks = {"student": self.student, "average": self.average}
        self._state = TrainingState(networks, self.optimiser, self.rng)
        there = (folder / CHECKPOINT_FILE).exists()
        self.first: int = load_checkpoint(folder, self._state)["step"] if there else 0

    def steps(self) -> Iterator[int]:
        """The numbers of the steps to take, each with its rate and way of normalising set; saves between them."""
        for step in range(self.first, self.config.steps):
            self.step = step
            for group in self.optimiser.param_groups:
                group["lr"] = rate_at(step, self.config)
            self.student.train(step < self.config.batch_norm_steps)
            yield step
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == self.config.steps:
                save_checkpoint(self.folder, self._state, {"step": step + 1})

    def autocast(self) -> torch.autocast:
        """Bfloat16 for the layers that allow it, if the recipe allows it and the processor has instructions for it."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "auto" and has_bf16())

    def learn(self, terms: dict[str, Tensor]) -> None:
        """Follow the gradient of the sum of the terms, and let the average follow the student."""
        self.optimiser.zero_grad()
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        follow(self.average, self.student, min(self.config.average, (self.step + 1) / (self.step + 10)))
        if self.step % REPORT_EVERY == 0:
            words = " ".join(f"{name} {float(value.detach()):.3f}" for name, value in terms.items())
            self.report(self.step, self.config.steps, words)


def rate_at(step: int, config: UnmixConfig) -> float:
    """Learning rate: a short ramp, then half a cosine down to a hundredth, or as much of it as the recipe goes."""
    ramp = min(1.0, (step + 1) / 100)
    fraction = step / max(config.steps, config.lr_decay_steps)
    cosine = 0.5 * (1 + float(torch.cos(torch.tensor(3.14159265 * fraction))))
    return config.lr * ramp * (0.01 + 0.99 * cosine)


@torch.no_grad()
def follow(average: nn.Module, student: nn.Module, keep: float) -> None:
    """Running average of weights and batch-norm statistics."""
    for slow, fast in zip(average.state_dict().values(), student.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.mul_(keep).add_(fast, alpha=1 - keep)


def weighted_mean(value: Tensor, weight: Tensor) -> Tensor:
    """() mean of values by weights of a shape that goes with theirs; 0 where nothing weighs."""
    return (value * weight).sum() / weight.sum().clamp(min=1)
