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
"""Largest number of vectors to fit, drawn at random from all pixels or codes."""
ROUNDS, TOLERANCE = 200, 1e-5
"""Largest number of rounds, and the increase of the mean log density below which they end."""
LEAST_VARIANCE = 1e-6
"""Added to every variance: flat bright patches have none, so their density would be unbounded."""


class Mixture(NamedTuple):
    """Parameters of k Gaussians of d values."""

    weights: Tensor
    """(k,) with the sum 1."""
    means: Tensor
    """(k, d)"""
    whiteners: Tensor
    """(k, d, d) lower triangular W with precision W.T @ W."""


def fit_mixture(network: nn.Module, patches: Patches, options: EpochOptions, listener: Listener) -> list[float]:
    """Fit the network's mixture; for a mixture of codes, train the autoencoder first.

    Returns:
        Losses: for codes the mean squared error of each epoch, for bands the mean negative log density of each round.

    Raises:
        ModelError: there are too few vectors.
    """
    mixture = cast("GaussianMixture", network)
    losses = [] if mixture.coder is None else fit_autoencoder(mixture.coder, patches, options, listener)
    mixture.to(options.device).eval()
    vectors = _vectors(mixture, patches, options)
    fitted, rounds = maximise_likelihood(vectors, len(mixture.means), options.seed, listener)
    mixture.log_weights.copy_(fitted.weights.log())
    mixture.means.copy_(fitted.means)
    mixture.whiteners.copy_(fitted.whiteners)
    return losses or rounds


def maximise_likelihood(
    vectors: Tensor, components: int, seed: int = 0, listener: Listener | None = None
) -> tuple[Mixture, list[float]]:
    """Fit a mixture to vectors (m, d) by expectation-maximisation from one random start: a local optimum.

    Returns:
        The mixture, and the mean negative log density of each round.

    Raises:
        ModelError: there are too few vectors.
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
    """Means far apart (k-means++, Arthur and Vassilvitskii 2007); each covariance is that of all vectors."""
    rng = torch.Generator().manual_seed(seed)
    means = vectors[torch.randint(0, len(vectors), (1,), generator=rng)]
    while len(means) < components:
        squared_distance = torch.cdist(vectors, means).amin(dim=1).square().cpu()
        means = torch.cat([means, vectors[torch.multinomial(squared_distance, 1, generator=rng)]])
    whitener = _whitener(torch.cov(vectors.T, correction=0).reshape(vectors.shape[1], -1))
    return Mixture(torch.full_like(means[:, 0], 1 / components), means, whitener.repeat(components, 1, 1))


def _maximise(vectors: Tensor, share: Tensor) -> Mixture:
    """The mixture of greatest likelihood for vectors (m, d) that belong to each Gaussian by a share (m, k)."""
    mass = share.sum(dim=0) + 1e-9  # (k,)
    means = share.T @ vectors / mass[:, None]
    whiteners = []
    for weight, mean, total in zip(share.T, means, mass, strict=True):
        difference = vectors - mean
        whiteners.append(_whitener((difference * weight[:, None]).T @ difference / total))
    return Mixture(mass / mass.sum(), means, torch.stack(whiteners))


def _whitener(covariance: Tensor) -> Tensor:
    """(d, d) inverse of the Cholesky factor of a covariance (d, d)."""
    eye = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    factor = torch.linalg.cholesky(covariance + LEAST_VARIANCE * eye)
    whitener: Tensor = torch.linalg.solve_triangular(factor, eye, upper=False)
    return whitener


def _log_joint(vectors: Tensor, mixture: Mixture) -> Tensor:
    """(m, k) log of the weight of each Gaussian times its density at each vector (m, d)."""
    half_log_tau = 0.9189385332046727  # log(2 pi) / 2
    parts = []
    for weight, mean, whitener in zip(*mixture, strict=True):
        white = (vectors - mean) @ whitener.T
        scale = whitener.diagonal().log().sum() - half_log_tau * len(mean)
        parts.append(weight.log() + scale - 0.5 * white.square().sum(dim=1))
    return torch.stack(parts, dim=1)


@torch.no_grad()
def _vectors(mixture: GaussianMixture, patches: Patches, options: EpochOptions) -> Tensor:
    """(m, d) vectors of pixels or codes in double precision, about MOST_VECTORS at most."""
    rng = torch.Generator().manual_seed(options.seed)
    parts = []
    for start in range(0, len(patches), options.batch_size):
        x = torch.from_numpy(patches.data[start : start + options.batch_size]).to(options.device)
        vectors = mixture.vectors(x).permute(0, 2, 3, 1).flatten(0, 2)  # (n*h*w, d)
        wanted = max(1, MOST_VECTORS * len(x) // len(patches))
        parts.append(vectors[torch.randperm(len(vectors), generator=rng)[:wanted]].double())
    return torch.cat(parts)
