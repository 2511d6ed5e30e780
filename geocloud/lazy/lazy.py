"""Scores and masks of xarray objects; of Dask-backed ones lazily, block by block, never the whole scene in memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from geocloud.classes import ENCODINGS, EncodingName
from geocloud.grid import PatchGrid
from geocloud.lazy.chunks import BlockPlan, LazyResult, finish, lazy_blocks
from geocloud.models.card import Precision
from geocloud.models.registry import DEFAULT_MODEL, shared_scorer
from geocloud.pipeline.run import choose_threshold
from geocloud.pipeline.scoring import aggregation_factor, score_scene
from geocloud.raster import NODATA
from geocloud.readers.reader import SceneOptions
from geocloud.readers.scenes.xarray_grid import array_georef, plane_of
from geocloud.readers.scenes.xarray_scene import choose_layers, open_array
from geocloud.version import __version__

if TYPE_CHECKING:
    import xarray

    Array = xarray.DataArray | xarray.Dataset


def score(
    array: Array,
    *,
    model: str = DEFAULT_MODEL,
    scene: SceneOptions | None = None,
    threshold: float | str | None = None,
    precision: Precision = "auto",
    raw: bool = False,
) -> xarray.DataArray:
    """P(cloud) of a scene in an xarray object, as `detect` finds it in a file of the same pixels.

    Args:
        array: DataArray with y, x and a band dimension, or Dataset with a variable a band; a `time` dimension is kept.
            Dask-backed: the result is lazy and nothing is computed yet. Otherwise the result is computed.
        model: name of a shipped model or a model folder; where workers compute, they must find it too.
        scene: bands, scale and offset where the array does not say.
        threshold: as of `detect`; P(cloud) is 0.5 there.
        precision: as of `detect`.
        raw: return the scorer's own score, higher = cloudier, instead.

    Returns:
        (y, x) or (time, y, x) float32, 0 to 1, NaN where nodata, on the array's coordinates.

    Raises:
        InputError: bands or dimensions are not recognised.
        ModelError: no such model, or a band it needs is missing.
        UsageError: a threshold rule or band number that there is not.
    """
    product: LazyResult = "raw" if raw else "probability"
    return _each_time(array, lambda one: _of_one(one, model, scene or SceneOptions(), threshold, precision, product))


def mask(
    array: Array,
    *,
    model: str = DEFAULT_MODEL,
    scene: SceneOptions | None = None,
    threshold: float | str | None = None,
    precision: Precision = "auto",
    encoding: EncodingName = "geocloud",
) -> xarray.DataArray:
    """The cloud mask of a scene in an xarray object: 0 clear, 1 cloud, 255 nodata; see `score`.

    `encoding` gives other codes. What looks at whole clouds, a least area and dilation, is `detect`'s alone.
    """
    return _each_time(array, lambda one: _of_one(one, model, scene or SceneOptions(), threshold, precision, encoding))


def _each_time(array: Array, work: Callable[[Array], xarray.DataArray]) -> xarray.DataArray:
    """The work on each entry of a time dimension, where there is one."""
    import xarray

    if "time" not in array.dims:
        return work(array)
    parts = [work(array.isel(time=index)) for index in range(array.sizes["time"])]
    along: Any = array["time"] if "time" in array.coords else "time"
    return xarray.concat([part.drop_vars("time", errors="ignore") for part in parts], dim=along, join="override")


def _of_one(
    array: Array,
    model: str,
    options: SceneOptions,
    threshold: float | str | None,
    precision: Precision,
    product: LazyResult,
) -> xarray.DataArray:
    import xarray

    scorer = shared_scorer(model, "auto", precision)
    calibration = choose_threshold(scorer, threshold)
    layers = choose_layers(array, options)
    bands = scorer.choose_bands(tuple(layers))
    first = layers[bands[0]]
    y, x = plane_of(first)
    values: Any
    if first.chunks is None:
        with open_array(array, options) as opened:
            values = finish(*score_scene(opened, scorer), calibration, product)
    else:
        shape = first.sizes[y], first.sizes[x]
        factor = aggregation_factor(array_georef(first), scorer)
        coarse = -(-shape[0] // factor), -(-shape[1] // factor)
        grid = PatchGrid(coarse, scorer.block)
        plan = BlockPlan(grid, factor, scorer.halo, bands, model, precision, threshold, product)
        values = lazy_blocks(plan, [layers[band].transpose(y, x) for band in bands], options)
    attrs = {
        "long_name": "cloud mask" if product in ENCODINGS else "P(cloud)" if product == "probability" else "score",
        **({"_FillValue": _fill(product)} if product in ENCODINGS else {}),
        **({"grid_mapping": first.attrs["grid_mapping"]} if "grid_mapping" in first.attrs else {}),
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_MODEL": scorer.name,
        "GEOCLOUD_THRESHOLD": float(calibration.threshold),
    }
    name = "cloudmask" if product in ENCODINGS else "cloudscore"
    result = xarray.DataArray(values, _coords(array, first, (y, x)), (y, x), name=name, attrs=attrs)
    if "grid_mapping" in first.encoding:
        result.encoding["grid_mapping"] = first.encoding["grid_mapping"]
    return result


def _fill(product: LazyResult) -> int:
    return NODATA if product == "geocloud" else ENCODINGS[product].nodata  # type: ignore[index]


def _coords(array: Array, layer: xarray.DataArray, plane: tuple[Hashable, Hashable]) -> dict[Hashable, Any]:
    """A band's coordinates but for those that tell bands apart."""
    return {
        name: values
        for name, values in layer.coords.items()
        if set(values.dims) <= set(plane) and (name not in array.coords or array.coords[name].ndim == values.ndim)
    }
