"""`classify`: the paper's statement, cloudy or not cloudy, a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from geocloud.datasets.folder import DataSet
from geocloud.datasets.labels import Fit
from geocloud.evaluation.samples import picture_score
from geocloud.models.registry import DEFAULT_MODEL, checked, load_scorer
from geocloud.progress import Progress, no_progress
from geocloud.readers import SceneOptions
from geocloud.scorers.contract import Scorer

Statement = Literal["cloudy", "not cloudy"]


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """How a picture is read."""

    fit: Fit | None = None
    """Resized to one patch or scored at its own pixels; None: resized for a patch-level model, as the paper."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    device: str = "auto"
    """Where a model that is named is loaded: `auto`, `cpu`, `cuda` or `mps`."""


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


def classify(
    picture: str | os.PathLike[str],
    model: str | os.PathLike[str] | Scorer = DEFAULT_MODEL,
    options: ClassifyOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> Classification:
    """Cloudy or not cloudy: the mean score of the picture against the model's threshold.

    Args:
        picture: a picture, or a scene.
        model: its name or folder; for many pictures, what `load_scorer` gives.
        options: how pictures are read.
        progress: called before and after; may raise Cancelled.

    Raises:
        InputError: it cannot be read. ModelError: there is no such model, or the picture lacks a band it needs.
    """
    options, path = options or ClassifyOptions(), Path(picture)
    progress(0, 1, "load")
    scorer = load_scorer(model, options.device) if isinstance(model, str | os.PathLike) else checked(model)
    fit: Fit = options.fit or ("resize" if scorer.card.level == "patch" else "cut")
    with DataSet(path) as source:
        score = np.float32(picture_score(source, source.files[0], scorer, fit, options.scene))
    progress(1, 1, "inference")
    calibration = scorer.card.calibration
    return Classification(
        path,
        "cloudy" if score >= calibration.score_threshold else "not cloudy",
        float(score * calibration.sign),
        calibration.threshold,
        float(calibration.probability(np.array([score], dtype=np.float32))[0]),
    )
