"""Zarr stores and netCDF or HDF5 files with one variable per band, through xarray."""

from __future__ import annotations

import math
import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geocloud.errors import InputError, MissingExtraError
from geocloud.readers.bands.sensors import no_scene
from geocloud.readers.files.opening import MAX_BLOCK_BYTES
from geocloud.readers.files.paths import is_hdf5, scene_name
from geocloud.readers.reader import SceneOptions
from geocloud.readers.scenes.xarray_grid import PLANES
from geocloud.readers.scenes.xarray_scene import ArrayScene, open_array

if TYPE_CHECKING:
    import xarray

_FAILURES = (OSError, ValueError, KeyError, TypeError, AssertionError)  # the last from zarr 3.0
_OTHERWISE = (
    "convert the bands to GeoTIFF, one per band, and give their folder: gdalinfo lists the names that gdal_translate "
    "takes, and swaths (PRISMA, EMIT, Sentinel-3) are brought to a grid first"
)
_EOPF = "measurements/reflectance"
"""Group of EOPF products that holds a group a resolution: r10m, r20m, r60m."""


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
    _check_store(source, allow_external=options.allow_external)
    try:
        dataset = _open(source, engine="zarr")
        if not dataset.data_vars:
            dataset = _eopf(source, dataset.attrs) or dataset
    except _FAILURES as error:
        if _is_array(source):
            raise InputError(
                f"{source} is a Zarr array, whose dimensions and bands have no names; open it in Python and give "
                "geocloud.detect an xarray.DataArray of it with the dimensions band, y and x"
            ) from error
        raise InputError(f"{source} is not a Zarr store that can be opened ({_reason(error)})") from error
    return open_array(_checked(dataset, source), options, scene_name(source), source)


def _is_array(source: str) -> bool:
    """True for a local store that is one array and no group."""
    new = Path(source) / "zarr.json"
    with suppress(OSError):
        return (Path(source) / ".zarray").is_file() or (
            new.is_file() and '"array"' in new.read_text("utf-8", "replace")
        )
    return False


def open_netcdf_scene(source: str, options: SceneOptions) -> ArrayScene:
    """The scene in a netCDF or HDF5 file with one variable per band.

    Raises:
        MissingExtraError: xarray or the package that reads netCDF 4 is not installed.
        InputError: it names other files, or bands or dimensions are not recognised.
    """
    hdf5 = is_hdf5(source)
    if hdf5:
        _check_links(source)
    try:
        dataset = _open(source, engine="h5netcdf" if hdf5 else "scipy")
    except ImportError as error:
        raise MissingExtraError("xarray", "xarray", "netCDF") from error
    except _FAILURES as error:
        raise InputError(f"{source} is not a netCDF file that can be opened ({_reason(error)})") from error
    return open_array(_checked(dataset, source, file=True), options, scene_name(source), source)


def _open(source: str, **more: Any) -> xarray.Dataset:  # noqa: ANN401 - xarray's own options
    import xarray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a store without consolidated metadata is read as well
        return xarray.open_dataset(source, chunks=None, decode_coords="all", **more)


def _checked(dataset: xarray.Dataset, source: str, *, file: bool = False) -> xarray.Dataset:
    """InputError if no variable lies on the ground, with the way out."""
    planar = [name for name, values in dataset.data_vars.items() if any({y, x} <= set(values.dims) for y, x in PLANES)]
    if not planar:
        what = no_scene("/".join(re.split(r"[/\\]", source)[-2:]))
        if what:
            raise InputError(f"by its names, {source} is {what}")
        there = f"it has {', '.join(map(str, dataset.dims))}" if dataset.dims else "only groups"
        raise InputError(
            f"{source} has no variables with dimensions y and x, or lat and lon, at its root ({there}); "
            + (_OTHERWISE if file else "give the path of the group that holds the bands")
        )
    for name in planar:
        _check_chunks(dataset[name], source)
    return dataset


