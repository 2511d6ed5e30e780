"""Several dates of one place in one array, masked together: the dates of a Dask-backed one lazily."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from geocloud.classes import ENCODINGS, encode
from geocloud.errors import UsageError
from geocloud.lazy.chunks import AloneMaps, lazy_blocks, lazy_reflectance
from geocloud.lazy.given import Given, Wanted, attributes, coords_of, plan_blocks
from geocloud.models.registry import shared_scorer
from geocloud.pipeline.detection import choose_threshold
from geocloud.pipeline.scoring import score_scene
from geocloud.pipeline.tiling import blocks_of
from geocloud.progress import tell
from geocloud.raster import NODATA, ByteArray, FloatArray, Window
from geocloud.readers import open_scene
from geocloud.readers.area import Area
from geocloud.readers.reader import ScenePart
from geocloud.readers.scenes.band_subset import subset_bands
from geocloud.readers.scenes.xarray_grid import array_georef, plane_of
from geocloud.readers.scenes.xarray_scene import choose_layers
from geocloud.scorers.contract import Scorer
from geocloud.series.casts import FARTHEST, Cast, Sky, cut_out, poleward
from geocloud.series.explain import MIN_DATES, REACH, Usual, explain, learn_usual
from geocloud.series.masks import (
    LIT,
    SHADED,
    check_different,
    find_limit,
    sample_windows,
    to_codes,
    to_dates,
    window_pixels,
)

if TYPE_CHECKING:
    import dask.array
    import xarray

    from geocloud.lazy.given import Array

NO_TIMES = ("NaT", "None", "nan")
"""What an array holds where a time is not known."""
LEAST_SIDE = 64
"""Pixels along the side of a chunk in which dates are held against each other."""


def are_together(array: Any, *, wish: bool | None) -> bool:  # noqa: ANN401 - of any kind
    """Whether an array's times are to be masked together; UsageError if they shall be, and are too few."""
    times = int(array.sizes["time"]) if hasattr(array, "sizes") and "time" in array.sizes else 0
    few = f"{times} dates are too few: what is ground shows from {MIN_DATES} dates of one place on"
    if wish and times < MIN_DATES:
        raise UsageError(few)
    if wish is None and 1 < times < MIN_DATES:
        tell("the array", [f"{few}; each is masked by itself"])
    return times >= MIN_DATES and wish is not False


def mask_together(array: Array, given: Given, wanted: Wanted) -> xarray.DataArray:
    """Codes (time, y, x) of a series whose first row lies in the north, lazy if the array is."""
    import xarray

    order, names = dates_in_order(array)
    scorer = shared_scorer(wanted.model, "auto", wanted.precision)
    dates = [ArrayDate(array.isel(time=time, drop=True), given) for time in order]
    bands = tuple(band for band in dates[0].layers if all(band in date.layers for date in dates))
    first = dates[0].layers[bands[0]]
    y, x = plane_of(first)
    shape = first.sizes[y], first.sizes[x]
    area = wanted.area(array_georef(first))
    frame = Window(0, 0, *shape) if area is None else area.window
    limit = find_limit(frame, shape, partial(blocks_of, georef=array_georef(first), scorer=scorer))
    planes: list[Any] = [date.planes(bands, limit, wanted, scorer) for date in dates]
    inner = replace(frame, row=frame.row - limit.row, col=frame.col - limit.col)
    codes: Any
    side = poleward(array_georef(first))
    if first.chunks is None:
        codes = mask_dates(np.stack(planes), inner, bands, names, side)
    else:
        import dask.array

        codes = mask_dates_lazily(dask.array.stack(planes), bands, names, side)[:, *inner.slices()]
    if area is not None and area.shape is not None:
        codes = np.where(area.inside(frame), codes, np.uint8(NODATA))
    if wanted.product != "geocloud":
        codes = _encoded(codes, wanted.product)
    rows, cols = frame.slices()
    coords = coords_of(array.isel(time=0, drop=True), first.isel({y: rows, x: cols}), (y, x))
    times = {"time": array["time"]} if "time" in array.coords else {}
    attrs = attributes(first, wanted, scorer) | {"GEOCLOUD_SERIES": f"{len(order)} dates"}
    return xarray.DataArray(
        codes[np.argsort(order)], {**times, **coords}, ("time", y, x), name="cloudmask", attrs=attrs
    )


def dates_in_order(array: Array) -> tuple[list[int], list[str]]:
    """The numbers of the times from the earliest on, and what they are called; UsageError for a day that is twice."""
    if "time" not in array.coords:
        order = list(range(array.sizes["time"]))
        return order, [f"time {number}" for number in order]
    values = array["time"].to_numpy()
    days = [str(value)[:10] for value in values]
    missing = next((place for place, day in enumerate(days) if day in NO_TIMES), None)
    if missing is not None:
        raise UsageError(f"time {missing} of the array is {days[missing]}, no time; leave it out, or give it its time")
    twice = next((day for day in days if days.count(day) > 1), None)
    if twice is not None:
        raise UsageError(
            f"the array holds {twice} twice; merge its parts, or pass together=False to mask each time by itself"
        )
    order = np.argsort(values, kind="stable").tolist()
    return order, [days[place] for place in order]


