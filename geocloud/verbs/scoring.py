"""Scene -> scored rows: the middle of the walk, shared by every verb that scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator

import rasterio

from geocloud.grid import PATCH, PatchGrid
from geocloud.heap import give_back
from geocloud.parallel import map_ordered, read_ahead
from geocloud.raster import BoolArray, FloatArray, PatchBatch
from geocloud.readers.cache import cache_bytes
from geocloud.readers.contract import SceneReader
from geocloud.scorers.contract import Scorer
from geocloud.stitching import SCORE, Layer, Layers, ScoredRows, Stitcher, place_blocks
from geocloud.tiling import Segment, cut_blocks, read_segments
from geocloud.window import Window

SEGMENT_PIXELS = 300_000
"""Pixels read and scored as one piece of work: bounds memory whatever the scene's height and width."""
GIVE_BACK_PIXELS = 7 * SEGMENT_PIXELS
"""Scored pixels after which freed memory is given back: it must be fetched again, which costs time."""
SCORED_AHEAD = 4
"""Scored pieces that may wait while the rows before them are traced and written: the scoring threads never wait."""
BATCH_PATCHES = SEGMENT_PIXELS // PATCH**2
"""Patches given to a network at once, 73: all of a segment, or one block of 8x8 of them, which fits the cache."""
Observer = Callable[[Segment], None]
Look = Callable[[PatchBatch], Layers]
"""What is drawn from a batch: maps on its windows, the score among them. Called from several threads at once."""


def scored_rows(  # noqa: PLR0913 - by keyword, each with a default
    scene: SceneReader,
    scorer: Scorer,
    *,
    threads: int | None = None,
    look: Look | None = None,
    observe: Observer | None = None,
    segment_pixels: int | None = None,
    block_rows: range | None = None,
) -> Generator[ScoredRows, None, None]:
    """Full-width rows of a scene's scores from the top, each as soon as it is final.

    One thread reads ahead, `threads` threads score (each network call on one core alone), and go on while the caller's
    thread stitches and works on the rows, up to SCORED_AHEAD pieces. Scores do not depend on `threads` or
    `segment_pixels`.

    Args:
        scene: what to score.
        scorer: what scores it.
        threads: scoring threads; None: one a core.
        look: what is drawn from each batch; None: the score alone.
        observe: called with every segment as it is read, in order, from the reading thread.
        segment_pixels: pixels of a piece of work; None: SEGMENT_PIXELS.
        block_rows: the rows of blocks to score, one after the other; None: all.

    Raises:
        ModelError: the scene lacks a band the scorer needs.
        InputError: the scene cannot be read to its end.
    """
    bands = scorer.choose_bands(scene.bands)
    grid = PatchGrid(scene.georef.shape, scorer.block)
    look = look or plain_look(scorer)

    def segments() -> Generator[Segment, None, None]:
        rows = grid.side + 2 * scorer.halo
        with rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene.file_block, grid.shape[1], rows)):
            pixels = segment_pixels or SEGMENT_PIXELS
            for segment in read_segments(scene, bands, grid, scorer.halo, pixels, block_rows):
                if observe is not None:
                    observe(segment)
                yield segment

    def score(segment: Segment) -> tuple[Window, dict[str, Layer], BoolArray]:
        valid = segment.raster.valid[segment.window.slices(segment.origin)]
        return segment.window, look_at(segment, grid, scorer, bands, look), valid

    stitcher, kept = Stitcher(grid, block_rows.start if block_rows else 0), 0
    scored = map_ordered(score, read_ahead(segments(), 1), threads or cores())
    for window, layers, valid in read_ahead(scored, SCORED_AHEAD):
        rows = stitcher.add(window, layers, valid)
        if rows is not None:
            kept += rows.score.size
            yield rows
            del rows  # the next ones are being collected
            if kept >= GIVE_BACK_PIXELS:
                give_back()
                kept = 0
    give_back()  # before outputs are written


def plain_look(scorer: Scorer) -> Look:
    """The score and nothing else."""
    return lambda batch: {SCORE: scorer.score(batch)}


def score_segment(segment: Segment, grid: PatchGrid, scorer: Scorer, bands: tuple[str, ...]) -> FloatArray:
    """(height, width) scores of a segment's window; NaN in blocks that are wholly nodata."""
    scores: FloatArray = look_at(segment, grid, scorer, bands, plain_look(scorer))[SCORE]
    return scores


def look_at(segment: Segment, grid: PatchGrid, scorer: Scorer, bands: tuple[str, ...], look: Look) -> dict[str, Layer]:
    """Maps (..., height, width) of a segment's window; blank in blocks that are wholly nodata."""
    batches = cut_blocks(segment, grid, scorer.halo, bands, max(1, BATCH_PATCHES // scorer.block**2))
    return place_blocks(segment.window, [(batch.windows, look(batch)) for batch in batches])


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
