"""The threshold of `unmix`, from what its supervision tells of the scenes it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from geocloud.calibration import Calibration, ThresholdRule, logistic_curve
from geocloud.histogram import ScoreHistogram, add_up, histogram
from geocloud.metrics import count_at
from geocloud.models.networks.unmix import UnmixNet
from geocloud.training.surfaces import TrainingScene
from geocloud.training.teacher import DETECT_GAIN, DETECT_LOGIT, detect_probability

CUTS = np.arange(-6, 2.01, 0.05)
"""Logits tried."""
UNIT = "logit of the opacity"


def cut_by_tags(network: UnmixNet, scenes: Sequence[TrainingScene]) -> Calibration:
    """Cut where clear and cloudy patches are told apart best, every source of scenes counting alike.

    Training itself puts even odds at a logit of -2 (rule `equal`, kept as an alternative); the mean of several
    networks' weights is less sure of clouds than each, so its even odds lie lower. Where no source has both clear and
    cloudy patches, -2 it is.
    """
    by_source = [scores for scores in told_scores(network, scenes) if all(scores.sizes)]
    if not by_source:
        return _calibration(DETECT_LOGIT, ThresholdRule("equal", None, "", "P(cloud) in training is one half"))
    reached = np.array([np.mean([count_at(scores, cut).balanced_accuracy for scores in by_source]) for cut in CUTS])
    cut = round(float(CUTS[reached > reached.max() - 1e-6].mean()), 2)  # the middle of those that are equally good
    figure = f"balanced accuracy {reached.max():.3f}, the mean over {len(by_source)} sources"
    return _calibration(cut, ThresholdRule("tags", None, "tags of the training scenes", figure))


def told_scores(network: UnmixNet, scenes: Sequence[TrainingScene]) -> list[ScoreHistogram]:
    """A histogram of the logit a source, of the pixels that supervision tells of."""
    found: dict[str, list[ScoreHistogram]] = {}
    for scene in scenes:
        told = scene.weight == 1
        if told.any():
            p = detect_probability(network, scene.data, max(scene.bands))[told].double()
            logit = torch.logit(p, eps=1e-12) / DETECT_GAIN + DETECT_LOGIT
            truth = (scene.target[told] > 0.5).numpy()
            found.setdefault(scene.source, []).append(histogram(logit.float().numpy(), truth))
    return [add_up(parts) for parts in found.values()]


def _calibration(cut: float, rule: ThresholdRule) -> Calibration:
    """P(cloud) as steep as in training."""
    others = (("equal", DETECT_LOGIT),) if rule.name != "equal" else ()
    return Calibration(cut, "high", rule, logistic_curve(cut, 1 / DETECT_GAIN, "high"), UNIT, others)
