"""xarray objects as scenes, in memory or lazy."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.crs import CRS

from geocloud.errors import InputError, UsageError
from geocloud.georef import Georef
from geocloud.raster import Raster
from geocloud.readers.bands.names import COMMON_NAMES, name_bands, name_wavelength
from geocloud.readers.bands.radiometry import DigitalNumbers, find_valid, is_nodata, radiometry_of_values
from geocloud.readers.bands.spec import Radiometry
from geocloud.readers.files.opening import check_place, check_size
from geocloud.readers.products.assembly import given_radiometry, require_visible
from geocloud.readers.reader import Closing, SceneOptions, SceneReader
from geocloud.readers.scenes.xarray_grid import array_georef, plane_of
from geocloud.window import Window

if TYPE_CHECKING:
    import xarray
import warnings

from geocloud.errors import MissingExtraError
from geocloud.readers.files.paths import scene_name

SAMPLE = 256
"""Every nth pixel is looked at so that at most this many a side tell the scale of values."""
_LABELS = ("common_name", "eo:common_name", "band_name", "long_name", "name")


class ArrayScene(Closing):
    """A scene of one (y, x) array a band."""

    def __init__(self, bands: Mapping[str, xarray.DataArray], options: SceneOptions, name: str, source: str) -> None:
        """Keep the arrays, common name -> (y, x); only samples are loaded, and only where the scale is not given."""
        self._arrays = dict(sorted(bands.items(), key=lambda item: COMMON_NAMES.index(item[0])))
        self._name, self._source, self._closed = name, source, False
        first = next(iter(self._arrays.values()))
        self._plane = plane_of(first)
        self._georef = array_georef(first)
        check_size(source, self._georef.shape, options.max_pixels)
        check_place(source, self._georef)
        self._nodata = {band: nodata_value(array) for band, array in self._arrays.items()}
        self._radiometry = _radiometries(self._arrays, self._nodata, options)
        self._notes = tuple(
            f"reflectance = DN * {radiometry.scale:.6g} + {radiometry.offset:g} ({radiometry.origin})"
            for radiometry in dict.fromkeys(self._radiometry.values())
            if radiometry.origin not in ("given", "the array's attributes")
        )

    @property
    def name(self) -> str:
        """The stem that outputs are named after."""
        return self._name

    @property
    def source(self) -> str:
        """As the user named it."""
        return self._source

    @property
    def georef(self) -> Georef:
        """Grid and reference system."""
        return self._georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Recognised bands."""
        return tuple(self._arrays)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed."""
        return self._notes

    @property
    def file_block(self) -> tuple[int, int, int]:
        """No file that GDAL reads: nothing to cache."""
        return 1, 1, 0

    def describe(self) -> dict[str, Any]:
        """What was understood; see SceneReader."""
        wkt = self._georef.crs_wkt
        return {
            "name": self._name,
            "source": self._source,
            "kind": "xarray",
            "taken": None,
            "item": None,
            "height": self._georef.shape[0],
            "width": self._georef.shape[1],
            "crs": CRS.from_wkt(wkt).to_string() if wkt else None,
            "transform": list(self._georef.transform)[:6],
            "gcps": 0,
            "bands": {
                band: {
                    "file": self._source,
                    "number": number,
                    "scale": self._radiometry[band].scale,
                    "offset": self._radiometry[band].offset,
                    "from": self._radiometry[band].origin,
                    "nodata": self._nodata[band],
                    "masked": False,
                }
                for number, band in enumerate(self._arrays, start=1)
            },
            "fill": None,
            "notes": list(self._notes),
        }

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """Reflectance and valid pixels of the window; see SceneReader."""
        return self.counts(window, bands).reflectance()

    def counts(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The same in digital numbers."""
        if self._closed:
            raise ValueError(f"scene {self._name} is closed")
        values = tuple(self._values(band, window) for band in bands)
        valid = find_valid(values, [self._nodata[band] for band in bands])
        return DigitalNumbers(values, valid, tuple(self._radiometry[band] for band in bands))

    def _values(self, band: str, window: Window) -> np.typing.NDArray[Any]:
        rows, cols = window.slices()
        y, x = self._plane
        return self._arrays[band].isel({y: rows, x: cols}).transpose(y, x).to_numpy()

    def close(self) -> None:
        """Refuse further reads."""
        self._closed = True


def open_array(
    array: xarray.DataArray | xarray.Dataset, options: SceneOptions, name: str = "array", source: str = "array"
) -> ArrayScene:
    """A scene of a DataArray with a band dimension, or of a Dataset with a variable a band.

    Raises:
        InputError: bands or dimensions are not recognised.
        UsageError: `options.bands` names a band number that the array does not have.
    """
    return ArrayScene(choose_layers(array, options, source), options, name, source)


