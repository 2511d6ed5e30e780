"""Fits the adversarial autoencoder: GANomaly's three losses of the autoencoder, and the critic it must deceive.

Both are trained by one optimiser in one step. What must not flow is cut instead: the critic sees drawn patches without
their history, and the autoencoder sees the critic with its weights held fixed.
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
    """Tells real patches from drawn ones, by features whose mean over the patch it judges."""

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
    """Both in one module, so that one checkpoint holds them."""

    def __init__(self, autoencoder: GanAutoencoder, channels: int) -> None:
        """A fresh critic beside the autoencoder."""
        super().__init__()
        self.autoencoder = autoencoder
        self.critic = Critic(channels)


def fit_gan(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Train the autoencoder against a critic, which is thrown away; losses are of both together."""
    both = Adversaries(cast("GanAutoencoder", network), patches.data.shape[1])
    return fit(both, patches, adversarial_loss, options, listener)


def adversarial_loss(network: nn.Module, batch: TaggedPatches) -> Tensor:
    """The sum of all losses; its gradient is each part's own."""
    both = cast("Adversaries", network)
    drawn, code, again = both.autoencoder(batch.x, batch.present)
    return autoencoder_loss(both.critic, batch.x, drawn, (code - again).square().mean()) + critic_loss(
        both.critic, batch.x, drawn
    )


def autoencoder_loss(critic: Critic, x: Tensor, drawn: Tensor, code: Tensor) -> Tensor:
    """Draw what was seen, keep its code, and have the critic's features of real patches; leaves the critic alone."""
    fixed = {name: value.detach() for name, value in critic.named_parameters()}
    _, wanted = functional_call(critic, fixed, (x,))
    _, had = functional_call(critic, fixed, (drawn,))
    loss: Tensor = (
        DRAWN_WEIGHT * (drawn - x).abs().mean() + CODE_WEIGHT * code + DECEIVED_WEIGHT * (had - wanted).square().mean()
    )
    return loss


def critic_loss(critic: Critic, x: Tensor, drawn: Tensor) -> Tensor:
    """Tell them apart; leaves the autoencoder alone."""
    real, _ = critic(x)
    false, _ = critic(drawn.detach())
    return (
        F.binary_cross_entropy_with_logits(real, ones_like(real))
        + F.binary_cross_entropy_with_logits(false, zeros_like(false))
    ) / 2
