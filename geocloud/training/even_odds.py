"""The threshold of `unmix`: where cloud and clear are equally likely, without a look at any label."""

from __future__ import annotations

from collections.abc import Sequence

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
EVERY = 2
"""One of so many pixels along rows and columns is looked at."""
EQUAL = ThresholdRule("equal", None, "chosen before any data", "P(cloud) in training is one half")


def even_odds(cut: float = DETECT_LOGIT, rule: ThresholdRule = EQUAL) -> Calibration:
    """Training's own threshold, or another, with P(cloud) as steep as in training."""
    others = (("equal", DETECT_LOGIT),) if cut != DETECT_LOGIT else ()
    return Calibration(cut, "high", rule, logistic_curve(cut, 1 / DETECT_GAIN, "high"), "logit of the opacity", others)


def as_much_as(parents: Sequence[UnmixNet], child: UnmixNet, scenes: Sequence[TrainingScene]) -> Calibration:
    """The threshold at which a mean of networks calls as much of the training scenes cloud as they do at theirs.

    The mean of their weights is less sure than each of them, so its even odds lie lower. Labels and tags are not
    looked at; every source of scenes counts alike.
    """
    wanted = np.mean([_shares(parent, scenes, np.array([DETECT_LOGIT])) for parent in parents])
    found = _shares(child, scenes, CUTS)
    cut = round(float(CUTS[int(np.abs(found - wanted).argmin())]), 2)
    figure = f"{100 * wanted:.1f} % of the training scenes, as the networks say that it is the mean of"
    return even_odds(cut, ThresholdRule("cover", None, "training scenes, without tags or labels", figure))


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
