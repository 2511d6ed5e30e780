"""Growing clouds row by row is growing them at once."""

from __future__ import annotations

import numpy as np
import pytest

from geocloud.geometry.dilation import Dilater, dilate
from geocloud.raster import NODATA


def by_distance(codes: np.ndarray, radius: int) -> np.ndarray:
    """The oracle: every clear pixel no farther than the radius from a cloud pixel's centre."""
    rows, cols = np.nonzero(codes == 1)
    y, x = np.indices(codes.shape)
    near = np.zeros(codes.shape, dtype=bool)
    for row, col in zip(rows, cols, strict=True):
        near |= (y - row) ** 2 + (x - col) ** 2 <= radius**2
    return np.where(near & (codes == 0), 1, codes)


@pytest.mark.parametrize("radius", [1, 2, 5, 40])
@pytest.mark.parametrize("heights", [[37], [1] * 37, [10, 2, 25], [36, 1]])
def test_is_a_disk_in_any_strips(radius: int, heights: list[int]) -> None:
    rng = np.random.default_rng(radius)
    codes = (rng.random((37, 53)) > 0.985).astype(np.uint8)
    codes[5:9, 20:30] = NODATA
    values = rng.random((37, 53))
    dilater, parts, row = Dilater(53, radius), [], 0
    for height in heights:
        parts += dilater.add(codes[row : row + height], values[row : row + height])
        row += height
    parts += dilater.finish()
    assert [part[0] for part in parts] == np.cumsum([0, *(len(part[1]) for part in parts)])[:-1].tolist()
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), by_distance(codes, radius))
    np.testing.assert_array_equal(np.concatenate([part[2] for part in parts]), values)


def test_edges_are_no_walls_and_no_sources() -> None:
    cloud = np.zeros((5, 4), dtype=bool)
    cloud[2, 0] = True
    np.testing.assert_array_equal(dilate(cloud, 2), [[True, True, True, False]])
