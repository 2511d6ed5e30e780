"""Shadows are looked for where the clouds of a date would cast them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geocloud.raster import Georef, Window
from geocloud.series.casts import FARTHEST, Cast, cut_out, poleward
from geocloud.series.explain import Explained, explain, learn_usual, take_dates

SIDE = 128
BANDS = "blue", "green", "red", "nir"
WHOLE = Window(0, 0, SIDE, SIDE)
CLOUDS = (slice(10, 30), slice(20, 45)), (slice(60, 75), slice(15, 30)), (slice(80, 95), slice(80, 105))
DOWN, RIGHT = 15, -12
"""How far shadows lie from their clouds on the clouded date."""
PLOUGHED = slice(30, 55), slice(85, 110)
CLOUDED = 2
NOISE, LIGHT = 0.03, 0.75


def moved(cloud: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, cols = cloud
    return slice(rows.start + DOWN, rows.stop + DOWN), slice(cols.start + RIGHT, cols.stop + RIGHT)


@pytest.fixture(scope="module")
def dates() -> tuple[np.ndarray, np.ndarray]:
    """Reflectance and P(cloud) of five dates: the third has clouds, their shadows, and a field as dark as these."""
    rng = np.random.default_rng(1)
    ground = 0.25 * rng.uniform(0.8, 1.2, (4, SIDE, SIDE))
    data = (ground + rng.normal(0, NOISE, (5, 4, SIDE, SIDE))).astype(np.float32)
    p = np.full((5, SIDE, SIDE), 0.05, dtype=np.float32)
    for cloud in CLOUDS:
        data[CLOUDED][:, *moved(cloud)] *= LIGHT
    data[CLOUDED][:, *PLOUGHED] *= LIGHT
    for cloud in CLOUDS:
        data[CLOUDED][:, *cloud], p[CLOUDED][cloud] = 0.6, 0.95
    return data, p


def learned(dates: tuple[np.ndarray, np.ndarray]) -> tuple[Explained, tuple[Cast, ...]]:
    data, p = dates
    maps = data, np.ones(p.shape, dtype=bool), p, np.full_like(p, 0.1), BANDS
    usual, sky = learn_usual(take_dates(*maps))
    casts = tuple(sky.cast(date, [cut_out(own, WHOLE, WHOLE.grow(FARTHEST))]) for date, own in enumerate(p))
    cast = np.stack([cut_out(own, WHOLE, one.source(WHOLE)) for own, one in zip(p, casts, strict=True)])
    return explain(take_dates(*maps, cast), replace(usual, casts=casts)), casts


def test_how_far_shadows_lie_from_clouds_is_found_without_the_sun(dates: tuple[np.ndarray, np.ndarray]) -> None:
    _, casts = learned(dates)
    assert (casts[CLOUDED].rows, casts[CLOUDED].cols) == (DOWN, RIGHT)
    assert casts[CLOUDED].trust > 0.9
    assert all(cast.trust == 0 for number, cast in enumerate(casts) if number != CLOUDED)


def test_shadow_is_what_lies_behind_a_cloud_and_not_what_is_as_dark_elsewhere(
    dates: tuple[np.ndarray, np.ndarray],
) -> None:
    told, _ = learned(dates)
    for cloud in CLOUDS:
        assert (told.shadow[CLOUDED][moved(cloud)] >= 0.5).mean() > 0.8
    assert (told.shadow[CLOUDED][PLOUGHED] >= 0.5).mean() < 0.05


def test_dark_ground_is_hardly_shadow_on_a_date_without_clouds(dates: tuple[np.ndarray, np.ndarray]) -> None:
    data, p = dates
    clear = data.copy()
    for cloud in CLOUDS:
        clear[CLOUDED][:, *cloud] = data[1][:, *cloud]
    told, _ = learned((clear, np.full_like(p, 0.05)))
    assert (told.shadow[CLOUDED] >= 0.5).mean() < 0.01


@pytest.mark.parametrize("side", [-1, 1])
def test_beyond_the_tropics_the_sun_stands_on_one_side(dates: tuple[np.ndarray, np.ndarray], side: int) -> None:
    data, p = dates
    maps = data, np.ones(p.shape, dtype=bool), p, np.full_like(p, 0.1), BANDS
    _, sky = learn_usual(take_dates(*maps), side=side)
    cast = sky.cast(CLOUDED, [cut_out(p[CLOUDED], WHOLE, WHOLE.grow(FARTHEST))])
    assert ((cast.rows, cast.cols) == (DOWN, RIGHT)) == (side == 1)


def test_which_side_is_known_from_the_place() -> None:
    def placed(north: float, down: float = -10.0, crs: str = "EPSG:4326") -> Georef:
        return Georef((SIDE, SIDE), Affine(10, 0, 5, 0, down, north), CRS.from_user_input(crs).to_wkt())

    assert poleward(placed(5e6, crs="EPSG:32633")) == -1
    assert poleward(placed(6e6, crs="EPSG:32733")) == 1
    assert poleward(placed(5e6, down=10.0, crs="EPSG:32633")) == 1
    assert poleward(placed(1e6, crs="EPSG:32633")) == 0
    assert poleward(Georef((SIDE, SIDE))) == 0
