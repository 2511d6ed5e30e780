from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocloud.calibration import Calibration, Probability, ThresholdRule, logistic_curve
from geocloud.errors import UsageError
from geocloud.writers.cog import quantise


@given(st.floats(-5, 5), st.floats(0.01, 3), st.sampled_from(["high", "low"]), st.lists(st.floats(-10, 10, width=32)))
def test_probability_is_at_least_half_exactly_where_cloud(
    threshold: float, spread: float, side: str, raws: list[float]
) -> None:
    calibration = Calibration(threshold, side, curve=logistic_curve(threshold, spread, side))
    score = np.array([*raws, threshold], dtype=np.float32) * np.float32(calibration.sign)
    p = calibration.probability(score)
    assert ((p >= 0.5) == (score >= calibration.score_threshold)).all()
    assert ((quantise(p) >= 125) == (score >= calibration.score_threshold)).all()
    order = np.argsort(score)
    assert (np.diff(p[order]) >= 0).all()


def test_low_errors_are_cloud_where_the_card_says_so() -> None:
    calibration = Calibration(0.02, "low")
    errors = np.array([0.01, 0.02, 0.03, np.nan], dtype=np.float32)
    p = calibration.probability(-errors)
    np.testing.assert_array_equal(p, np.array([1, 1, 0, np.nan], dtype=np.float32))
    assert quantise(p).tolist() == [250, 250, 0, 255]


def test_a_moved_threshold_takes_its_curve_along() -> None:
    moved = Calibration(0.3, curve=logistic_curve(0.3, 0.1, "high")).at(0.5, ThresholdRule("given"))
    assert moved.probability(np.array([0.5], dtype=np.float32))[0] == pytest.approx(0.5, abs=1e-3)
    assert str(moved.rule) == "given"


@given(st.floats(0.01, 0.99), st.sampled_from(["high", "low"]), st.lists(st.floats(-10, 10, width=32)))
def test_a_threshold_in_probability_is_cloud_where_p_is_as_high(p: float, side: str, raws: list[float]) -> None:
    calibration = Calibration(0.3, side, curve=logistic_curve(0.3, 0.1, side))
    score = np.array(raws, dtype=np.float32) * np.float32(calibration.sign)
    cut = calibration.at_probability(Probability(p))
    away = np.abs(calibration.probability(score) - p) > 1e-3  # float32 curves meet there
    assert ((score >= cut.score_threshold) == (calibration.probability(score) >= p))[away].all()
    assert str(cut.rule) == f"probability {p:g}"


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, float("nan")])
def test_a_probability_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="more than 0 and less than 1"):
        Probability(value)


def test_a_probability_beyond_the_curve_is_refused() -> None:
    with pytest.raises(UsageError, match=r"0\.0003354 to 0\.9997, not 0\.0001"):
        Calibration(0.3, curve=logistic_curve(0.3, 0.1, "high")).at_probability(Probability(0.0001))
    with pytest.raises(UsageError, match="no probabilities"):
        Calibration(0.3).at_probability(Probability(0.4))


def test_rules_by_name() -> None:
    calibration = Calibration(0.3, rule=ThresholdRule("synthetic"), alternatives=(("quantile", 0.4),))
    assert calibration.by_rule("synthetic").threshold == 0.3
    assert calibration.by_rule("quantile").threshold == 0.4
    assert calibration.by_rule("paper").threshold == 0.02
    with pytest.raises(KeyError):
        calibration.by_rule("f1")


@pytest.mark.parametrize("curve", [((1, 0.2), (0, 0.8)), ((0, 0.8), (1, 0.2)), ((0, 0.2), (1, 1.2))])
def test_curves_that_are_none_are_refused(curve: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="curve"):
        Calibration(0.5, "high", curve=curve)
