"""Scenes as users have them, opened by one function."""

from __future__ import annotations

import os

from geocloud.readers.contract import SceneReader
from geocloud.readers.geotiff import describe_raster
from geocloud.readers.memory import MemoryScene
from geocloud.readers.options import SceneOptions
from geocloud.readers.raster_scene import RasterScene

__all__ = ["MemoryScene", "RasterScene", "SceneOptions", "SceneReader", "open_scene"]


def open_scene(source: str | os.PathLike[str], options: SceneOptions | None = None) -> SceneReader:
    """A reader of the scene at a path or URL; only metadata is read yet.

    Raises:
        InputError: it cannot be used as a scene; the message says why and what to do.
        UsageError: an option does not fit the scene.
    """
    return RasterScene(describe_raster(os.fspath(source), options or SceneOptions()))
