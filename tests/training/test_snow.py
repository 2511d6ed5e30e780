"""What tells snow by texture is fitted to tags alone, and finds what it was shown."""

import pytest
import torch

from geocloud.errors import InputError
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.simulator import value_noise
from geocloud.training.unmix.snow import fit_snow_texture


def scene(seed, *, rough, cloud, snow):
    rng = torch.Generator().manual_seed(seed)
    soft = value_noise(1, 192, rng, octaves=4)[0]
    data = 0.6 + 0.2 * (torch.rand((1, 192, 192), generator=rng) if rough else soft)
    target, told = torch.full((192, 192), float(cloud)), torch.ones(192, 192)
    name = f"{seed}"
    return TrainingScene(name, "toy", data.expand(3, -1, -1).half(), target.half(), told.half(), (3,), snow=snow)


def scenes():
    snow = [scene(seed, rough=True, cloud=False, snow=True) for seed in range(4)]
    return snow + [scene(seed, rough=False, cloud=True, snow=seed % 2 == 0) for seed in range(4, 10)]


def test_rough_white_of_a_scene_not_seen_is_snow_and_soft_white_is_not():
    texture = fit_snow_texture(scenes())
    rough, soft = (
        float(texture(scene(seed, rough=kind, cloud=False, snow=True).data[None].float())[0].mean())
        for seed, kind in ((20, True), (21, False))
    )

    assert rough > 0.5
    assert soft < 0.1


def test_the_same_scenes_give_the_same_regression():
    first, again = (fit_snow_texture(scenes()).state_dict() for _ in range(2))

    assert all(torch.equal(first[name], again[name]) for name in first)


def test_without_snow_there_is_one_sentence():
    with pytest.raises(InputError, match="clear snow"):
        fit_snow_texture([one for one in scenes() if one.target.any()])
