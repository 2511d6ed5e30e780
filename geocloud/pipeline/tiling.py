"""Cut a scene into blocks: average pixels to the model's size, read segments, cut blocks with halo, fill nodata."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, islice
from queue import Empty, Full, Queue
from typing import Any, TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from geocloud.errors import UsageError
from geocloud.geometry.geodesy import pixel_area
from geocloud.raster import BoolArray, FloatArray, Georef, PatchBatch, PatchGrid, Raster, Window
from geocloud.readers.bands.spec import average
from geocloud.readers.reader import SceneReader
from geocloud.scorers.contract import Scorer

READ_PIXELS = 1 << 19
"""Pixels of the scene that are averaged at once: few enough to fit the processor's cache."""
RESOLUTION_TOLERANCE = 1.05
"""Averaged pixels may be larger than the card's `min_resolution` by this factor: 10 m pixels are not exactly 10 m."""
MAX_DEFAULT_FACTOR = 4
"""Most pixels per side that are averaged without --resolution; the loss of accuracy was measured up to this factor."""


def aggregation_factor(georef: Georef, scorer: Scorer, resolution: float | None = None) -> int:
    """Number of pixels per side that are averaged and scored as one pixel; at least 1.

    Args:
        georef: of the scene; if its pixels have no size in metres, the factor is 1.
        scorer: its card gives the pixel size, in metres, below which it gains little (`min_resolution`).
        resolution: pixel size in metres that the user asks for; None: that of the card, but at most MAX_DEFAULT_FACTOR
            pixels.

    Raises:
        UsageError: a resolution is asked for, but pixels have no size in metres.
    """
    side = pixel_side(georef)
    if side is None:
        if resolution is not None and georef.located:
            raise UsageError(
                f"the pixels of this scene have no size in metres, so it cannot be scored at {resolution:g} m; "
                "leave out --resolution or correct the georeference"
            )
        return 1
    if resolution is not None:
        return max(1, round(resolution / side))
    return min(max(1, int(RESOLUTION_TOLERANCE * scorer.card.min_resolution / side)), MAX_DEFAULT_FACTOR)


def pixel_side(georef: Georef) -> float | None:
    """Side of the middle pixel in metres; None if the scene has no georeference, or the pixel no area on the Earth."""
    if not georef.located:
        return None
    try:
        area = pixel_area(georef)
    except ProjError:
        return None
    return area**0.5 if 0 < area < float("inf") else None


