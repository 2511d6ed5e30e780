"""Histogram and sweep of a model's scores over the sample scene, whose true mask is known."""

from __future__ import annotations

from pathlib import Path

import rasterio
from style import SAMPLE

from geocloud import open_scene
from geocloud.metrics.histogram import ScoreHistogram, histogram
from geocloud.models.registry import load_scorer
from geocloud.pipeline.scoring import score_scene
from geocloud.writers.plots import plot_scores, plot_sweep

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
    cut = load_scorer(MODEL).card.calibration
    plot_scores(scores(), float(cut.score_threshold), cut.sign, path, f"{MODEL}: the sample scene")


def sweep_picture(path: Path) -> None:
    """What each threshold would give."""
    cut = load_scorer(MODEL).card.calibration
    plot_sweep(scores(), float(cut.score_threshold), cut.sign, path, f"{MODEL}: the sample scene")


PICTURES = (("histogram.png", histogram_picture), ("sweep.png", sweep_picture))
