"""One score for a whole picture or scene."""

from __future__ import annotations

import numpy as np

from geocloud.errors import InputError
from geocloud.georef import Georef
from geocloud.grid import PATCH
from geocloud.raster import FloatArray, Raster
from geocloud.readers import MemoryScene, SceneOptions, open_scene
from geocloud.readers.pictures import PICTURE_BANDS, DataFile, DataSet
from geocloud.scorers.contract import Scorer
from geocloud.scorers.patches import score_patches
from geocloud.training.data import Fit
from geocloud.verbs.resolution import score_scene


def picture_score(source: DataSet, file: DataFile, scorer: Scorer, fit: Fit, options: SceneOptions) -> float:
    """Mean score, higher = cloudier: of the picture resized to one patch, or of all its valid pixels.

    Raises:
        InputError: it cannot be read or is wholly nodata. ModelError: it lacks a band.
    """
    return float(picture_scores(source, file, scorer, fit, options).mean(dtype=np.float64))


def picture_scores(source: DataSet, file: DataFile, scorer: Scorer, fit: Fit, options: SceneOptions) -> FloatArray:
    """(k,) scores of all valid pixels (or patches) of a picture or scene; raises as `picture_score`."""
    if source.is_scene(file):
        with open_scene(file.path, options) as scene:
            scores, _ = score_scene(scene, scorer)
    elif fit == "resize":
        scores = score_patches(scorer, source.read(file, PATCH)[None], PICTURE_BANDS)
    else:
        data = source.read(file)
        raster = Raster(data, np.ones(data.shape[1:], dtype=bool))
        scores, _ = score_scene(MemoryScene(raster, PICTURE_BANDS, Georef(data.shape[1:]), file.stem), scorer)
    valid = scores[~np.isnan(scores)]
    if not valid.size:
        raise InputError(f"{file.name} has no valid pixel to score")
    return valid
