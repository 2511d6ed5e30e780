"""Ground, cloud and shadow told apart by what several dates show."""

from __future__ import annotations

import numpy as np

from geocloud.series.explain import Explained, explain, learn_usual, take_dates

SIDE = 40
BANDS = "blue", "green", "red", "nir"
PART = slice(10, 30), slice(10, 30)


def ground(level: float, dates: int, seed: int = 0) -> np.ndarray:
    """(date, 4, SIDE, SIDE) textured ground of about one brightness, seen with a little noise and haze each time."""
    rng = np.random.default_rng(seed)
    texture = level * rng.uniform(0.8, 1.2, (4, SIDE, SIDE))
    noisy = texture + rng.normal(0, 0.004, (dates, 4, SIDE, SIDE)) + rng.uniform(0, 0.01, (dates, 1, 1, 1))
    return noisy.astype(np.float32)


def flat(p: float, dates: int) -> np.ndarray:
    return np.full((dates, SIDE, SIDE), p, dtype=np.float32)


def told_by(data: np.ndarray, valid: np.ndarray, cloud: np.ndarray, shadow: float = 0.1) -> Explained:
    dates = take_dates(data, valid, cloud, flat(shadow, len(data)), BANDS)
    return explain(dates, learn_usual(dates)[0])


def found(data: np.ndarray, cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    told = told_by(data, np.ones(cloud.shape, dtype=bool), cloud)
    return told.cloud, told.shadow


def test_bright_ground_that_all_dates_show_is_no_cloud_however_sure_a_single_date_is() -> None:
    cloud, _ = found(ground(0.7, 5), flat(0.95, 5))
    assert (cloud < 0.5).mean() > 0.99


def test_cloud_over_bright_ground_is_found_on_its_date_alone() -> None:
    data = ground(0.5, 5)
    data[2][:, *PART] = 0.4 * data[2][:, *PART] + 0.6 * 0.9
    cloud, _ = found(data, flat(0.9, 5))
    assert (cloud[2][PART] >= 0.5).mean() > 0.9
    assert (cloud[[0, 1, 3, 4]] >= 0.5).mean() < 0.01


def test_cloud_over_dark_ground_stays_where_the_single_date_finds_it() -> None:
    data, alone = ground(0.08, 5), flat(0.05, 5)
    data[1][:, *PART] = 0.5
    alone[1][PART] = 0.9
    cloud, _ = found(data, alone)
    assert (cloud[1][PART] >= 0.5).all()
    assert (cloud >= 0.5).sum() < 22**2


def test_snow_that_stays_for_two_dates_is_ground_on_both() -> None:
    data, alone = ground(0.1, 6), flat(0.05, 6)
    data[2:4] = ground(0.75, 2, seed=1)
    alone[2:4] = 0.7
    cloud, _ = found(data, alone)
    assert (cloud[2:4] < 0.5).mean() > 0.95


def test_ground_that_darkens_alike_in_all_bands_for_one_date_is_shadow() -> None:
    data = ground(0.3, 5)
    data[3][:, *PART] *= 0.5
    cloud, shadow = found(data, flat(0.05, 5))
    assert (shadow[3][PART] >= 0.5).mean() > 0.9
    assert (shadow[[0, 1, 2, 4]] >= 0.5).mean() < 0.01
    assert (cloud < 0.5).all()


def test_what_one_date_alone_shows_clear_is_no_shadow_beside_the_clouds_of_the_others() -> None:
    data, alone = ground(0.15, 4), flat(0.02, 4)
    for date, opacity in ((0, 0.5), (2, 0.5), (3, 0.8)):
        data[date][:, *PART] = (1 - opacity) * data[date][:, *PART] + opacity * 0.8
        alone[date][PART] = 0.98
    _, shadow = found(data, alone)
    assert (shadow[1] < 0.5).all()


def test_a_harvest_that_lasts_is_neither() -> None:
    data = ground(0.1, 6)
    data[3:] = ground(0.25, 3, seed=2)
    cloud, shadow = found(data, flat(0.1, 6))
    assert (cloud < 0.5).mean() > 0.99
    assert (shadow < 0.5).mean() > 0.99


def test_nodata_has_no_answer_and_takes_none_from_others() -> None:
    data, alone = ground(0.7, 4), flat(0.9, 4)
    valid = np.ones(alone.shape, dtype=bool)
    valid[0][PART] = False
    data[0][:, *PART] = 99
    told = told_by(data, valid, alone)
    assert np.isnan(told.cloud[0][PART]).all()
    assert (told.cloud[1:] < 0.5).mean() > 0.99
