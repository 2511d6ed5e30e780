"""The threshold that tags give: where clear and cloudy patches part, every source counting alike."""

import numpy as np
import pytest
import torch

from geocloud.training.surfaces import TrainingScene
from geocloud.training.tag_threshold import cut_by_tags


class Bright(torch.nn.Module):
    """Says of each pixel ten times its blue less five, as a logit."""

    def score(self, x, present):
        return 10 * x[:, :1] - 5


def scene(source, clear, cloudy, told=1.0):
    """Half clear at one brightness, half cloudy at another."""
    half = torch.full((3, 64, 64), clear).half()
    half[:, 32:] = cloudy
    target = torch.zeros(64, 64).half()
    target[32:] = 1
    return TrainingScene(source, source, half, target, torch.full((64, 64), told).half(), (3,))


def test_the_cut_parts_clear_from_cloudy():
    calibration = cut_by_tags(Bright(), [scene("a", 0.1, 0.4)])  # logits -4 and -1

    assert calibration.threshold == pytest.approx(-2.5, abs=0.1)
    assert calibration.rule.name == "tags"
    assert calibration.probability(np.float32([calibration.threshold]))[0] == pytest.approx(0.5)
    assert dict(calibration.alternatives) == {"equal": -2.0}


def test_a_source_of_many_scenes_counts_as_one_of_few():
    many = [scene("many", 0.1, 0.45)] * 5  # any cut from -4 to -0.5 is right
    few = [scene("few", 0.3, 0.45)]  # only one above -2 is

    assert -2 < cut_by_tags(Bright(), many + few).threshold <= -0.5


def test_without_both_kinds_of_patch_the_cut_is_that_of_training():
    calibration = cut_by_tags(Bright(), [scene("a", 0.1, 0.4, told=0.5)])

    assert (calibration.threshold, calibration.rule.name) == (-2.0, "equal")
