"""Any single raster that rasterio opens: what its bands, radiometry, nodata and grid are."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

from geocloud.errors import InputError, UsageError
from geocloud.readers.bands.names import COMMON_NAMES, name_bands, name_wavelength
from geocloud.readers.bands.radiometry import assume_radiometry, tagged_radiometry
from geocloud.readers.bands.spec import BandSource, Radiometry, SceneSpec
from geocloud.readers.files.opening import (
    check_blocks,
    check_place,
    check_size,
    open_raster,
    raster_georef,
    read_errors,
)
from geocloud.readers.reader import SceneOptions, scene_name

_COLOURS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue"}
_ASK = "name them, as in --bands blue=1,green=2,red=3,nir=4"


def describe_raster(source: str, options: SceneOptions) -> SceneSpec:
    """The spec of one raster file.

    Raises:
        InputError: no such file, not a raster, fewer than 3 bands, bands not recognised, located by RPCs only.
        UsageError: `options.bands` names a band number the file does not have.
    """
    with open_raster(source, allow_external=options.allow_external) as dataset, read_errors(source):
        check_size(source, (dataset.height, dataset.width), options.max_pixels)
        check_blocks(dataset, source)
        numbers = _bands(dataset, source, options)
        radiometries = _radiometries(dataset, numbers, options)
        sources = tuple(_band_source(dataset, name, number, radiometries[name]) for name, number in numbers.items())
        notes = [
            f"reflectance = DN * {radiometry.scale:.6g} + {radiometry.offset:g} ({radiometry.origin})"
            for radiometry in dict.fromkeys(radiometries.values())
            if radiometry.origin not in ("given", "the file's tags")
        ]
        georef = raster_georef(dataset, source)
        check_place(source, georef)
        if not georef.located:
            notes.append("the scene has no georeference; its mask has none either")
        height, width = dataset.block_shapes[0]
        depth = sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
        return SceneSpec(
            scene_name(source), source, georef, sources, (height, width, depth), tuple(notes), kind=dataset.driver
        )


def _bands(dataset: Any, source: str, options: SceneOptions) -> dict[str, int]:  # noqa: ANN401
    """Common name -> band number: as given, else by description, wavelength, colour."""
    if options.bands:
        return _given_bands(dataset, source, options)
    data_bands = [i for i in dataset.indexes if dataset.colorinterp[i - 1] is not ColorInterp.alpha]
    if len(data_bands) < 3:
        raise InputError(
            f"{source} has {len(data_bands)} band{'s' * (len(data_bands) != 1)}; "
            "a scene needs at least blue, green and red: give the folder where bands are files of their own"
        )
    found = name_bands(dataset.descriptions) or _by_wavelength(dataset)
    if not {"blue", "green", "red"} <= found.keys():
        found = {
            _COLOURS[colour]: i
            for i, colour in zip(dataset.indexes, dataset.colorinterp, strict=True)
            if colour in _COLOURS
        } | {name: i for name, i in found.items() if name not in _COLOURS.values()}
    if not {"blue", "green", "red"} <= found.keys():
        seen = ", ".join(f"{i}={text!r}" for i, text in zip(dataset.indexes, dataset.descriptions, strict=True))
        raise InputError(f"{source} does not say which of its bands are blue, green and red ({seen}); {_ASK}")
    return dict(sorted(found.items(), key=lambda item: COMMON_NAMES.index(item[0])))


def _given_bands(dataset: Any, source: str, options: SceneOptions) -> dict[str, int]:  # noqa: ANN401
    """The user's own numbers, checked."""
    for name, number in options.bands.items():
        if name not in COMMON_NAMES:
            raise UsageError(f"band name {name!r} is unknown; there are {', '.join(COMMON_NAMES)}")
        if not 1 <= number <= dataset.count:
            raise UsageError(f"band {name}={number} is not in {source}, which has bands 1 to {dataset.count}")
    return dict(options.bands)


def _by_wavelength(dataset: Any) -> dict[str, int]:  # noqa: ANN401 - rasterio is untyped
    """Bands by a wavelength tag, in nanometres or micrometres, as ENVI and GDAL write it."""
    found: dict[str, int] = {}
    for index in dataset.indexes:
        tags = {**dataset.tags(index), **dataset.tags(index, ns="IMAGERY")}
        text = tags.get("CENTRAL_WAVELENGTH_UM") or tags.get("wavelength") or ""
        try:
            value = float(text)
        except ValueError:
            continue
        name = name_wavelength(value / 1000 if value > 100 else value)
        if name:
            found.setdefault(name, index)
    return found


def _radiometries(dataset: Any, numbers: dict[str, int], options: SceneOptions) -> dict[str, Radiometry]:  # noqa: ANN401
    """Band -> scale and offset: as given, else by each band's tags, else one assumption for all others."""
    if options.scale is not None or options.offset is not None:
        scale = 1.0 if options.scale is None else options.scale
        return dict.fromkeys(numbers, Radiometry(scale, options.offset or 0.0))
    found = {name: tagged_radiometry(dataset, number) for name, number in numbers.items()}
    silent = [number for name, number in numbers.items() if found[name] is None]
    assumed = assume_radiometry(dataset, silent) if silent else Radiometry()
    return {name: radiometry or assumed for name, radiometry in found.items()}


def _band_source(dataset: Any, name: str, index: int, radiometry: Radiometry) -> BandSource:  # noqa: ANN401
    """File, number, radiometry and nodata of one band."""
    flags = dataset.mask_flag_enums[index - 1]
    masked = MaskFlags.alpha in flags or (MaskFlags.per_dataset in flags and MaskFlags.nodata not in flags)
    return BandSource(name, dataset.name, index, radiometry, dataset.nodatavals[index - 1], masked=masked)
