"""Scene -> scored rows at the resolution that suits the scorer, and back on the scene's own grid."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import numpy as np
from pyproj.exceptions import ProjError

from geocloud.errors import UsageError
from geocloud.geodesy import pixel_area
from geocloud.georef import Georef
from geocloud.raster import BoolArray, FloatArray, spread
from geocloud.readers.coarse import CoarseScene
from geocloud.readers.contract import SceneReader
from geocloud.scorers.contract import Scorer, WholeScorer
from geocloud.stitching import Layer, ScoredRows, blank
from geocloud.verbs.scoring import SEGMENT_PIXELS, Look, Observer, scored_rows
from geocloud.window import Window

PIECE_ROWS, PIECE_PIXELS = 128, 3 << 20
"""Rows and pixels handed on at once at most, or about: bounds what lies in memory between scores and mask."""
NEARLY = 1.05
"""Squares may be coarser than the finest resolution by this: pixels of 10 m are not exactly that on the ground."""
LARGEST = 4
"""Pixels along a side of squares that nobody asked for: what they lose was measured up to there."""


def coarseness(georef: Georef, scorer: Scorer, resolution: float | None = None) -> int:
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
    return min(max(1, int(NEARLY * scorer.finest / side)), LARGEST)


def _pixel_side(georef: Georef) -> float | None:
    """Metres of the middle pixel's side; None where it cannot be told: unlocated, off the Earth, or without area."""
    if not georef.located:
        return None
    try:
        area = pixel_area(georef)
    except ProjError:
        return None
    return area**0.5 if 0 < area < float("inf") else None


def seen_by_squares(scene: SceneReader, factor: int) -> SceneReader:
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
    scored = seen_by_squares(scene, coarseness(scene.georef, scorer))
    rows = list(rows_on_grid(scored, scorer, threads=threads))
    return np.concatenate([part.score for part in rows]), np.concatenate([part.valid for part in rows])
