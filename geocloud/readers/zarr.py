"""Zarr stores as scenes, through xarray."""

from __future__ import annotations

import warnings

from geocloud.errors import InputError, MissingExtraError
from geocloud.readers.array_scene import ArrayScene, open_array
from geocloud.readers.options import SceneOptions
from geocloud.readers.paths import scene_name


def open_zarr_scene(source: str, options: SceneOptions) -> ArrayScene:
    """The scene in a Zarr store at a path or URL; chunks are read as windows need them.

    Raises:
        MissingExtraError: zarr is not installed.
        InputError: it is no store that xarray opens, or bands or dimensions are not recognised.
    """
    try:
        import zarr  # noqa: F401 - only to say what is missing
    except ImportError as error:
        raise MissingExtraError("zarr", "xarray", "Zarr") from error
    import xarray

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a store without consolidated metadata is read as well
            dataset = xarray.open_dataset(source, engine="zarr", chunks=None, decode_coords="all")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source} is not a Zarr store that can be opened ({reason})") from error
    return open_array(dataset, options, scene_name(source), source)
