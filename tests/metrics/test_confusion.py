import numpy as np
import pytest
from sklearn import metrics as oracle

from geocloud.metrics.confusion import (
    ConfusionCounts,
    auroc,
    average_precision,
    best_threshold,
    count,
    count_at,
    precision_recall,
    recall_at,
    reliability,
    roc,
)
from geocloud.metrics.histogram import EXACT_BITS, PIXEL_BITS, histogram


@pytest.fixture(params=[0, 1, 2])
def data(request):
    """Scores with ties and negative values, and truth that follows them loosely."""
    generator = np.random.default_rng(request.param)
    score = np.round(generator.normal(0, 0.4, 3000), request.param + 1).astype(np.float32)
    return score, generator.random(3000) < 1 / (1 + np.exp(-3 * score))


def test_ranking_metrics_equal_scikit_learn(data):
    score, truth = data
    exact = histogram(score, truth, EXACT_BITS)
    assert auroc(exact) == pytest.approx(oracle.roc_auc_score(truth, score), abs=1e-12)
    assert average_precision(exact) == pytest.approx(oracle.average_precision_score(truth, score), abs=1e-12)
    coarse = histogram(score, truth, PIXEL_BITS)
    assert auroc(coarse) == pytest.approx(oracle.roc_auc_score(truth, score), abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5])
def test_recall_at_few_false_alarms_is_the_highest_of_scikit_learn_s_curve(data, share):
    score, truth = data
    alarms, recall, _ = oracle.roc_curve(truth, score, drop_intermediate=False)
    assert recall_at(histogram(score, truth, EXACT_BITS), share) == pytest.approx(recall[alarms <= share].max())


def test_metrics_at_a_threshold_equal_scikit_learn(data):
    score, truth = data
    called = score >= 0.1
    counts = count(called, truth)
    assert counts.precision == pytest.approx(oracle.precision_score(truth, called))
    assert counts.recall == pytest.approx(oracle.recall_score(truth, called))
    assert counts.accuracy == pytest.approx(oracle.accuracy_score(truth, called))
    assert counts.f1 == pytest.approx(oracle.f1_score(truth, called))
    assert counts.iou == pytest.approx(oracle.jaccard_score(truth, called))
    assert counts.balanced_accuracy == pytest.approx(oracle.balanced_accuracy_score(truth, called))
    assert counts.cover_error == pytest.approx(100 * (called.mean() - truth.mean()))
    assert count_at(histogram(score, truth, EXACT_BITS), np.float32(0.1)) == counts


def test_counts_of_scenes_add_up(data):
    score, truth = data
    halves = [count(score[part] >= 0, truth[part]) for part in (slice(0, 999), slice(999, None))]
    assert halves[0] + halves[1] == count(score >= 0, truth)


@pytest.mark.parametrize("objective", ["f1", "balanced_accuracy"])
def test_the_oracle_cut_is_the_best_of_all(data, objective):
    score, truth = data
    measure = {"f1": oracle.f1_score, "balanced_accuracy": oracle.balanced_accuracy_score}[objective]
    cut, best = best_threshold(histogram(score, truth, EXACT_BITS), objective)
    assert best == pytest.approx(measure(truth, score >= np.float32(cut)))
    assert best == pytest.approx(max(measure(truth, score >= c) for c in np.unique(score)[::7]), abs=0.02)
    assert best >= max(measure(truth, score >= c) for c in np.unique(score)[::7]) - 1e-12


def test_curves_run_from_strict_to_loose(data):
    score, truth = data
    exact = histogram(score, truth, EXACT_BITS)
    curve = roc(exact)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auroc(exact))
    assert precision_recall(exact).x[-1] == 1


def test_one_sided_data_have_no_figures_but_no_error_either():
    only = histogram(np.arange(3, dtype=np.float32), np.zeros(3, dtype=bool))
    assert np.isnan([auroc(only), average_precision(only), *best_threshold(only, "f1")]).all()
    assert np.isnan(ConfusionCounts(tn=3).recall)
    assert ConfusionCounts(tn=3).false_alarms == 0


def test_calibration_error_is_0_for_honest_probabilities_and_large_for_boasts():
    generator = np.random.default_rng(1)
    p = generator.random(200_000).astype(np.float32)
    truth = generator.random(p.shape) < p
    honest = reliability(p[:100_000], truth[:100_000]) + reliability(p[100_000:], truth[100_000:])
    assert honest.error < 0.01
    assert reliability(np.round(p), truth).error > 0.2
