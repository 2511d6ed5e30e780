"""`classify`: the paper's statement, cloudy or not cloudy, a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from geocloud.datasets.folder import DataSet
from geocloud.datasets.labels import Fit
from geocloud.evaluation.samples import picture_score
from geocloud.readers import SceneOptions
from geocloud.scorers.contract import Scorer

Statement = Literal["cloudy", "not cloudy"]


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """How a picture is read."""

    fit: Fit | None = None
    """Resized to one patch or scored at its own pixels; None: resized for a patch-level model, as the paper."""
    scene: SceneOptions = field(default_factory=SceneOptions)


@dataclass(frozen=True, slots=True)
class Classification:
    """What is said of one picture."""

    path: Path
    statement: Statement
    score: float
    """Mean raw score, in the model's unit."""
    threshold: float
    """In the same unit."""
    p_cloud: float
    """P(cloud), at least 0.5 for cloudy."""


def classify(path: Path, scorer: Scorer, options: ClassifyOptions | None = None) -> Classification:
    """Cloudy or not cloudy: the mean score of the picture against the scorer's threshold.

    Args:
        path: a picture, or a scene.
        scorer: a loaded model, its threshold chosen.
        options: how pictures are read.

    Raises:
        InputError: it cannot be read. ModelError: it lacks a band.
    """
    options = options or ClassifyOptions()
    fit: Fit = options.fit or ("resize" if scorer.level == "patch" else "cut")
    with DataSet(path) as source:
        score = np.float32(picture_score(source, source.files[0], scorer, fit, options.scene))
    calibration = scorer.calibration
    return Classification(
        path,
        "cloudy" if score >= calibration.score_threshold else "not cloudy",
        float(score * calibration.sign),
        calibration.threshold,
        float(calibration.probability(np.array([score], dtype=np.float32))[0]),
    )
