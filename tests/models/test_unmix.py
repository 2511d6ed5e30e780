"""The unmixing autoencoder: it mixes as it should, learns from tags and simulation alone, and saves exactly."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from geocloud import score
from geocloud.models.network_scorer import folded, load_network
from geocloud.models.networks.cells import faintness, ground_features, high_cloud, spectral_indices, unlikeness
from geocloud.models.networks.snow import SnowTexture, find_snow, fine_enough
from geocloud.models.networks.unmix import UnmixNet, mix
from geocloud.models.registry import model_folder
from geocloud.scorers.card import read_card
from geocloud.training.unmix.batches import UnmixBatches
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.simulator import simulate, value_noise
from geocloud.training.unmix.train import train_unmix

WIDTHS = (12, 16, 24)
CONFIG = UnmixConfig(
    precision="fp32", steps=100, batch=6, size=64, lr=1e-2, average=0.9, teach_from=100, simulated=0.5, widths=WIDTHS
)
RGB = torch.tensor([[1, 1, 1, 0, 0, 0, 0.0]])


def network(seed=0):
    torch.manual_seed(seed)
    return UnmixNet(widths=WIDTHS).eval()


def ground(n, size, seed):
    """Smooth coloured ground with fields of their own brightness; (n, 4, size, size) reflectance 0.02..0.3."""
    rng = torch.Generator().manual_seed(seed)
    colour = torch.tensor([0.5, 0.8, 1.0, 1.6]).view(1, 4, 1, 1)
    fields = torch.nn.functional.interpolate(torch.rand((n, 1, size // 8, size // 8), generator=rng), size=size)
    return (0.05 + 0.08 * value_noise(n, size, rng) + 0.05 * fields) * colour


def clear_scenes(n=6, size=96, seed=1):
    nothing, all_of_it = torch.zeros(size, size).half(), torch.ones(size, size).half()
    return [
        TrainingScene(f"ground_{i}", "toy", data.half(), nothing, all_of_it, (3, 4))
        for i, data in enumerate(ground(n, size, seed))
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_unmix(CONFIG, clear_scenes(), tmp_path_factory.mktemp("run"), lambda *_: None)


def test_shapes_ranges_and_reconstruction_from_the_parts():
    x = torch.rand((2, 7, 64, 128), generator=torch.Generator().manual_seed(0))
    out = network()(x, torch.ones(2, 7))

    assert out.logit.shape == out.shadow.shape == out.slope.shape == (2, 1, 64, 128)
    assert out.surface.shape == out.cloud.shape == x.shape
    assert out.opacity.min() >= 0
    assert out.opacity.max() <= 1
    assert torch.equal(out.reconstruction(), mix(out.surface, out.cloud, out.opacity, out.shadow))


def test_the_raw_score_is_the_logit_of_the_opacity():
    x = torch.rand((1, 7, 64, 64), generator=torch.Generator().manual_seed(0)) * RGB[..., None, None]

    torch.testing.assert_close(network().raw_score(x[:, :3], RGB[0].bool()), network()(x, RGB).logit[:, 0])


def test_parts_at_one_pixel_of_each_cell_are_those_of_the_whole():
    x = torch.rand((2, 7, 128, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = network()(x, torch.ones(2, 7))
        logit, parts = network().sampled(x, torch.ones(2, 7), (1, 2))

    assert torch.equal(logit, network().score(x, torch.ones(2, 7)))
    assert torch.equal(parts.logit, logit[..., 1::4, 2::4])
    for name in ("surface", "shadow"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name)[..., 1::4, 2::4])


def test_spectral_indices_are_those_of_the_books_and_silent_without_their_bands():
    snow = torch.tensor([0.8, 0.8, 0.78, 0.7, 0.1, 0.08, 0.001]).view(1, 7, 1, 1)
    present = torch.tensor([1, 1, 1, 1, 1, 1, 1.0]).view(1, 7, 1, 1)
    ndsi, ndvi, whiteness = spectral_indices(snow, torch.zeros(1, 1, 1, 1), present)[0, :3, 0, 0].tolist()

    assert ndsi == pytest.approx(0.7 / 0.9, rel=0.06)
    assert ndvi == pytest.approx(-0.08 / 1.48, rel=0.06)
    assert whiteness < 0.03
    present[:, 3:] = 0
    assert not spectral_indices(snow, torch.zeros(1, 1, 1, 1), present)[0, :2].any()


def test_outlines_are_finer_than_cells():
    x = torch.rand((1, 7, 64, 64), generator=torch.Generator().manual_seed(0))
    logit = network().score(x, RGB)

    assert torch.nn.functional.avg_pool2d(logit, 4).var() < logit.var()


@pytest.mark.parametrize("model", ["default", "untrained"])
def test_no_lattice_of_cells_shows_in_the_score(model):
    """The mean step between two columns where a cell of 4, 16 or 64 begins is at most 1.1 times the step elsewhere."""
    trained = load_network(model_folder(model), read_card(model_folder(model))) if model == "default" else network()
    rng = torch.Generator().manual_seed(3)
    land = 0.05 + 0.2 * value_noise(4, 320, rng).expand(-1, 7, -1, -1)
    x = (
        simulate(4, 320, rng).over(land).clamp(0, 1.5)[..., 3:259, 3:259] * 0.5
    )  # the simulator's own grids lie elsewhere
    with torch.no_grad():
        steps = trained.eval().raw_score(x[:, :3], RGB[0].bool()).diff(dim=-1).abs().mean((0, 1))
    column = torch.arange(1, 256)

    for cell in (4, 16, 64):
        assert steps[column % cell == 0].mean() < 1.1 * steps[column % cell != 0].mean(), cell


SPECTRA = {
    "snow": (0.8, 0.8, 0.78, 0.7, 0.06, 0.04, 0.002),
    "snow in woods": (0.25, 0.21, 0.2, 0.23, 0.04, 0.03, 0.002),
    "cloud of drops": (0.7, 0.7, 0.7, 0.72, 0.5, 0.4, 0.004),
    "cloud of ice": (0.7, 0.7, 0.7, 0.72, 0.16, 0.12, 0.12),
    "sea": (0.08, 0.05, 0.02, 0.01, 0.002, 0.001, 0.001),
    "sea with silt": (0.05, 0.09, 0.12, 0.125, 0.02, 0.015, 0.001),
    "forest": (0.04, 0.06, 0.03, 0.35, 0.16, 0.07, 0.001),
}
"""Reflectance a band, after the sources that `snow.py` names and scenes measured here."""


def ground_of(name):
    """(1, 7, 64, 64) all alike."""
    return torch.tensor(SPECTRA[name]).view(1, 7, 1, 1).repeat(1, 1, 64, 64)


@pytest.mark.parametrize("name", SPECTRA)
def test_physics_knows_snow_from_cloud_and_other_ground(name):
    found = find_snow(ground_of(name), torch.ones(1, 7))

    assert (found.evidence() > 0.5).all() == name.startswith("snow")
    if name != "sea with silt":  # no cloud either, and as dark at 1.6 micrometres as snow
        assert (found.correction() > 3).all() == name.startswith("snow")


def test_without_cirrus_only_ice_as_dark_as_no_cloud_is_surely_snow():
    six = torch.tensor([[1, 1, 1, 1, 1, 1, 0.0]])
    taken = {name: find_snow(ground_of(name), six).correction() for name in SPECTRA}

    assert taken["snow"].min() > 3
    assert taken["cloud of ice"].max() < 0.1


def relief(rough, size=256):
    """(1, 3, h, w) white ground: rough at the scale of a pixel as snow is, or soft as cloud is."""
    rng = torch.Generator().manual_seed(0)
    fine = torch.rand((1, 1, size, size), generator=rng)
    soft = value_noise(1, size, rng, octaves=4)
    return (0.65 + 0.15 * (fine - 0.5 if rough else soft - 0.5)).expand(-1, 3, -1, -1)


def test_rough_white_is_doubted_where_nothing_but_the_visible_is_shown_and_soft_white_is_not():
    trained = load_network(model_folder("default"), read_card(model_folder("default"))).eval()
    rough, soft = (float(trained.texture(relief(kind))[0].mean()) for kind in (True, False))

    assert rough > 0.5 > soft + 0.2


FOUR = torch.tensor([[1, 1, 1, 1, 0, 0, 0.0]])


def test_in_four_bands_rough_white_is_snow_where_near_infrared_is_darker_than_red():
    trained = load_network(model_folder("default"), read_card(model_folder("default"))).eval()

    def evidence(rough, share):
        bands = torch.cat([relief(rough), share * relief(rough)[:, :1], torch.zeros(1, 3, 256, 256)], 1)
        with torch.no_grad():
            return float(trained.snow_evidence(bands, FOUR).mean())

    assert evidence(rough=True, share=0.92) > 0.7
    assert evidence(rough=True, share=1.05) < 0.1
    assert evidence(rough=False, share=0.92) < 0.5


@pytest.mark.parametrize(("size", "doubted"), [(None, True), (40.0, True), (120.0, False)])
def test_rough_white_in_rgb_is_doubted_in_small_pixels_alone(size, doubted):
    trained = load_network(model_folder("default"), read_card(model_folder("default"))).eval()
    bands = torch.cat([relief(rough=True), torch.zeros(1, 4, 256, 256)], 1)
    shown = RGB.flatten().bool()
    with torch.no_grad():
        plain = trained.raw_score(bands[:, :3], shown, fine=False)
        found = trained.raw_score(bands[:, :3], shown, fine=fine_enough(size))

    assert (found.mean() < plain.mean() - 1) == doubted


@pytest.mark.parametrize("white", [0.8, 1.0])
def test_white_that_shows_nothing_is_neither_surely_cloud_nor_clear(white):
    picture = np.full((3, 128, 128), white, np.float32)

    assert score(picture, bands=("blue", "green", "red"), scale=1) == pytest.approx(0.57, abs=0.03)


def test_texture_takes_nothing_off_where_short_wave_infrared_is_shown():
    trained = load_network(model_folder("default"), read_card(model_folder("default"))).eval()
    without = deepcopy(trained)
    without.texture = SnowTexture()
    bands = torch.cat([relief(rough=True), torch.full((1, 4, 256, 256), 0.4)], 1)
    with torch.no_grad():
        for shown, differs in ((RGB, True), (torch.ones(1, 7), False)):
            seen = bands * shown[..., None, None]
            assert torch.equal(trained.score(seen, shown), without.score(seen, shown)) != differs


def test_raw_score_takes_any_size():
    x = torch.rand((2, 3, 70, 41), generator=torch.Generator().manual_seed(0))

    assert network().raw_score(x, RGB[0].bool()).shape == (2, 70, 41)


def test_what_is_unlike_the_clear_ground_around_gains_and_what_is_like_it_loses():
    rng = torch.Generator().manual_seed(4)
    colour = torch.tensor([0.06, 0.09, 0.08, 0.25, 0.2, 0.12, 0.002]).view(1, 7, 1, 1)
    x = colour * (1 + 0.1 * torch.randn((1, 1, 192, 192), generator=rng))
    logit = torch.full((1, 1, 192, 192), -6.0)
    x[..., 60:70, 60:70] = mix(x, torch.tensor(0.5), torch.tensor(0.15), torch.tensor(0.0))[..., 60:70, 60:70]
    logit[..., 60:70, 60:70] = logit[..., 120:130, 120:130] = -2.7  # a veil, and a gap that the network fills

    for bands in (3, 4, 7):
        present = (torch.arange(7) < bands).float()[None]
        found = unlikeness(ground_features(x[:, :bands], present, present[0].bool()), logit)

        assert found[..., 60:70, 60:70].mean() > 0.4
        assert found[..., 120:130, 120:130].mean() < -0.3


@pytest.mark.parametrize("side", [-6.0, 0.0])
def test_without_clear_ground_or_without_cloud_around_nothing_is_said_of_a_pixel(side):
    x = torch.rand((1, 7, 128, 128), generator=torch.Generator().manual_seed(0))
    logit = torch.full((1, 1, 128, 128), side)

    assert faintness(x, logit).max() < 0.02
    if side == 0:
        assert unlikeness(ground_features(x, torch.ones(1, 7)), logit).abs().max() < 0.02


@pytest.mark.parametrize(("opacity", "faint"), [(0.0, True), (0.12, False), (0.3, False)])
def test_a_rim_is_faint_where_its_opacity_is_what_training_calls_clear(opacity, faint):
    x, logit = torch.full((1, 7, 192, 192), 0.08), torch.full((1, 1, 192, 192), -6.0)
    x[..., 64:128, 64:128], logit[..., 64:128, 64:128] = 0.6, 3.0
    x[..., 128:136, 64:128] += opacity * (0.6 - 0.08)
    logit[..., 128:136, 64:128] = -2.5

    found = faintness(x, logit)[..., 130:134, 64:128]

    assert (found > 0.5).all() if faint else (found < 0.05).all()


def test_a_cirrus_band_that_shows_nothing_hides_no_thin_cloud():
    land = ground(1, 128, 0)
    infrared = land[:, 3:] * torch.tensor([0.8, 0.5]).view(1, 2, 1, 1)
    clear = torch.cat([land, infrared, torch.full_like(land[:, :1], 0.002)], 1)
    cloud, opacity = torch.tensor([0.6, 0.6, 0.6, 0.6, 0.5, 0.4, 0.003]).view(1, 7, 1, 1), torch.zeros(1, 1, 128, 128)
    opacity[..., 32:96, 32:96] = 0.12
    x = mix(clear, cloud, opacity, torch.zeros(1))
    folder = model_folder("default")
    default = load_network(folder, read_card(folder)).eval()

    with torch.inference_mode():
        seven, six = (default.raw_score(x[:, :bands], torch.arange(7) < bands)[0, 36:92, 36:92] for bands in (7, 6))

    assert (seven - six).mean() > -0.25  # looking once, it is 1.4 lower


@pytest.mark.parametrize("ground", [0.003, 0.1])
def test_cirrus_is_what_is_brighter_in_its_band_than_the_ground_around(ground):
    cirrus = torch.full((1, 1, 256, 256), ground)
    cirrus[..., 64:192, 64:192] += 0.02

    found = high_cloud(cirrus)[0, 0]

    assert found[80:176, 80:176].min() > 0.9
    assert found[:48].max() < 0.01


def test_a_thin_veil_that_the_cirrus_band_shows_is_likelier_cloud():
    land = ground(1, 256, 4)
    infrared = land[:, 3:] * torch.tensor([0.8, 0.5]).view(1, 2, 1, 1)
    veil = torch.zeros(1, 1, 256, 256)
    veil[..., 64:192, 64:192] = 0.02
    x = torch.cat([land, infrared, torch.full_like(veil, 0.003)], 1) + veil
    folder = model_folder("default")
    default = load_network(folder, read_card(folder)).eval()

    with torch.inference_mode():
        seven, six = (default.raw_score(x[:, :bands], torch.arange(7) < bands)[0, 80:176, 80:176] for bands in (7, 6))

    assert (seven - six).mean() > 1


def test_ice_so_high_that_the_cirrus_band_shows_it_is_no_cloud():
    plateau = torch.tensor([0.84, 0.72, 0.77, 0.82, 0.2, 0.23, 0.19]).view(1, 7, 1, 1)  # a Landsat scene of Antarctica
    rng = torch.Generator().manual_seed(2)
    light = torch.randn((3, 1, 4, 4), generator=rng)
    light = torch.nn.functional.interpolate(light, size=256, mode="bicubic", align_corners=True)
    x = plateau * (1 + 0.05 * light) + 0.004 * torch.randn((3, 7, 256, 256), generator=rng)
    folder = model_folder("default")
    default = load_network(folder, read_card(folder)).eval()

    with torch.inference_mode():
        found = default.raw_score(x, torch.ones(7, dtype=torch.bool))

    assert found.max() < read_card(folder).calibration.threshold


def test_the_raw_score_leaves_absent_bands_out_and_gives_the_same_logit():
    x = torch.rand((1, 7, 64, 64), generator=torch.Generator().manual_seed(0))
    for bands in ([0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [0, 1, 2, 4, 6]):
        present = torch.zeros(1, 7)
        present[:, bands] = 1

        found = network().raw_score(x[:, bands], present[0].bool())

        torch.testing.assert_close(found, network()(x * present[..., None, None], present).logit[:, 0])


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="must be 7"):
        UnmixNet(channels=3)


def test_the_slope_is_the_exponent_of_the_cloud_colour():
    out = network()(torch.rand((1, 7, 64, 64), generator=torch.Generator().manual_seed(0)), RGB)
    exponent = (out.cloud[:, :1] / out.cloud[:, 2:3]).log() / torch.log(torch.tensor(0.49 / 0.665))

    torch.testing.assert_close(exponent, out.slope, atol=1e-4, rtol=1e-4)


def test_an_absent_band_is_told_from_a_black_one():
    x = torch.rand((1, 7, 64, 64), generator=torch.Generator().manual_seed(0))
    x[:, 3:] = 0

    assert not torch.allclose(network().score(x, RGB), network().score(x, torch.ones(1, 7)))


def cloud_above_clear(network):
    """AUROC of the score of simulated cloud over ground that no training saw; chance is 0.5."""
    clean = torch.nn.functional.pad(ground(4, 64, seed=99), (0, 0, 0, 0, 0, 3))
    veil = simulate(4, 64, torch.Generator().manual_seed(98))
    present = torch.tensor([[1, 1, 1, 1, 0, 0, 0.0]]).expand(4, -1)
    with torch.no_grad():
        score = network.score((veil.over(clean) * present[..., None, None]).clamp(0, 1.5), present)
    opacity = veil.opacity[:, :3].mean(1, keepdim=True)
    told = (opacity > 0.3) | (opacity < 0.02)
    assert (opacity > 0.3).sum() > 500
    return float(roc_auc_score(opacity[told] > 0.3, score[told]))


def test_opacity_finds_simulated_cloud_on_ground_never_seen(trained):
    assert cloud_above_clear(trained) > 0.9


def test_saved_and_loaded_and_folded_give_the_same_scores(trained, tmp_path):
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    again = UnmixNet(widths=WIDTHS).eval()
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    x = torch.rand((1, 7, 64, 64), generator=torch.Generator().manual_seed(0))

    with torch.no_grad():
        assert torch.equal(again.score(x, RGB), trained.score(x, RGB))
        torch.testing.assert_close(folded(trained).score(x, RGB), trained.score(x, RGB), atol=1e-4, rtol=1e-4)


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path):
    config = replace(CONFIG, steps=4, lr_decay_steps=4, batch=2, teach_from=4)
    whole = train_unmix(config, clear_scenes(2), tmp_path, lambda *_: None)
    (tmp_path / "checkpoint.safetensors").unlink()
    train_unmix(replace(config, steps=2), clear_scenes(2), tmp_path, lambda *_: None)
    told = []
    resumed = train_unmix(config, clear_scenes(2), tmp_path, lambda step, *_: told.append(step))

    assert not told  # of the first step: it is not taken again
    assert all(torch.equal(x, y) for x, y in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_the_same_seed_draws_the_same_batch():
    config = UnmixConfig(batch=2, size=64)
    first, again = (UnmixBatches(clear_scenes(2), config, torch.Generator().manual_seed(5)).draw() for _ in range(2))

    assert torch.equal(first.x, again.x)
    assert torch.equal(first.target, again.target)
