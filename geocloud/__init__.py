"""geocloud finds clouds in satellite scenes with an autoencoder.

    import geocloud
    detection = geocloud.detect("scene.tif", "clouds")
    detection.cloud_cover, detection.polygons

Importing it is light: torch, geopandas and xarray are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from geocloud.version import __version__

if TYPE_CHECKING:
    from geocloud.batch.batch import BatchResult, detect_many
    from geocloud.batch.options import BatchOptions
    from geocloud.lazy.lazy import mask, score
    from geocloud.pipeline.detection import Detection
    from geocloud.pipeline.options import DetectOptions
    from geocloud.readers import MemoryScene, SceneOptions, SceneReader, open_scene
    from geocloud.scorers.contract import Scorer
    from geocloud.verbs.detect import detect

__all__ = [
    "BatchOptions", "BatchResult", "DetectOptions", "Detection", "MemoryScene", "SceneOptions", "SceneReader",
    "Scorer", "__version__", "detect", "detect_many", "mask", "open_scene", "score",
]  # fmt: skip

_HOMES = {
    "BatchOptions": "geocloud.batch.options",
    "BatchResult": "geocloud.batch.batch",
    "DetectOptions": "geocloud.verbs.detect",
    "Detection": "geocloud.pipeline.detection",
    "MemoryScene": "geocloud.readers",
    "SceneOptions": "geocloud.readers",
    "SceneReader": "geocloud.readers",
    "Scorer": "geocloud.scorers.contract",
    "detect": "geocloud.verbs.detect",
    "detect_many": "geocloud.batch.batch",
    "mask": "geocloud.lazy.lazy",
    "open_scene": "geocloud.readers",
    "score": "geocloud.lazy.lazy",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """Import a public name from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'geocloud' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """All public names, imported or not."""
    return sorted(__all__)
