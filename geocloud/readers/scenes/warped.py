"""Rasters on another grid, window by window: shifted where the pixels are the same, else resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform

from geocloud.geometry.geodesy import transform_points
from geocloud.raster import FloatArray, Georef, Raster, Window
from geocloud.readers.bands.spec import DigitalNumbers, Radiometry, SceneInfo
from geocloud.readers.files.opening import same_crs
from geocloud.readers.reader import BaseScene, SceneReader, window_georef

EDGE_POINTS = 17
"""Points along each side of a window that tell which pixels of the other grid it needs."""
MARGIN = 2
"""Pixels, of the coarser of both grids, that are read round a window: bilinear resampling takes in the next ones."""
SAME_PIXELS = 1e-3
"""Pixels by which two grids may differ and still be one."""
NAN = np.float32(np.nan)


class Warp:
    """From a raster's own grid to another one. The values do not depend on the window in which they are asked for."""

    def __init__(self, own: Georef, grid: Georef) -> None:
        """Both have a transform; a CRS only one of them has is taken for that of both."""
        self.own, self.grid = own, grid
        self.shift = _shift(own, grid)
        """(rows, columns) to add to a window of the grid for the raster's own; None: the pixels are others."""
        ratio = [mine / theirs for mine, theirs in zip(own.resolution, grid.resolution, strict=True)]
        scaled = self.shift is None and self._one_unit()  # pixels that are the same may have no CRS
        self._scale = {"XSCALE": min(1.0, ratio[0]), "YSCALE": min(1.0, ratio[1])} if scaled else {}

    def source_window(self, window: Window) -> Window | None:
        """The raster's pixels that a window of the grid needs; None if the raster has none there."""
        if self.shift is not None:
            found = replace(window, row=window.row + self.shift[0], col=window.col + self.shift[1])
        else:
            xy = self._outline(window)
            if not len(xy):
                return None
            (left, top), (right, bottom) = np.floor(xy.min(axis=0)), np.ceil(xy.max(axis=0))
            coarse = max(1.0, *(1 / scale for scale in self._scale.values())) if self._scale else 1.0
            margin = int(np.ceil(MARGIN * coarse))
            found = Window(int(top), int(left), max(1, int(bottom - top)), max(1, int(right - left))).grow(margin)
        try:
            return found.clip(self.own.shape)
        except ValueError:
            return None

    def bring(self, values: FloatArray, at: Window, window: Window, *, nearest: bool = False) -> FloatArray:
        """(band, h, w) on a window of the grid, NaN where the raster has nothing.

        Args:
            values: (band, h, w) of the raster's window `at`, NaN where it has no data: bilinear resampling leaves those
                out.
            at: see `source_window`.
            window: of the grid.
            nearest: for codes.
        """
        made = np.full((len(values), *window.shape), NAN, dtype=np.float32)
        if self.shift is not None:
            inner = replace(at, row=at.row - self.shift[0], col=at.col - self.shift[1])
            rows, cols = inner.slices((window.row, window.col))
            made[:, rows, cols] = values
            return made
        reproject(
            np.ascontiguousarray(values, dtype=np.float32),
            made,
            src_transform=window_georef(self.own, at).transform,
            src_crs=_crs(self.own, self.grid),
            src_nodata=np.nan,
            dst_transform=window_georef(self.grid, window).transform,
            dst_crs=_crs(self.grid, self.own),
            dst_nodata=np.nan,
            resampling=Resampling.nearest if nearest else Resampling.bilinear,
            tolerance=0.0,  # else each window is bent by a curve of its own
            **({} if nearest else self._scale),
        )
        return made

    def _one_unit(self) -> bool:
        """Whether pixel sizes can be compared."""
        mine, theirs = _crs(self.own, self.grid), _crs(self.grid, self.own)
        return bool(mine.is_projected == theirs.is_projected)

    def _outline(self, window: Window) -> NDArray[np.float64]:
        """(n, 2) columns and rows of the raster along the edges of a window of the grid, those that exist."""
        steps = np.linspace(0, 1, EDGE_POINTS)
        cols, rows = window.col + steps * window.width, window.row + steps * window.height
        edges = [(cols, np.full_like(cols, row)) for row in (window.row, window.stop_row)]
        edges += [(np.full_like(rows, col), rows) for col in (window.col, window.stop_col)]
        col, row = (np.concatenate(parts) for parts in zip(*edges, strict=True))
        placed = transform_points(self.grid.transform, np.column_stack([col, row]))
        moved = transform(_crs(self.grid, self.own), _crs(self.own, self.grid), placed[:, 0], placed[:, 1])
        xy = transform_points(~self.own.transform, np.column_stack(moved))
        found: NDArray[np.float64] = xy[np.isfinite(xy).all(axis=1)]
        return found


