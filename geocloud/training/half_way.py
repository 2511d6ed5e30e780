"""The threshold of `unmix`: half-way between what training calls clear and what it calls cloud."""

from math import log

from geocloud.calibration import Calibration, ThresholdRule, logistic_curve
from geocloud.training.batches import THIN, VISIBLE
from geocloud.training.teacher import DETECT_GAIN, DETECT_LOGIT

SPREAD = 1 / DETECT_GAIN
"""Logits from P(cloud) 0.5 to 0.73 in training."""


def half_way() -> Calibration:
    """Simulated pixels count as clear up to an opacity of THIN and as cloud from VISIBLE on; the cut is between.

    It is the middle of their logits, to a tenth, and P(cloud) is as steep there as in training. No label and no tag is
    looked at. The alternative `equal` is where training itself holds cloud and clear for equally likely.
    """
    cut = round((_logit(THIN) + _logit(VISIBLE)) / 2, 1)
    figure = f"opacity: clear up to {THIN:g}, cloud from {VISIBLE:g}"
    rule = ThresholdRule("half-way", None, "simulated cloud, without tags or labels", figure)
    curve = logistic_curve(cut, SPREAD, "high")
    return Calibration(cut, "high", rule, curve, "logit of the opacity", (("equal", DETECT_LOGIT),))


def _logit(share: float) -> float:
    """Logarithm of the odds."""
    return log(share / (1 - share))
