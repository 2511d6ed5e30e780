"""One cloud-free image of the dates in one array; lazily of a Dask-backed one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from geocloud.classes import GROUND
from geocloud.errors import UsageError
from geocloud.lazy.dates import ArrayDate, dates_in_order, edges_of, inner_of
from geocloud.lazy.given import Given, GivenBands, coords_of
from geocloud.lazy.lazy import mask as mask_array
from geocloud.models.registry import DEFAULT_MODEL
from geocloud.raster import FloatArray, Window
from geocloud.readers.scenes.xarray_grid import plane_of
from geocloud.series.compose import Method, compose_window, compose_window_pixels
from geocloud.series.mosaic import NEIGHBOURHOOD, clearness
from geocloud.series.stack import with_data
from geocloud.version import __version__

if TYPE_CHECKING:
    import xarray

    from geocloud.lazy.given import Array


def compose(  # noqa: PLR0913 - as `mask`
    array: Array,
    mask: xarray.DataArray | None = None,
    *,
    method: Method = "median",
    bands: GivenBands | None = None,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
) -> xarray.Dataset:
    """One image of the dates of an array with a `time` dimension, as `composite` makes it of such files.

    Args:
        array: xarray with time, y and x; Dask-backed: the result is lazy and nothing is computed yet.
        mask: (time, y, x) codes on the array's grid, as `mask` gives them; None: made by it.
        method: `median`, `medoid`, `best` or `mean`; see geocloud.series.compose.
        bands: as of `mask`.
        scale: as of `mask`.
        offset: as of `mask`.
        nodata: as of `mask`.
        model: of a mask that is made.

    Returns:
        A (y, x) float32 variable of reflectance for each band, NaN where no date is clear; `count`, how many dates are
        clear; and `date`, the time that is shown or is nearest to what is (its number from 1 where the array does not
        tell times), NaT where none is.

    Raises:
        InputError: bands or dimensions are not recognised.
        UsageError: there is no time dimension, or the mask is not on the array's grid.
    """
    import xarray

    if "time" not in getattr(array, "sizes", {}):
        raise UsageError("the array has no dimension time, so there is nothing to compose; give several dates")
    given = Given(bands, scale, offset, nodata).of(array)
    codes = mask
    if codes is None:
        codes = mask_array(array, bands=bands, scale=scale, offset=offset, nodata=nodata, model=model)
    y, x = plane_of(array)
    wanted = {"time": array.sizes["time"], y: array.sizes[y], x: array.sizes[x]}
    if dict(codes.sizes) != wanted:
        raise UsageError(f"the mask has {dict(codes.sizes)}, the array {wanted}; give the mask of this array")
    order, _ = dates_in_order(array)
    dates = [ArrayDate(array.isel(time=time, drop=True), given) for time in order]
    kept = tuple(band for band in dates[0].layers if all(band in date.layers for date in dates))
    first = dates[0].layers[kept[0]]
    frame = Window(0, 0, first.sizes[y], first.sizes[x])
    stacked: list[Any] = [date.reflectance(kept, frame) for date in dates]
    mask_codes = codes.transpose("time", y, x).isel(time=order).data
    made: Any
    if first.chunks is None:
        cube = np.concatenate([np.stack(stacked), np.asarray(mask_codes, dtype=np.float32)[:, None]], axis=1)
        made = _compose_all(cube, method)
    else:
        made = _compose_lazily(stacked, mask_codes, method)
    coords = coords_of(array.isel(time=0, drop=True), first, (y, x))
    layers = {band: ((y, x), made[place]) for place, band in enumerate(kept)}
    layers["count"] = ((y, x), made[-2].astype(np.int32))
    layers["date"] = ((y, x), _times(made[-1], array, order))
    attrs = {"GEOCLOUD_VERSION": __version__, "GEOCLOUD_COMPOSITE": method}
    return xarray.Dataset(layers, coords, attrs)


def _times(places: Any, array: Array, order: Sequence[int]) -> Any:  # noqa: ANN401 - numpy or Dask
    """(h, w) times of dates by their place in `order`, -1 for none; their numbers from 1 where no times are told."""
    if "time" not in array.coords or array["time"].dtype.kind != "M":
        numbers = np.array([*(place + 1 for place in order), np.nan], dtype=np.float32)
    else:
        numbers = np.append(array["time"].to_numpy()[list(order)], np.datetime64("NaT"))
    if isinstance(places, np.ndarray):
        return numbers[places.astype(np.intp)]
    return places.map_blocks(_look_up, numbers=numbers, dtype=numbers.dtype)


def _look_up(places: FloatArray, *, numbers: Any) -> Any:  # noqa: ANN401 - numbers or times
    return numbers[places.astype(np.intp)]


def _compose_all(cube: FloatArray, method: Method) -> FloatArray:
    """(band + 2, h, w) of (date, band + 1, h, w) in memory, window by window."""
    made = np.empty((cube.shape[1] + 1, *cube.shape[2:]), dtype=np.float32)
    rows, cols = (edges_of(size, compose_window_pixels(len(cube), cube.shape[1])) for size in cube.shape[2:])
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            window = Window(top, left, bottom - top, right - left)
            area = window.grow(NEIGHBOURHOOD).clip(cube.shape[2:])
            done = _compose_window(cube[..., *area.slices()], method)
            made[:, *window.slices()] = done[:, *window.slices((area.row, area.col))]
    return made


def _compose_lazily(stacked: Sequence[Any], mask_codes: Any, method: Method) -> Any:  # noqa: ANN401 - Dask arrays
    """The same of Dask arrays: (band, y, x) of each date, and (date, y, x) codes."""
    import dask.array
    from dask.array.overlap import overlap

    data = dask.array.stack(stacked)
    codes = dask.array.asarray(mask_codes).astype(np.float32)[:, None]
    shape = data.shape[0], data.shape[1] + 1, *data.shape[2:]
    edges = [edges_of(size, compose_window_pixels(*shape[:2])) for size in shape[2:]]
    wanted = tuple(tuple(stop - start for start, stop in pairwise(along)) for along in edges)
    chunks = {0: -1, 1: -1, 2: wanted[0], 3: wanted[1]}
    cube = dask.array.concatenate([data, codes], axis=1).rechunk(chunks)
    depth = {axis: NEIGHBOURHOOD if len(along) > 1 else 0 for axis, along in enumerate(wanted, start=2)}
    wide = overlap(cube, {0: 0, 1: 0, **depth}, "none", allow_rechunk=False) if any(depth.values()) else cube
    return wide.map_blocks(
        _compose_chunk, method=method, edges=edges, drop_axis=0, chunks=((shape[1] + 1,), *wanted), dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )  # fmt: skip


def _compose_chunk(
    values: FloatArray, *, method: Method, edges: Sequence[Sequence[int]], block_id: tuple[int, ...] = (0, 0, 0)
) -> FloatArray:
    """A chunk; `values` reach as far beyond it as NEIGHBOURHOOD and the array do."""
    return np.ascontiguousarray(_compose_window(values, method)[:, *inner_of(edges, block_id, NEIGHBOURHOOD)])


def _compose_window(values: FloatArray, method: Method) -> FloatArray:
    """(band + 2, h, w): bands, count, and the date's place, -1 where none is clear."""
    data, codes = values[:, :-1], values[:, -1]
    clear = with_data(data) & np.isin(codes, GROUND)
    weight = np.ones(clear.shape, dtype=np.float32)
    if method in ("best", "mean"):
        weight = np.stack([clearness(one) for one in codes]) + np.float32(1e-3)
    done = compose_window(data, clear, weight, method)
    return np.concatenate([done.data, done.count[None], done.date[None]]).astype(np.float32)
