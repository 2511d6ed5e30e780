"""Where an xarray object lies: dimensions, transform and CRS, by rioxarray or the CF conventions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geocloud.errors import InputError
from geocloud.raster import Georef

if TYPE_CHECKING:
    import xarray

PLANES = (("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("northing", "easting"), ("Y", "X"))
"""Names of the two dimensions of the ground, as usual in the field."""
_OF_ALL = (("scale_factor", "add_offset"), ("_FillValue", "nodata", "missing_value"), ("crs", "epsg"))
"""Attributes of a dataset that hold for each variable that has none of the same group."""
_ON_EARTH, _DEGREES = (("lat", "lon"), ("latitude", "longitude")), "EPSG:4326"
"""Dimensions that are degrees by the CF conventions, and the reference system of such arrays that state none."""
REGULAR = 1e-3
"""Steps between coordinates may differ by this share of a step."""


def plane_of(array: xarray.DataArray | xarray.Dataset) -> tuple[Hashable, Hashable]:
    """Names of the (row, column) dimensions; InputError if they are not recognised."""
    for y, x in PLANES:
        if y in array.dims and x in array.dims:
            return y, x
    raise InputError(f"the array has the dimensions {', '.join(map(str, array.dims))}; rename two of them to y and x")


def array_georef(array: xarray.DataArray) -> Georef:
    """Grid and reference system of a (y, x) array; no georeference where it has neither coordinates nor CRS."""
    y, x = plane_of(array)
    shape = array.sizes[y], array.sizes[x]
    mapping = grid_mapping(array)
    transform = _transform(array, y, x, mapping)
    return Georef(shape, transform or Affine.identity(), crs_wkt(array, mapping) if transform else "")


def grid_mapping(array: xarray.DataArray) -> Mapping[str, Any]:
    """Attributes of the CF grid mapping variable, `spatial_ref` by rioxarray's habit; empty if there is none."""
    name = next((name for name in _mapping_names(array) if name in array.coords), None)
    return {} if name is None else array.coords[name].attrs


def _mapping_names(array: xarray.DataArray) -> list[str]:
    """What the variable of the reference system may be called: as the array says, else by habit (openEO: crs)."""
    stated = array.encoding.get("grid_mapping") or array.attrs.get("grid_mapping")
    return [str(stated)] if stated else ["spatial_ref", "crs"]


def planar_variables(dataset: xarray.Dataset, plane: tuple[Hashable, Hashable]) -> dict[str, xarray.DataArray]:
    """Name -> variable with the dimensions `plane`, with what the dataset says of all of them.

    That is the variable of the reference system, which xarray does not make a coordinate unless it is told to, and
    among the dataset's attributes the reference system, scale, offset and nodata, unless the variable says its own.
    """
    found = {}
    for name, values in dataset.data_vars.items():
        if not set(plane) <= set(values.dims):
            continue
        own = {**values.attrs, **values.encoding}
        groups = [group for group in _OF_ALL if not any(key in own for key in group)]
        whole = values.assign_attrs({key: dataset.attrs[key] for key in chain(*groups) if key in dataset.attrs})
        mapping = next((key for key in _mapping_names(values) if key in dataset.data_vars), None)
        found[str(name)] = whole if mapping is None else whole.assign_coords({mapping: dataset[mapping]})
    return found


def crs_wkt(array: xarray.DataArray, mapping: Mapping[str, Any]) -> str:
    """The CRS as WKT: from the grid mapping, a coordinate `epsg`, or attributes; degrees for dimensions lat and lon.

    Empty if there is none.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    epsg = array.coords["epsg"].item() if "epsg" in array.coords and array.coords["epsg"].ndim == 0 else None
    given = mapping.get("crs_wkt") or mapping.get("spatial_ref") or epsg or array.attrs.get("crs")
    given = given or array.attrs.get("epsg") or (_DEGREES if plane_of(array) in _ON_EARTH else None)
    try:
        if given:
            return str(CRS.from_user_input(given).to_wkt())
        return str(CRS.from_cf(dict(mapping)).to_wkt()) if mapping.get("grid_mapping_name") else ""
    except (CRSError, KeyError, ValueError) as error:
        raise InputError(f"the array's CRS {str(given)[:60]!r} is not understood; set it with rio.write_crs") from error


def _transform(array: xarray.DataArray, y: Hashable, x: Hashable, mapping: Mapping[str, Any]) -> Affine | None:
    """From the coordinates of pixels, else from the grid mapping's GeoTransform."""
    if y in array.coords and x in array.coords and min(array.sizes[y], array.sizes[x]) > 1:
        left, width = _axis(np.asarray(array.coords[x].values, dtype=np.float64), x)
        top, height = _axis(np.asarray(array.coords[y].values, dtype=np.float64), y)
        right, down = _corner_shift(array.attrs.get("transform"), (left, top), (width, height))
        return Affine(width, 0, left + right, 0, height, top + down)
    if "GeoTransform" in mapping:
        return Affine.from_gdal(*(float(value) for value in str(mapping["GeoTransform"]).split()))
    return None


def _corner_shift(stated: object, corner: tuple[float, float], step: tuple[float, float]) -> tuple[float, float]:
    """How far an attribute `transform` (six numbers, as affine has them) moves a grid whose coordinates are of corners.

    Coordinates are of pixel centres by the CF conventions, but stackstac gives upper left corners unless asked
    otherwise, and states the grid in an attribute. An array that was cut since is on the same grid: whole pixels off.
    """
    numbers = list(stated) if isinstance(stated, Iterable) and not isinstance(stated, str) else []
    if len(numbers) < 6:  # affine's own class is a tuple in its version 2 alone
        return 0.0, 0.0
    a, _, c, _, e, f = (float(value) for value in numbers[:6])
    alike = abs(a - step[0]) <= REGULAR * abs(a) and abs(e - step[1]) <= REGULAR * abs(e)
    offsets = (corner[0] - c) / step[0], (corner[1] - f) / step[1]
    half = all(abs(abs(offset - round(offset)) - 0.5) < REGULAR * 10 for offset in offsets)
    return (step[0] / 2, step[1] / 2) if alike and half else (0.0, 0.0)


def _axis(centres: NDArray[np.float64], name: Hashable) -> tuple[float, float]:
    """(first edge, step) of evenly spaced centres; InputError if they are not."""
    step = float(centres[-1] - centres[0]) / (len(centres) - 1)
    if not step or np.abs(np.diff(centres) - step).max() > REGULAR * abs(step):
        raise InputError(f"the coordinates along {name} are not evenly spaced; bring the array to a regular grid first")
    return float(centres[0]) - step / 2, step
