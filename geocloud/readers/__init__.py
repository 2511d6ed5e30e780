"""Scenes as users have them, opened by one function."""

from geocloud.readers.dispatch import Source, open_scene
from geocloud.readers.reader import SceneOptions, SceneReader
from geocloud.readers.scenes.memory import MemoryScene
from geocloud.readers.scenes.raster_scene import RasterScene

__all__ = ["MemoryScene", "RasterScene", "SceneOptions", "SceneReader", "Source", "open_scene"]