def coarse_shape(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    """(rows, columns) of squares of `factor` x `factor` pixels; the last ones may cover fewer pixels."""
    return -(-shape[0] // factor), -(-shape[1] // factor)


def scored_grid(georef: Georef, factor: int, block: int) -> PatchGrid:
    """Patches of what is scored: squares of `factor` x `factor` pixels; a block is `block` x `block` patches."""
    side = pixel_side(georef)
    return PatchGrid(coarse_shape(georef.shape, factor), block, None if side is None else side * factor)


def coarse_georef(georef: Georef, window: Window, factor: int) -> Georef:
    """The georeference of a window of squares of `factor` x `factor` pixels."""
    row, col = window.row * factor, window.col * factor
    gcps = tuple(((r - row) / factor, (c - col) / factor, x, y, z) for r, c, x, y, z in georef.gcps)
    transform = georef.transform
    if not georef.gcps:
        transform = transform @ Affine.translation(col, row) @ Affine.scale(factor)
    return Georef(window.shape, transform, georef.crs_wkt, gcps)


def read_coarse(scene: SceneReader, window: Window, bands: Sequence[str], factor: int) -> tuple[Raster, BoolArray]:
    """Read a window averaged to squares. A square is the mean of its valid pixels, and valid if any of them is.

        the scene, factor 2       the raster    the pixels' validity
        1 3 | 5 .                               T T T .
        1 3 | 5 .             ->   2  5         T T T .
        (. = nodata; the mean of 5, 5 is 5)

    Args:
        scene: open.
        window: in units of squares.
        bands: names of the bands, in the order wanted.
        factor: pixels along each side of a square; 1: pixels are not averaged.

    Returns:
        The raster, (band, h, w) and (h, w); and (h * factor, w * factor) validity, cut off at the scene's edge.
    """
    if factor == 1:
        raster = scene.read(window, bands)
        return raster, raster.valid
    data: FloatArray = np.empty((len(bands), *window.shape), dtype=np.float32)
    valid = np.empty(window.shape, dtype=bool)
    pixels = []
    rows = max(1, READ_PIXELS // (window.width * factor**2))
    for start in range(0, window.height, rows):
        strip = Window(window.row + start, window.col, min(rows, window.height - start), window.width)
        numbers = scene.digital_numbers(pixels_of(strip, factor, scene.georef.shape), bands)
        part = average(numbers, strip.shape, factor).reflectance()
        data[:, start : start + strip.height] = part.data
        valid[start : start + strip.height] = part.valid
        pixels.append(numbers.valid)
    return Raster(data, valid), np.concatenate(pixels)


def squares_of(window: Window, factor: int) -> Window:
    """The window of squares of `factor` x `factor` pixels that covers a window of the scene."""
    row, col = window.row // factor, window.col // factor
    return Window(row, col, -(-window.stop_row // factor) - row, -(-window.stop_col // factor) - col)


def pixels_of(window: Window, factor: int, shape: tuple[int, int]) -> Window:
    """The scene's pixels under a window of squares, cut off at the scene's (height, width)."""
    return Window(window.row * factor, window.col * factor, window.height * factor, window.width * factor).clip(shape)


def blocks_of(window: Window, georef: Georef, scorer: Scorer) -> Window:
    """The window of pixels in all blocks that must be scored if only `window` is wanted."""
    factor = aggregation_factor(georef, scorer)
    blocks = scored_grid(georef, factor, scorer.card.block).touching(squares_of(window, factor))
    return pixels_of(blocks, factor, georef.shape)


T = TypeVar("T")
_END = object()


@dataclass(frozen=True, slots=True)
class Segment:
    """Neighbouring blocks of one row of blocks, with the pixels that they need."""

    window: Window
    """What the blocks cover, without halo, clipped to the scene."""
    origin: tuple[int, int]
    """(row, column) in the scene of the raster's first pixel."""
    raster: Raster
    """The pixels of the window and of the part of its halo that lies inside the scene."""
    own_valid: BoolArray
    """Validity of the scene's own pixels in the window; see ScoredRows."""


def read_segments(  # noqa: PLR0913, PLR0917 - the last two have defaults
    scene: SceneReader,
    bands: Sequence[str],
    grid: PatchGrid,
    halo: int,
    max_pixels: int,
    blocks: Window | None = None,
    factor: int = 1,
) -> Iterator[Segment]:
    """Read the scene's segments in row-major order, each once with its halo.

    Args:
        scene: open.
        bands: names of the bands, in the order wanted.
        grid: of the blocks, in averaged pixels; so are `halo` and the segments.
        halo: context around each block.
        max_pixels: averaged pixels per segment, without halo.
        blocks: window of whole blocks to read; None: all.
        factor: squares of `factor` x `factor` pixels of the scene are averaged to one.
    """
    for window in grid.segments(max_pixels, blocks):
        area = window.grow(halo).clip(grid.shape)
        raster, own_valid = read_coarse(scene, area, bands, factor)
        pixels, read = (pixels_of(part, factor, scene.georef.shape) for part in (window, area))
        yield Segment(window, (area.row, area.col), raster, own_valid[pixels.slices((read.row, read.col))])


def cut_blocks(
    segment: Segment, grid: PatchGrid, halo: int, bands: tuple[str, ...], batch_size: int
) -> Iterator[PatchBatch]:
    """Batches of the segment's blocks. Blocks of a batch have one size; wholly nodata blocks are left out."""
    first = segment.window.col // grid.side
    last = -(-segment.window.stop_col // grid.side)
    row = segment.window.row // grid.side
    windows = [grid.window(row, col) for col in range(first, last)]
    windows = [window for window in windows if _has_data(window, segment, grid.shape)]
    for _, alike in groupby(windows, key=lambda window: window.shape):
        for here in batched(alike, batch_size):
            blocks = [_cut(window.grow(halo), segment, grid.shape) for window in here]
            data, valid = (_stacked(parts) for parts in zip(*blocks, strict=True))
            yield PatchBatch(here, data, valid, bands, grid.pixel_size)


def batched(items: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    """The items in tuples of at most `most`; itertools.batched exists from Python 3.12 on."""
    rest = iter(items)
    while batch := tuple(islice(rest, most)):
        yield batch


def reflect(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Indices start..stop-1 folded into 0..size-1 by reflection that does not repeat the edge: -1 -> 1.

    Like numpy.pad(mode="reflect"), for any distance beyond the edge.
    """
    period = max(2 * (size - 1), 1)
    folded = np.arange(start, stop) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros(stop - start, dtype=np.intp)


def fill_nodata(data: FloatArray, valid: BoolArray) -> None:
    """Set nodata in place to the mean of the block's valid pixels, per band; data is (band, h, w), valid (h, w)."""
    if valid.all():
        return
    for values in data:
        values[~valid] = values[valid].mean(dtype=np.float64) if valid.any() else 0.0


def _has_data(window: Window, segment: Segment, shape: tuple[int, int]) -> bool:
    return bool(segment.raster.valid[window.clip(shape).slices(segment.origin)].any())


def _cut(window: Window, segment: Segment, shape: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
    """One block with halo: (band, h, w) data, nodata filled, and (h, w) validity; views if nothing was filled.

    Reflection never reaches back beyond the block and its own halo, so that a block does not depend on its segment.
    Where it would, the block's first row or column is repeated instead.
    """
    # Beyond the scene's last column d, columns are reflected. A narrow block would reflect to b, which lies before it,
    # and may not have been read: it repeats its own first column instead.
    #
    #   scene  a b [c d]      block and halo  c d | c b   ->   c d | c c
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
    """The parts stacked along a new first axis; a view if there is only one."""
    return parts[0][None] if len(parts) == 1 else np.stack(parts)


def read_ahead(items: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """The items, produced on another thread that stays at most `depth` ahead.

    An error of the producer is raised here, after the items before it. Closing the generator early ends the thread and
    closes `items`.
    """
    queue: Queue[object] = Queue(depth)
    stop = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> None:
        while not stop.is_set():
            try:
                return queue.put(item, timeout=0.1)
            except Full:
                continue
        return None

    def produce() -> None:
        try:
            with closing(items):
                for item in items:
                    put(item)
                    if stop.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - handed to the consumer
            failure.append(error)
        put(_END)

    thread = threading.Thread(target=produce, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        stop.set()
        _drain(queue)
        thread.join()


def _drain(queue: Queue[object]) -> None:
    while True:
        try:
            queue.get_nowait()
        except Empty:
            return