class WarpedScene(BaseScene):
    """Any reader, on another grid; closing it closes that one."""

    def __init__(self, scene: SceneReader, grid: Georef) -> None:
        """`grid` is where its pixels are brought."""
        self.scene, self.warp = scene, Warp(scene.georef, grid)
        self._info = replace(scene.info, georef=grid)

    @property
    def info(self) -> SceneInfo:
        """The scene's, on the other grid."""
        return self._info

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """Reflectance on the other grid, bilinear, valid where any of the pixels round about is."""
        at = self.warp.source_window(window)
        if at is None:
            empty = np.zeros(window.shape, dtype=bool)
            return Raster(np.zeros((len(bands), *window.shape), dtype=np.float32), empty)
        raster = self.scene.read(at, bands)
        made = self.warp.bring(np.where(raster.valid, raster.data, NAN), at, window)
        valid = np.asarray(np.isfinite(made).all(axis=0), dtype=bool)
        return Raster(np.where(valid, made, np.float32(0)), valid)

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The same: of what is resampled, reflectance is all there is."""
        raster = self.read(window, bands)
        return DigitalNumbers(tuple(raster.data), raster.valid, (Radiometry(1.0, 0.0, "resampled"),) * len(bands))

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()


def on_grid(scene: SceneReader, grid: Georef) -> SceneReader:
    """The scene on a grid; as it is where that is its own."""
    warp = Warp(scene.georef, grid) if scene.georef.located and grid.located else None
    same = warp is None or (warp.shift == (0, 0) and scene.georef.shape == grid.shape)
    return scene if same else WarpedScene(scene, grid)


def common_grid(georefs: Sequence[Georef]) -> Georef:
    """A grid that covers all of them, on the pixels of the first; all have a transform and a CRS."""
    first = georefs[0]
    left, top, right, bottom = 0.0, 0.0, float(first.shape[1]), float(first.shape[0])
    for other in georefs[1:]:
        warp = Warp(first, other)
        xy = warp._outline(Window(0, 0, *other.shape))  # noqa: SLF001 - of this module
        if len(xy):
            (a, b), (c, d) = xy.min(axis=0), xy.max(axis=0)
            left, top, right, bottom = min(left, a), min(top, b), max(right, c), max(bottom, d)
    col, row = np.floor(left + SAME_PIXELS), np.floor(top + SAME_PIXELS)
    width, height = np.ceil(right - SAME_PIXELS) - col, np.ceil(bottom - SAME_PIXELS) - row
    return Georef((int(height), int(width)), first.transform @ Affine.translation(col, row), first.crs_wkt)


def _shift(own: Georef, grid: Georef) -> tuple[int, int] | None:
    """See Warp.shift."""
    if not same_crs(own, grid):
        return None
    to_own = ~own.transform @ grid.transform
    col, row = round(to_own.c), round(to_own.f)
    height, width = grid.shape
    for x, y in ((0, 0), (width, 0), (0, height), (width, height)):
        place = to_own @ (x, y)
        if max(abs(place[0] - x - col), abs(place[1] - y - row)) > SAME_PIXELS:
            return None
    return row, col


def _crs(georef: Georef, other: Georef) -> CRS:
    return CRS.from_wkt(georef.crs_wkt or other.crs_wkt)
