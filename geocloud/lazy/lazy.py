"""Scores and masks of arrays; of Dask-backed ones lazily, block by block, never the whole scene in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from geocloud.classes import ENCODINGS, EncodingName
from geocloud.errors import UsageError
from geocloud.lazy.chunks import cut_to_area, finish, lazy_blocks, tell_once
from geocloud.lazy.dates import are_together, mask_together
from geocloud.lazy.given import Given, GivenBands, Wanted, attributes, coords_of, fill, from_north, plan_blocks
from geocloud.models.registry import DEFAULT_MODEL, shared_scorer
from geocloud.pipeline.detection import choose_threshold
from geocloud.pipeline.scoring import score_scene
from geocloud.progress import Warn
from geocloud.raster import FloatArray
from geocloud.readers import open_scene
from geocloud.readers.area import AreaSource, Box
from geocloud.readers.reader import part_of
from geocloud.readers.scenes.xarray_grid import array_georef, plane_of
from geocloud.readers.scenes.xarray_scene import choose_layers
from geocloud.scorers.card import Precision

if TYPE_CHECKING:
    import xarray

    from geocloud.lazy.given import Array


class _Keywords(TypedDict, total=False):
    """Keywords of both functions, for type checkers: numpy in is numpy out, xarray in is a DataArray out."""

    bands: GivenBands | None
    scale: float | None
    offset: float | None
    nodata: float | None
    model: str | os.PathLike[str]
    threshold: float | str | None
    precision: Precision
    aoi: AreaSource | None
    bounds: Box | None


class _ScoreKeywords(_Keywords, total=False):
    raw: bool


class _MaskKeywords(_Keywords, total=False):
    encoding: EncodingName
    together: bool | None


@overload
def score(array: NDArray[Any], **keywords: Unpack[_ScoreKeywords]) -> FloatArray: ...
@overload
def score(array: Array, **keywords: Unpack[_ScoreKeywords]) -> xarray.DataArray: ...
def score(  # noqa: PLR0913 - what an array does not say, and what is wanted of it
    array: NDArray[Any] | Array,
    *,
    bands: GivenBands | None = None,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    threshold: float | str | None = None,
    precision: Precision = "auto",
    aoi: AreaSource | None = None,
    bounds: Box | None = None,
    raw: bool = False,
) -> Any:
    """P(cloud) of a scene in an array, as `detect` finds it in a file of the same pixels.

    It takes one array of whole scenes, numpy's or xarray's: a path is for `detect`, a bare Dask array is to be wrapped
    in an xarray.DataArray, a masked array to be filled, and a numpy array, which has no pixel size, is scored pixel by
    pixel where `detect` would average fine pixels first.

    Args:
        array: numpy (band, y, x); or DataArray with y, x and a band dimension, or Dataset with a variable per band, and
            a `time` dimension is kept. Dask-backed: the result is lazy and nothing is computed yet.
        bands: common names (blue, green, red, nir, ...) in the array's order, or name -> number from 1; needed for
            numpy, otherwise found from the array where None.
        scale: reflectance = value * scale + offset; None: by the array's attributes, its type and values.
        offset: see scale.
        nodata: value of pixels without data; None: by the array's attributes. NaN always is.
        model: name of a shipped model or a model folder; where workers compute, they must find it too.
        threshold: as of `detect`; P(cloud) is 0.5 there.
        precision: as of `detect`.
        aoi: as of `detect`: the result is cut to the area, and what lies outside its polygons is nodata; of a lazy
            array only the chunks that it needs are read.
        bounds: as of `detect`.
        raw: return the scorer's own score, higher = cloudier, instead.

    Returns:
        (y, x) or (time, y, x) float32, 0 to 1, NaN where nodata: numpy for numpy, else a DataArray on the array's
        coordinates.

    Raises:
        InputError: bands or dimensions are not recognised.
        ModelError: no such model, or a band it needs is missing.
        UsageError: a threshold rule or band number that there is not, or an object that is no array of a scene.
    """
    plan = Wanted(os.fspath(model), threshold, precision, "raw" if raw else "probability", aoi, bounds)
    return _of_any(array, Given(bands, scale, offset, nodata), plan)


@overload
def mask(array: NDArray[Any], **keywords: Unpack[_MaskKeywords]) -> NDArray[Any]: ...
@overload
def mask(array: Array, **keywords: Unpack[_MaskKeywords]) -> xarray.DataArray: ...
def mask(  # noqa: PLR0913 - as `score`
    array: NDArray[Any] | Array,
    *,
    bands: GivenBands | None = None,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    threshold: float | str | None = None,
    precision: Precision = "auto",
    aoi: AreaSource | None = None,
    bounds: Box | None = None,
    encoding: EncodingName = "geocloud",
    together: bool | None = None,
) -> Any:
    """The cloud mask of a scene in an array: 0 clear, 1 cloud, 255 nodata; arguments and limits as of `score`.

    Three or more dates along a `time` dimension are masked as `detect_series` masks such files: each is freed of cloud
    with the help of the others, and code 5 is cloud shadow. With `together=False` each is masked by itself, as fewer
    dates are; `together=True` refuses fewer. `encoding` gives other codes. Further classes, a least area and dilation
    are for `detect` alone.
    """
    plan = Wanted(os.fspath(model), threshold, precision, encoding, aoi, bounds)
    given = Given(bands, scale, offset, nodata)
    if isinstance(array, np.ndarray) or not are_together(array, wish=together):
        return _of_any(array, given, plan)
    return from_north(array, lambda turned: mask_together(turned, given.of(array), plan))


def _of_any(array: Any, given: Given, wanted: Wanted) -> Any:  # noqa: ANN401 - checked here
    """The product of an array of any kind that is taken; UsageError for all others."""
    if isinstance(array, np.ma.MaskedArray):
        raise UsageError("masked arrays are not accepted; give array.filled(value) and nodata=value")
    if isinstance(array, np.ndarray):
        return _of_xarray(_named(array, given), given, wanted).to_numpy()
    if hasattr(array, "dims") and hasattr(array, "sizes"):
        return _of_xarray(array, given.of(array), wanted)
    raise UsageError(
        f"a {type(array).__name__} is no array of a scene: give numpy (band, y, x), an xarray.DataArray or an "
        "xarray.Dataset, and for a file use detect"
    )


def _named(array: NDArray[Any], given: Given) -> xarray.DataArray:
    """A numpy array with named dimensions."""
    import xarray

    if array.ndim != 3:
        raise UsageError(f"a numpy array of the shape {array.shape} is no scene; give (band, y, x)")
    if not given.bands:
        raise UsageError('a numpy array does not name its bands; give them in order, as bands=("blue", "green", "red")')
    if not isinstance(given.bands, Mapping) and len(given.bands) != len(array):
        raise UsageError(
            f"{len(given.bands)} bands are named, but the array of the shape {array.shape} has {len(array)}"
        )
    return xarray.DataArray(array, dims=("band", "y", "x"))


def _of_xarray(array: Array, given: Given, wanted: Wanted) -> xarray.DataArray:
    """The product of each time."""
    return _each_time(array, lambda one: from_north(one, lambda turned: _of_one(turned, given, wanted)))


def _each_time(array: Array, work: Callable[[Array], xarray.DataArray]) -> xarray.DataArray:
    """The work on each entry of a time dimension, where there is one."""
    import xarray

    if "time" not in array.dims:
        return work(array)
    if not array.sizes["time"]:
        raise UsageError("the array's time has no entry; give it one or more, or an array without time")
    parts = [work(array.isel(time=index)) for index in range(array.sizes["time"])]
    along: Any = array["time"] if "time" in array.coords else "time"
    return xarray.concat([part.drop_vars("time", errors="ignore") for part in parts], dim=along, join="override")


def _of_one(array: Array, given: Given, wanted: Wanted) -> xarray.DataArray:
    """The product of one scene."""
    import xarray

    options, product = given.options(), wanted.product
    scorer = shared_scorer(wanted.model, "auto", wanted.precision)
    calibration = choose_threshold(scorer, wanted.threshold)
    found = choose_layers(array, options)
    layers = found.arrays()
    bands = scorer.choose_bands(tuple(layers))
    first = layers[bands[0]]
    y, x = plane_of(first)
    area = wanted.area(array_georef(first))
    values: Any
    if first.chunks is None:
        with part_of(open_scene(array, options), wanted.aoi, wanted.bounds) as opened:
            values = finish(*score_scene(opened, scorer), calibration, product)
    else:
        guess = found.chosen.guess
        tell_once(given.whole, [Warn(f"{guess}; if it is wrong, give bands=")] if guess else [])
        plan = plan_blocks(array_georef(first), scorer, bands, wanted)
        ordered = [layers[band].transpose(y, x) for band in bands]
        values = lazy_blocks(plan, ordered, options, found.evidence("the array"), given.whole)
        if area is not None:
            values = cut_to_area(values, area, fill(product) if product in ENCODINGS else np.nan)
    name = "cloudmask" if product in ENCODINGS else "cloudscore"
    if area is not None:
        rows, cols = area.window.slices()
        first = first.isel({y: rows, x: cols})
    result = xarray.DataArray(
        values, coords_of(array, first, (y, x)), (y, x), name=name, attrs=attributes(first, wanted, scorer)
    )
    if "grid_mapping" in first.encoding:
        result.encoding["grid_mapping"] = first.encoding["grid_mapping"]
    return result
