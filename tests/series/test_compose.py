"""Composites of a window, against numpy and brute force."""

from __future__ import annotations

import numpy as np
import pytest

from geocloud.series.compose import Method, compose_window

DATES, BANDS, SIDE = 5, 3, 20


def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    clear = rng.random((DATES, SIDE, SIDE)) < 0.5
    clear[:, 0, 0] = False
    data = rng.random((DATES, BANDS, SIDE, SIDE)).astype(np.float32)
    return data, clear, rng.uniform(0.1, 1, clear.shape).astype(np.float32)


@pytest.mark.parametrize("method", ["median", "medoid", "best", "mean"])
def test_where_nothing_clear_was_seen_there_is_no_value_and_elsewhere_there_is(method: Method) -> None:
    data, clear, weight = made()
    data[~np.broadcast_to(clear[:, None], data.shape)] = 99  # clouds must not shine through
    got = compose_window(data, clear, weight, method)
    np.testing.assert_array_equal(got.count, clear.sum(axis=0))
    np.testing.assert_array_equal(np.isnan(got.data[0]), got.count == 0)
    np.testing.assert_array_equal(got.date == -1, got.count == 0)
    assert np.nanmax(got.data) <= 1
    rows, cols = np.nonzero(got.count)
    assert clear[got.date[rows, cols], rows, cols].all()


def test_the_median_is_numpys() -> None:
    data, clear, weight = made()
    got = compose_window(data, clear, weight, "median")
    seen = np.where(clear[:, None], data, np.nan)
    some = clear.any(axis=0)
    np.testing.assert_allclose(got.data[:, some], np.nanmedian(seen[..., some], axis=0), rtol=1e-6)


def test_the_mean_is_weighted() -> None:
    data, clear, weight = made()
    some = clear.any(axis=0)
    weights = np.where(clear, weight, 0)[:, None] + np.zeros_like(data)
    expected = np.average(data[..., some], axis=0, weights=weights[..., some])
    np.testing.assert_allclose(compose_window(data, clear, weight, "mean").data[:, some], expected, rtol=1e-5)


def test_best_takes_the_date_of_highest_weight_and_medoid_the_most_central_one() -> None:
    data, clear, weight = made()
    best, medoid = compose_window(data, clear, weight, "best"), compose_window(data, clear, weight, "medoid")
    for row, col in ((3, 4), (7, 11), (19, 0), (12, 12)):
        dates = np.flatnonzero(clear[:, row, col])
        assert best.date[row, col] == dates[weight[dates, row, col].argmax()]
        vectors = data[dates, :, row, col]
        sums = np.linalg.norm(vectors[:, None] - vectors[None], axis=2).sum(axis=1)
        assert medoid.date[row, col] == dates[sums.argmin()]
        np.testing.assert_array_equal(medoid.data[:, row, col], data[medoid.date[row, col], :, row, col])