def _check_chunks(values: xarray.DataArray, source: str) -> None:
    """InputError if a variable's chunks, each read whole, are too large for the memory."""
    chunks = values.encoding.get("chunks") or values.encoding.get("chunksizes") or ()
    if all(isinstance(side, int) for side in chunks) and math.prod(chunks) * values.dtype.itemsize > MAX_BLOCK_BYTES:
        raise InputError(
            f"{source} holds {values.name} in chunks of {'x'.join(map(str, chunks))}, which are read whole; "
            "store it in smaller chunks"
        )


def _eopf(source: str, attributes: dict[Any, Any]) -> xarray.Dataset | None:
    """The bands of an EOPF product at 10 m, short-wave infrared brought to that grid; None if it is none."""
    try:
        fine = _open(source, engine="zarr", group=f"{_EOPF}/r10m")
        coarse = _open(source, engine="zarr", group=f"{_EOPF}/r20m")
    except _FAILURES:
        return None
    epsg = (
        _epsg(attributes)
        or _epsg(fine.attrs)
        or next((e for v in fine.data_vars.values() if (e := _epsg(v.attrs))), "")
    )
    for name, values in coarse.data_vars.items():
        if name in fine.data_vars or not {"y", "x"} <= set(values.dims) or str(name).lower() == "b8a":
            continue
        steps = {dim: np.arange(fine.sizes[dim]) * values.sizes[dim] // fine.sizes[dim] for dim in ("y", "x")}
        fine[name] = values.isel(steps).drop_vars(["y", "x"], errors="ignore")
    return fine.assign_attrs({"platform": "sentinel-2"}).assign_coords(epsg=epsg) if epsg else fine


def _epsg(attributes: dict[Any, Any]) -> int | str:
    """The EPSG code that EOPF metadata state, at whatever depth; empty if they state none."""
    for key, value in attributes.items():
        if key in ("proj:epsg", "horizontal_CRS_code", "proj:code") and value:
            code = str(value).rpartition(":")[2]
            if code.isdigit():
                return int(code)
        if isinstance(value, dict) and (found := _epsg(value)):
            return found
    return ""


def _check_links(source: str) -> None:
    """InputError if an HDF5 file takes data from other files."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5netcdf", "xarray", "netCDF 4 and HDF5") from error

    seen = set()

    def look(group: Any) -> None:  # noqa: ANN401 - h5py is untyped
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:  # a group may hold itself
            return
        seen.add(place)
        for name in group:
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                raise InputError(f"{source} takes {name} from another file, which is never followed; copy it into one")
            item = group.get(name)
            if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                raise InputError(f"{source} takes {name} from another file, which is never followed; copy it into one")
            if isinstance(item, h5py.Group):
                look(item)

    try:
        with h5py.File(source, "r") as file:
            look(file)
    except RecursionError as error:
        raise InputError(f"{source} holds groups in groups too deep to be read; copy the bands to its root") from error
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"{source} is not an HDF5 file that can be opened ({_reason(error)})") from error


def _check_store(source: str, *, allow_external: bool) -> None:
    """InputError if a local store's chunk is no plain file, or a link out of it: its bytes would be pixels."""
    root = os.path.realpath(source)
    for folder, folders, files in os.walk(source):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118 - there may be millions
            if os.path.islink(path) and not allow_external:  # noqa: PTH114
                place = os.path.realpath(path)
                if os.path.commonpath((root, place)) != root:
                    raise InputError(
                        f"{path} is a link out of its store; copy it there, or allow it with --allow-external"
                    )
        odd = next((name for name in files if not os.path.isfile(os.path.join(folder, name))), None)  # noqa: PTH113, PTH118
        if odd is not None and os.path.exists(os.path.join(folder, odd)):  # noqa: PTH110, PTH118
            raise InputError(f"{os.path.join(folder, odd)} is a pipe, a socket or a device; give plain files")  # noqa: PTH118


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
