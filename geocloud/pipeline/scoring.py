"""Score a scene: segments are read ahead, scored on several threads, and stitched to rows on the scene's own grid."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import rasterio
from numpy.typing import NDArray

from geocloud.pipeline.tiling import (
    Segment,
    aggregation_factor,
    cut_blocks,
    pixels_of,
    read_ahead,
    read_segments,
    scored_grid,
    squares_of,
)
from geocloud.raster import PATCH, BoolArray, FloatArray, PatchBatch, PatchGrid, Window, spread
from geocloud.readers.files.opening import cache_bytes
from geocloud.readers.reader import SceneReader, whole_of
from geocloud.scorers.contract import Scorer, WholeScorer

Layer = NDArray[Any]
"""A map of any dtype: (h, w), or (band, h, w); for a batch with a leading axis of its blocks."""
Layers = Mapping[str, Layer]
"""Name -> map; SCORE is always among them."""
SCORE = "score"


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Some full-width rows of a scene, or of a part of it, that will not change any more."""

    row: int
    """Number of the first row, in the scene or part."""
    score: FloatArray
    """(rows, width) float32, higher = cloudier, NaN = nodata."""
    valid: BoolArray
    """(rows, width), True = data."""
    own_valid: BoolArray
    """Validity of the scene's own pixels: (rows * f, width * f) if f x f pixels are averaged."""
    further: Layers = field(default_factory=dict)
    """Further maps, (rows, width) or (band, rows, width); 0 where nodata. Empty if all rows are nodata."""

    def pieces(self, rows: int, factor: int = 1) -> Iterator[ScoredRows]:
        """Views of at most `rows` rows each, from the top; `factor` as in `scored_rows`."""
        for start in range(0, len(self.score), rows):
            part, own = slice(start, start + rows), slice(start * factor, (start + rows) * factor)
            further = {name: layer[..., part, :] for name, layer in self.further.items()}
            yield ScoredRows(self.row + start, self.score[part], self.valid[part], self.own_valid[own], further)

    def cut(self, rows: slice, cols: slice, first: int) -> ScoredRows:
        """Views of some rows and columns; `first` is the number of the first row. Only for rows on the scene's grid."""
        further = {name: layer[..., rows, cols] for name, layer in self.further.items()}
        return ScoredRows(first, self.score[rows, cols], self.valid[rows, cols], self.own_valid[rows, cols], further)


class Stitcher:
    """Joins segments to rows of blocks; it holds one row of blocks of the scene in memory."""

    def __init__(self, grid: PatchGrid, blocks: Window | None = None) -> None:
        """Prepare for the segments of `blocks`, a window of whole blocks of the scene; None: of all blocks."""
        self.grid, self._blocks = grid, blocks or Window(0, 0, *grid.shape)
        self._own: list[BoolArray] = []
        self._row, self._filled_to = self._blocks.row, self._blocks.col
        self._new_rows()

    def _new_rows(self) -> None:
        height = min(self.grid.side, self._blocks.stop_row - self._row)
        self._layers: dict[str, Layer] = {}
        if height > 0:
            self._valid = np.zeros((height, self._blocks.width), dtype=bool)

    def add(
        self, window: Window, layers: Layers, valid: BoolArray, own_valid: BoolArray | None = None
    ) -> ScoredRows | None:
        """Place a segment's maps; segments must come in row-major order.

        Args:
            window: the segment, inside the scene.
            layers: maps of (..., window.height, window.width), the same ones in each segment.
            valid: (window.height, window.width), True = data.
            own_valid: as in ScoredRows, of this segment; None: `valid`.

        Returns:
            The row of blocks if this segment completes it, else None.

        Raises:
            ValueError: the segment is not the next one.
        """
        if (window.row, window.col) != (self._row, self._filled_to):
            raise ValueError(f"{window} is not next; row {self._row}, column {self._filled_to} is")
        rows, cols = window.slices((self._row, self._blocks.col))
        for name, layer in layers.items():
            if name not in self._layers:
                self._layers[name] = blank((*layer.shape[:-2], *self._valid.shape), layer.dtype)
            self._layers[name][..., rows, cols] = np.where(valid, layer, blank((), layer.dtype))
        self._valid[rows, cols] = valid
        self._own.append(valid if own_valid is None else own_valid)
        self._filled_to = window.stop_col
        if self._filled_to < self._blocks.stop_col:
            return None
        further = {name: layer for name, layer in self._layers.items() if name != SCORE}
        own = self._own[0] if len(self._own) == 1 else np.concatenate(self._own, axis=1)
        done = ScoredRows(self._row, self._layers[SCORE], self._valid, own, further)
        self._row, self._filled_to, self._own = window.stop_row, self._blocks.col, []
        self._new_rows()
        return done


