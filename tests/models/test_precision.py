from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from geocloud.calibration import Calibration
from geocloud.models.network_scorer import CPU, build_network, has_bf16, make_scorer, runs_bf16
from geocloud.models.registry import load_scorer, model_folder
from geocloud.raster import PatchBatch, Window
from geocloud.readers import open_scene
from geocloud.scorers.card import ModelCard, read_card
from geocloud.scorers.contract import score_patches
from geocloud.training.bf16 import bf16_agreement

SAMPLE = Path(__file__).parents[1] / "synthetic" / "scene.tif"


def test_the_default_model_s_mask_is_the_same_in_bfloat16():
    with open_scene(SAMPLE) as scene:
        side = min(scene.georef.shape) // 64 * 64
        data = scene.read(Window(0, 0, side, side), scene.bands).data[None]
        bands = scene.bands
    exact, rough = (load_scorer(precision=precision) for precision in ("fp32", "bf16"))
    cut = exact.card.calibration.score_threshold
    masks = [score_patches(scorer, data, bands) >= cut for scorer in (exact, rough)]
    assert 0.1 < masks[0].mean() < 0.9
    assert (masks[0] == masks[1]).mean() >= 0.999


@pytest.mark.parametrize(("agreement", "allowed"), [(None, False), (0.998, False), (0.999, True), (1.0, True)])
def test_auto_is_bfloat16_only_where_masks_are_known_to_agree(agreement, allowed):
    card = replace(read_card(model_folder("unmix")), bf16_agreement=agreement)
    assert runs_bf16("auto", card, CPU) == (allowed and has_bf16())
    assert runs_bf16("bf16", card, CPU)
    assert not runs_bf16("fp32", card, CPU)


def test_agreement_counts_the_pixels_that_change_side():
    torch.manual_seed(0)
    network = build_network("conv", 3, {"widths": [6, 8, 10], "latent": 4})
    data = np.random.default_rng(0).random((2, 3, 64, 64), dtype=np.float32)
    card = ModelCard("conv", "conv", ("blue", "green", "red"), halo=32, calibration=Calibration(0.0))
    exact, rough = (
        score_patches(make_scorer(network, card, CPU, bf16=bf16), data, card.bands) for bf16 in (False, True)
    )
    cut = float(np.median(exact))
    changed = int(((exact >= cut) != (rough >= cut)).sum())
    assert 0 < changed < exact.size / 10
    pictures = [(data[:1], card.bands), (data[1:], card.bands)]
    card = replace(card, calibration=Calibration(cut))
    assert bf16_agreement(network, card, pictures) == pytest.approx(1 - changed / exact.size, abs=1e-12)


def test_a_thousandth_of_a_few_patches_is_not_told():
    network = build_network("dense", 3, {"widths": [4], "latent": 2})
    card = ModelCard("dense", "dense", ("blue", "green", "red"), level="patch", block=1)
    data = np.random.default_rng(0).random((999, 3, 64, 64), dtype=np.float32)
    assert bf16_agreement(network, card, [(data, card.bands)]) is None
    assert bf16_agreement(network, card, [(data, card.bands), (data[:1], card.bands)]) == 1


@pytest.mark.parametrize("kind", ["dense", "conv", "unmix"])
def test_weights_kept_in_bfloat16_give_what_casting_them_each_time_gives(kind):
    torch.manual_seed(0)
    channels = 7 if kind == "unmix" else 3
    network = build_network(kind, channels, {})
    bands = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")[:channels]
    card = ModelCard(kind, kind, bands, level="patch" if kind == "dense" else "pixel")
    valid = np.ones((1, 64, 64), dtype=bool)
    batch = PatchBatch((Window(0, 0, 64, 64),), torch.rand(1, channels, 64, 64).numpy(), valid, bands)
    kept = make_scorer(network, card, CPU, bf16=True)
    cast = replace(make_scorer(network, card, CPU, bf16=False), bf16=True)
    np.testing.assert_array_equal(kept.score(batch), cast.score(batch))
