"""Fits the adversarial autoencoder: GANomaly's three losses of the autoencoder, and the loss of its critic.

One optimiser trains both in one step. Gradients that must not flow are cut: the critic gets detached reconstructions,
and the autoencoder's losses use the critic with fixed weights.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn, ones_like, zeros_like
from torch.func import functional_call

from geocloud.models.networks.alternatives.gan import GanAutoencoder
from geocloud.models.networks.conv import conv_encoder
from geocloud.training.options import Listener
from geocloud.training.patches.data import Patches
from geocloud.training.patches.loop import EpochOptions, TaggedPatches, fit

DRAWN_WEIGHT, CODE_WEIGHT, DECEIVED_WEIGHT = 50.0, 1.0, 1.0
"""Weights of the autoencoder's losses (Akçay, Atapour-Abarghouei, Breckon 2018, section 4.2)."""
CRITIC_WIDTHS, CRITIC_FEATURES = (16, 32, 64), 64


class Critic(nn.Module):
    """Classifies patches as real or reconstructed, by the means of features over the patch."""

    def __init__(self, channels: int) -> None:
        """Random weights."""
        super().__init__()
        self.features = conv_encoder(channels, CRITIC_WIDTHS, CRITIC_FEATURES)
        self.judge = nn.Linear(CRITIC_FEATURES, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, 64, 64) → (n,) logit, high = real, and (n, 64) mean features."""
        means = F.silu(self.features(x)).mean(dim=(2, 3))
        return self.judge(means)[:, 0], means


class Adversaries(nn.Module):
    """Autoencoder and critic in one module, so that one checkpoint holds both."""

    def __init__(self, autoencoder: GanAutoencoder, channels: int) -> None:
        """The autoencoder with a new critic of random weights."""
        super().__init__()
        self.autoencoder = autoencoder
        self.critic = Critic(channels)


def fit_gan(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Train the autoencoder with a critic, which is then discarded; returns the mean sum of losses of each epoch."""
    both = Adversaries(cast("GanAutoencoder", network), patches.data.shape[1])
    return fit(both, patches, adversarial_loss, options, listener)


def adversarial_loss(network: nn.Module, batch: TaggedPatches) -> Tensor:
    """() the sum of all losses; each network gets the gradient of its own losses only."""
    both = cast("Adversaries", network)
    drawn, code, recoded = both.autoencoder(batch.x, batch.present)
    return autoencoder_loss(both.critic, batch.x, drawn, (code - recoded).square().mean()) + critic_loss(
        both.critic, batch.x, drawn
    )


def autoencoder_loss(critic: Critic, x: Tensor, drawn: Tensor, code: Tensor) -> Tensor:
    """() weighted sum of three errors: of the reconstruction, of its code, and of the critic's features of it.

    Args:
        critic: gets no gradient.
        x: (n, channel, 64, 64) patches.
        drawn: their reconstructions, in the same shape.
        code: () mean squared difference between the codes of both.
    """
    fixed = {name: value.detach() for name, value in critic.named_parameters()}
    _, target = functional_call(critic, fixed, (x,))
    _, features = functional_call(critic, fixed, (drawn,))
    loss: Tensor = (
        DRAWN_WEIGHT * (drawn - x).abs().mean()
        + CODE_WEIGHT * code
        + DECEIVED_WEIGHT * (features - target).square().mean()
    )
    return loss


def critic_loss(critic: Critic, x: Tensor, drawn: Tensor) -> Tensor:
    """() cross entropy of the critic, real against reconstructed patches; the autoencoder gets no gradient."""
    real, _ = critic(x)
    fake, _ = critic(drawn.detach())
    return (
        F.binary_cross_entropy_with_logits(real, ones_like(real))
        + F.binary_cross_entropy_with_logits(fake, zeros_like(fake))
    ) / 2
