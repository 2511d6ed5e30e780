"""Bring scenes of one place onto one grid, in order of time, and read windows of them."""

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
"""Bytes of GDAL's block cache while many dates are read; they fill its default, a share of the machine's memory."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Scenes with a common grid, the earliest first."""

    scenes: tuple[SceneReader, ...]
    """The scenes on their own grids; `read` resamples those that differ from the common one."""
    days: tuple[str, ...]
    """Date of each scene, YYYY-MM-DD; all are empty if no scene has a date, and then the given order is kept."""
    bands: tuple[str, ...]
    """Bands that all scenes have, in the order of the first scene."""
    georef: Georef
    """The common grid."""

    @property
    def frame(self) -> Window:
        """The whole grid as a window."""
        return Window(0, 0, *self.georef.shape)

    def read(self, number: int, window: Window) -> FloatArray:
        """(band, h, w) reflectance of a scene, by its index, in a window of the grid; NaN where it has no data."""
        raster = on_grid(self.scenes[number], self.georef).read(window, self.bands)
        return np.where(raster.valid, raster.data, np.float32(np.nan))


def with_data(values: FloatArray) -> BoolArray:
    """(..., h, w) True where all bands of `values` (..., band, h, w) are finite."""
    return np.asarray(np.isfinite(values).all(axis=-3), dtype=bool)


def make_stack(scenes: Sequence[SceneReader], least: int) -> Stack:
    """A stack of scenes of different days that are on the same grid.

    Args:
        scenes: in any order if they have dates.
        least: minimum number of scenes.

    Raises:
        UsageError: there are fewer than `least`, two are of the same date, or only some have a date.
        InputError: they are not on the same grid, or have no band in common.
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
    """A stack of scenes on any grids, also with several scenes of one day.

    Its grid continues the pixels of the first scene and covers all scenes. Scenes without georeference, or with GCPs,
    must all be on the same grid.

    Raises:
        UsageError: there are no scenes, one is given twice, or only some have a date.
        InputError: no grid can cover all scenes, or they have no band in common.
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
    """Date of each scene, YYYY-MM-DD or empty; UsageError if only some have one."""
    days = [scene_day(scene) for scene in scenes]
    if any(days) and not all(days):
        name = scenes[days.index("")].source
        raise UsageError(f"{name} does not tell its date, but others do; put it into its name, as in 2023-08-15.tif")
    return days


def _ordered(scenes: Sequence[SceneReader], days: Sequence[str], georef: Georef) -> Stack:
    """The stack, sorted by date; InputError if the scenes have no band in common."""
    order = np.argsort(days, kind="stable") if all(days) else range(len(days))
    ordered = tuple(scenes[index] for index in order)
    bands = tuple(band for band in ordered[0].bands if all(band in scene.bands for scene in ordered))
    if not bands:
        raise InputError(f"{ordered[0].source} and the other scenes have no band in common; name them with --bands")
    return Stack(ordered, tuple(days[index] for index in order), bands, georef)


def _check_grids(scenes: Sequence[SceneReader]) -> None:
    """InputError if a scene is not on the grid of the first one."""
    first = scenes[0].georef
    for scene in scenes[1:]:
        other = scene.georef
        same_transform = first.transform.almost_equals(other.transform, 1e-6 * max(first.resolution))
        same_crs_as_first = same_crs(other, first)
        if other.shape == first.shape and same_transform and same_crs_as_first:
            continue
        if other.shape != first.shape:
            sizes = [f"{georef.shape[1]}x{georef.shape[0]}" for georef in (other, first)]
            difference = f"{sizes[0]} pixels, not {sizes[1]}"
        elif not same_crs_as_first:
            difference = f"{crs_name(other)}, not {crs_name(first)}"
        else:
            difference = "its pixels lie elsewhere"
        raise InputError(
            f"{scene.source} is not on the grid of {scenes[0].source}: {difference}; "
            "bring all dates onto one grid, as with gdalwarp -te -tr -t_srs"
        )


def day_numbers(days: Sequence[str], dates: int) -> list[int]:
    """Days since 1970-01-01 of each different day, or 1, 2, 3... for `dates` dates if there are no days."""
    if not all(days):
        return list(range(1, dates + 1))
    epoch = datetime.date(1970, 1, 1)
    return [(datetime.date.fromisoformat(day) - epoch).days for day in dict.fromkeys(days)]
