"""Fits a Gaussian mixture by expectation-maximisation (Dempster, Laird, Rubin 1977), in double precision."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from geocloud.errors import ModelError
from geocloud.models.networks.alternatives.gmm import GaussianMixture
from geocloud.training.options import Listener
from geocloud.training.patches.data import Patches
from geocloud.training.patches.loop import EpochOptions, fit_autoencoder

MOST_VECTORS = 100_000
"""Drawn at random of all pixels or codes."""
ROUNDS, TOLERANCE = 200, 1e-5
"""Rounds at most, and the gain of mean log density at which it stops."""
LEAST_VARIANCE = 1e-6
"""Added to every variance: flat bright patches have none, and a density without bound."""


class Mixture(NamedTuple):
    """The parameters, k Gaussians of d values."""

    weights: Tensor
    """(k,)"""
    means: Tensor
    """(k, d)"""
    whiteners: Tensor
    """(k, d, d) lower triangular W with precision W.T @ W."""


def fit_mixture(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Fit the network's mixture; where it is one of codes, the autoencoder first. Returns the losses.

    Those are mean squared errors of epochs for codes, and mean negative log densities of rounds for bands.
    """
    mixture = cast("GaussianMixture", network)
    losses = [] if mixture.coder is None else fit_autoencoder(mixture.coder, patches, options, listener)
    mixture.to(options.device).eval()
    vectors = _vectors(mixture, patches, options)
    found, rounds = maximise_likelihood(vectors, len(mixture.means), options.seed, listener)
    mixture.log_weights.copy_(found.weights.log())
    mixture.means.copy_(found.means)
    mixture.whiteners.copy_(found.whiteners)
    return losses or rounds


def maximise_likelihood(
    vectors: Tensor, components: int, seed: int = 0, listener: Listener | None = None
) -> tuple[Mixture, list[float]]:
    """The mixture that (m, d) vectors are likeliest under, as far as rounds from one start lead.

    Returns:
        The mixture, and the mean negative log density of each round.

    Raises:
        ModelError: fewer vectors than needed.
    """
    if len(vectors) <= components * vectors.shape[1]:
        raise ModelError(
            f"{len(vectors)} vectors are too few for {components} Gaussians; use more data or --components 1"
        )
    mixture, losses = _start(vectors, components, seed), list[float]()
    for round_number in range(ROUNDS):
        joint = _log_joint(vectors, mixture)  # (m, k)
        total = joint.logsumexp(dim=1, keepdim=True)
        losses.append(-float(total.mean()))
        if listener is not None:
            listener.progress(round_number + 1, ROUNDS, "mixture")
        if len(losses) > 1 and losses[-2] - losses[-1] < TOLERANCE:
            break
        mixture = _maximise(vectors, (joint - total).exp())
    return mixture, losses


def _start(vectors: Tensor, components: int, seed: int) -> Mixture:
    """Means drawn far apart (k-means++, Arthur and Vassilvitskii 2007), the spread of all."""
    rng = torch.Generator().manual_seed(seed)
    means = vectors[torch.randint(0, len(vectors), (1,), generator=rng)]
    while len(means) < components:
        away = torch.cdist(vectors, means).amin(dim=1).square().cpu()
        means = torch.cat([means, vectors[torch.multinomial(away, 1, generator=rng)]])
    whitener = _whitener(torch.cov(vectors.T, correction=0).reshape(vectors.shape[1], -1))
    return Mixture(torch.full_like(means[:, 0], 1 / components), means, whitener.repeat(components, 1, 1))


def _maximise(vectors: Tensor, share: Tensor) -> Mixture:
    """Weights, means and covariances of vectors that belong to each Gaussian by a (m, k) share."""
    mass = share.sum(dim=0) + 1e-9  # (k,)
    means = share.T @ vectors / mass[:, None]
    whiteners = []
    for part, mean, own in zip(share.T, means, mass, strict=True):
        away = vectors - mean
        whiteners.append(_whitener((away * part[:, None]).T @ away / own))
    return Mixture(mass / mass.sum(), means, torch.stack(whiteners))


def _whitener(covariance: Tensor) -> Tensor:
    """The inverse of its Cholesky factor."""
    eye = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    factor = torch.linalg.cholesky(covariance + LEAST_VARIANCE * eye)
    whitener: Tensor = torch.linalg.solve_triangular(factor, eye, upper=False)
    return whitener


def _log_joint(vectors: Tensor, mixture: Mixture) -> Tensor:
    """(m, k) log of weight times density."""
    half_log_tau = 0.9189385332046727  # log(2 pi) / 2
    parts = []
    for weight, mean, whitener in zip(*mixture, strict=True):
        white = (vectors - mean) @ whitener.T
        scale = whitener.diagonal().log().sum() - half_log_tau * len(mean)
        parts.append(weight.log() + scale - 0.5 * white.square().sum(dim=1))
    return torch.stack(parts, dim=1)


@torch.no_grad()
def _vectors(mixture: GaussianMixture, patches: Patches, options: EpochOptions) -> Tensor:
    """(m, d) double precision vectors, at most MOST_VECTORS."""
    rng = torch.Generator().manual_seed(options.seed)
    found = []
    for start in range(0, len(patches), options.batch_size):
        x = torch.from_numpy(patches.data[start : start + options.batch_size]).to(options.device)
        vectors = mixture.vectors(x).permute(0, 2, 3, 1).flatten(0, 2)  # (n*h*w, d)
        wanted = max(1, MOST_VECTORS * len(x) // len(patches))
        found.append(vectors[torch.randperm(len(vectors), generator=rng)[:wanted]].double())
    return torch.cat(found)
