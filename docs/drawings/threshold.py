"""Histogram and sweep of a model's scores over the sample scene, whose true mask is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from style import SAMPLE, panels, save

from geocloud import open_scene
from geocloud.histogram import ScoreHistogram, histogram
from geocloud.metrics import count_at
from geocloud.models.registry import load_scorer
from geocloud.verbs.scoring import score_scene
from geocloud.writers.plots import plot_scores

MODEL = "hot"


def scores() -> ScoreHistogram:
    """Of the pixels that hold data."""
    with open_scene(SAMPLE / "scene.tif") as reader:
        score, valid = score_scene(reader, load_scorer(MODEL))
    with rasterio.open(SAMPLE / "scene_truth.tif") as dataset:
        truth = dataset.read(1)
    return histogram(score[valid], truth[valid] == 1)


def histogram_picture(path: Path) -> None:
    """Clear and cloudy pixels by score."""
    cut = load_scorer(MODEL).calibration
    plot_scores(scores(), float(cut.cut), cut.sign, path, f"{MODEL}: the sample scene")


def sweep_picture(path: Path) -> None:
    """What each threshold would give."""
    measured, threshold = scores(), load_scorer(MODEL).calibration.threshold
    cuts = np.linspace(-0.02, 0.5, 200)
    counts = [count_at(measured, float(cut)) for cut in cuts]
    figure, (axes,) = panels(1, 5.5, 4)
    for name in ("precision", "recall", "false_alarms", "f1", "balanced_accuracy"):
        axes.plot(cuts, [getattr(one, name) for one in counts], label=name.replace("_", " "))
    axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.4g}")
    axes.tick_params(bottom=True, left=True)
    axes.set(xlabel="threshold", xticks=np.arange(0, 0.6, 0.1), yticks=np.arange(0, 1.1, 0.2), ylim=(0, 1.02))
    axes.legend(fontsize=8, loc="lower left")
    save(figure, path)


PICTURES = (("histogram.png", histogram_picture), ("sweep.png", sweep_picture))
