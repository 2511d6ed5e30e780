"""The threshold of a mean of networks: where it calls as much cloud as they do."""

import numpy as np
import pytest
import torch

from geocloud.training.even_odds import as_much_as, even_odds
from geocloud.training.surfaces import TrainingScene


class Bright(torch.nn.Module):
    """Says `gain` times the blue of each pixel less `less`, as a logit."""

    def __init__(self, gain, less):
        super().__init__()
        self.gain, self.less = gain, less

    def score(self, x, present):
        return self.gain * x[:, :1] - self.less


def ramps(source, count):
    """Scenes whose brightness goes evenly from 0 to 1."""
    data = torch.linspace(0, 1, 64).expand(3, 64, 64).half()
    nothing = torch.zeros(64, 64).half()
    return [TrainingScene(f"{source}{n}", source, data, nothing, nothing, (3,)) for n in range(count)]


def test_the_mean_calls_as_much_cloud_as_its_parents():
    parents, child = [Bright(10, 6), Bright(10, 10)], Bright(10, 12)  # at -2: 0.6 and 0.2 of a ramp, mean 0.4
    calibration = as_much_as(parents, child, ramps("a", 1) + ramps("b", 3))

    assert calibration.threshold == pytest.approx(10 * 0.6 - 12, abs=0.2)
    assert calibration.rule.name == "cover"
    assert calibration.probability(np.float32([calibration.threshold]))[0] == pytest.approx(0.5)
    assert dict(calibration.alternatives) == {"equal": -2.0}


def test_half_as_steep_a_network_gets_half_as_steep_a_curve():
    steep, flat = Bright(10, 7), Bright(5, 5)  # even odds at 0.5 of a ramp: logits -2 and -2.5
    calibration = as_much_as([steep], flat, ramps("a", 2))

    assert calibration.threshold == pytest.approx(-2.5, abs=0.15)  # a ramp has 64 steps
    assert calibration.probability(np.float32([-2.5 + np.log(9) / 1.5 / 2]))[0] == pytest.approx(0.9, abs=0.03)


def test_a_network_trained_alone_is_cut_where_training_did():
    assert (even_odds().threshold, even_odds().rule.name, even_odds().alternatives) == (-2.0, "equal", ())
