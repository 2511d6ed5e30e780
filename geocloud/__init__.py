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
    from geocloud.readers import MemoryScene, SceneOptions, SceneReader, open_scene
    from geocloud.scale.batch import BatchResult, detect_many
    from geocloud.scale.lazy import mask, score
    from geocloud.scale.options import BatchOptions
    from geocloud.scorers.contract import Scorer
    from geocloud.verbs.detect import DetectOptions, detect
    from geocloud.verbs.detection import Detection

__all__ = [
    "BatchOptions", "BatchResult", "DetectOptions", "Detection", "MemoryScene", "SceneOptions", "SceneReader",
    "Scorer", "__version__", "detect", "detect_many", "mask", "open_scene", "score",
]  # fmt: skip

_HOMES = {
    "BatchOptions": "geocloud.scale.options",
    "BatchResult": "geocloud.scale.batch",
    "DetectOptions": "geocloud.verbs.detect",
    "Detection": "geocloud.verbs.detection",
    "MemoryScene": "geocloud.readers",
    "SceneOptions": "geocloud.readers",
    "SceneReader": "geocloud.readers",
    "Scorer": "geocloud.scorers.contract",
    "detect": "geocloud.verbs.detect",
    "detect_many": "geocloud.scale.batch",
    "mask": "geocloud.scale.lazy",
    "open_scene": "geocloud.readers",
    "score": "geocloud.scale.lazy",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """Import a public name from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'geocloud' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """All public names, imported or not."""
    return sorted(__all__)
