import numpy as np
import pytest

from geocloud.errors import ModelError
from geocloud.models.registry import load_scorer
from geocloud.scorers.contract import score_patches
from geocloud.scorers.difference import difference

BANDS = ("blue", "green", "red")


def test_grey_is_cloudier_than_coloured():
    chroma = load_scorer("chroma")
    patches = np.zeros((2, 3, 64, 64), dtype=np.float32)
    patches[0], patches[1] = 0.5, np.array([0.1, 0.4, 0.2])[:, None, None]
    scores = score_patches(chroma, patches, BANDS)
    np.testing.assert_allclose(scores.mean(axis=(1, 2)), [0, -0.3], atol=1e-6)
    assert (scores >= chroma.card.calibration.score_threshold).mean(axis=(1, 2)).tolist() == [1, 0]


def test_bands_are_found_by_name_not_by_place():
    patches = np.random.default_rng(0).random((1, 4, 64, 64)).astype(np.float32)
    hot = score_patches(load_scorer("hot"), patches, ("nir", "red", "green", "blue"))
    np.testing.assert_allclose(hot[0], patches[0, 3] - 0.5 * patches[0, 1], rtol=1e-6)


def test_a_difference_is_the_one_error_less_the_other(clear_model, cloudy_model):
    clear, cloudy = load_scorer(str(clear_model)), load_scorer(str(cloudy_model))
    patches = np.random.default_rng(0).random((3, 3, 64, 64)).astype(np.float32)
    both, first, second = (score_patches(s, patches, BANDS) for s in (difference(clear, cloudy), clear, cloudy))
    np.testing.assert_allclose(both, first - -second, rtol=1e-6)
    assert (second < 0).all()


def test_a_difference_in_the_wrong_order_is_refused(clear_model, cloudy_model):
    clear, cloudy = load_scorer(str(clear_model)), load_scorer(str(cloudy_model))
    with pytest.raises(ModelError, match="takes first a model of clear sky"):
        difference(cloudy, clear)
    with pytest.raises(ModelError, match="level, block and halo must be the same"):
        difference(load_scorer("brightness"), cloudy)
