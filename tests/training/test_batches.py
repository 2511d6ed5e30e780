"""Batches: clouds are laid over dark ground only, and what was laid is what is asked for."""

import torch

from geocloud.training.unmix.batches import Batches, looks_like_snow
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene


def scenes(brightness, bands=3):
    data = torch.full((bands, 128, 128), brightness).half()
    nothing, told = torch.zeros(128, 128).half(), torch.ones(128, 128).half()
    return [TrainingScene("flat", "toy", data, nothing, told, (bands,))]


def draw(brightness):
    config = UnmixConfig(batch=4, size=64, simulated=1.0)
    return Batches(scenes(brightness), config, torch.Generator().manual_seed(0)).draw()


def test_snow_gets_no_cloud_and_dark_ground_does():
    assert not draw(0.8).veil.opacity.any()
    assert not draw(0.8).target.any()
    assert draw(0.1).veil.opacity.any()


def test_sand_as_bright_as_snow_gets_clouds():
    sand = torch.tensor([0.35, 0.5, 0.65]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
    white = torch.full((2, 3, 8, 8), 0.5)

    assert not looks_like_snow(sand).any()
    assert looks_like_snow(white).all()


def test_small_clouds_are_laid_where_more_than_rgb_is_shown():
    def opacity(bands, small):
        config = UnmixConfig(batch=4, size=64, simulated=1.0, small=small)
        return Batches(scenes(0.1, bands), config, torch.Generator().manual_seed(0)).draw().veil.opacity

    assert opacity(3, 1.0).equal(opacity(3, 0.0))
    assert not opacity(4, 1.0).equal(opacity(4, 0.0))


def test_thick_simulated_cloud_is_asked_for_and_brightens():
    batch = draw(0.1)
    thick = batch.veil.opacity[:, :3].mean(1, keepdim=True) > 0.5

    assert batch.target[thick].min() == 1
    assert batch.x[:, :3].mean(1, keepdim=True)[thick].mean() > batch.clean[:, :3].mean() + 0.1


def test_untouched_crops_keep_their_radiometry():
    config = UnmixConfig(batch=4, size=64, simulated=0, unaugmented_share=1.0)
    assert (Batches(scenes(0.25), config, torch.Generator().manual_seed(0)).draw().clean[:, :3] == 0.25).all()
    config = UnmixConfig(batch=4, size=64, simulated=0, unaugmented_share=0.0)
    assert (Batches(scenes(0.25), config, torch.Generator().manual_seed(0)).draw().clean[:, :3] != 0.25).any()
