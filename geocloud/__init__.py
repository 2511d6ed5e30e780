"""geocloud finds clouds in satellite scenes with an autoencoder.

    import geocloud
    detection = geocloud.detect("scene.tif", "clouds")
    detection.cloud_cover, detection.polygons

The names in `__all__` are the public interface; modules may move. Importing geocloud is light: torch, geopandas and
xarray are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from geocloud.version import __version__

if TYPE_CHECKING:
    from geocloud.batch.batch import BatchResult, detect_many
    from geocloud.batch.manifest import Record
    from geocloud.batch.options import BatchOptions
    from geocloud.calibration import Calibration
    from geocloud.datasets.labels import LabelCodes
    from geocloud.errors import (
        Cancelled,
        EnvironmentProblem,
        GeocloudError,
        InputError,
        MissingExtraError,
        ModelError,
        OutputError,
        UsageError,
    )
    from geocloud.evaluation.samples import DataOptions
    from geocloud.lazy.composite import compose
    from geocloud.lazy.lazy import mask, score
    from geocloud.models.registry import load_scorer
    from geocloud.pipeline.detection import Detection, DetectOptions
    from geocloud.progress import Progress
    from geocloud.raster import Georef, PatchBatch, Raster, Window
    from geocloud.readers import MemoryScene, SceneOptions, SceneReader, open_scene
    from geocloud.scorers.card import ModelCard
    from geocloud.scorers.contract import Scorer
    from geocloud.training.options import TrainOptions
    from geocloud.verbs.adapt import Adaptation, AdaptOptions, adapt
    from geocloud.verbs.apply_mask import ApplyOptions, apply_mask
    from geocloud.verbs.calibrate import CalibrateOptions, calibrate
    from geocloud.verbs.classify import Classification, ClassifyOptions, classify
    from geocloud.verbs.composite import Composite, CompositeOptions, composite
    from geocloud.verbs.cover import CoverOptions, cover
    from geocloud.verbs.detect import detect
    from geocloud.verbs.evaluate import EvaluateOptions, Evaluation, evaluate
    from geocloud.verbs.patches import PatchOptions, write_patches
    from geocloud.verbs.polygonize import PolygonizeOptions, polygonize
    from geocloud.verbs.search import FoundScene, SearchOptions, search
    from geocloud.verbs.series import SeriesDate, SeriesOptions, detect_series
    from geocloud.verbs.train import TrainResult, train

__all__ = [
    "AdaptOptions", "Adaptation", "ApplyOptions", "BatchOptions", "BatchResult", "CalibrateOptions", "Calibration",
    "Cancelled", "Classification", "ClassifyOptions", "Composite", "CompositeOptions", "CoverOptions",
    "DataOptions", "DetectOptions", "Detection", "EnvironmentProblem", "EvaluateOptions", "Evaluation",
    "FoundScene", "GeocloudError", "Georef", "InputError", "LabelCodes", "MemoryScene", "MissingExtraError",
    "ModelCard", "ModelError", "OutputError", "PatchBatch", "PatchOptions", "PolygonizeOptions", "Progress",
    "Raster", "Record", "SceneOptions", "SceneReader", "Scorer", "SearchOptions", "SeriesDate", "SeriesOptions",
    "TrainOptions", "TrainResult", "UsageError", "Window", "__version__", "adapt", "apply_mask", "calibrate",
    "classify", "compose", "composite", "cover", "detect", "detect_many", "detect_series", "evaluate", "load_scorer",
    "mask", "open_scene", "polygonize", "score", "search", "train", "write_patches",
]  # fmt: skip

_MODULES = {
    "batch.batch": "BatchResult detect_many",
    "batch.manifest": "Record",
    "batch.options": "BatchOptions",
    "calibration": "Calibration",
    "datasets.labels": "LabelCodes",
    "errors": "Cancelled EnvironmentProblem GeocloudError InputError MissingExtraError ModelError OutputError "
    "UsageError",
    "evaluation.samples": "DataOptions",
    "lazy.composite": "compose",
    "lazy.lazy": "mask score",
    "scorers.card": "ModelCard",
    "models.registry": "load_scorer",
    "pipeline.detection": "DetectOptions Detection",
    "progress": "Progress",
    "raster": "Georef PatchBatch Raster Window",
    "readers": "MemoryScene SceneOptions SceneReader open_scene",
    "scorers.contract": "Scorer",
    "training.options": "TrainOptions",
    "verbs.adapt": "AdaptOptions Adaptation adapt",
    "verbs.apply_mask": "ApplyOptions apply_mask",
    "verbs.calibrate": "CalibrateOptions calibrate",
    "verbs.classify": "Classification ClassifyOptions classify",
    "verbs.composite": "Composite CompositeOptions composite",
    "verbs.cover": "CoverOptions cover",
    "verbs.detect": "detect",
    "verbs.evaluate": "EvaluateOptions Evaluation evaluate",
    "verbs.patches": "PatchOptions write_patches",
    "verbs.polygonize": "PolygonizeOptions polygonize",
    "verbs.search": "FoundScene SearchOptions search",
    "verbs.series": "SeriesDate SeriesOptions detect_series",
    "verbs.train": "TrainResult train",
}
"""Module -> the public names in it."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """Import a public name from its module when it is first used."""
    for module, names in _MODULES.items():
        if name in names.split():
            return getattr(import_module(f"geocloud.{module}"), name)
    raise AttributeError(f"module 'geocloud' has no attribute {name!r}")


def __dir__() -> list[str]:
    """All public names, imported or not."""
    return sorted(__all__)
