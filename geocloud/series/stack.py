"""Scenes of one place in the order of time on one grid, and windows of them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.errors import InputError, UsageError
from geocloud.raster import BoolArray, FloatArray, Georef, Window
from geocloud.readers.dates import scene_day
from geocloud.readers.files.opening import crs_name, same_crs
from geocloud.readers.reader import SceneReader
from geocloud.readers.scenes.warped import common_grid, on_grid

CACHE = 32 << 20
"""Bytes of GDAL's block cache while many dates are read; its default, a share of the machine's memory, fills."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Scenes on one grid, the earliest first."""

    scenes: tuple[SceneReader, ...]
    """As they are; `on_grid` shows those that lie on another grid."""
    days: tuple[str, ...]
    """YYYY-MM-DD of each; all empty where no scene tells its day and the given order is kept."""
    bands: tuple[str, ...]
    """Those that all scenes have, in the order of the first scene."""
    georef: Georef
    """The grid."""

    @property
    def frame(self) -> Window:
        """All of the grid."""
        return Window(0, 0, *self.georef.shape)

    def read(self, number: int, window: Window) -> FloatArray:
        """(band, h, w) reflectance of a scene, NaN where it has no data."""
        raster = on_grid(self.scenes[number], self.georef).read(window, self.bands)
        return np.where(raster.valid, raster.data, np.float32(np.nan))


def with_data(values: FloatArray) -> BoolArray:
    """(..., h, w) True where all bands of (..., band, h, w) have a value."""
    return np.asarray(np.isfinite(values).all(axis=-3), dtype=bool)


def make_stack(scenes: Sequence[SceneReader], least: int) -> Stack:
    """Scenes of different days that lie on one grid, in the order of time.

    Raises:
        UsageError: fewer than `least`, one given twice, or some tell their day and others do not.
        InputError: they are not on one grid, or have no band in common.
    """
    if len(scenes) < least:
        count = "1 date is" if len(scenes) == 1 else f"{len(scenes)} dates are"
        raise UsageError(f"{count} too few: what is ground shows from {least} dates of one place on")
    days = _days(scenes)
    names = [day or scene.source for day, scene in zip(days, scenes, strict=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        same = [scene.source for scene, name in zip(scenes, names, strict=True) if name == twice]
        raise UsageError(f"{same[0]} and {same[1]} show the same date {twice}; give one of them, or a mosaic of both")
    _check_grids(scenes)
    return _ordered(scenes, days, scenes[0].georef)


def make_mosaic(scenes: Sequence[SceneReader]) -> Stack:
    """Scenes of any grids, of one day also several, on the pixels of the first: the grid covers all of them.

    Scenes without a place on the Earth have to be of one size.

    Raises:
        UsageError: there are none, one is given twice, or some tell their day and others do not.
        InputError: they lie beside each other in a way that no grid covers, or have no band in common.
    """
    if not scenes:
        raise UsageError("no scene was given; give one or more dates of one place")
    sources = [scene.source for scene in scenes]
    twice = next((source for source in sources if source and sources.count(source) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice; give each scene once")
    days = _days(scenes)
    placed = all(scene.georef.located and not scene.georef.gcps for scene in scenes)
    if not placed:
        _check_grids(scenes)
    return _ordered(scenes, days, common_grid([scene.georef for scene in scenes]) if placed else scenes[0].georef)


def _days(scenes: Sequence[SceneReader]) -> list[str]:
    """The day of each; UsageError where only some tell theirs."""
    days = [scene_day(scene) for scene in scenes]
    if any(days) and not all(days):
        name = scenes[days.index("")].source
        raise UsageError(f"{name} does not tell its date, but others do; put it into its name, as in 2023-08-15.tif")
    return days


def _ordered(scenes: Sequence[SceneReader], days: Sequence[str], georef: Georef) -> Stack:
    """The stack; InputError where the scenes have no band in common."""
    order = np.argsort(days, kind="stable") if all(days) else range(len(days))
    ordered = tuple(scenes[place] for place in order)
    bands = tuple(band for band in ordered[0].bands if all(band in scene.bands for scene in ordered))
    if not bands:
        raise InputError(f"{ordered[0].source} and the other scenes have no band in common; name them with --bands")
    return Stack(ordered, tuple(days[place] for place in order), bands, georef)


def _check_grids(scenes: Sequence[SceneReader]) -> None:
    """InputError where a scene's pixels are not those of the first."""
    first = scenes[0].georef
    for scene in scenes[1:]:
        other = scene.georef
        near = first.transform.almost_equals(other.transform, 1e-6 * max(first.resolution))
        alike = same_crs(other, first)
        if other.shape == first.shape and near and alike:
            continue
        if other.shape != first.shape:
            sizes = [f"{georef.shape[1]}x{georef.shape[0]}" for georef in (other, first)]
            what = f"{sizes[0]} pixels, not {sizes[1]}"
        elif not alike:
            what = f"{crs_name(other)}, not {crs_name(first)}"
        else:
            what = "its pixels lie elsewhere"
        raise InputError(
            f"{scene.source} is not on the grid of {scenes[0].source}: {what}; "
            "bring all dates onto one grid, as with gdalwarp -te -tr -t_srs"
        )


def day_numbers(days: Sequence[str], dates: int) -> list[int]:
    """Days since 1970-01-01 of each date, or 1, 2, 3 where there are no days."""
    if not all(days):
        return list(range(1, dates + 1))
    epoch = datetime.date(1970, 1, 1)
    return [(datetime.date.fromisoformat(day) - epoch).days for day in dict.fromkeys(days)]
