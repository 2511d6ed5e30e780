"""Training of the unmixing autoencoder, read from top to bottom.

A batch is made of crops of real scenes, most of them under a simulated cloud. What is known of a pixel (from tags of
patches, or from pixel labels for the supervised twin, or from a teacher where it is confident) and what was simulated
are joined into one target. The teacher is the running average of the weights, asked anew every so many steps.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Generator, Tensor

from geocloud.models.networks.unmix import CELL, Unmixed, UnmixNet
from geocloud.models.precision import has_bf16
from geocloud.training.batches import VISIBLE, Batch, Batches
from geocloud.training.recipe import UnmixConfig
from geocloud.training.surfaces import TrainingScene
from geocloud.training.teacher import DETECT_GAIN, DETECT_LOGIT, ask_teacher, follow

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and the terms of the loss."""


def train_unmix(
    config: UnmixConfig, scenes: list[TrainingScene], out_dir: Path, progress: Progress, start: UnmixNet | None = None
) -> UnmixNet:
    """Train a recipe on scenes; taken up again from ``out_dir/checkpoint.pt`` where there is one.

    Args:
        config: the recipe.
        scenes: those that the recipe names, without what is held back for evaluation.
        out_dir: where the checkpoint is kept.
        progress: called every 50 steps.
        start: network of an earlier training to go on from; None for random weights.

    Returns:
        The averaged network, in evaluation mode.
    """
    torch.manual_seed(config.seed)
    return Run(config, out_dir / "checkpoint.pt", start).fit(scenes, progress)


class Run:
    """The state of one training, and its loop."""

    def __init__(self, config: UnmixConfig, checkpoint: Path, start: UnmixNet | None = None) -> None:
        """A new run, or the one that the checkpoint holds."""
        self.config, self.checkpoint, self.step = config, checkpoint, 0
        self.rng = Generator().manual_seed(config.seed)
        self.student, self.teacher = (UnmixNet(widths=config.widths) for _ in range(2))
        if start:
            self.student.load_state_dict(start.state_dict())
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.eval()
        self.optimiser = torch.optim.AdamW(self.student.parameters(), lr=config.rate, weight_decay=config.decay)
        if checkpoint.exists():
            self._resume()

    def fit(self, scenes: list[TrainingScene], progress: Progress) -> UnmixNet:
        """Step until the recipe's last step; returns the averaged network."""
        config, first = self.config, self.step
        told = [scene.weight == 1 for scene in scenes]
        batches = Batches(scenes, config, self.rng)
        for self.step in range(first, config.steps):
            late = self.step - config.teach_from
            if late >= 0 and (late % config.teach_every == 0 or self.step == first):
                lesson = ask_teacher(self.teacher, batches.scenes, told, config.trust)
                batches.scenes, batches.odds = lesson.scenes, batches.shares * (1 + config.mine * lesson.errors)
            terms = self._learn(batches.draw())
            if self.step % 50 == 0:
                progress(self.step, config.steps, " ".join(f"{k} {float(v):.3f}" for k, v in terms.items()))
            if (self.step + 1) % 250 == 0 or self.step + 1 == config.steps:
                self._save()
        return self.teacher

    def _learn(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the student, and the average after it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, self.config)
        row, column = torch.randint(0, CELL, (2,), generator=self.rng).tolist()
        self.student.train(self.step < self.config.settle)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16()):
            logit, parts = self.student.sampled(batch.x, batch.present, (row, column))
        terms = losses(logit, parts, batch, (row, column))
        self.optimiser.zero_grad()
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        follow(self.teacher, self.student, min(self.config.average, (self.step + 1) / (self.step + 10)))
        return {name: term.detach() for name, term in terms.items()}

    def _save(self) -> None:
        """Write the checkpoint whole or not at all."""
        state = {
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step + 1,
            "rng": self.rng.get_state(),
        }
        torch.save(state, self.checkpoint.with_suffix(".tmp"))
        self.checkpoint.with_suffix(".tmp").replace(self.checkpoint)

    def _resume(self) -> None:
        """Take everything from the checkpoint."""
        saved = torch.load(self.checkpoint, weights_only=True)
        for name in ("student", "teacher", "optimiser"):
            getattr(self, name).load_state_dict(saved[name])
        self.rng.set_state(saved["rng"])
        self.step = saved["step"]


def rate_at(step: int, config: UnmixConfig) -> float:
    """Learning rate: a short ramp, then half a cosine down to a hundredth, or as much of it as the recipe goes."""
    ramp = min(1.0, (step + 1) / 100)
    fall = 0.5 * (1 + float(torch.cos(torch.tensor(3.14159265 * step / max(config.steps, config.fall)))))
    return config.rate * ramp * (0.01 + 0.99 * fall)


def losses(logit: Tensor, parts: Unmixed, batch: Batch, corner: tuple[int, int]) -> dict[str, Tensor]:
    """The terms of the loss, weighted: detection leads; the parts of the mixture and their sum keep it physical.

    Args:
        logit: (n, 1, h, w) of the opacity.
        parts: the mixture at one pixel of each cell.
        batch: what was shown and wanted.
        corner: row and column of that pixel.
    """
    raised = DETECT_GAIN * (logit - DETECT_LOGIT)
    loss = F.binary_cross_entropy_with_logits(raised, batch.target, reduction="none")
    return {"detect": 1.5 * _mean(loss, batch.weight)} | _mixture_losses(parts, batch, corner)


def _mixture_losses(parts: Unmixed, batch: Batch, corner: tuple[int, int]) -> dict[str, Tensor]:
    """Each part against what was simulated where the ground is known to be clear; their sum everywhere."""
    x, clean, opacity, cloud, shadow, clear = (
        part[..., corner[0] :: CELL, corner[1] :: CELL]
        for part in (batch.x, batch.clean, batch.veil.opacity, batch.veil.cloud, batch.veil.shadow, batch.known_clear)
    )
    shown, opacity = batch.present[..., None, None], opacity[:, :3].mean(1, keepdim=True)
    laid, veiled = (opacity > VISIBLE).float(), clear * (opacity.amax((2, 3), keepdim=True) > 0)
    return {
        "opacity": 0.5 * _mean((parts.opacity - opacity).abs(), clear),
        "remix": _mean((parts.reconstruction() - x).abs(), shown.expand_as(x)),
        "surface": _mean((parts.surface - clean).abs(), clear * shown),
        "cloud": 0.3 * _mean((parts.cloud - cloud).abs(), laid * opacity * shown),
        "slope": 0.1 * _mean((parts.slope - batch.veil.slope).abs(), laid),
        "shadow": 0.3 * _mean(F.binary_cross_entropy(parts.shadow, shadow, reduction="none"), veiled),
    }


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; 0 where nothing weighs."""
    return (value * weight).sum() / weight.sum().clamp(min=1)
