"""Accuracy from counts and histograms that add up over scenes.

Formulas: Fawcett 2006, "An introduction to ROC analysis".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geocloud.metrics.histogram import ScoreHistogram
from geocloud.raster import BoolArray, FloatArray

UNDEFINED = float("nan")
RELIABILITY_BINS = 15
DoubleArray = NDArray[np.float64]
Objective = Literal["f1", "balanced_accuracy"]


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """A confusion matrix; cloud is the positive class. Ratios are NaN if they would divide by 0."""

    tp: int = 0
    """Number of cloudy pixels predicted cloud: hits."""
    fp: int = 0
    """Number of clear pixels predicted cloud: false alarms."""
    fn: int = 0
    """Number of cloudy pixels predicted clear: misses."""
    tn: int = 0
    """Number of clear pixels predicted clear."""

    def __add__(self, other: ConfusionCounts) -> ConfusionCounts:
        """The counts of both."""
        return ConfusionCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def total(self) -> int:
        """Number of pixels."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float:
        """Share of predicted cloud that is cloud."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of cloud that was predicted cloud."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def false_alarms(self) -> float:
        """Share of clear pixels that were predicted cloud."""
        return _ratio(self.fp, self.fp + self.tn)

    @property
    def accuracy(self) -> float:
        """Share of pixels that were predicted correctly."""
        return _ratio(self.tp + self.tn, self.total)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """Intersection over union of predicted and true cloud."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of recall and of the share of clear pixels that were predicted clear."""
        return (self.recall + 1 - self.false_alarms) / 2

    @property
    def cover_error(self) -> float:
        """Predicted minus true cloud cover, in percentage points."""
        return 100 * _ratio(self.fp - self.fn, self.total)


class Curve(NamedTuple):
    """Points of a curve, from the strictest threshold to the loosest."""

    x: DoubleArray
    """False alarms of a ROC curve; recall of a precision-recall curve."""
    y: DoubleArray
    """Recall of a ROC curve; precision of a precision-recall curve."""


def count(predicted: BoolArray, truth: BoolArray) -> ConfusionCounts:
    """The confusion matrix of two arrays of one shape, True = cloud."""
    tp, positives, cloudy = (int(np.count_nonzero(array)) for array in (predicted & truth, predicted, truth))
    return ConfusionCounts(tp, positives - tp, cloudy - tp, truth.size - positives - cloudy + tp)


def count_at(scores: ScoreHistogram, threshold: float) -> ConfusionCounts:
    """The confusion matrix with cloud at score >= threshold; exact if the threshold is the edge of a bin."""
    above = scores.edges >= threshold
    tp, fp = int(scores.cloud[above].sum()), int(scores.clear[above].sum())
    clear, cloud = scores.sizes
    return ConfusionCounts(tp, fp, cloud - tp, clear - fp)


def auroc(scores: ScoreHistogram) -> float:
    """Probability that a cloudy pixel scores higher than a clear one, ties counted half; NaN without both."""
    clear, cloud = scores.sizes
    below = np.cumsum(scores.clear) - scores.clear
    wins = (scores.cloud * (below + scores.clear / 2)).sum()
    return float(wins / clear / cloud) if clear and cloud else UNDEFINED


def average_precision(scores: ScoreHistogram) -> float:
    """Mean precision over recall, as a sum of steps (as in scikit-learn); NaN without cloud."""
    if not scores.sizes[1]:
        return UNDEFINED
    recall, precision = precision_recall(scores)
    return float((np.diff(recall, prepend=0) * precision).sum())


def roc(scores: ScoreHistogram) -> Curve:
    """False alarms and recall at every threshold, starting at (0, 0)."""
    clear, cloud = scores.sizes
    fp, tp = np.cumsum(scores.clear[::-1]), np.cumsum(scores.cloud[::-1])
    return Curve(np.concatenate([[0], fp / max(clear, 1)]), np.concatenate([[0], tp / max(cloud, 1)]))


def recall_at(scores: ScoreHistogram, false_alarms: float) -> float:
    """Recall of the loosest threshold with at most this share of false alarms.

    It compares detectors independently of their thresholds. NaN without both clear and cloud, and for masks, which have
    only one threshold.
    """
    if not all(scores.sizes) or np.count_nonzero(scores.clear + scores.cloud) <= 2:
        return UNDEFINED
    alarms, recall = roc(scores)
    return float(recall[alarms <= false_alarms].max())


def precision_recall(scores: ScoreHistogram) -> Curve:
    """Recall and precision at every threshold."""
    fp, tp = np.cumsum(scores.clear[::-1]), np.cumsum(scores.cloud[::-1])
    return Curve(tp / max(scores.sizes[1], 1), tp / np.maximum(fp + tp, 1))


def best_threshold(scores: ScoreHistogram, objective: Objective) -> tuple[float, float]:
    """The threshold (a bin's edge) with the highest F1 or balanced accuracy, and that value; NaN without both classes.

    This is an oracle: it is chosen on the labels that it is measured on.
    """
    clear, cloud = scores.sizes
    if not clear or not cloud:
        return UNDEFINED, UNDEFINED
    fp, tp = np.cumsum(scores.clear[::-1])[::-1], np.cumsum(scores.cloud[::-1])[::-1]
    values = 2 * tp / (tp + fp + cloud) if objective == "f1" else (tp / cloud + 1 - fp / clear) / 2
    best = int(np.argmax(values))
    return float(scores.edges[best]), float(values[best])


@dataclass(frozen=True, slots=True)
class Reliability:
    """Predicted P(cloud) against the share that is cloud, in 15 bins of P(cloud)."""

    number: DoubleArray
    """(15,) number of pixels in each bin."""
    predicted: DoubleArray
    """(15,) sum of their P(cloud)."""
    observed: DoubleArray
    """(15,) number of them that are cloud."""

    def __add__(self, other: Reliability) -> Reliability:
        """The reliability of both together."""
        return Reliability(self.number + other.number, self.predicted + other.predicted, self.observed + other.observed)

    @property
    def error(self) -> float:
        """Expected calibration error, 0..1 (Naeini et al. 2015)."""
        return _ratio(float(np.abs(self.predicted - self.observed).sum()), float(self.number.sum()))


def reliability(probability: FloatArray, truth: BoolArray) -> Reliability:
    """The reliability of P(cloud) against the labels, arrays of one shape without NaN."""
    p = probability.ravel().astype(np.float64)
    where = np.minimum((p * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    bins = [
        np.bincount(where, weight, RELIABILITY_BINS).astype(np.float64)
        for weight in (np.ones_like(p), p, truth.ravel().astype(np.float64))
    ]
    return Reliability(*bins)


def _ratio(part: float, whole: float) -> float:
    """The ratio of part to whole; NaN if the whole is 0."""
    return part / whole if whole else UNDEFINED
