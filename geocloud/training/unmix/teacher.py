"""The teacher: the running average of the trained weights, which predicts targets where there are no labels."""

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
"""P(cloud) in training is sigmoid(DETECT_GAIN * (logit of opacity - DETECT_LOGIT)); -2 is an opacity of 0.12."""


class TeacherTargets(NamedTuple):
    """The training scenes with the teacher's predictions."""

    scenes: list[TrainingScene]
    """The scenes, with predictions as targets where there are no labels."""
    errors: Tensor
    """(scene,) mean absolute difference between predictions and labels, 0..1; 0 for scenes without labels."""


def ask_teacher(
    teacher: CellNet, scenes: list[TrainingScene], labelled: list[Tensor], teacher_weight: float
) -> TeacherTargets:
    """Predict P(cloud) of every scene. Where there is no label, it becomes the target, weighted by its confidence.

    Args:
        teacher: the averaged network, in evaluation mode.
        scenes: the training scenes with their present targets.
        labelled: (h, w) bool per scene, True where there is a label.
        teacher_weight: weight of a fully confident prediction; that of a label is 1.
    """
    taught, errors = [], []
    for scene, label in zip(scenes, labelled, strict=True):
        predicted = detect_probability(teacher, scene.data, max(scene.bands))
        target = torch.where(label, scene.target, predicted.half())
        weight = torch.where(label, 1.0, teacher_weight * (2 * predicted - 1).abs()).half()
        taught.append(replace(scene, target=target, weight=weight))
        errors.append(((predicted - target.float()).abs() * label).sum() / label.sum().clamp(min=1))
    return TeacherTargets(taught, torch.stack(errors))


@torch.inference_mode()
def detect_probability(network: CellNet, data: Tensor, bands: int) -> Tensor:
    """(h, w) P(cloud) of a whole scene (band, h, w), whose logits are averaged over the scene and its mirror image.

    Only the first `bands` of BANDS count as present.
    """
    x = F.pad(data.float(), (0, 0, 0, 0, 0, len(BANDS) - len(data)))[None].clamp(0, 1.5)
    height, width = x.shape[-2:]
    x = F.pad(x, (0, -width % GRID, 0, -height % GRID), mode="reflect")
    present = (torch.arange(len(BANDS)) < bands).float()[None]
    logit = network.score(x, present) + network.score(x.flip(-1), present).flip(-1)
    return torch.sigmoid(DETECT_GAIN * (logit[0, 0, :height, :width] / 2 - DETECT_LOGIT))


SPREAD = 1 / DETECT_GAIN
"""Logits from P(cloud) 0.5 to 0.73 in training."""


def opacity_midpoint() -> Calibration:
    """A calibration whose threshold is half-way between the opacities of simulated clear and cloudy pixels.

    Simulated pixels are clear up to CLEAR_OPACITY and cloud from CLOUD_OPACITY. The threshold is the mean of the logits
    of both, rounded to a tenth; P(cloud) is as steep there as in training. No labels or tags are used. The alternative
    `equal` is the threshold at which P(cloud) in training is 0.5.
    """
    threshold = round((_logit(CLEAR_OPACITY) + _logit(CLOUD_OPACITY)) / 2, 1)
    figure = f"opacity: clear up to {CLEAR_OPACITY:g}, cloud from {CLOUD_OPACITY:g}"
    rule = ThresholdRule("half-way", None, "simulated cloud, without tags or labels", figure)
    curve = logistic_curve(threshold, SPREAD, "high")
    return Calibration(threshold, "high", rule, curve, "logit of the opacity", (("equal", DETECT_LOGIT),))


def _logit(share: float) -> float:
    """Log odds of a share, 0 < share < 1."""
    return log(share / (1 - share))
