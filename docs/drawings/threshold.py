"""Histogram and sweep of a model's scores over the sample scene, which has labels."""

from __future__ import annotations

from pathlib import Path

import rasterio

from geocloud import open_scene
from geocloud.metrics.histogram import ScoreHistogram, histogram
from geocloud.models.registry import load_scorer
from geocloud.pipeline.scoring import score_scene
from geocloud.writers.plots import plot_scores, plot_sweep

SAMPLE = Path(__file__).parents[2] / "sample_data"
MODEL = "hot"


def scores() -> ScoreHistogram:
    """Of the pixels that hold data and have a label."""
    with open_scene(SAMPLE / "scene.tif") as reader:
        score, valid = score_scene(reader, load_scorer(MODEL))
    with rasterio.open(SAMPLE / "scene_labels.tif") as dataset:
        labels = dataset.read(1)
    known = valid & (labels != 255)
    return histogram(score[known], labels[known] == 1)


def histogram_picture(path: Path) -> None:
    """Clear and cloudy pixels by score."""
    cut = load_scorer(MODEL).card.calibration
    plot_scores(scores(), float(cut.score_threshold), cut.sign, path, f"{MODEL}: the sample scene")


def sweep_picture(path: Path) -> None:
    """What each threshold would give."""
    cut = load_scorer(MODEL).card.calibration
    plot_sweep(scores(), float(cut.score_threshold), cut.sign, path, f"{MODEL}: the sample scene")


PICTURES = (("histogram.png", histogram_picture), ("sweep.png", sweep_picture))
