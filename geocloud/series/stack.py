"""Scenes of one place in the order of time, checked to be on one grid, and windows of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.errors import InputError, UsageError
from geocloud.raster import BoolArray, FloatArray, Window
from geocloud.readers.dates import scene_day
from geocloud.readers.reader import SceneReader

CACHE = 32 << 20
"""Bytes of GDAL's block cache while many dates are read; its default, a share of the machine's memory, fills."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Scenes on one grid, the earliest first."""

    scenes: tuple[SceneReader, ...]
    days: tuple[str, ...]
    """YYYY-MM-DD of each; all empty where no scene tells its day and the given order is kept."""
    bands: tuple[str, ...]
    """Those that all scenes have, in the order of the first scene."""

    def read(self, window: Window) -> tuple[FloatArray, BoolArray]:
        """(date, band, h, w) reflectance and (date, h, w) valid."""
        dates, plane = len(self.scenes), (window.height, window.width)
        data = np.empty((dates, len(self.bands), *plane), dtype=np.float32)
        valid = np.empty((dates, *plane), dtype=bool)
        for date, scene in enumerate(self.scenes):  # one after the other: a list of all would hold them twice
            raster = scene.read(window, self.bands)
            data[date], valid[date] = raster.data, raster.valid
        return data, valid

    def windows(self, pixels: int) -> Iterator[tuple[Window, ...]]:
        """All windows of the grid from the top, a tuple for each strip of rows; each window has at most `pixels`."""
        height, width = self.scenes[0].georef.shape
        rows = min(height, max(1, int(pixels**0.5)))
        cols = min(width, max(1, pixels // rows))
        for row in range(0, height, rows):
            tall = min(rows, height - row)
            yield tuple(Window(row, col, tall, min(cols, width - col)) for col in range(0, width, cols))


def make_stack(scenes: Sequence[SceneReader], least: int) -> Stack:
    """Scenes in the order of time.

    Raises:
        UsageError: fewer than `least`, one given twice, or some tell their day and others do not.
        InputError: they are not on one grid, or have no band in common.
    """
    if len(scenes) < least:
        raise UsageError(f"{len(scenes)} dates are too few: what is ground shows from {least} dates of one place on")
    days = [scene_day(scene) for scene in scenes]
    if any(days) and not all(days):
        name = scenes[days.index("")].source
        raise UsageError(f"{name} does not tell its date, but others do; put it into its name, as in 2023-08-15.tif")
    names = [day or scene.source for day, scene in zip(days, scenes, strict=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        same = [scene.source for scene, name in zip(scenes, names, strict=True) if name == twice]
        raise UsageError(f"{same[0]} and {same[1]} show the same date {twice}; give one of them, or a mosaic of both")
    _check_grids(scenes)
    order = np.argsort(days, kind="stable") if all(days) else range(len(days))
    ordered = tuple(scenes[place] for place in order)
    bands = tuple(band for band in ordered[0].bands if all(band in scene.bands for scene in ordered))
    if not bands:
        raise InputError(f"{ordered[0].source} and the other scenes have no band in common; name them with --bands")
    return Stack(ordered, tuple(days[place] for place in order), bands)


def _check_grids(scenes: Sequence[SceneReader]) -> None:
    """InputError where a scene's pixels are not those of the first."""
    first = scenes[0].georef
    for scene in scenes[1:]:
        other = scene.georef
        near = first.transform.almost_equals(other.transform, 1e-6 * max(first.resolution))
        if other.shape != first.shape or not near or other.crs_wkt != first.crs_wkt:
            raise InputError(
                f"{scene.source} ({other.shape[1]}x{other.shape[0]} pixels) is not on the grid of {scenes[0].source} "
                f"({first.shape[1]}x{first.shape[0]}); bring all dates onto one grid, as with gdalwarp -te -tr -t_srs"
            )
