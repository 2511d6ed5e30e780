"""Sums, pixel counts and covered rows of polygons by their edges, against labels counted pixel by pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import features

from geocloud.geometry.polygons import count_pixels, covered, sum_values, vertical_edges


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.floats(0, 1), st.booleans())
def test_edges_tell_what_pixels_tell(seed: int, shape: tuple[int, int], share: float, reverse: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(seed)
    mask, values = (rng.random(shape) < share).astype(np.uint8), rng.random(shape)
    found = [shape["coordinates"] for shape, _ in features.shapes(mask, mask=mask == 1, connectivity=4)]
    rings = [np.array(ring)[:: -1 if reverse else 1] for polygon in found for ring in polygon]
    xy = np.concatenate([np.zeros((0, 2)), *rings])
    edges = vertical_edges(xy, np.cumsum([0, *map(len, rings)]), np.cumsum([0, *map(len, found)]))

    owner = np.zeros(shape, dtype=np.int64)
    for number, polygon in enumerate(found, 1):
        part = {"type": "Polygon", "coordinates": polygon}
        owner[features.rasterize([part], shape) == 1] = number
    for row in range(shape[0]):
        np.testing.assert_array_equal(covered(edges, row, shape[1]), owner[row])
    count = len(found)
    np.testing.assert_array_equal(count_pixels(edges, count), np.bincount(owner.ravel(), minlength=count + 1)[1:])
    sums = np.bincount(owner.ravel(), values.ravel(), count + 1)[1:]
    np.testing.assert_allclose(sum_values(edges, count, values), sums, atol=1e-9)
