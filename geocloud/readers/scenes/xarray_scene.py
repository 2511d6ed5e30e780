"""xarray objects as scenes, in memory or lazy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from geocloud.errors import InputError, UsageError
from geocloud.raster import Window
from geocloud.readers.bands.choosing import ChosenBands, choose_bands, given_bands, nearest_hints
from geocloud.readers.bands.evidence import BandHint
from geocloud.readers.bands.names import are_running, name_word, product_token, to_micrometres
from geocloud.readers.bands.radiometry import ScaleEvidence, implausible, known_nodata
from geocloud.readers.bands.sensors import BASELINE_KEYS
from geocloud.readers.bands.spec import (
    BandSource,
    DigitalNumbers,
    Radiometry,
    Samples,
    SceneInfo,
    find_valid,
    is_nodata,
)
from geocloud.readers.files.opening import check_place, check_size
from geocloud.readers.files.sampling import ARRAY_SIDE, sample_arrays
from geocloud.readers.products.assembly import given_radiometry, understood, unless_applied, with_options
from geocloud.readers.products.geotiff import unnamed_note
from geocloud.readers.reader import BaseScene, SceneOptions, SceneReader
from geocloud.readers.scenes.xarray_grid import array_georef, planar_variables, plane_of

if TYPE_CHECKING:
    import xarray

Cube = TypeVar("Cube", bound="xarray.DataArray | xarray.Dataset")
_PER_BAND = (
    *(("scales", "scale_factor"), ("offsets", "add_offset"), ("nodatavals", "_FillValue")),
    *(("scale_factor", "scale_factor"), ("add_offset", "add_offset"), ("_FillValue", "_FillValue")),
)
"""Attributes that may list a number per band -> that of one band: rioxarray's names, and CF's own."""
_DESCRIBED = ("long_name", "band_names", "descriptions")
"""Attributes that may name all bands."""
_LABELS = ("common_name", "eo:common_name", "band_name", "long_name", "name")


class ArrayScene(BaseScene):
    """A scene of one (y, x) array per band."""

    def __init__(self, layers: BandArrays, options: SceneOptions, name: str, source: str) -> None:
        """Keep the arrays; only samples are loaded, and only where the scale is not given."""
        self._arrays = layers.arrays()
        chosen, labels = layers.chosen, layers.labels
        evidence = layers.evidence(source)
        self._closed = False
        first = next(iter(self._arrays.values()))
        odd = next((array.dtype for array in self._arrays.values() if array.dtype.kind not in "iufb"), None)
        if odd is not None:
            raise InputError(f"{source} holds {odd} numbers; reflectance is real: give integers or floats")
        self._plane = plane_of(first)
        georef = array_georef(first)
        check_size(source, georef.shape, options.max_pixels)
        check_place(source, georef)
        nodata = {band: array_nodata(array, options, evidence) for band, array in self._arrays.items()}
        known = {band: stated_radiometry(array) for band, array in self._arrays.items()}
        sampled: list[Samples] = []

        def sample() -> Samples:
            if not sampled:
                sampled.append(sample_arrays(self._arrays, nodata))
            return sampled[0]

        floats = all(array.dtype.kind == "f" for array in self._arrays.values())
        if floats and given_radiometry(options) is None:
            known = dict(unless_applied(known, sample))
        scales = with_options(known, evidence, options, sample)
        numbers, why = chosen.numbers, chosen.why
        sources = tuple(
            BandSource(
                *(band, source, numbers[band], scales[band], nodata[band]),
                label=labels[numbers[band] - 1],
                evidence=why[band],
            )
            for band in self._arrays
        )
        is_known = options.nodata is not None or all(nodata_value(array) is not None for array in self._arrays.values())
        notes = [understood(sources, chosen.guess, nodata_told=is_known), *unnamed_note(chosen)]
        lazy = any(array.chunks is not None for array in self._arrays.values())
        padding: float | None = None
        if options.nodata is None and (sampled or not lazy):
            padding, said = sample().padding(set(scales.values()))
            notes += [text for text in (implausible(scales.values(), sample()), said) if text]
        lines, left = tuple(notes), chosen.left_out
        self._info = SceneInfo(
            name, source, georef, sources, notes=lines, kind="xarray", left_out=left, padding=padding
        )
        self._sources = {found.band: found for found in sources}

    @property
    def info(self) -> SceneInfo:
        """What the arrays say of themselves."""
        return self._info

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The same in digital numbers."""
        if self._closed:
            raise ValueError(f"scene {self.name} is closed")
        values = tuple(self._values(band, window) for band in bands)
        sources = [self._sources[band] for band in bands]
        nodata, scales = [source.nodata for source in sources], [source.radiometry for source in sources]
        valid = find_valid(values, nodata, scales, self._info.padding)
        return DigitalNumbers(values, valid, tuple(source.radiometry for source in sources))

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
        InputError: bands or dimensions are not recognised, or several times are there and none is chosen.
        UsageError: `options.bands` or `options.time` names what the array does not have.
    """
    return ArrayScene(choose_layers(select_time(array, options.time, source), options, source), options, name, source)


def select_time(array: Cube, wanted: str | None, source: str) -> Cube:
    """The array of one time; raises as `open_array`."""
    dim = next((name for name in ("time", "t") if name in array.dims), None)
    count = array.sizes[dim] if dim else 1
    if dim is None or (wanted is None and count == 1):
        if wanted is not None:
            raise UsageError(f"{source} has no dimension time, so leave out --time {wanted}")
        return array
    times = [str(value)[:19] for value in array[dim].values] if dim in array.coords else [str(n) for n in range(count)]
    found = [index for index, text in enumerate(times) if wanted and text.startswith(wanted)]
    if not found and wanted and wanted.removeprefix("-").isdigit() and -count <= int(wanted) < count:
        found = [int(wanted)]
    if len(found) == 1:
        return cast("Cube", array.isel({dim: found[0]}))
    listed = ", ".join(times[:4]) + (f" and {count - 4} more" if count > 4 else "")
    if wanted is None:
        first = times[0][:10] if sum(text.startswith(times[0][:10]) for text in times) == 1 else times[0]
        raise InputError(
            f"{source} holds {count} times ({listed}); choose one: --time {first}, in Python SceneOptions(time=...)"
        )
    raise UsageError(f"--time {wanted} is {'several' if found else 'none'} of the times of {source} ({listed})")


@dataclass(frozen=True, slots=True)
class BandArrays:
    """The (y, x) arrays of a scene, and which of them are read."""

    labels: tuple[str, ...]
    """What the array calls each band."""
    values: tuple[xarray.DataArray, ...]
    chosen: ChosenBands
    texts: str
    """What may state sensor and product."""
    baseline: str = ""
    """Sentinel-2's processing baseline, by an attribute or a coordinate of one value; else empty."""
    taken: str = ""
    """Day of acquisition by such, ISO 8601; else empty."""

    def arrays(self) -> dict[str, xarray.DataArray]:
        """Common name -> (y, x) array of the bands that are read."""
        return {band: self.values[number - 1] for band, number in self.chosen.numbers.items()}

    def evidence(self, source: str) -> ScaleEvidence:
        """What may tell the scale."""
        return ScaleEvidence(source, self.texts, self.chosen.sensor, self.labels, self.baseline, taken=self.taken)


