"""The rule `synthetic`: what it asks, and that it finds a good threshold without any pixel label."""

import numpy as np
import pytest
from skies import BANDS, ground, overcast, write_skies

from geocloud.datasets.labels import LabelCodes
from geocloud.errors import UsageError
from geocloud.evaluation.samples import DataOptions
from geocloud.metrics.confusion import count_at
from geocloud.metrics.histogram import add_up
from geocloud.models.registry import load_scorer
from geocloud.training.unmix.synthetic import TaggedScene, patch_tags, simulate_case
from geocloud.verbs.calibrate import CalibrateOptions, calibrate, read_tagged, synthetic_scores, threshold_on_synthetic


def _scene(name="a", *, cloudy=False, bands=BANDS):
    data = (overcast(5) if cloudy else ground(5)).astype(np.float32)
    everywhere = np.ones(data.shape[1:], dtype=bool)
    return TaggedScene(name, data, bands, everywhere & (not cloudy), everywhere & cloudy)


def test_patches_are_tagged_whole_or_not_at_all():
    cloud, known = np.zeros((128, 192), dtype=bool), np.ones((128, 192), dtype=bool)
    cloud[:, 64:128], cloud[127, 191], known[0, 0] = True, True, False
    clear, cloudy = patch_tags(cloud, known)
    assert (clear[64:, :64].all(), clear[:64, 128:].all(), clear.sum()) == (True, True, 2 * 64 * 64)
    assert (cloudy[:, 64:128].all(), cloudy.sum()) == (True, 2 * 64 * 64)


def test_clear_ground_is_asked_as_it_is_and_under_clouds_that_can_be_seen():
    scene = _scene()
    untouched, *veiled = simulate_case(scene, 3)
    np.testing.assert_array_equal(untouched.data, scene.data)
    assert not untouched.truth.any()
    assert len(veiled) == 3
    clear = []  # of all three: one may be overcast
    for posed in veiled:
        change = np.abs(posed.data - scene.data).mean(axis=0)
        assert (change[posed.truth & posed.known] >= 0.03).all()
        clear.append(change[~posed.truth & posed.known])
    assert np.concatenate(clear).mean() < 0.03
    again = simulate_case(scene, 3)[1]
    np.testing.assert_array_equal(again.data, veiled[0].data)
    assert not np.array_equal(simulate_case(scene, 1, seed=1)[1].data, veiled[0].data)


def test_overcast_is_cloud_without_simulation_and_bands_the_simulator_lacks_are_left_out():
    (posed,) = simulate_case(_scene(cloudy=True), 3)
    assert posed.truth.all()
    assert posed.known.all()
    assert simulate_case(_scene(bands=("coastal", "green", "red")), 1)[1].bands == ("green", "red")


def test_the_threshold_is_the_best_on_simulated_cloud_and_the_null_model_gains(tmp_path):
    folder = write_skies(tmp_path / "toy")
    brightness = load_scorer("brightness")
    scenes = list(synthetic_scores(brightness, read_tagged(folder, DataOptions(codes=LabelCodes((1,)))), threads=1))
    assert len(scenes) == 6
    found = threshold_on_synthetic(scenes, brightness.card.calibration, "toy")
    pooled = add_up(scenes)
    best = count_at(pooled, float(found.score_threshold)).balanced_accuracy
    assert best >= max(count_at(pooled, cut).balanced_accuracy for cut in np.linspace(0, 1, 50)) - 1e-6
    assert best > count_at(pooled, 0.25).balanced_accuracy
    assert found.rule.figure == f"balanced accuracy {best:.3f}"
    assert found.probability(np.array([found.threshold], dtype=np.float32)) == pytest.approx(0.5, abs=1e-6)


def test_calibrate_cuts_either_polarity_by_it(tagged, clear_model, cloudy_model, tmp_path):
    for model in (clear_model, cloudy_model):
        data = DataOptions(part="held-out", threads=1)
        card = calibrate(tagged, str(model), tmp_path / model.name, CalibrateOptions("synthetic", data=data))
        assert card.calibration.rule.name == "synthetic"
        assert float(card.calibration.rule.figure.split()[-1]) > 0.6
        assert "quantile" in dict(card.calibration.alternatives)


def test_without_clear_data_there_is_nothing_to_simulate_on(tagged, tmp_path):
    with pytest.raises(UsageError, match="needs clear patches"):
        scenes = synthetic_scores(load_scorer("hot"), read_tagged(tagged, DataOptions(folders=("cloudy",))))
        threshold_on_synthetic(list(scenes), load_scorer("hot").card.calibration, "x")
