from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocloud.raster import PatchGrid

sizes = st.tuples(st.integers(1, 700), st.integers(1, 700))


@given(sizes, st.integers(1, 4))
def test_every_pixel_lies_in_exactly_one_block(shape: tuple[int, int], block: int) -> None:
    seen = np.zeros(shape, dtype=int)
    grid = PatchGrid(shape, block)
    for window in grid:
        assert window.row % 64 == window.col % 64 == 0
        seen[window.clip(shape).slices()] += 1
    assert (seen == 1).all()
    assert len(grid) == len(list(grid))


@given(sizes, st.integers(1, 4), st.integers(1, 400_000))
def test_segments_cover_the_scene_in_order_within_their_bound(shape: tuple[int, int], block: int, most: int) -> None:
    seen = np.zeros(shape, dtype=int)
    last = (-1, -1)
    for window in PatchGrid(shape, block).segments(most):
        assert (window.row, window.col) > last
        last = (window.row, window.col)
        seen[window.slices()] += 1
        assert window.height * window.width <= max(most, (64 * block) ** 2)
    assert (seen == 1).all()


def test_empty_scenes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PatchGrid((0, 5))


def test_blocks_at_the_edge_are_cut_short_to_whole_patches() -> None:
    grid = PatchGrid((150, 70), block=2)

    assert [window.shape for window in grid] == [(128, 128), (64, 128)]
