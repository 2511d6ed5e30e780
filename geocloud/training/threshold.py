"""The threshold of a newly trained model, from held-out patches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from geocloud.calibration import PAPER_THRESHOLD, Calibration, CloudSide, ThresholdRule, logistic_curve
from geocloud.metrics.confusion import count_at
from geocloud.metrics.histogram import EXACT_BITS, PIXEL_BITS, ScoreHistogram, add_up, histogram
from geocloud.metrics.threshold_rules import false_alarms, fit_spread, quantile_threshold
from geocloud.models.kinds import KINDS
from geocloud.models.network_scorer import NetworkScorer
from geocloud.scorers.card import ModelCard
from geocloud.scorers.contract import score_patches
from geocloud.training.options import TrainOptions
from geocloud.training.patches.data import Patches, by_bands, take


def held_out_scores(
    network: torch.nn.Module, card: ModelCard, unseen: Patches, device: torch.device
) -> list[ScoreHistogram]:
    """Histogram of raw scores of each held-out file; patches tagged cloudy are counted under `cloud`."""
    scorer = NetworkScorer(network, card, device)
    bits = EXACT_BITS if card.level == "patch" else PIXEL_BITS
    scenes = []
    for name in dict.fromkeys(unseen.files):
        one = take(unseen, np.array([file == name for file in unseen.files]))
        ((data, bands),) = by_bands(one, scorer.card.channels)
        raw = score_patches(scorer, data, bands)
        truth = np.broadcast_to((one.tags == 1)[:, None, None], raw.shape)
        scenes.append(histogram(raw, truth, bits))
    return scenes


def threshold_by_rule(scenes: list[ScoreHistogram], options: TrainOptions, data: str) -> Calibration:
    """The calibration by the rule: a bound on scores of normal data; for contrast, where both errors are equal.

    Args:
        scenes: histograms of raw scores of held-out files, from `held_out_scores`.
        options: the kind, the rule and its quantile.
        data: name of the data, for the card.
    """
    kind = KINDS[options.kind]
    if kind.both:
        return _equal(scenes, kind.unit, data)
    cloud_is: CloudSide = "high" if options.normal == "clear" else "low"
    quantile = quantile_threshold(scenes, options.quantile, "clear")
    if (options.rule or kind.rules[0]) == "paper":
        rule, threshold = ThresholdRule("paper", None, data), PAPER_THRESHOLD
    else:
        rule, threshold = ThresholdRule("quantile", options.quantile, data), quantile
    above = false_alarms(scenes, threshold, "clear")
    rule = replace(rule, figure=f"{100 * above:.2f} % of held-out {options.normal} data at or above")
    curve = logistic_curve(threshold, fit_spread(scenes, threshold), cloud_is)
    others = (("quantile", quantile),) if rule.name == "paper" else ()
    return Calibration(threshold, cloud_is, rule, curve, kind.unit, others)


def _equal(scenes: list[ScoreHistogram], unit: str, data: str) -> Calibration:
    """A calibration with the threshold 0; the data only give the slope of P(cloud) and the accuracy."""
    accuracy = count_at(add_up(scenes), 0.0).balanced_accuracy
    figure = f"chosen before any data; balanced accuracy {accuracy:.3f} on held-out patches"
    curve = logistic_curve(0.0, fit_spread(scenes, 0.0), "high")
    return Calibration(0.0, "high", ThresholdRule("equal", None, data, figure), curve, unit)
