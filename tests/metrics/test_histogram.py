import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geocloud.metrics.histogram import EXACT_BITS, PIXEL_BITS, add_up, histogram

scores = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60)


@given(scores)
def test_exact_bins_are_the_scores_themselves_in_order(values):
    array = np.array(values, dtype=np.float32)
    found = histogram(array, np.zeros(array.shape, dtype=bool), EXACT_BITS)
    unique, counts = np.unique(array + 0, return_counts=True)
    np.testing.assert_array_equal(found.edges, unique)
    np.testing.assert_array_equal(found.clear, counts)


@given(st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=1, max_size=60))
def test_pixel_bins_are_as_fine_as_promised(values):
    array = np.array(values, dtype=np.float32)
    found = histogram(array, np.ones(array.shape, dtype=bool), PIXEL_BITS)
    nearest = found.edges[np.clip(np.searchsorted(found.edges, array, side="right") - 1, 0, None)]
    assert (np.diff(found.edges) > 0).all()
    assert (array - nearest >= 0).all()
    assert (array - nearest <= 0.002 * np.abs(array) + 1e-30).all()


@given(scores, scores, st.integers(0, 1000))
def test_histograms_of_scenes_add_up_to_the_one_of_all(first, second, seed):
    arrays = [np.array(values, dtype=np.float32) for values in (first, second)]
    truths = [np.random.default_rng(seed).random(array.shape) < 0.5 for array in arrays]
    total = add_up([histogram(array, truth) for array, truth in zip(arrays, truths, strict=True)])
    together = histogram(np.concatenate(arrays), np.concatenate(truths))
    for field in ("edges", "clear", "cloud"):
        np.testing.assert_array_equal(getattr(total, field), getattr(together, field))


def test_nothing_adds_up_to_nothing():
    assert add_up([]).sizes == (0, 0)
