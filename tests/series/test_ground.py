"""What clear ground is, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from geocloud.series.ground import weighted_median


@pytest.mark.parametrize("dates", [1, 2, 3, 5, 8, 11])
def test_the_weighted_median_is_the_least_value_at_which_half_of_the_weight_is_reached(dates: int) -> None:
    rng = np.random.default_rng(dates)
    values = rng.integers(0, 9, (dates, 2, 5, 7)).astype(np.float32)  # with ties
    weights = rng.integers(0, 4, (dates, 5, 7)).astype(np.float32)
    got = weighted_median(values, weights)
    for band, row, col in np.ndindex(2, 5, 7):
        here, weight = values[:, band, row, col], weights[:, row, col]
        reached = [value for value in here if weight[here <= value].sum() >= weight.sum() / 2]
        assert got[band, row, col] == min(reached)
