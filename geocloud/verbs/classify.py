"""`classify`: call a picture cloudy or not cloudy, as the paper does."""

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
    """How a picture is read and scored."""

    fit: Fit | None = None
    """`resize` to one patch, or `cut`: scored at its own pixels; None: `resize` for a patch-level model, as in the
    paper, else `cut`."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """How a scene is read."""
    device: str = "auto"
    """Device to load a named model on: `auto`, `cpu`, `cuda` or `mps`."""


@dataclass(frozen=True, slots=True)
class Classification:
    """The result for one picture."""

    path: Path
    statement: Statement
    score: float
    """Mean raw score, in the model's unit."""
    threshold: float
    """Raw, in the model's unit."""
    p_cloud: float
    """P(cloud) of the mean score; at least 0.5 if cloudy."""


def classify(
    picture: str | os.PathLike[str],
    model: str | os.PathLike[str] | Scorer = DEFAULT_MODEL,
    options: ClassifyOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> Classification:
    """Compare the mean score of a picture with the model's threshold.

    Args:
        picture: path of a picture or a scene.
        model: name or folder; for many pictures, load it once with `load_scorer`.
        options: how the picture is read; None: the defaults.
        progress: called before and after; may raise Cancelled.

    Raises:
        InputError: the picture cannot be read, or is wholly nodata.
        ModelError: there is no such model, or the picture lacks a band that it needs.
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
