import numpy as np
import pytest

from geocloud.errors import UsageError
from geocloud.metrics.histogram import EXACT_BITS, histogram
from geocloud.metrics.threshold_rules import conformal_threshold, false_alarms, fit_spread, quantile_threshold


def _scenes(values, *, cloud=False):
    """A scene of each list of scores."""
    arrays = [np.atleast_1d(np.array(v, dtype=np.float32)) for v in values]
    return [histogram(a, np.full(a.shape, cloud), EXACT_BITS) for a in arrays]


def test_quantile_leaves_its_share_of_false_alarms():
    scenes = _scenes(np.arange(1, 101))
    cut = quantile_threshold(scenes, 0.95, "clear")
    assert cut == 96
    assert false_alarms(scenes, cut, "clear") == pytest.approx(0.05)


def test_quantile_of_cloudy_data_leaves_its_share_of_misses():
    scenes = _scenes(np.arange(1, 101), cloud=True)
    cut = quantile_threshold(scenes, 0.95, "cloudy")
    assert cut == 6
    assert false_alarms(scenes, cut, "cloudy") == pytest.approx(0.05)


def test_scenes_weigh_alike_however_large():
    large_dark, small_bright = np.zeros(10_000), np.linspace(1, 2, 10)
    cut = quantile_threshold(_scenes([large_dark, small_bright]), 0.75, "clear")
    assert 1.4 < cut < 1.7


def test_conformal_keeps_its_bound_on_new_scenes():
    generator = np.random.default_rng(0)
    alarms = []
    for _ in range(400):
        levels = generator.normal(0, 1, 41)
        scenes = _scenes([level + generator.normal(0, 0.3, 50) for level in levels])
        alarms.append(false_alarms(scenes[40:], conformal_threshold(scenes[:40], 0.1, "clear"), "clear"))
    assert 0.04 < np.mean(alarms) < 0.1 + 0.02


def test_conformal_of_single_scores_is_the_p_value():
    values = np.arange(1, 20)
    cut = conformal_threshold(_scenes(values), 0.1, "clear")
    assert (1 + (values >= cut).sum()) / (len(values) + 1) <= 0.1
    assert (1 + (values >= cut - 1).sum()) / (len(values) + 1) > 0.1


def test_too_few_scenes_for_the_bound_says_how_many_it_takes():
    with pytest.raises(UsageError, match=r"5 scenes are too few for a bound of 0\.05; use at least 19 scenes"):
        conformal_threshold(_scenes(range(5)), 0.05, "clear")


@pytest.mark.parametrize("rule", [quantile_threshold, conformal_threshold])
def test_parameters_outside_0_to_1_are_refused(rule):
    with pytest.raises(UsageError, match="between 0 and 1"):
        rule(_scenes(range(5)), 1.5, "clear")


def test_data_without_the_wanted_side_are_refused():
    with pytest.raises(UsageError, match="no data tagged cloudy"):
        quantile_threshold(_scenes(range(5)), 0.9, "cloudy")


def test_spread_finds_the_logistic_that_made_the_data():
    generator = np.random.default_rng(0)
    score = generator.uniform(-4, 4, 20_000).astype(np.float32)
    truth = generator.random(score.shape) < 1 / (1 + np.exp(-score / 0.5))
    assert fit_spread([histogram(score, truth)], 0.0) == pytest.approx(0.5, rel=0.2)
