import shutil

import numpy as np
import pytest

from geocloud.datasets.labels import LabelCodes
from geocloud.errors import ModelError, OutputError, UsageError
from geocloud.evaluation.samples import DataOptions
from geocloud.models.registry import load_scorer
from geocloud.pipeline.scoring import score_scene
from geocloud.readers import open_scene
from geocloud.scorers.card import read_card
from geocloud.verbs import calibrate as module
from geocloud.verbs.calibrate import CalibrateOptions, calibrate


def test_f1_separates_the_tagged_pictures(tagged, clear_model, tmp_path):
    card = calibrate(tagged, str(clear_model), tmp_path / "copy", CalibrateOptions("f1"))
    assert card.calibration.rule.figure == "F1 1.000"
    assert card.name == "copy"
    assert read_card(tmp_path / "copy") == card
    assert load_scorer(str(tmp_path / "copy")).card.calibration == card.calibration


def test_the_copy_leaves_the_model_as_it_was_and_keeps_its_threshold_by_name(tagged, clear_model, tmp_path):
    before = read_card(clear_model)
    card = calibrate(tagged, str(clear_model), tmp_path / "copy", CalibrateOptions("paper"))
    assert read_card(clear_model) == before
    assert card.calibration.threshold == 0.02
    assert dict(card.calibration.alternatives)["quantile"] == before.calibration.threshold
    with pytest.raises(OutputError, match="already holds a model"):
        calibrate(tagged, str(clear_model), tmp_path / "copy", CalibrateOptions("paper"))
    for name in ("log.csv", "loss.png", "checkpoint.safetensors", "my own"):
        (tmp_path / "copy" / name).write_text("of the model before")
    calibrate(tagged, str(clear_model), tmp_path / "copy", CalibrateOptions("paper", overwrite=True))
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"card.json", "weights.safetensors", "my own"}


@pytest.mark.parametrize(("model", "word"), [("clear_model", "false alarms"), ("cloudy_model", "misses")])
def test_quantile_bounds_errors_on_the_side_the_model_was_trained_on(model, word, tagged, tmp_path, request):
    folder = request.getfixturevalue(model)
    card = calibrate(tagged, str(folder), tmp_path / "copy", CalibrateOptions("quantile", 0.8))
    assert f"{word} 20.00 %" in card.calibration.rule.figure


def test_conformal_says_its_bound_and_how_many_scenes_it_needs(tagged, clear_model, tmp_path):
    options = CalibrateOptions("conformal", 0.2)
    card = calibrate(tagged, str(clear_model), tmp_path / "copy", options)
    assert "expected false alarms in a new scene at most 20 %" in card.calibration.rule.figure
    with pytest.raises(UsageError, match=r"20 scenes are too few for a bound of 0\.01; use at least 99 scenes"):
        calibrate(tagged, str(clear_model), tmp_path / "other", CalibrateOptions("conformal", 0.01))


def test_on_labelled_scenes_the_quantile_is_of_clear_pixels_by_scene(labelled, clear_model, tmp_path):
    data = DataOptions(codes=LabelCodes((2,), (9,)), threads=1)
    options = CalibrateOptions("quantile", 0.7, data=data)
    card = calibrate(labelled / "images", str(clear_model), tmp_path / "copy", options)
    scorer = load_scorer(str(clear_model))
    shares = []
    for number in range(3):
        with open_scene(labelled / "images" / f"s{number}.tif") as scene:
            score, _ = score_scene(scene, scorer, threads=1)
        clear = np.ones(score.shape, dtype=bool)
        clear[20:70, 30 + 20 * number : 100] = clear[80:] = clear[:, 128:] = False
        shares.append((score[clear] >= card.calibration.score_threshold).mean())
    assert np.mean(shares) <= 0.3


def test_a_shipped_model_is_never_rewritten(tagged, clear_model, tmp_path, monkeypatch):
    shutil.copytree(clear_model, tmp_path / "shipped" / "boxed")
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(OutputError, match="shipped model and is never rewritten; give --out"):
        calibrate(tagged, str(tmp_path / "shipped" / "boxed"), None, CalibrateOptions("f1"))


def test_what_cannot_be_calibrated_is_one_sentence(tagged, clear_model, tmp_path):
    with pytest.raises(UsageError, match="needs clear and cloudy data"):
        calibrate(
            tagged, str(clear_model), tmp_path / "c", CalibrateOptions("f1", data=DataOptions(folders=("field",)))
        )
    with pytest.raises(UsageError, match="takes no parameter"):
        CalibrateOptions("paper", 0.3)
    with pytest.raises(ModelError, match="no model 'brightnes'"):
        calibrate(tagged, "brightnes", None, CalibrateOptions("f1"))
