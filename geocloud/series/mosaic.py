"""Compute one part of a composite, in this process or in another one; and the values that describe the work."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import rasterio

from geocloud.classes import GROUND
from geocloud.raster import NODATA, BoolArray, FloatArray, Georef, Window
from geocloud.readers.area import Area
from geocloud.readers.dispatch import open_silently
from geocloud.readers.masks import MaskFile, ScoreFile
from geocloud.readers.reader import SceneOptions, SceneReader
from geocloud.readers.scenes.read_once import Fetched, ReadOnce, Reopened
from geocloud.readers.scenes.warped import Warp
from geocloud.series.compose import Method, compose_window, compose_window_pixels
from geocloud.series.ground import box_means
from geocloud.series.spool import Spool
from geocloud.series.stack import CACHE, Stack, with_data

NEIGHBOURHOOD = 15
"""Distance in pixels up to which cloud lowers the weight of a pixel, because haze and shadow lie near clouds."""
NAN = np.float32(np.nan)


@dataclass(frozen=True, slots=True)
class MaskPlace:
    """Paths of the mask of a scene, and of P(cloud) if there is one."""

    mask: Path
    score: Path | None


@dataclass(frozen=True, slots=True)
class Mosaic:
    """What to compose, except for the scenes themselves."""

    masks: tuple[MaskPlace, ...]
    """One per scene of the stack."""
    dates: tuple[int, ...]
    """Index of each scene's date, from 0 without gaps; scenes of one day have the same date."""
    numbers: tuple[int, ...]
    """Value of the band `date` for each date."""
    method: Method
    area: Area | None
    """The area to compose, on the stack's grid; None: all of the grid."""

    def frame(self, stack: Stack) -> Window:
        """The window of the stack's grid that is composed."""
        return stack.frame if self.area is None else self.area.window


@dataclass(frozen=True, slots=True)
class StackRecipe:
    """A stack whose scenes are given by name, so that another process can open it."""

    sources: tuple[str, ...]
    options: SceneOptions
    stack: Stack
    """The stack without its scenes."""
    fetched: tuple[Fetched | None, ...]
    """For each scene, the data that were fetched over a network; None for a local scene."""

    @classmethod
    def of(
        cls, stack: Stack, sources: Sequence[str], options: SceneOptions, fetched: Sequence[Fetched | None]
    ) -> StackRecipe:
        """The recipe of an open stack; `sources` and `fetched` are in the order of its scenes."""
        return cls(tuple(sources), options, replace(stack, scenes=()), tuple(fetched))

    def open(self, files: ExitStack) -> Stack:
        """The stack with open scenes, which `files` closes."""
        scenes: list[SceneReader] = []
        for source, fetched in zip(self.sources, self.fetched, strict=True):
            reopen = partial(open_silently, source, self.options)
            if fetched is None:
                scenes.append(files.enter_context(reopen()))
            else:
                scenes.append(ReadOnce.of(fetched, files.enter_context(Reopened(fetched.info, reopen))))
        return replace(self.stack, scenes=tuple(scenes))


@dataclass(frozen=True, slots=True)
class MosaicPart:
    """One part of a composite."""

    window: Window
    """The part, on the stack's grid."""
    cube: FloatArray
    """(band + 2, h, w) reflectance, number of clear dates, and date; where no date is clear, NaN, 0 and NaN."""
    filled: int
    """Number of pixels that are clear on any date."""
    seen: int
    """Number of pixels with data on any date."""


def spool_of(plan: Mosaic, stack: Stack) -> Spool:
    """The division of the composite into parts and windows."""
    scenes, bands = len(plan.dates), len(stack.bands)
    frame = plan.frame(stack)
    limit = frame.grow(NEIGHBOURHOOD).clip(stack.georef.shape)
    return Spool(scenes, bands + 2, NEIGHBOURHOOD, frame, limit, compose_window_pixels(scenes, bands))


