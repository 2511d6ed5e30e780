"""Scene -> scored rows: the middle of the walk, shared by every verb that scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing

import numpy as np
import rasterio
from pyproj.exceptions import ProjError

from geocloud.errors import UsageError
from geocloud.geometry.geodesy import pixel_area
from geocloud.georef import Georef
from geocloud.grid import PATCH, PatchGrid
from geocloud.pipeline.coarse import CoarseScene
from geocloud.pipeline.parallel import map_ordered, read_ahead, trim_heap
from geocloud.pipeline.stitching import SCORE, Layer, Layers, ScoredRows, Stitcher, blank, place_blocks
from geocloud.pipeline.tiling import Segment, cut_blocks, read_segments
from geocloud.raster import BoolArray, FloatArray, PatchBatch, spread
from geocloud.readers.files.opening import cache_bytes
from geocloud.readers.reader import SceneReader
from geocloud.scorers.contract import Scorer, WholeScorer
from geocloud.window import Window

SEGMENT_PIXELS = 300_000
"""Pixels read and scored as one piece of work: bounds memory whatever the scene's height and width."""
TRIM_HEAP_PIXELS = 7 * SEGMENT_PIXELS
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
    grid = PatchGrid(scene.georef.shape, scorer.card.block)
    look = look or plain_look(scorer)

    def segments() -> Generator[Segment, None, None]:
        rows = grid.side + 2 * scorer.card.halo
        with rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene.file_block, grid.shape[1], rows)):
            pixels = segment_pixels or SEGMENT_PIXELS
            for segment in read_segments(scene, bands, grid, scorer.card.halo, pixels, block_rows):
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
            if kept >= TRIM_HEAP_PIXELS:
                trim_heap()
                kept = 0
    trim_heap()  # before outputs are written


def plain_look(scorer: Scorer) -> Look:
    """The score and nothing else."""
    return lambda batch: {SCORE: scorer.score(batch)}


def score_segment(segment: Segment, grid: PatchGrid, scorer: Scorer, bands: tuple[str, ...]) -> FloatArray:
    """(height, width) scores of a segment's window; NaN in blocks that are wholly nodata."""
    scores: FloatArray = look_at(segment, grid, scorer, bands, plain_look(scorer))[SCORE]
    return scores


def look_at(segment: Segment, grid: PatchGrid, scorer: Scorer, bands: tuple[str, ...], look: Look) -> dict[str, Layer]:
    """Maps (..., height, width) of a segment's window; blank in blocks that are wholly nodata."""
    batches = cut_blocks(segment, grid, scorer.card.halo, bands, max(1, BATCH_PATCHES // scorer.card.block**2))
    return place_blocks(segment.window, [(batch.windows, look(batch)) for batch in batches])


def cores() -> int:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


PIECE_ROWS, PIECE_PIXELS = 128, 3 << 20
"""Rows and pixels handed on at once at most, or about: bounds what lies in memory between scores and mask."""
RESOLUTION_TOLERANCE = 1.05
"""Squares may be coarser than the finest resolution by this: pixels of 10 m are not exactly that on the ground."""
MAX_DEFAULT_FACTOR = 4
"""Pixels along a side of squares that nobody asked for: what they lose was measured up to there."""


def aggregation_factor(georef: Georef, scorer: Scorer, resolution: float | None = None) -> int:
    """How many of a scene's pixels, along a side, are scored as one; at least 1.

    Args:
        georef: the scene's; where a pixel has no size in metres, pixels are scored as they are.
        scorer: says below which resolution, in metres, it gains little.
        resolution: metres that the user asks for instead; None: as coarse as the scorer loses little by, and at most
            LARGEST pixels.

    Raises:
        UsageError: a resolution is asked for, and a pixel has no size in metres.
    """
    side = _pixel_side(georef)
    if side is None:
        if resolution is not None and georef.located:
            raise UsageError(
                f"a pixel of this scene has no size in metres, so {resolution:g} m mean nothing; "
                "leave out --resolution or mend the georeference"
            )
        return 1
    if resolution is not None:
        return max(1, round(resolution / side))
    return min(max(1, int(RESOLUTION_TOLERANCE * scorer.card.min_resolution / side)), MAX_DEFAULT_FACTOR)


def _pixel_side(georef: Georef) -> float | None:
    """Metres of the middle pixel's side; None where it cannot be told: unlocated, off the Earth, or without area."""
    if not georef.located:
        return None
    try:
        area = pixel_area(georef)
    except ProjError:
        return None
    return area**0.5 if 0 < area < float("inf") else None


def coarsened(scene: SceneReader, factor: int) -> SceneReader:
    """The scene as it is scored: itself, or its squares of `factor` pixels a side as one each."""
    return CoarseScene(scene, factor) if factor > 1 else scene


def rows_on_grid(
    scored: SceneReader,
    scorer: Scorer,
    *,
    threads: int | None = None,
    look: Look | None = None,
    observe: Observer | None = None,
    block_rows: range | None = None,
) -> Generator[ScoredRows, None, None]:
    """`scored_rows` on the scene's own grid, a few rows at a time, also where a coarse view of it is scored."""
    coarse = scored if isinstance(scored, CoarseScene) else None
    factor, width = (coarse.factor, coarse.fine.georef.shape[1]) if coarse else (1, scored.georef.shape[1])
    pixels = max(1, SEGMENT_PIXELS // factor**2)
    parts = scored_rows(
        scored, scorer, threads=threads, look=look, observe=observe, segment_pixels=pixels, block_rows=block_rows
    )
    with closing(parts):  # its reading thread must end before the scene is closed, also when the user cancels
        for part in parts:
            for piece in part.pieces(piece_rows(factor, width) // factor):
                yield _expand(piece, coarse) if coarse else piece
            del part, piece  # the next rows are being scored


def piece_rows(factor: int, width: int) -> int:
    """Rows of a scene so wide that are handed on at once where squares of `factor` pixels are scored."""
    return max(1, min(PIECE_ROWS, PIECE_PIXELS // width) // factor) * factor


def _expand(rows: ScoredRows, scored: CoarseScene) -> ScoredRows:
    """Rows of a coarse scene on the scene's own grid, nodata as the scene has it."""
    step, (height, width) = scored.factor, scored.fine.georef.shape
    row = rows.row * step
    shape = min(len(rows.score) * step, height - row), width
    valid = scored.take_valid(row, shape[0])
    every = bool(valid.all())

    def finer(layer: Layer) -> Layer:
        fine = spread(layer, step, shape)
        return fine if every else np.where(valid, fine, blank((), layer.dtype))

    return ScoredRows(row, finer(rows.score), valid, {name: finer(layer) for name, layer in rows.further.items()})


def score_scene(scene: SceneReader, scorer: Scorer, *, threads: int | None = None) -> tuple[FloatArray, BoolArray]:
    """(height, width) scores, NaN where nodata, and valid, of a whole scene in memory: for evaluation."""
    if isinstance(scorer, WholeScorer):
        bands = scorer.choose_bands(scene.bands)
        raster = scene.read(Window(0, 0, *scene.georef.shape), bands)
        score = np.where(raster.valid, scorer.score_whole(raster, bands), np.float32(np.nan))
        return score, raster.valid
    scored = coarsened(scene, aggregation_factor(scene.georef, scorer))
    rows = list(rows_on_grid(scored, scorer, threads=threads))
    return np.concatenate([part.score for part in rows]), np.concatenate([part.valid for part in rows])