def choose_layers(array: xarray.DataArray | xarray.Dataset, options: SceneOptions, source: str = "array") -> BandArrays:
    """The bands that are recognised or given; raises as `open_array`."""
    found = _layers(array)
    labels = tuple(label for label, _, _ in found)
    values = tuple(layer for _, layer, _ in found)
    texts = " ".join((source, *_stated(array)))
    when = _single(array, *BASELINE_KEYS[:-1]), _single(array, "time", "t", "datetime", "start_datetime")[:19]
    if options.bands:
        return BandArrays(labels, values, given_bands(options.bands, labels, source), texts, *when)
    hints = [BandHint(label, wavelength or _attribute_wavelength(layer)) for label, layer, wavelength in found]
    hints = nearest_hints(hints, texts, lambda number: _has_data(values[number - 1]))
    return BandArrays(labels, values, choose_bands(hints, labels, source, texts), texts, *when)


def _has_data(array: xarray.DataArray) -> bool:
    """True if any of the looked-at pixels is finite, not nodata and not 0."""
    y, x = plane_of(array)
    steps = {dim: slice(None, None, max(1, array.sizes[dim] // ARRAY_SIDE)) for dim in (y, x)}
    seen = array.isel(steps).to_numpy()
    return bool((~is_nodata(seen, nodata_value(array)) & (seen != 0)).any())


def _stated(array: xarray.DataArray | xarray.Dataset) -> list[str]:
    """Texts of an array's attributes and single coordinates that may state its sensor."""
    keys = ("platform", "constellation", "collection", "mission", "sensor", "instrument", "title", "id", "product")
    single = [array.coords[key].values.item() for key in (*keys, "s2:product_uri") if _is_single(array, key)]
    name = array.name if hasattr(array, "name") else ""
    return [str(text) for text in (*(array.attrs[key] for key in keys if key in array.attrs), *single, name or "")]


def _single(array: xarray.DataArray | xarray.Dataset, *keys: str) -> str:
    """The value of the first of these attributes or coordinates that is there, has one value, and is not empty."""
    stated = (
        array.attrs.get(key) or (array.coords[key].values.ravel()[0] if _is_single(array, key) else "") for key in keys
    )
    return next((text for value in stated if (text := str(value))), "")


def _is_single(array: xarray.DataArray | xarray.Dataset, key: str) -> bool:
    return key in array.coords and array.coords[key].size == 1


def _attribute_wavelength(array: xarray.DataArray) -> float | None:
    """The centre that a variable's attributes state, in micrometres."""
    for key in ("wavelength", "center_wavelength", "central_wavelength", "radiation_wavelength"):
        if key in array.attrs:
            units = (array.attrs.get(f"{key}_{word}", "") for word in ("unit", "units"))
            return to_micrometres(array.attrs[key], next((unit for unit in units if unit), ""))
    return None


def _layers(array: xarray.DataArray | xarray.Dataset) -> list[tuple[str, xarray.DataArray, float | None]]:
    """(label, (y, x) array, wavelength in micrometres) of each band, in order."""
    import xarray

    y, x = plane_of(array)
    if isinstance(array, xarray.Dataset):
        planar = planar_variables(array, (y, x))
        if len(planar) != 1:
            return [(_variable_label(name, values), _flat(values, y, x), None) for name, values in planar.items()]
        return _layers(next(iter(planar.values())))
    others = [dim for dim in array.dims if dim not in (y, x) and (array.sizes[dim] > 1 or dim == "band")]
    if not others:
        raise InputError(
            f"{array.name or 'the array'} is a single band; a scene needs at least blue, green and red, as variables "
            "or along a dimension band"
        )
    if len(others) != 1:
        raise InputError(
            f"the array has the dimensions {', '.join(map(str, array.dims))}; a scene has y, x and one for bands: "
            "select one time, as with .isel(time=0)"
        )
    labels, waves = _labels(array, others[0])
    return [
        (label, _one_band(array, others[0], index, (y, x)), wave)
        for index, (label, wave) in enumerate(zip(labels, waves, strict=True))
    ]


def _one_band(array: xarray.DataArray, dim: Hashable, index: int, plane: tuple[Hashable, Hashable]) -> xarray.DataArray:
    """The (y, x) array of one band, with its entry of each attribute that lists one per band (rioxarray's scales)."""
    band = _flat(array.isel({dim: index}), *plane)
    count = array.sizes[dim]
    for several, one in _PER_BAND:
        listed = array.attrs.get(several)
        free = several == one or one not in array.attrs
        if free and isinstance(listed, list | tuple | np.ndarray) and len(listed) == count:
            band = band.assign_attrs({one: listed[index]})
    if "raster:bands" in array.coords and array.coords["raster:bands"].dims == (dim,) and array.dtype.kind in "iu":
        band = band.assign_attrs(_raster_entry(array.coords["raster:bands"].values[index]))
    return band


def _raster_entry(entry: object) -> dict[str, float]:
    """Scale, offset and nodata of STAC's entry on a band, which stackstac keeps and applies to floats only."""
    first = entry[0] if isinstance(entry, list | tuple | np.ndarray) and len(entry) == 1 else entry
    if not isinstance(first, dict):
        return {}
    names = {"scale": "scale_factor", "offset": "add_offset", "nodata": "_FillValue"}
    return {name: float(first[key]) for key, name in names.items() if isinstance(first.get(key), int | float)}


def _variable_label(name: str, values: xarray.DataArray) -> str:
    """A variable's own name, or its long name where rioxarray called it band_1."""
    return str(values.attrs.get("long_name", name)) if name.startswith("band_") else name


def _flat(array: xarray.DataArray, y: Hashable, x: Hashable) -> xarray.DataArray:
    """Without dimensions of one entry."""
    extra = [dim for dim in array.dims if dim not in (y, x)]
    if any(array.sizes[dim] != 1 for dim in extra):
        raise InputError(f"{array.name} has {extra[0]} beside y and x; select one, as with .isel({extra[0]}=0)")
    return array.isel(dict.fromkeys(extra, 0)) if extra else array


def _labels(array: xarray.DataArray, dim: Hashable) -> tuple[list[str], list[float | None]]:
    """A label and a wavelength in micrometres per band: names, common names, descriptions along the band dimension."""
    count = array.sizes[dim]
    waves: list[float | None] = [None] * count
    for name in ("wavelength", "wavelengths", "center_wavelength", "eo:center_wavelength"):
        if name in array.coords and array.coords[name].size == count:
            waves = [to_micrometres(value) for value in array.coords[name].values]
    described = next((array.attrs[key] for key in _DESCRIBED if key in array.attrs), None)
    candidates = [array.coords[name].values for name in (*_LABELS, dim) if name in array.coords]
    if isinstance(described, list | tuple | np.ndarray):
        candidates.append(np.asarray(described, dtype=object))
    named = [[str(value) for value in np.atleast_1d(values)] for values in candidates]
    named = [labels for labels in named if len(labels) == count]
    telling = [labels for labels in named if any(product_token(text) or name_word(text) for text in labels)]
    best = next((labels for labels in telling if not are_running(labels)), None)
    return (best or next(iter(telling or named), None) or [str(n) for n in range(1, count + 1)]), waves


def array_nodata(array: xarray.DataArray, options: SceneOptions, evidence: ScaleEvidence) -> float | None:
    """As given, as the array says, or as is known of the product."""
    if options.nodata is not None:
        return None if np.isnan(options.nodata) else options.nodata
    stated = nodata_value(array)
    return known_nodata(evidence, str(array.dtype)) if stated is None else stated


def nodata_value(array: xarray.DataArray) -> float | None:
    """The nodata value of undecoded values; NaN needs no telling."""
    value = next((array.attrs[key] for key in ("_FillValue", "nodata", "missing_value") if key in array.attrs), None)
    number = None if value is None else float(np.asarray(value).ravel()[0])
    return None if number is None or np.isnan(number) else number


def stated_radiometry(array: xarray.DataArray) -> Radiometry | None:
    """From undecoded CF attributes; decoded values have them in the encoding, where they no longer apply."""
    scale, offset = (
        float(np.asarray(array.attrs.get(name, default)).ravel()[0])
        for name, default in (("scale_factor", 1.0), ("add_offset", 0.0))
    )
    if (scale, offset) != (1.0, 0.0):
        return Radiometry(scale, offset, "the array's attributes")
    return Radiometry(0.01, 0.0, "its unit, percent") if str(array.attrs.get("units")) in ("%", "percent") else None


def _scene(scene: ArrayScene) -> SceneReader:
    """Type assertion: an ArrayScene is a SceneReader."""
    return scene
