"""Scenes as users have them, opened by one function."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Union

from geocloud.readers.dispatch import open_path
from geocloud.readers.files.paths import check_name
from geocloud.readers.reader import SceneOptions, SceneReader
from geocloud.readers.scenes.memory import MemoryScene
from geocloud.readers.scenes.raster_scene import RasterScene

if TYPE_CHECKING:
    import xarray

__all__ = ["MemoryScene", "RasterScene", "SceneOptions", "SceneReader", "Source", "open_scene"]

Source = Union[str, os.PathLike[str], SceneReader, "xarray.DataArray", "xarray.Dataset"]
"""What a user may give as a scene: a path or URL, an xarray object, or a reader already open."""


def open_scene(source: Source, options: SceneOptions | None = None) -> SceneReader:
    """A reader of a scene; only metadata is read yet. A reader that is given is returned as it is.

    `docs/scenes.md` lists the kinds, `geocloud.readers.dispatch` the signs they are told apart by.

    Raises:
        InputError: it cannot be used as a scene; the message says why and what to do.
        UsageError: an option does not fit the scene.
        MissingExtraError: a kind that needs an optional package.
    """
    options = options or SceneOptions()
    if isinstance(source, str | os.PathLike):
        return open_path(check_name(os.fspath(source)), options)
    if isinstance(source, SceneReader):
        return source
    from geocloud.readers.scenes.xarray_scene import open_array

    return open_array(source, options)
