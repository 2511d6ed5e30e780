"""The parts that fit a network, each against an oracle or against what must not move."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture as Oracle

from geocloud.errors import ModelError
from geocloud.models.networks.alternatives.features import FeatureAutoencoder
from geocloud.models.networks.alternatives.gan import GanAutoencoder
from geocloud.models.networks.alternatives.gmm import GaussianMixture
from geocloud.models.networks.contrast import ContrastNetwork
from geocloud.models.pretrained import backbone_card, load_backbone
from geocloud.training.alternatives.features import fit_features
from geocloud.training.alternatives.gan import Adversaries, autoencoder_loss, critic_loss
from geocloud.training.alternatives.gmm import fit_mixture, maximise_likelihood
from geocloud.training.options import Listener
from geocloud.training.patches.contrast import own_error
from geocloud.training.patches.data import Patches
from geocloud.training.patches.loop import EpochOptions, TaggedPatches


def _loop(folder):
    return EpochOptions(1, 4, 1e-3, 0, torch.device("cpu"), folder)


def _patches(number=6):
    generator = np.random.default_rng(0)
    base = generator.uniform(0.05, 0.3, (number, 3, 1, 1))
    data = (base + generator.normal(0, 0.03, (number, 3, 64, 64))).astype(np.float32)
    return Patches(data, np.ones((number, 3), dtype=bool), tuple(map(str, range(number))), np.zeros(number, dtype=int))


def _moved(module):
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def test_a_mixture_is_as_likely_as_scikit_learn_s():
    generator = np.random.default_rng(1)
    parts = [generator.multivariate_normal(m, c, 2000) for m, c in (
        ([0.1, 0.1, 0.1], np.diag([1e-3, 2e-3, 1e-3])), ([0.5, 0.4, 0.3], np.full((3, 3), 2e-3) + np.eye(3) * 1e-3),
    )]  # fmt: skip
    vectors = np.concatenate(parts)
    oracle = Oracle(2, tol=1e-6, reg_covar=1e-6, random_state=0).fit(vectors)
    mixture, losses = maximise_likelihood(torch.from_numpy(vectors), 2)
    assert losses[-1] == pytest.approx(-oracle.score(vectors), abs=1e-3)
    assert (np.diff(losses) < 1e-9).all()  # every round is likelier
    order = mixture.means[:, 0].argsort()
    np.testing.assert_allclose(mixture.means[order], oracle.means_[oracle.means_[:, 0].argsort()], atol=1e-3)


def test_the_score_of_one_gaussian_is_the_mahalanobis_distance(tmp_path):
    network, patches = GaussianMixture(3, components=1), _patches()
    fit_mixture(network, patches, _loop(tmp_path), Listener())
    x = torch.from_numpy(patches.data[:1])
    score = network.raw_score(x, torch.ones(3, dtype=torch.bool))[0].flatten().double()
    pixels = np.moveaxis(patches.data, 1, -1).reshape(-1, 3).astype(np.float64)
    away = patches.data[0].reshape(3, -1).T - pixels.mean(axis=0)
    expected = np.einsum("pi,ij,pj->p", away, np.linalg.inv(np.cov(pixels.T) + np.eye(3) * 1e-6), away)
    np.testing.assert_allclose(2 * (score - score.min()), expected - expected.min(), rtol=0.02, atol=0.02)


def test_too_few_vectors_are_refused():
    with pytest.raises(ModelError, match="5 vectors are too few for 4 Gaussians"):
        maximise_likelihood(torch.rand(5, 3, dtype=torch.float64), 4)


def test_the_linear_autoencoder_leaves_what_principal_components_leave(tmp_path):
    network, patches = FeatureAutoencoder(3, components=5), _patches()
    (left,) = fit_features(network, patches, _loop(tmp_path), Listener())
    with torch.no_grad():
        vectors = network.vectors(torch.from_numpy(patches.data)).permute(0, 2, 3, 1).flatten(0, 2).double().numpy()
    scaled = (vectors - vectors.mean(axis=0)) / np.sqrt(np.maximum(vectors.var(axis=0), 1e-6))
    oracle = PCA(5, svd_solver="full").fit(scaled)
    error = np.square(scaled - oracle.inverse_transform(oracle.transform(scaled))).mean(axis=1)
    assert left == pytest.approx(error.mean(), rel=1e-3)
    np.testing.assert_allclose(network.residual(torch.from_numpy(vectors).float()), error, rtol=0.02, atol=0.02)


def test_critic_and_autoencoder_learn_apart():
    torch.manual_seed(0)
    both = Adversaries(GanAutoencoder(3, (4, 4, 4), 2), 3)
    x = torch.rand(2, 3, 64, 64)
    drawn, code, again = both.autoencoder(x, torch.ones(3))
    autoencoder_loss(both.critic, x, drawn, (code - again).square().mean()).backward()
    assert _moved(both.autoencoder.decoder)
    assert not _moved(both.critic)
    both.zero_grad()
    drawn, _, _ = both.autoencoder(x, torch.ones(3))
    critic_loss(both.critic, x, drawn).backward()
    assert _moved(both.critic)
    assert not _moved(both.autoencoder)


def test_each_autoencoder_of_contrast_learns_its_own_tag():
    torch.manual_seed(0)
    network = ContrastNetwork(3, (4, 4, 4), 2)
    batch = TaggedPatches(
        torch.rand(2, 3, 64, 64), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, dtype=torch.long)
    )
    own_error(network, batch).backward()
    assert _moved(network.clear)
    assert not _moved(network.cloudy)


def test_the_shipped_backbone_names_its_data_and_knows_its_classes(data_root):
    card = backbone_card()
    assert "MIT" in card.training.data[0]
    assert card.metrics["held-out pictures"]["accuracy"] > 0.75


def test_a_backbone_of_other_widths_is_refused():
    with pytest.raises(ModelError, match="does not fit the network"):
        load_backbone(FeatureAutoencoder(3, widths=(4, 4, 4), components=2).backbone)