def make_part(part: Window, plan: Mosaic, stack: Stack) -> MosaicPart:
    """Compose one part of an open stack."""
    cube = np.full((len(stack.bands) + 2, *part.shape), NAN, dtype=np.float32)
    numbers = np.array([*plan.numbers, np.nan], dtype=np.float32)  # index -1, which means no date, gives NaN
    filled = seen = 0

    def read(number: int, window: Window) -> FloatArray:
        codes, p = _read_mask(plan.masks[number], stack.georef, window)
        return np.concatenate([stack.read(number, window), codes[None], p[None]])

    with tempfile.TemporaryDirectory() as folder, rasterio.Env(GDAL_CACHEMAX=CACHE):
        for window, area, values in spool_of(plan, stack).windows(part, read, Path(folder, "dates")):
            inner = window.slices((area.row, area.col))
            data, valid, clear, weight = _merge(values, inner, plan)
            if plan.area is not None:
                inside = plan.area.inside(window)
                valid, clear = valid & inside, clear & inside
            composed = compose_window(data, clear, weight, plan.method)
            window_cube = np.concatenate(
                [composed.data, composed.count[None].astype(np.float32), numbers[composed.date][None]]
            )
            cube[:, *window.slices((part.row, part.col))] = window_cube
            filled, seen = filled + int((composed.count > 0).sum()), seen + int(valid.any(axis=0).sum())
    return MosaicPart(part, cube, filled, seen)


def make_part_elsewhere(part: Window, plan: Mosaic, recipe: StackRecipe) -> MosaicPart:
    """`make_part` for another process, which opens the scenes itself."""
    with ExitStack() as files:
        return make_part(part, plan, recipe.open(files))


def _read_mask(place: MaskPlace, grid: Georef, window: Window) -> tuple[FloatArray, FloatArray]:
    """(h, w) codes of a scene's mask as float32, NODATA outside it; and (h, w) P(cloud), 0 where unknown."""
    with MaskFile(place.mask) as mask:
        warp = Warp(mask.georef, grid)
        source = warp.source_window(window)
        if source is None:
            return np.full(window.shape, NODATA, dtype=np.float32), np.zeros(window.shape, dtype=np.float32)
        layers = [mask.read(source.row, source.height, source.col, source.width).astype(np.float32)]
        if place.score is not None:
            score = ScoreFile(place.score, mask.georef)
            layers.append(score.read(source.row, source.height, source.col, source.width))
            score.close()
    layers_on_grid = warp.bring(np.stack(layers), source, window, nearest=True)
    codes = np.where(np.isnan(layers_on_grid[0]), np.float32(NODATA), layers_on_grid[0])
    return codes, np.nan_to_num(layers_on_grid[1]) if len(layers_on_grid) > 1 else np.zeros_like(codes)


def _merge(
    values: FloatArray, inner: tuple[slice, slice], plan: Mosaic
) -> tuple[FloatArray, BoolArray, BoolArray, FloatArray]:
    """Merge scenes of one day: reflectance (date, band, h, w), and valid, clear and weight (date, h, w).

    Each pixel of a day comes from the first of its scenes that is clear there.

    Args:
        values: (scene, band + 2, h, w) reflectance, code and P(cloud), with NEIGHBOURHOOD around the window.
        inner: the window in the last two axes of `values`.
        plan: what to compose.
    """
    data, codes, p = values[:, :-2, *inner], values[:, -2, *inner], values[:, -1, *inner]
    valid = with_data(data)
    clear = valid & np.isin(codes, GROUND)
    weight: FloatArray = np.ones(clear.shape, dtype=np.float32)
    if plan.method in ("best", "mean"):
        clear_share = np.stack([clearness(date_codes)[inner] for date_codes in values[:, -2]])
        weight = clear_share * (1 - p) + np.float32(1e-3)
    if len(set(plan.dates)) == len(plan.dates):
        return data, valid, clear, weight
    firsts = [plan.dates.index(date) for date in range(max(plan.dates) + 1)]
    merged = data[firsts], valid[firsts], clear[firsts], weight[firsts]
    for number, date in enumerate(plan.dates):
        replaces = clear[number] & ~merged[2][date]
        merged[0][date] = np.where(replaces, data[number], merged[0][date])
        merged[3][date] = np.where(replaces, weight[number], merged[3][date])
        merged[1][date] |= valid[number]
        merged[2][date] |= clear[number]
    return merged


def clearness(codes: FloatArray) -> FloatArray:
    """(h, w) 0 to 1: share of the pixels around each pixel of `codes` (h, w) that are neither cloud nor shadow."""
    cloudy = ~np.isin(codes, (*GROUND, NODATA))
    return 1 - box_means(cloudy.astype(np.float32), NEIGHBOURHOOD)
