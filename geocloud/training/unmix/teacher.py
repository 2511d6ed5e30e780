"""The teacher: the running average of the student's weights, which answers where supervision is silent."""

from dataclasses import replace
from math import log
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor

from geocloud.calibration import Calibration, ThresholdRule, logistic_curve
from geocloud.models.networks.cells import BANDS, GRID, CellNet
from geocloud.training.unmix.batches import CLEAR_OPACITY, CLOUD_OPACITY
from geocloud.training.unmix.scenes import TrainingScene

DETECT_GAIN, DETECT_LOGIT = 1.5, -2.0
"""P(cloud) in training = sigmoid(gain * (logit of opacity - detect logit)); -2 is the logit of an opacity of 0.12."""


class TeacherTargets(NamedTuple):
    """What a teacher makes of the training scenes."""

    scenes: list[TrainingScene]
    """The scenes with its answers where there are no labels."""
    errors: Tensor
    """(scene,) mean difference between its answer and the labels, 0..1; 0 where there are none."""


def ask_teacher(
    teacher: CellNet, scenes: list[TrainingScene], labelled: list[Tensor], teacher_weight: float
) -> TeacherTargets:
    """Ask for every scene: mean of two flips, weighted by its confidence.

    Args:
        teacher: the averaged network, in evaluation mode.
        scenes: as trained on last.
        labelled: (h, w) per scene, True where there is a label.
        teacher_weight: weight of a fully confident answer.
    """
    taught, errors = [], []
    for scene, sure in zip(scenes, labelled, strict=True):
        answer = detect_probability(teacher, scene.data, max(scene.bands))
        target = torch.where(sure, scene.target, answer.half())
        weight = torch.where(sure, 1.0, teacher_weight * (2 * answer - 1).abs()).half()
        taught.append(replace(scene, target=target, weight=weight))
        errors.append(((answer - target.float()).abs() * sure).sum() / sure.sum().clamp(min=1))
    return TeacherTargets(taught, torch.stack(errors))


@torch.inference_mode()
def detect_probability(network: CellNet, data: Tensor, bands: int) -> Tensor:
    """(h, w) probability of cloud of a whole scene (band, h, w), mean over itself and its mirror image."""
    x = F.pad(data.float(), (0, 0, 0, 0, 0, len(BANDS) - len(data)))[None].clamp(0, 1.5)
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % GRID, 0, -height % GRID), mode="reflect")
    present = (torch.arange(len(BANDS)) < bands).float()[None]
    logit = network.score(x, present) + network.score(x.flip(-1), present).flip(-1)
    return torch.sigmoid(DETECT_GAIN * (logit[0, 0, :height, :width] / 2 - DETECT_LOGIT))


SPREAD = 1 / DETECT_GAIN
"""Logits from P(cloud) 0.5 to 0.73 in training."""


def opacity_midpoint() -> Calibration:
    """Simulated pixels count as clear up to CLEAR_OPACITY and as cloud from CLOUD_OPACITY on; the threshold is between.

    It is the middle of their logits, to a tenth, and P(cloud) is as steep there as in training. No label and no tag is
    used. The alternative `equal` is where training takes cloud and clear for equally likely.
    """
    threshold = round((_logit(CLEAR_OPACITY) + _logit(CLOUD_OPACITY)) / 2, 1)
    figure = f"opacity: clear up to {CLEAR_OPACITY:g}, cloud from {CLOUD_OPACITY:g}"
    rule = ThresholdRule("half-way", None, "simulated cloud, without tags or labels", figure)
    curve = logistic_curve(threshold, SPREAD, "high")
    return Calibration(threshold, "high", rule, curve, "logit of the opacity", (("equal", DETECT_LOGIT),))


def _logit(share: float) -> float:
    """Logarithm of the odds."""
    return log(share / (1 - share))
