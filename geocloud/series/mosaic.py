"""What a composite is made of, and its parts: values that travel to other processes, and the work on a part."""

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
"""Pixels round a pixel in which cloud makes it less welcome: haze and shadow lie near clouds."""
NAN = np.float32(np.nan)


@dataclass(frozen=True, slots=True)
class MaskPlace:
    """A scene's mask, and P(cloud) where it was written."""

    mask: Path
    score: Path | None


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A composite but for its scenes."""

    masks: tuple[MaskPlace, ...]
    """Of each scene of the stack."""
    dates: tuple[int, ...]
    """The number of each scene's date, from 0 on without gaps: scenes of one day are one date."""
    numbers: tuple[int, ...]
    """What the band `date` says of each date."""
    method: Method
    area: Area | None
    """On the stack's grid; None: all of it."""

    def frame(self, stack: Stack) -> Window:
        """What is made, a window of the stack's grid."""
        return stack.frame if self.area is None else self.area.window


@dataclass(frozen=True, slots=True)
class StackRecipe:
    """A stack of scenes that are named, to be opened by another process."""

    sources: tuple[str, ...]
    options: SceneOptions
    stack: Stack
    """Without scenes."""
    fetched: tuple[Fetched | None, ...]
    """Of each scene what was fetched of it over a network; None of one that is at hand."""

    @classmethod
    def of(
        cls, stack: Stack, sources: Sequence[str], options: SceneOptions, fetched: Sequence[Fetched | None]
    ) -> StackRecipe:
        """The recipe of an open stack; `sources` and `fetched` in its order."""
        return cls(tuple(sources), options, replace(stack, scenes=()), tuple(fetched))

    def open(self, files: ExitStack) -> Stack:
        """The stack with its scenes, to be closed with `files`."""
        scenes: list[SceneReader] = []
        for source, fetched in zip(self.sources, self.fetched, strict=True):
            again = partial(open_silently, source, self.options)
            if fetched is None:
                scenes.append(files.enter_context(again()))
            else:
                scenes.append(ReadOnce.of(fetched, files.enter_context(Reopened(fetched.info, again))))
        return replace(self.stack, scenes=tuple(scenes))


@dataclass(frozen=True, slots=True)
class MosaicPart:
    """A part of a composite."""

    window: Window
    """On the stack's grid."""
    cube: FloatArray
    """(band + 2, h, w): reflectance, count and date; NaN where no date is clear, but a count of 0."""
    filled: int
    """Pixels that are clear on any date."""
    seen: int
    """Pixels with data on any date."""


def spool_of(plan: Mosaic, stack: Stack) -> Spool:
    """How the composite is cut into parts."""
    scenes, bands = len(plan.dates), len(stack.bands)
    frame = plan.frame(stack)
    limit = frame.grow(NEIGHBOURHOOD).clip(stack.georef.shape)
    return Spool(scenes, bands + 2, NEIGHBOURHOOD, frame, limit, compose_window_pixels(scenes, bands))


def make_part(part: Window, plan: Mosaic, stack: Stack) -> MosaicPart:
    """One part, with the scenes open."""
    made = np.full((len(stack.bands) + 2, *part.shape), NAN, dtype=np.float32)
    numbers = np.array([*plan.numbers, np.nan], dtype=np.float32)  # the last one for -1: none
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
            done = compose_window(data, clear, weight, plan.method)
            cube = np.concatenate([done.data, done.count[None].astype(np.float32), numbers[done.date][None]])
            made[:, *window.slices((part.row, part.col))] = cube
            filled, seen = filled + int((done.count > 0).sum()), seen + int(valid.any(axis=0).sum())
    return MosaicPart(part, made, filled, seen)


def make_part_elsewhere(part: Window, plan: Mosaic, recipe: StackRecipe) -> MosaicPart:
    """The same in another process, which opens the scenes itself."""
    with ExitStack() as files:
        return make_part(part, plan, recipe.open(files))


def _read_mask(place: MaskPlace, grid: Georef, window: Window) -> tuple[FloatArray, FloatArray]:
    """(h, w) codes of a scene's mask as numbers, NODATA where it has none, and P(cloud), 0 where that is not known."""
    with MaskFile(place.mask) as mask:
        warp = Warp(mask.georef, grid)
        at = warp.source_window(window)
        if at is None:
            return np.full(window.shape, NODATA, dtype=np.float32), np.zeros(window.shape, dtype=np.float32)
        layers = [mask.read(at.row, at.height, at.col, at.width).astype(np.float32)]
        if place.score is not None:
            score = ScoreFile(place.score, mask.georef)
            layers.append(score.read(at.row, at.height, at.col, at.width))
            score.close()
    made = warp.bring(np.stack(layers), at, window, nearest=True)
    codes = np.where(np.isnan(made[0]), np.float32(NODATA), made[0])
    return codes, np.nan_to_num(made[1]) if len(made) > 1 else np.zeros_like(codes)


def _merge(
    values: FloatArray, inner: tuple[slice, slice], plan: Mosaic
) -> tuple[FloatArray, BoolArray, BoolArray, FloatArray]:
    """Scenes as dates: reflectance (date, band, h, w), valid, clear and weight (date, h, w).

    Of several scenes of a day a pixel is that of the first one that is clear there.
    """
    data, codes, p = values[:, :-2, *inner], values[:, -2, *inner], values[:, -1, *inner]
    valid = with_data(data)
    clear = valid & np.isin(codes, GROUND)
    weight: FloatArray = np.ones(clear.shape, dtype=np.float32)
    if plan.method in ("best", "mean"):
        near = np.stack([clearness(around)[inner] for around in values[:, -2]])
        weight = near * (1 - p) + np.float32(1e-3)
    if len(set(plan.dates)) == len(plan.dates):
        return data, valid, clear, weight
    firsts = [plan.dates.index(date) for date in range(max(plan.dates) + 1)]
    merged = data[firsts], valid[firsts], clear[firsts], weight[firsts]
    for number, date in enumerate(plan.dates):
        better = clear[number] & ~merged[2][date]
        merged[0][date] = np.where(better, data[number], merged[0][date])
        merged[3][date] = np.where(better, weight[number], merged[3][date])
        merged[1][date] |= valid[number]
        merged[2][date] |= clear[number]
    return merged


def clearness(codes: FloatArray) -> FloatArray:
    """(h, w) 0 to 1: the share of a pixel's surroundings that is neither cloud nor shadow."""
    cloudy = ~np.isin(codes, (*GROUND, NODATA))
    return 1 - box_means(cloudy.astype(np.float32), NEIGHBOURHOOD)
