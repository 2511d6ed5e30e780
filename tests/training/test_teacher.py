"""The threshold of unmix: a simulated veil that training calls cloud is above it, one that it calls clear below."""

import numpy as np
import pytest

from geocloud.training.unmix.batches import CLEAR_OPACITY, CLOUD_OPACITY
from geocloud.training.unmix.teacher import opacity_midpoint


def test_what_training_calls_cloud_is_above_and_what_it_calls_clear_below():
    calibration = opacity_midpoint()
    clear, cloud = (np.log(share / (1 - share)) for share in (CLEAR_OPACITY, CLOUD_OPACITY))

    assert clear < calibration.threshold < cloud
    assert calibration.threshold - clear == pytest.approx(cloud - calibration.threshold, abs=0.05)
    assert calibration.probability(np.float32([calibration.threshold]))[0] == pytest.approx(0.5)
    assert calibration.rule.name == "half-way"


def test_the_odds_of_training_are_the_alternative():
    assert dict(opacity_midpoint().alternatives) == {"equal": -2.0}
