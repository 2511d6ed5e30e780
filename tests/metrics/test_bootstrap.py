import numpy as np
import pytest

from geocloud.metrics.bootstrap import intervals
from geocloud.metrics.confusion import auroc, count
from geocloud.metrics.histogram import add_up, histogram


def _scenes(number, seed=0, shift=1.0):
    generator = np.random.default_rng(seed)
    for _ in range(number):
        truth = generator.random(400) < generator.uniform(0.2, 0.8)
        score = (truth * shift + generator.normal(0, 1, 400)).astype(np.float32)
        yield count(score >= 0.5, truth), histogram(score, truth)


def test_intervals_hold_the_figure_and_narrow_with_more_scenes():
    few, many = (list(zip(*_scenes(number), strict=True)) for number in (6, 60))
    wide, narrow = intervals(*few, draws=300), intervals(*many, draws=300)
    figure = auroc(add_up(many[1]))
    assert narrow["auroc"][0] < figure < narrow["auroc"][1]
    for name in ("auroc", "f1", "iou", "balanced_accuracy", "cover_error"):
        assert narrow[name][1] - narrow[name][0] < wide[name][1] - wide[name][0]


def test_a_seed_gives_the_same_intervals():
    scenes = list(zip(*_scenes(5), strict=True))
    assert intervals(*scenes, draws=50, seed=4) == intervals(*scenes, draws=50, seed=4)


def test_one_scene_has_no_interval():
    counts, scores = zip(*_scenes(1), strict=True)
    assert np.isnan(intervals(counts, scores, draws=10)["auroc"]).all()


def test_alike_scenes_have_an_interval_of_one_point():
    counts, scores = zip(*list(_scenes(1)) * 4, strict=True)
    low, high = intervals(counts, scores, draws=20)["f1"]
    assert low == pytest.approx(high)
    assert low == pytest.approx(counts[0].f1)
