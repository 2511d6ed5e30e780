"""The simulator: its mixing formula inverts, its clouds lie in physical ranges, and a seed repeats them."""

import numpy as np
import torch
from rasterio.features import shapes
from shapely import area
from shapely.geometry import shape

from geocloud.training.unmix.simulator import (
    cloud_phase,
    displace,
    flood,
    opacity_field,
    procedural_cloud,
    simulate,
    small_clouds,
    value_noise,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_mixing_inverts_on_noiseless_data():
    surface = torch.rand((4, 7, 64, 64), generator=generator(1), dtype=torch.float64) * 0.6
    veil = simulate(4, 64, generator())
    veil = veil._replace(opacity=veil.opacity.double().clamp(max=0.95), shadow=veil.shadow.double())

    again = (veil.over(surface) - veil.opacity * veil.cloud) / ((1 - veil.opacity) * (1 - veil.shadow))

    torch.testing.assert_close(again, surface, atol=1e-10, rtol=0)


def test_no_opacity_and_no_shadow_leave_the_surface():
    surface = torch.rand((2, 7, 64, 64), generator=generator(1))
    veil = simulate(2, 64, generator())
    nothing = veil._replace(opacity=torch.zeros_like(veil.opacity), shadow=torch.zeros_like(veil.shadow))

    assert torch.equal(nothing.over(surface), surface)


def test_full_opacity_shows_the_cloud_alone():
    surface = torch.rand((2, 7, 64, 64), generator=generator(1))
    veil = simulate(2, 64, generator())
    opaque = veil._replace(opacity=torch.ones_like(veil.opacity))

    assert torch.equal(opaque.over(surface), veil.cloud)


def test_ranges_and_shapes():
    veil = simulate(16, 96, generator())

    assert veil.opacity.shape == veil.cloud.shape == (16, 7, 96, 96)
    assert veil.shadow.shape == (16, 1, 96, 96)
    for field, low, high in ((veil.opacity, 0, 1), (veil.shadow, 0, 0.8), (veil.cloud, 0, 2)):
        assert field.min() >= low
        assert field.max() <= high


def test_opacity_fields_hold_clear_thin_and_opaque_pixels():
    field = opacity_field(64, 64, generator())
    shares = [((field >= low) & (field < high)).float().mean() for low, high in ((0, 0.04), (0.04, 0.4), (0.4, 1.01))]

    assert all(share > 0.1 for share in shares)


def clouds_of(field):
    """Areas, in pixels, of the clouds of each opacity field."""
    masks = (field[:, 0] > 0.12).numpy().astype(np.uint8)
    return [area([shape(geometry) for geometry, value in shapes(mask) if value]) for mask in masks]


def test_small_clouds_are_many_and_small_and_the_others_are_not():
    small, usual = clouds_of(small_clouds(24, 256, generator())), clouds_of(opacity_field(24, 256, generator()))

    assert np.median([len(each) for each in small]) > 50
    assert np.median([np.average(each, weights=each) for each in small]) < 400
    assert np.median([np.average(each, weights=each) for each in usual]) > 2000
    assert 0.02 < np.mean([each.sum() for each in small]) / 256**2 < 0.3


def test_small_clouds_are_laid_where_they_are_asked_for():
    veil = simulate(8, 128, generator(), small=1.0)

    assert np.median([np.average(each, weights=each) for each in clouds_of(veil.opacity[:, 1:2])]) < 400


def test_same_seed_same_clouds_and_another_seed_others():
    first, again, other = (simulate(2, 64, generator(seed)) for seed in (3, 3, 4))

    assert torch.equal(first.opacity, again.opacity)
    assert torch.equal(first.cloud, again.cloud)
    assert not torch.equal(first.opacity, other.opacity)


def test_slope_is_the_exponent_of_the_visible_brightness():
    cloud, slope = procedural_cloud(256, 16, generator())
    log_blue_over_red = (cloud[:, 0].mean((1, 2)) / cloud[:, 2].mean((1, 2))).log()
    expected = slope.flatten() * torch.log(torch.tensor(0.49 / 0.665))

    assert (log_blue_over_red - expected).abs().mean() < 0.06


def test_displace_moves_down_and_right():
    field = torch.zeros(1, 1, 9, 9)
    field[..., 4, 4] = 1

    assert displace(field, 2, 3)[0, 0, 6, 7] == 1
    assert displace(field, 2, 3).sum() == 1


def test_noise_spans_zero_to_one_each():
    noise = value_noise(5, 48, generator())

    assert torch.equal(noise.amin((1, 2, 3)), torch.zeros(5))
    assert torch.equal(noise.amax((1, 2, 3)), torch.ones(5))


def test_lakes_are_dark_in_infrared_and_leave_ground():
    ground = torch.full((8, 7, 96, 96), 0.3)
    flooded = flood(ground, generator())
    lake = flooded[:, 3] < 0.07

    assert 0.03 < lake.float().mean() < 0.45
    assert (flooded[:, 1][lake] > flooded[:, 3][lake]).all()
    assert (flooded == ground).float().mean() > 0.5


def test_ice_cloud_is_dark_in_short_wave_infrared_and_bright_in_the_cirrus_band():
    dimming, opacity = cloud_phase(500, generator())
    ice = dimming[:, 6].flatten() >= 0.07

    assert 0.3 < ice.float().mean() < 0.5
    assert dimming[ice, 4].mean() < 0.4
    assert dimming[~ice, 4].mean() > 0.6
    assert (opacity[:, :4] == 1).all()
    assert opacity[ice, 4].mean() < 0.9
    assert (opacity[~ice, 4] > 0.99).float().mean() > 0.85
