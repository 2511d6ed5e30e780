"""What every network of a kind promises: shapes, its halo, and arguments refused in one sentence."""

import pytest
import torch

from geocloud.errors import ModelError
from geocloud.models.kinds import KINDS
from geocloud.models.network_scorer import build_network, folded

SMALL = {
    "conv": {"widths": [4, 6, 8], "latent": 3},
    "contrast": {"widths": [4, 6, 8], "latent": 3},
    "gan": {"widths": [4, 6, 8], "latent": 3},
    "gmm": {"on": "codes", "widths": [4, 6, 8], "latent": 3},
    "features": {"widths": [4, 6, 8], "components": 2},
}


@pytest.mark.parametrize("kind", SMALL)
@torch.inference_mode()
def test_nothing_beyond_the_halo_reaches_a_score(kind):
    network, halo = build_network(kind, 3, SMALL[kind]).eval(), KINDS[kind].halo
    there, scene = torch.ones(3, dtype=torch.bool), torch.full((1, 3, 64 + 4 * halo, 64 + 4 * halo), torch.nan)
    near = (..., slice(halo, -halo), slice(halo, -halo))
    scene[near] = torch.rand_like(scene[near])
    reached = network.raw_score(scene, there).isnan()
    assert reached[near].any()
    assert not reached[..., 2 * halo : -2 * halo, 2 * halo : -2 * halo].any()


@pytest.mark.parametrize("kind", SMALL)
@torch.inference_mode()
def test_as_it_scores_it_is_the_same_within_the_halo(kind):
    torch.manual_seed(0)
    network, halo = build_network(kind, 3, SMALL[kind]).eval(), KINDS[kind].halo
    there, scene = torch.ones(3, dtype=torch.bool), torch.rand(1, 3, 64 + 2 * halo, 64 + 2 * halo)
    trained, scoring = (n.raw_score(scene, there)[:, halo:-halo, halo:-halo] for n in (network, folded(network)))
    torch.testing.assert_close(trained, scoring)


@pytest.mark.parametrize("kind", SMALL)
@torch.inference_mode()
def test_scores_are_one_a_pixel(kind):
    network = build_network(kind, 3, SMALL[kind]).eval()
    assert network.raw_score(torch.rand(2, 3, 128, 64), torch.ones(3, dtype=torch.bool)).shape == (2, 128, 64)


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        ("contrast", {"window": 4}, "window must be odd"),
        ("gan", {"widths": [1, 2]}, "three widths"),
        ("gmm", {"components": 0}, "at least 1"),
        ("gmm", {"on": "pixels"}, "bands or codes"),
        ("features", {"components": 0}, "components must be 1 to"),
    ],
)
def test_wrong_arguments_are_one_sentence(kind, wrong, said):
    with pytest.raises(ModelError, match=said):
        build_network(kind, 3, wrong)
