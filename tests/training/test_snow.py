"""Simulated snow: as white as cloud in the visible, told apart by its short-wave infrared."""

from dataclasses import replace

import torch

from geocloud.training.batches import Batches
from geocloud.training.recipe import UnmixConfig
from geocloud.training.snow import lay_snow
from geocloud.training.surfaces import TrainingScene


def ground(n: int, size: int = 64) -> torch.Tensor:
    return torch.rand((n, 7, size, size), generator=torch.Generator().manual_seed(1)) * 0.3


def ndsi(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 1] - x[:, 4]) / (x[:, 1] + x[:, 4])


def test_snow_is_white_dark_in_swir_and_lies_only_where_it_may() -> None:
    x, where = ground(16), torch.zeros(16, 1, 64, 64)
    where[..., :32] = 1
    snowy = lay_snow(x, where, torch.Generator().manual_seed(2))
    assert torch.equal(snowy[..., 32:], x[..., 32:])
    assert torch.equal(snowy[:, 6], x[:, 6])
    covered = ndsi(snowy)[..., :32] > 0.4  # Hall, Riggs and Salomonson 1995
    assert 0.5 < covered.float().mean() < 1
    assert snowy[:, :3, :, :32].mean() > 0.4
    assert snowy[:, 4:6, :, :32].mean() < 0.2


def test_only_clear_crops_that_show_swir_are_covered() -> None:
    def scene(name: str, target: float) -> TrainingScene:
        told = torch.full((64, 64), target, dtype=torch.float16)
        return TrainingScene(name, name, ground(1)[0].half(), told, torch.ones_like(told), (3, 7))

    config = replace(UnmixConfig(), batch=32, size=64, simulated=0.0, snow=1.0, untouched=1.0)
    for target, covered in ((0.0, True), (1.0, False)):
        batch = Batches([scene("one", target)], config, torch.Generator().manual_seed(3)).draw()
        shows_swir = batch.present[:, 4] > 0
        bright = batch.clean[:, :3].mean((1, 2, 3)) > 0.25
        assert shows_swir.any()
        assert not bright[~shows_swir].any()
        assert bool(bright[shows_swir].all()) == covered
        assert (batch.target == target).all()


def test_a_cloud_over_snow_is_asked_for_where_swir_shows_it() -> None:
    told = torch.zeros(64, 64, dtype=torch.float16)
    scene = TrainingScene("one", "one", ground(1)[0].half(), told, torch.ones_like(told), (6,))
    config = replace(UnmixConfig(), batch=64, size=64, simulated=1.0, snow=1.0)
    batch = Batches([scene], config, torch.Generator().manual_seed(4)).draw()
    over_snow = ndsi(batch.clean).mean((1, 2)) > 0.4
    cloudy = ((batch.target == 1) & (batch.weight == 1)).float().mean((1, 2, 3))
    assert over_snow.float().mean() > 0.3
    assert cloudy[over_snow].mean() > 0.2