def choose_layers(
    array: xarray.DataArray | xarray.Dataset, options: SceneOptions, source: str = "array"
) -> dict[str, xarray.DataArray]:
    """Common name -> (y, x) array of the bands that are recognised or given; raises as `open_array`."""
    layers = _layers(array)
    if options.bands:
        numbers = dict(options.bands)
        for band, number in numbers.items():
            if band not in COMMON_NAMES or not 1 <= number <= len(layers):
                raise UsageError(f"band {band}={number} is not in {source}, which has bands 1 to {len(layers)}")
    else:
        numbers = name_bands([label for label, _ in layers])
        require_visible(f"{source} with bands {', '.join(label for label, _ in layers)}", tuple(numbers), {})
    return {band: layers[number - 1][1] for band, number in numbers.items()}


def _layers(array: xarray.DataArray | xarray.Dataset) -> list[tuple[str, xarray.DataArray]]:
    """(label, (y, x) array) of each band, in order."""
    import xarray

    y, x = plane_of(array)
    if isinstance(array, xarray.Dataset):
        planar = {str(name): values for name, values in array.data_vars.items() if {y, x} <= set(values.dims)}
        if len(planar) != 1:
            return [(_variable_label(name, values), _flat(values, y, x)) for name, values in planar.items()]
        return _layers(next(iter(planar.values())))
    others = [dim for dim in array.dims if dim not in (y, x) and (array.sizes[dim] > 1 or dim == "band")]
    if len(others) != 1:
        raise InputError(
            f"the array has the dimensions {', '.join(map(str, array.dims))}; a scene has y, x and one for bands: "
            "select one time, as with .isel(time=0)"
        )
    labels = _labels(array, others[0])
    return [(label, _flat(array.isel({others[0]: index}), y, x)) for index, label in enumerate(labels)]


def _variable_label(name: str, values: xarray.DataArray) -> str:
    """A variable's own name, or its long name where rioxarray called it band_1."""
    return str(values.attrs.get("long_name", name)) if name.startswith("band_") else name


def _flat(array: xarray.DataArray, y: Hashable, x: Hashable) -> xarray.DataArray:
    """Without dimensions of one entry."""
    extra = [dim for dim in array.dims if dim not in (y, x)]
    if any(array.sizes[dim] != 1 for dim in extra):
        raise InputError(f"{array.name} has {extra[0]} beside y and x; select one, as with .isel({extra[0]}=0)")
    return array.isel(dict.fromkeys(extra, 0)) if extra else array


def _labels(array: xarray.DataArray, dim: Hashable) -> list[str]:
    """A label a band: names, common names, descriptions or wavelengths along the band dimension."""
    count = array.sizes[dim]
    described = array.attrs.get("long_name")
    candidates = [array.coords[name].values for name in (*_LABELS, dim) if name in array.coords]
    if isinstance(described, list | tuple):
        candidates.append(np.asarray(described, dtype=object))
    for values in candidates:
        labels = [str(value) for value in np.atleast_1d(values)]
        if len(labels) == count and name_bands(labels):
            return labels
    for name in ("wavelength", "center_wavelength", "eo:center_wavelength"):
        if name in array.coords and array.coords[name].size == count:
            values = array.coords[name].values.astype(float)
            return [name_wavelength(value / 1000 if value > 100 else value) for value in values]
    return [str(number) for number in range(1, count + 1)]


def nodata_value(array: xarray.DataArray) -> float | None:
    """The nodata value of undecoded values; NaN needs no telling."""
    value = next((array.attrs[key] for key in ("_FillValue", "nodata", "missing_value") if key in array.attrs), None)
    number = None if value is None else float(np.asarray(value).ravel()[0])
    return None if number is None or np.isnan(number) else number


def _radiometries(
    arrays: Mapping[str, xarray.DataArray], nodata: Mapping[str, float | None], options: SceneOptions
) -> dict[str, Radiometry]:
    """Band -> scale and offset: as given, by attributes, else assumed from samples of all other bands."""
    given = given_radiometry(options)
    if given is not None:
        return dict.fromkeys(arrays, given)
    found = {band: stated_radiometry(array) for band, array in arrays.items()}
    silent = [band for band, radiometry in found.items() if radiometry is None]
    assumed = Radiometry()
    if silent:
        samples = [_sample(arrays[band], nodata[band]) for band in silent]
        assumed = radiometry_of_values(np.concatenate(samples), str(arrays[silent[0]].dtype))
    return {band: radiometry or assumed for band, radiometry in found.items()}


def stated_radiometry(array: xarray.DataArray) -> Radiometry | None:
    """From undecoded CF attributes; decoded values have them in the encoding, where they no longer apply."""
    scale, offset = array.attrs.get("scale_factor", 1.0), array.attrs.get("add_offset", 0.0)
    return None if (scale, offset) == (1.0, 0.0) else Radiometry(float(scale), float(offset), "the array's attributes")


def _sample(array: xarray.DataArray, nodata: float | None) -> np.typing.NDArray[np.float64]:
    """Some of its valid values."""
    y, x = plane_of(array)
    steps = {dim: slice(None, None, max(1, array.sizes[dim] // SAMPLE)) for dim in (y, x)}
    values = array.isel(steps).to_numpy()
    kept: np.typing.NDArray[np.float64] = values[~is_nodata(values, nodata)].astype(np.float64)
    return kept


def _scene(scene: ArrayScene) -> SceneReader:
    """Type assertion: an ArrayScene is a SceneReader."""
    return scene


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