def place_blocks(window: Window, blocks: Sequence[tuple[tuple[Window, ...], Layers]]) -> dict[str, Layer]:
    """Join the maps of blocks to arrays of (..., window.height, window.width); blank where no block was scored.

    Args:
        window: the segment that the blocks belong to, inside the scene; what lies beyond it is dropped.
        blocks: windows and maps of each batch, per-pixel maps (n, ..., height, width), or
            per-patch maps (n, ..., height / 64, width / 64).
    """
    # Everything is placed on the grid of the scores: of pixels (step 1), or of patches (step 64). A block that reaches
    # beyond the segment is cut off by `target`. At the end `spread` repeats each value step x step times.
    step = next((batch[0].height // layers[SCORE].shape[-2] for batch, layers in blocks), 1)
    height, width = (-(-side // step) for side in window.shape)
    placed = {SCORE: blank((height, width), np.dtype(np.float32))}
    for windows, layers in blocks:
        for name, layer in layers.items():
            if name not in placed:
                placed[name] = blank((*layer.shape[1:-2], height, width), layer.dtype)
            for block, part in zip(windows, layer, strict=True):
                row, col = (block.row - window.row) // step, (block.col - window.col) // step
                target = placed[name][..., row : row + part.shape[-2], col : col + part.shape[-1]]
                target[...] = part[..., : target.shape[-2], : target.shape[-1]]
    return {name: spread(layer, step, window.shape) for name, layer in placed.items()}


def blank(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layer:
    """An array of what a map holds where nothing was scored: NaN, or 0 for whole numbers."""
    return np.full(shape, np.nan if dtype.kind == "f" else 0, dtype=dtype)


def on_own_grid(rows: ScoredRows, factor: int, width: int) -> ScoredRows:
    """Rows of averaged pixels expanded to the scene's own pixels, `width` per row; nodata as in the scene."""
    if factor == 1:
        return rows
    shape = len(rows.own_valid), width
    all_valid = bool(rows.own_valid.all())

    def finer(layer: Layer) -> Layer:
        fine = spread(layer, factor, shape)
        return fine if all_valid else np.where(rows.own_valid, fine, blank((), layer.dtype))

    further = {name: finer(layer) for name, layer in rows.further.items()}
    return ScoredRows(rows.row * factor, finer(rows.score), rows.own_valid, rows.own_valid, further)


T = TypeVar("T")
R = TypeVar("R")
SEGMENT_PIXELS = 300_000
"""Pixels that are read and scored as one segment; bounds memory whatever the size of the scene."""
TRIM_HEAP_PIXELS = 7 * SEGMENT_PIXELS
"""Scored pixels after which freed memory is returned to the system; more often would cost time."""
SCORED_AHEAD = 4
"""Scored segments that may wait while earlier rows are traced and written, so that scoring threads are never idle."""
BATCH_PATCHES = SEGMENT_PIXELS // PATCH**2
"""Patches given to a network at once, 73: all of a segment, or one block of 8 x 8 patches, which fits the cache."""
PIECE_ROWS, PIECE_PIXELS = 128, 3 << 20
"""Rows, and about how many pixels, are passed on at once at most; bounds memory between scores and mask."""
Observer = Callable[[Segment], None]
BatchMaps = Callable[[PatchBatch], Layers]
"""Computes the maps of a batch on its windows, the score among them. Called from several threads at once."""


def scored_rows(  # noqa: PLR0913 - by keyword, each with a default
    scene: SceneReader,
    scorer: Scorer,
    *,
    factor: int = 1,
    threads: int | None = None,
    maps: BatchMaps | None = None,
    observe: Observer | None = None,
    segment_pixels: int = SEGMENT_PIXELS,
    part: Window | None = None,
) -> Generator[ScoredRows, None, None]:
    """Full-width rows of a scene's scores from the top, on its own grid, a few at a time, each as soon as it is final.

        read ahead   ->   score      ->   stitch   ->   rows
        one thread        `threads`       the caller's thread

    Each network call runs on one core. While the caller works on rows, the scoring threads go on for up to SCORED_AHEAD
    segments. Scores do not depend on `threads`, `segment_pixels` or `part`: blocks are those of the whole scene.

    Args:
        scene: what to score.
        scorer: what scores it.
        factor: squares of `factor` x `factor` pixels are averaged and scored as one pixel.
        threads: scoring threads; None: one per core.
        maps: computes the maps of each batch; None: only the score.
        observe: called with every segment as it is read, in order, on the reading thread.
        segment_pixels: pixels of the scene per segment.
        part: the window of the scene that is wanted; rows are then numbered, and columns counted, from its first ones.
            Only the blocks that it touches are read, with their halo, and scored. None: the whole scene.

    Raises:
        ModelError: the scene lacks a band the scorer needs.
        InputError: the scene cannot be read to its end.
    """
    bands = scorer.choose_bands(scene.bands)
    grid = scored_grid(scene.georef, factor, scorer.card.block)
    part = part or Window(0, 0, *scene.georef.shape)
    blocks = grid.touching(squares_of(part, factor))
    own = pixels_of(blocks, factor, scene.georef.shape)

    def segments() -> Generator[Segment, None, None]:
        rows = (grid.side + 2 * scorer.card.halo) * factor
        pixels = max(1, segment_pixels // factor**2)
        with rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene.file_block, own.width, rows)):
            for segment in read_segments(scene, bands, grid, scorer.card.halo, pixels, blocks, factor):
                if observe is not None:
                    observe(segment)
                yield segment

    def score(segment: Segment) -> _Scored:
        layers = score_segment(segment, grid, scorer, bands, maps)
        valid = segment.raster.valid[segment.window.slices(segment.origin)]
        return _Scored(window=segment.window, layers=layers, valid=valid, own_valid=segment.own_valid)

    scored = read_ahead(map_ordered(score, read_ahead(segments(), 1), threads or cores()), SCORED_AHEAD)
    stitched = _stitched(scored, Stitcher(grid, blocks))
    with closing(stitched):  # its reading thread must end before the scene is closed, also when the user cancels
        for rows in stitched:
            for piece in rows.pieces(piece_rows(factor, own.width) // factor, factor):
                yield from _of_part(on_own_grid(piece, factor, own.width), part, own.col)
            del rows, piece  # free them while the next rows are scored


def _of_part(rows: ScoredRows, part: Window, left: int) -> Iterator[ScoredRows]:
    """The wanted part of some rows, whose first column is column `left` of the scene; nothing if they lie outside."""
    first, stop = max(rows.row, part.row), min(rows.row + len(rows.score), part.stop_row)
    if first < stop:
        cols = slice(part.col - left, part.stop_col - left)
        yield rows.cut(slice(first - rows.row, stop - rows.row), cols, first - part.row)


class _Scored(NamedTuple):
    """A scored segment without its pixels, since several of them wait in memory."""

    window: Window
    layers: dict[str, Layer]
    valid: BoolArray
    own_valid: BoolArray


def _stitched(scored: Generator[_Scored, None, None], stitcher: Stitcher) -> Generator[ScoredRows, None, None]:
    """Whole rows of blocks. Freed memory is returned to the system now and then, and before outputs are written."""
    since_trim = 0
    with closing(scored):
        for part in scored:
            rows = stitcher.add(part.window, part.layers, part.valid, part.own_valid)
            del part
            if rows is not None:
                since_trim += rows.score.size
                yield rows
                del rows  # free them while the next rows are collected
                if since_trim >= TRIM_HEAP_PIXELS:
                    trim_heap()
                    since_trim = 0
    trim_heap()


def score_segment(
    segment: Segment, grid: PatchGrid, scorer: Scorer, bands: tuple[str, ...], maps: BatchMaps | None = None
) -> dict[str, Layer]:
    """Name -> map (..., height, width) of a segment's window, the score among them; blank in wholly nodata blocks."""
    batches = cut_blocks(segment, grid, scorer.card.halo, bands, max(1, BATCH_PATCHES // scorer.card.block**2))
    scored = [(batch.windows, maps(batch) if maps else {SCORE: scorer.score(batch)}) for batch in batches]
    return place_blocks(segment.window, scored)


def cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def piece_rows(factor: int, width: int) -> int:
    """Number of rows of a scene of this width that are passed on at once; a multiple of `factor`."""
    return max(1, min(PIECE_ROWS, PIECE_PIXELS // width) // factor) * factor


def score_scene(
    scene: SceneReader,
    scorer: Scorer,
    *,
    threads: int | None = None,
    factor: int | None = None,
    maps: BatchMaps | None = None,
) -> tuple[FloatArray, BoolArray]:
    """(height, width) scores, NaN where nodata, and validity of a whole scene in memory, for evaluation.

    Arguments as of `scored_rows`; `factor` None: as `aggregation_factor` says. A `WholeScorer` tiles it in its own way.
    """
    if isinstance(scorer, WholeScorer) and maps is None:
        bands = scorer.choose_bands(scene.bands)
        raster = scene.read(Window(0, 0, *scene.georef.shape), bands)
        score = np.where(raster.valid, scorer.score_whole(raster, bands), np.float32(np.nan))
        return score, raster.valid
    whole, area = whole_of(scene)
    factor = factor or aggregation_factor(whole.georef, scorer)
    part = area.window if area else None
    rows = list(scored_rows(whole, scorer, factor=factor, threads=threads, maps=maps, part=part))
    score, valid = np.concatenate([part.score for part in rows]), np.concatenate([part.valid for part in rows])
    if area is not None:
        valid &= area.inside(area.window)
        score = np.where(valid, score, np.float32(np.nan))
    return score, valid


def map_ordered(function: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R, None, None]:
    """function(item) of each item, in order, computed on `threads` threads, at most threads + 1 items at a time."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)


def trim_heap() -> None:
    """Return freed memory to the system; without it, tall scenes and the writing of outputs take 100 MB more."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
