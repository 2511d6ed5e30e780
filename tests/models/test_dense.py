import pytest
import torch

from geocloud.errors import ModelError
from geocloud.models.network_scorer import build_network


def test_the_paper_s_layers():
    network = build_network("dense", 3, {})
    sizes = [tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")]
    assert sizes == [(512, 12288), (128, 512), (512, 128), (12288, 512)]


def test_the_score_is_the_error_of_each_patch_wherever_it_lies():
    torch.manual_seed(0)
    network = build_network("dense", 3, {"widths": [8], "latent": 4})
    block = torch.rand(2, 3, 128, 192)
    score = network.raw_score(block, torch.ones(3, dtype=torch.bool))
    assert score.shape == (2, 2, 3)
    patch = block[1:2, :, 64:128, 128:192]
    assert score[1, 1, 2].item() == pytest.approx((network(patch) - patch).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("wrong", [{"latent": 0}, {"output": "tanh"}, {"depth": 3}])
def test_arguments_it_cannot_take_are_one_sentence(wrong):
    with pytest.raises(ModelError, match="the dense network cannot be built"):
        build_network("dense", 3, wrong)
