"""The threshold of `unmix`: where cloud and clear are equally likely, without a look at any label."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geocloud.calibration import Calibration, ThresholdRule, logistic_curve
from geocloud.models.networks.unmix import UnmixNet
from geocloud.training.surfaces import TrainingScene
from geocloud.training.teacher import DETECT_GAIN, DETECT_LOGIT, detect_probability

CUTS = np.arange(-6, 2.01, 0.05)
"""Logits tried."""
SPREAD = 1 / DETECT_GAIN
"""Logits from P(cloud) 0.5 to 0.73 in training."""
LIKELY = log(9)
"""Spreads from P(cloud) 0.5 to 0.9."""
EVERY = 2
"""One of so many pixels along rows and columns is looked at."""
EQUAL = ThresholdRule("equal", None, "chosen before any data", "P(cloud) in training is one half")


def even_odds(cut: float = DETECT_LOGIT, spread: float = SPREAD, rule: ThresholdRule = EQUAL) -> Calibration:
    """Training's own threshold and P(cloud), or others."""
    others = (("equal", DETECT_LOGIT),) if cut != DETECT_LOGIT else ()
    return Calibration(cut, "high", rule, logistic_curve(cut, spread, "high"), "logit of the opacity", others)


def as_much_as(parents: Sequence[UnmixNet], child: UnmixNet, scenes: Sequence[TrainingScene]) -> Calibration:
    """P(cloud) by which a mean of networks calls as much of the training scenes cloud as they do by theirs.

    The mean of their weights is less sure than each of them, so its even odds lie lower. What is matched is the share
    of pixels at least as likely as one half, which gives the threshold, and as 0.1 and 0.9, which give the steepness.
    Labels and tags are not looked at; every source of scenes counts alike.
    """
    marks = DETECT_LOGIT + SPREAD * np.array([-LIKELY, 0, LIKELY])
    wanted = np.mean([_shares(parent, scenes, marks) for parent in parents], axis=0)
    found = _shares(child, scenes, CUTS)
    low, cut, high = (float(CUTS[np.abs(found - share).argmin()]) for share in wanted)
    figure = f"{100 * wanted[1]:.1f} % of the training scenes, as the networks say that it is the mean of"
    rule = ThresholdRule("cover", None, "training scenes, without tags or labels", figure)
    return even_odds(round(cut, 2), round((high - low) / (2 * LIKELY), 4), rule)


def _shares(network: UnmixNet, scenes: Sequence[TrainingScene], cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(cut,) share of pixels at or above each logit, the mean over sources."""
    logits: dict[str, list[Tensor]] = {}
    for scene in scenes:
        p = detect_probability(network, scene.data, max(scene.bands))[::EVERY, ::EVERY].double()
        logits.setdefault(scene.source, []).append(torch.logit(p, eps=1e-12).flatten() / DETECT_GAIN + DETECT_LOGIT)
    shares = []
    for parts in logits.values():
        ascending = torch.cat(parts).sort().values.numpy()
        shares.append(1 - np.searchsorted(ascending, cuts) / len(ascending))
    mean: NDArray[np.float64] = np.mean(shares, axis=0)
    return mean
