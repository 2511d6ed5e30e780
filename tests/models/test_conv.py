import pytest
import torch

from geocloud.errors import ModelError
from geocloud.models.network_scorer import build_network, folded


def _network(channels=3):
    torch.manual_seed(0)
    return build_network("conv", channels, {"widths": [6, 8, 10], "latent": 4}).eval()


def test_folding_leaves_the_network_as_it_was_trained():
    network = _network()
    assert folded(network).encoder[0].padding_mode == "zeros"
    assert network.encoder[0].padding_mode == "reflect"


@torch.inference_mode()
def test_missing_bands_are_left_out_of_the_error():
    network = _network(4)
    x = torch.rand(2, 4, 64, 64)
    x[:, 3] = 0
    score = network.raw_score(x[:, :3], torch.tensor([True, True, True, False]))
    torch.testing.assert_close(score, (network(x) - x)[:, :3].square().mean(dim=1))


def test_sizes_and_wrong_arguments():
    assert _network(7).raw_score(torch.rand(1, 7, 128, 64), torch.ones(7, dtype=torch.bool)).shape == (1, 128, 64)
    with pytest.raises(ModelError, match="three widths"):
        build_network("conv", 3, {"widths": [1, 2]})
