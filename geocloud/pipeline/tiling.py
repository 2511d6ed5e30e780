"""Scene -> patches: cuts segments of a scene into blocks with halo, reflecting at edges and filling nodata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from geocloud.pipeline.coarse import pixels_of, read_coarse
from geocloud.raster import BoolArray, FloatArray, PatchBatch, PatchGrid, Raster, Window
from geocloud.readers.reader import SceneReader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of blocks of one block row, with the pixels they need."""

    window: Window
    """The blocks' part of the scene, without halo, clipped to the scene."""
    origin: tuple[int, int]
    """(row, column) in the scene of the raster's first pixel."""
    raster: Raster
    """The window and as much of the halo as lies inside the scene."""
    own_valid: BoolArray
    """Which of the scene's own pixels in the window are valid; see ScoredRows."""


def read_segments(  # noqa: PLR0913, PLR0917 - the last two have defaults
    scene: SceneReader,
    bands: Sequence[str],
    grid: PatchGrid,
    halo: int,
    max_pixels: int,
    block_rows: range | None = None,
    factor: int = 1,
) -> Iterator[Segment]:
    """The scene's segments, row-major, each read once with its halo; of all block rows or of some.

    Grid, halo and segments are in squares of `factor` pixels a side, which are read as one pixel.
    """
    for window in grid.segments(max_pixels, block_rows):
        area = window.grow(halo).clip(grid.shape)
        raster, own_valid = read_coarse(scene, area, bands, factor)
        pixels, read = (pixels_of(part, factor, scene.georef.shape) for part in (window, area))
        yield Segment(window, (area.row, area.col), raster, own_valid[pixels.slices((read.row, read.col))])


def cut_blocks(
    segment: Segment, grid: PatchGrid, halo: int, bands: tuple[str, ...], batch_size: int
) -> Iterator[PatchBatch]:
    """Batches of the segment's blocks that hold any valid pixel, of one size each; wholly nodata ones are left out."""
    first = segment.window.col // grid.side
    last = -(-segment.window.stop_col // grid.side)
    row = segment.window.row // grid.side
    windows = [grid.window(row, col) for col in range(first, last)]
    windows = [window for window in windows if _has_data(window, segment, grid.shape)]
    for _, alike in groupby(windows, key=lambda window: window.shape):
        for here in batched(alike, batch_size):
            blocks = [_cut(window.grow(halo), segment, grid.shape) for window in here]
            data, valid = (_stacked(parts) for parts in zip(*blocks, strict=True))
            yield PatchBatch(here, data, valid, bands)


def batched(items: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    """The items in tuples of at most `most` (itertools has it from Python 3.12 on)."""
    rest = iter(items)
    while batch := tuple(islice(rest, most)):
        yield batch


def reflect(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Indices start..stop-1 folded into 0..size-1 by reflection without repeating the edge: -1 -> 1.

    As numpy.pad(mode="reflect"), for any distance beyond the edge.
    """
    period = max(2 * (size - 1), 1)
    folded = np.arange(start, stop) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros(stop - start, dtype=np.intp)


def fill_nodata(data: FloatArray, valid: BoolArray) -> None:
    """Set nodata in place to the mean of the block's valid pixels, a band; data is (band, h, w), valid (h, w)."""
    if valid.all():
        return
    for values in data:
        values[~valid] = values[valid].mean(dtype=np.float64) if valid.any() else 0.0


def _has_data(window: Window, segment: Segment, shape: tuple[int, int]) -> bool:
    return bool(segment.raster.valid[window.clip(shape).slices(segment.origin)].any())


def _cut(window: Window, segment: Segment, shape: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
    """One block with halo: (band, h, w) filled data and (h, w) valid; views of the segment where nothing is filled.

    Reflection never reaches back beyond the block and its own halo, so that a block is the same in any segment; where
    it would, that line is repeated instead.
    """
    raster = segment.raster
    if window.clip(shape) == window:
        rows, cols = window.slices(segment.origin)
        data, valid = raster.data[:, rows, cols], raster.valid[rows, cols]
        data = data if valid.all() else data.copy()
    else:
        row = np.maximum(reflect(window.row, window.stop_row, shape[0]), window.row) - segment.origin[0]
        col = np.maximum(reflect(window.col, window.stop_col, shape[1]), window.col) - segment.origin[1]
        data, valid = raster.data[:, row[:, None], col], raster.valid[row[:, None], col]
    fill_nodata(data, valid)
    return data, valid


def _stacked(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The parts along a new first axis; of a single one a view."""
    return parts[0][None] if len(parts) == 1 else np.stack(parts)
