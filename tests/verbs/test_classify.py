from dataclasses import replace

import pytest

from geocloud.errors import InputError
from geocloud.models.registry import load_scorer
from geocloud.verbs.classify import ClassifyOptions, classify


@pytest.mark.parametrize("model", ["clear_model", "cloudy_model"])
def test_either_polarity_says_the_truth(model, tagged, request):
    scorer = load_scorer(str(request.getfixturevalue(model)))
    for tag, statement in (("cloudy", "cloudy"), ("field", "not cloudy")):
        found = [classify(path, scorer) for path in sorted((tagged / tag).iterdir())]
        assert sum(one.statement == statement for one in found) >= 15
        assert all(one.score > 0 for one in found)
        assert all((one.p_cloud >= 0.5) == (one.statement == "cloudy") for one in found)


def test_the_statement_is_the_score_against_the_threshold(tagged, clear_model, cloudy_model):
    path = tagged / "cloudy" / "cloudy_0.png"
    for model, above in ((clear_model, "cloudy"), (cloudy_model, "not cloudy")):
        scorer = load_scorer(str(model))
        score = classify(path, scorer).score
        calibration = replace(scorer.card.calibration, threshold=score / 2)
        lower = replace(scorer, card=replace(scorer.card, calibration=calibration))
        assert classify(path, lower).statement == above


def test_scenes_can_be_classified_and_pictures_at_their_own_pixels(labelled, tagged):
    brightness = load_scorer("brightness")
    assert classify(labelled / "images" / "s0.tif", brightness).score == pytest.approx(0.25, abs=0.1)
    resized, cut = (
        classify(tagged / "field" / "field_0.png", brightness, ClassifyOptions(fit)).score for fit in ("resize", "cut")
    )
    assert resized == pytest.approx(cut, rel=1e-5)


def test_no_picture_is_one_sentence(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="is no picture that can be read"):
        classify(tmp_path / "a.png", load_scorer("brightness"))
