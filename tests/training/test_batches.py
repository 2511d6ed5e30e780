"""Batches: clouds are laid over dark ground only, and what was laid is what is asked for."""

from dataclasses import replace

import pytest
import torch

from geocloud.training.unmix.batches import UnmixBatches, looks_like_snow, place_shares
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene


def scenes(brightness, bands=3):
    data = torch.full((bands, 128, 128), brightness).half()
    nothing, told = torch.zeros(128, 128).half(), torch.ones(128, 128).half()
    return [TrainingScene("flat", "toy", data, nothing, told, (bands,))]


def draw(brightness):
    config = UnmixConfig(batch=4, size=64, simulated=1.0)
    return UnmixBatches(scenes(brightness), config, torch.Generator().manual_seed(0)).draw()


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
        return UnmixBatches(scenes(0.1, bands), config, torch.Generator().manual_seed(0)).draw().veil.opacity

    assert opacity(3, 1.0).equal(opacity(3, 0.0))
    assert not opacity(4, 1.0).equal(opacity(4, 0.0))


def test_thick_simulated_cloud_is_asked_for_and_brightens():
    batch = draw(0.1)
    thick = batch.veil.opacity[:, :3].mean(1, keepdim=True) > 0.5

    assert batch.target[thick].min() == 1
    assert batch.x[:, :3].mean(1, keepdim=True)[thick].mean() > batch.clean[:, :3].mean() + 0.1


def test_untouched_crops_keep_their_radiometry():
    config = UnmixConfig(batch=4, size=64, simulated=0, unaugmented_share=1.0)
    assert (UnmixBatches(scenes(0.25), config, torch.Generator().manual_seed(0)).draw().clean[:, :3] == 0.25).all()
    config = UnmixConfig(batch=4, size=64, simulated=0, unaugmented_share=0.0)
    assert (UnmixBatches(scenes(0.25), config, torch.Generator().manual_seed(0)).draw().clean[:, :3] != 0.25).any()


def test_cloud_is_laid_over_snow_where_short_wave_infrared_tells_it():
    config = UnmixConfig(batch=8, size=64, simulated=1.0)
    ground = scenes(0.8, bands=7)
    ground[0].data[4:] = 0.05  # snow is dark there
    batch = UnmixBatches(ground, config, torch.Generator().manual_seed(0)).draw()

    assert batch.veil.opacity.amax((1, 2, 3)).gt(0.12).sum() >= 6
    seen = (batch.x - batch.clean)[:, 4:5].abs() > 0.1
    assert batch.target[seen & (batch.weight > 0)].mean() > 0.9


def test_a_source_shares_its_weight_by_place_not_by_chip():
    one = scenes(0.1)[0]
    chips = [replace(one, name=name, place=place) for name, place in (("a", "x"), ("b", "x"), ("c", "y"))]
    other = replace(one, name="d", source="other")

    assert place_shares([*chips, other], {"toy": 0.6, "other": 0.4}).tolist() == pytest.approx([0.15, 0.15, 0.3, 0.4])