def _encoded(codes: Any, name: Any) -> Any:  # noqa: ANN401 - numpy or Dask
    """Codes as another encoding has them."""
    if isinstance(codes, np.ndarray):
        return encode(codes, name)
    return codes.map_blocks(encode, name, dtype=ENCODINGS[name].dtype)


class ArrayDate:
    """One time of an array."""

    def __init__(self, array: Array, given: Given) -> None:
        """Its bands are looked up; no pixel is read."""
        self._array, self._options, self._whole = array, given.options(), given.whole
        found = choose_layers(array, self._options)
        self.layers, self._evidence = found.arrays(), found.evidence("the array")
        self._lazy = next(iter(self.layers.values())).chunks is not None

    def reflectance(self, bands: Sequence[str], limit: Window) -> Any:  # noqa: ANN401 - numpy or Dask
        """(band, y, x) of a part, NaN where nodata."""
        if not self._lazy:
            with open_scene(self._array, self._options) as scene:
                raster = scene.read(limit, bands)
            return np.where(raster.valid, raster.data, np.float32(np.nan))
        places = [tuple(self.layers).index(band) for band in bands]
        layers = dict(zip(self.layers, self._ordered(self.layers), strict=True))
        return lazy_reflectance(layers, self._options, self._evidence, self._whole)[places][:, *limit.slices()]

    def planes(self, bands: Sequence[str], limit: Window, wanted: Wanted, scorer: Scorer) -> Any:  # noqa: ANN401
        """(plane, y, x) of a part, numpy or Dask: see `to_dates`."""
        data = self.reflectance(bands, limit)
        if not self._lazy:
            scene = ScenePart(subset_bands(open_scene(self._array, self._options), tuple(bands)), Area(limit, None, ""))
            with scene:
                calibration = choose_threshold(scorer, wanted.threshold)
                alone, _ = score_scene(scene, scorer, maps=AloneMaps(scorer, calibration))
            return _with_alone(data, alone)
        import dask.array

        georef = array_georef(self.layers[bands[0]])
        plan = plan_blocks(georef, scorer, tuple(bands), replace(wanted, product="alone"))
        ordered = self._ordered(plan.bands)
        scored = lazy_blocks(plan, ordered, self._options, self._evidence, self._whole)[limit.slices()]
        stacked = dask.array.concatenate([data, scored[None]]).rechunk({0: -1})
        return stacked.map_blocks(
            _split_alone, chunks=((len(bands) + 2,), *stacked.chunks[1:]), dtype=np.float32,
            meta=np.empty((0, 0, 0), np.float32),
        )  # fmt: skip

    def _ordered(self, bands: Iterable[str]) -> list[xarray.DataArray]:
        """(y, x) layers of bands."""
        y, x = plane_of(next(iter(self.layers.values())))
        return [self.layers[band].transpose(y, x) for band in bands]


def _split_alone(values: FloatArray) -> FloatArray:
    return _with_alone(values[:-1], values[-1])


def _with_alone(data: FloatArray, alone: FloatArray) -> FloatArray:
    """(band + 2, h, w) of (band, h, w), and P(cloud) with shadow in one (h, w); see LazyResult."""
    with np.errstate(invalid="ignore"):
        shaded = alone >= np.float32(2)
    p = np.where(shaded, alone - np.float32(2), alone)
    return np.concatenate([data, p[None], np.where(shaded, SHADED, LIT)[None]]).astype(np.float32)


def mask_dates(planes: FloatArray, frame: Window, bands: Sequence[str], names: Sequence[str], side: int) -> ByteArray:
    """(date, h, w) codes of a series in memory.

    Args:
        planes: (date, plane, y, x), the dates in the order of time; see `to_dates`.
        frame: the window of them that is masked; all of them tell what sets the dates apart.
        bands: of the planes.
        names: of the dates, for messages.
        side: where shadows fall, see `poleward`.
    """
    shape = planes.shape[2:]
    pixels, whole = window_pixels(len(planes), len(bands)), Window(0, 0, *shape)
    windows = sample_windows(whole, pixels)
    usual, sky = _learn([planes[..., *window.slices()] for window in windows], bands, names, side)
    around = [window.grow(FARTHEST) for window in windows]
    clouds = planes[:, -2]
    casts = [sky.cast(date, [cut_out(own, whole, window) for window in around]) for date, own in enumerate(clouds)]
    usual = replace(usual, casts=tuple(casts))
    codes = np.empty((len(planes), *frame.shape), dtype=np.uint8)
    edges = [edges_of(size, pixels) for size in frame.shape]
    for top, bottom in pairwise(edges[0]):
        for left, right in pairwise(edges[1]):
            window = Window(frame.row + top, frame.col + left, bottom - top, right - left)
            area = window.grow(REACH).clip(shape)
            cast = np.stack(
                [cut_out(own, whole, one.source(area)) for own, one in zip(clouds, usual.casts, strict=True)]
            )
            found = to_codes(explain(to_dates(planes[..., *area.slices()], bands, cast), usual))
            codes[:, top:bottom, left:right] = found[:, *window.slices((area.row, area.col))]
    return codes


