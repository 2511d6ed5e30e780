"""Scene -> scored rows: the middle of the walk, shared by every verb that scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np
import rasterio

from geocloud.pipeline.parallel import map_ordered, read_ahead, trim_heap
from geocloud.pipeline.stitching import SCORE, Layer, Layers, ScoredRows, Stitcher, on_own_grid, place_blocks
from geocloud.pipeline.tiling import (
    Segment,
    aggregation_factor,
    coarse_shape,
    cut_blocks,
    pixels_of,
    read_segments,
    squares_of,
)
from geocloud.raster import PATCH, BoolArray, FloatArray, PatchBatch, PatchGrid, Window
from geocloud.readers.files.opening import cache_bytes
from geocloud.readers.reader import SceneReader
from geocloud.readers.scenes.scene_part import whole_of
from geocloud.scorers.contract import Scorer, WholeScorer

SEGMENT_PIXELS = 300_000
"""Pixels read and scored as one piece of work: bounds memory whatever the scene's height and width."""
TRIM_HEAP_PIXELS = 7 * SEGMENT_PIXELS
"""Scored pixels after which freed memory is given back: it must be fetched again, which costs time."""
SCORED_AHEAD = 4
"""Scored pieces that may wait while the rows before them are traced and written: the scoring threads never wait."""
BATCH_PATCHES = SEGMENT_PIXELS // PATCH**2
"""Patches given to a network at once, 73: all of a segment, or one block of 8x8 of them, which fits the cache."""
PIECE_ROWS, PIECE_PIXELS = 128, 3 << 20
"""Rows and pixels handed on at once at most, or about: bounds what lies in memory between scores and mask."""
Observer = Callable[[Segment], None]
BatchMaps = Callable[[PatchBatch], Layers]
"""Maps of a batch on its windows, the score among them. Called from several threads at once."""


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

    Each network call runs on one core. The scoring threads go on while the caller works on the rows, up to SCORED_AHEAD
    pieces. Scores do not depend on `threads`, `segment_pixels` or `part`: blocks are those of the whole scene.

    Args:
        scene: what to score.
        scorer: what scores it.
        factor: pixels along a side of the squares that are scored as one pixel each.
        threads: scoring threads; None: one per core.
        maps: what is computed of each batch; None: the score alone.
        observe: called with every segment as it is read, in order, from the reading thread.
        segment_pixels: the scene's pixels in a piece of work.
        part: the rows and columns of the scene that are wanted, numbered from its first ones; only blocks that hold
            any of them are read, with their halo, and scored. None: all.

    Raises:
        ModelError: the scene lacks a band the scorer needs.
        InputError: the scene cannot be read to its end.
    """
    bands = scorer.choose_bands(scene.bands)
    grid = PatchGrid(coarse_shape(scene.georef.shape, factor), scorer.card.block)
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
            del rows, piece  # the next rows are being scored


def _of_part(rows: ScoredRows, part: Window, left: int) -> Iterator[ScoredRows]:
    """What of some rows of the scene, whose first column is `left`, is wanted; nothing where they lie beyond."""
    first, stop = max(rows.row, part.row), min(rows.row + len(rows.score), part.stop_row)
    if first < stop:
        cols = slice(part.col - left, part.stop_col - left)
        yield rows.cut(slice(first - rows.row, stop - rows.row), cols, first - part.row)


class _Scored(NamedTuple):
    """A segment without its pixels: several wait, and memory is for those that are being scored."""

    window: Window
    layers: dict[str, Layer]
    valid: BoolArray
    own_valid: BoolArray


def _stitched(scored: Generator[_Scored, None, None], stitcher: Stitcher) -> Generator[ScoredRows, None, None]:
    """Whole rows of blocks; freed memory is given back on the way, and before outputs are written."""
    kept = 0
    with closing(scored):
        for part in scored:
            rows = stitcher.add(part.window, part.layers, part.valid, part.own_valid)
            del part
            if rows is not None:
                kept += rows.score.size
                yield rows
                del rows  # the next ones are being collected
                if kept >= TRIM_HEAP_PIXELS:
                    trim_heap()
                    kept = 0
    trim_heap()


def score_segment(
    segment: Segment, grid: PatchGrid, scorer: Scorer, bands: tuple[str, ...], maps: BatchMaps | None = None
) -> dict[str, Layer]:
    """Maps (..., height, width) of a segment's window, the score among them; blank in blocks wholly of nodata."""
    batches = cut_blocks(segment, grid, scorer.card.halo, bands, max(1, BATCH_PATCHES // scorer.card.block**2))
    scored = [(batch.windows, maps(batch) if maps else {SCORE: scorer.score(batch)}) for batch in batches]
    return place_blocks(segment.window, scored)


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def piece_rows(factor: int, width: int) -> int:
    """Rows of a scene so wide that are handed on at once where squares of `factor` pixels are scored."""
    return max(1, min(PIECE_ROWS, PIECE_PIXELS // width) // factor) * factor


def score_scene(scene: SceneReader, scorer: Scorer, *, threads: int | None = None) -> tuple[FloatArray, BoolArray]:
    """(height, width) scores, NaN where nodata, and valid, of a whole scene in memory: for evaluation."""
    if isinstance(scorer, WholeScorer):
        bands = scorer.choose_bands(scene.bands)
        raster = scene.read(Window(0, 0, *scene.georef.shape), bands)
        score = np.where(raster.valid, scorer.score_whole(raster, bands), np.float32(np.nan))
        return score, raster.valid
    whole, area = whole_of(scene)
    factor = aggregation_factor(whole.georef, scorer)
    rows = list(scored_rows(whole, scorer, factor=factor, threads=threads, part=area.window if area else None))
    score, valid = np.concatenate([part.score for part in rows]), np.concatenate([part.valid for part in rows])
    if area is not None:
        valid &= area.inside(area.window)
        score = np.where(valid, score, np.float32(np.nan))
    return score, valid