def mask_dates_lazily(
    planes: dask.array.Array, bands: Sequence[str], names: Sequence[str], side: int
) -> dask.array.Array:
    """The same of a Dask array: a window needs its own pixels, and the samples."""
    import dask.array
    from dask.delayed import delayed

    dates, shape = planes.shape[0], planes.shape[2:]
    pixels, whole = window_pixels(dates, len(bands)), Window(0, 0, *shape)
    windows = sample_windows(whole, pixels)
    learned = delayed(_learn, pure=True)([planes[:, :, *window.slices()] for window in windows], bands, names, side)
    around = [window.grow(FARTHEST) for window in windows]
    casts = [
        delayed(_cast, pure=True)(
            learned, date, [planes[date, -2, *window.clip(shape).slices()] for window in around], around, whole
        )
        for date in range(dates)
    ]
    usual = delayed(_with_casts, pure=True)(learned, casts)
    edges = [edges_of(size, pixels) for size in shape]
    rows = []
    for top, bottom in pairwise(edges[0]):
        row = []
        for left, right in pairwise(edges[1]):
            window = Window(top, left, bottom - top, right - left)
            area = window.grow(REACH).clip(shape)
            far = area.grow(FARTHEST).clip(shape)
            codes = delayed(_mask_chunk, pure=True)(
                planes[:, :, *area.slices()], planes[:, -2, *far.slices()], usual, bands, (window, area, far)
            )
            row.append(dask.array.from_delayed(codes, (dates, *window.shape), np.uint8))
        rows.append(row)
    joined: dask.array.Array = dask.array.block(rows)
    return joined


def _mask_chunk(
    values: FloatArray, clouds: FloatArray, usual: Usual, bands: Sequence[str], places: tuple[Window, Window, Window]
) -> ByteArray:
    """(date, h, w) codes of a window.

    Args:
        values: (date, plane, h, w) of the window with REACH pixels round it.
        clouds: (date, h, w) P(cloud) of the same with FARTHEST pixels more.
        usual: of the whole array.
        bands: of the planes.
        places: of the window, of `values`, and of `clouds`.
    """
    window, area, far = places
    cast = np.stack([cut_out(date, far, one.source(area)) for date, one in zip(clouds, usual.casts, strict=True)])
    codes = to_codes(explain(to_dates(np.asarray(values), bands, cast), usual))
    return np.ascontiguousarray(codes[:, *window.slices((area.row, area.col))])


def _learn(samples: Sequence[FloatArray], bands: Sequence[str], names: Sequence[str], side: int) -> tuple[Usual, Sky]:
    """What sets the dates apart, from windows of all of them."""
    values = np.concatenate([np.asarray(sample) for sample in samples], axis=-1)
    check_different(values, names)
    return learn_usual(to_dates(values, bands), samples[0].shape[-1], side)


def _cast(
    learned: tuple[Usual, Sky], date: int, clouds: Sequence[FloatArray], around: Sequence[Window], whole: Window
) -> Cast:
    """Where the shadows of a date fall, from P(cloud) in windows of the array that may reach beyond it."""
    parts = [cut_out(part, window.clip(whole.shape), window) for part, window in zip(clouds, around, strict=True)]
    return learned[1].cast(date, parts)


def _with_casts(learned: tuple[Usual, Sky], casts: Sequence[Cast]) -> Usual:
    return replace(learned[0], casts=tuple(casts))


def inner_of(edges: Sequence[Sequence[int]], block_id: tuple[int, ...], reach: int) -> tuple[slice, slice]:
    """Where a chunk lies in what was read for it with `reach` pixels more on each side inside the array."""
    rows, cols = (
        slice(min(reach, along[place]), min(reach, along[place]) + along[place + 1] - along[place])
        for along, place in zip(edges, block_id[-2:], strict=True)
    )
    return rows, cols


def edges_of(size: int, pixels: int) -> list[int]:
    """Where nearly equal pieces of a side begin and end, so that their squares have about so many pixels at most."""
    side = max(LEAST_SIDE, int(pixels**0.5))
    edges: list[int] = np.linspace(0, size, -(-size // side) + 1).round().astype(int).tolist()
    return edges
