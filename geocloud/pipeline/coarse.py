"""A scene scored at a coarser resolution: squares of its pixels read as one, and their scores put on its own grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyproj.exceptions import ProjError

from geocloud.errors import UsageError
from geocloud.geometry.geodesy import pixel_area
from geocloud.pipeline.stitching import Layer, ScoredRows, blank
from geocloud.raster import BoolArray, FloatArray, Georef, Raster, Window, spread
from geocloud.readers.bands.spec import average
from geocloud.readers.reader import SceneReader
from geocloud.scorers.contract import Scorer

READ_PIXELS = 1 << 19
"""Pixels of the scene that are averaged at once: quickest, and small, while they fit the processor's cache."""
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
            MAX_DEFAULT_FACTOR pixels.

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
    """Metres of the middle pixel's side; None where it is unknown: unlocated, off the Earth, or without area."""
    if not georef.located:
        return None
    try:
        area = pixel_area(georef)
    except ProjError:
        return None
    return area**0.5 if 0 < area < float("inf") else None


def coarse_shape(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    """(rows, columns) of squares of `factor` pixels a side; the last ones may cover fewer pixels."""
    return -(-shape[0] // factor), -(-shape[1] // factor)


def read_coarse(scene: SceneReader, window: Window, bands: Sequence[str], factor: int) -> tuple[Raster, BoolArray]:
    """A window of squares, each the mean of its valid pixels and valid where any is; and which pixels are valid.

        the scene, factor 2       the raster    the pixels' validity
        1 3 | 5 .                               T T T .
        1 3 | 5 .             ->   2  5         T T T .
        (. = nodata; the mean of 5, 5 is 5)

    Args:
        scene: what is read.
        window: in squares.
        bands: names, in the order wanted.
        factor: pixels along a side of a square; 1: the scene as it is.

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
    for start in range(0, window.height, rows):  # a few rows at a time stay in the processor's cache
        strip = Window(window.row + start, window.col, min(rows, window.height - start), window.width)
        numbers = scene.digital_numbers(pixels_of(strip, factor, scene.georef.shape), bands)
        part = average(numbers, strip.shape, factor).reflectance()
        data[:, start : start + strip.height] = part.data
        valid[start : start + strip.height] = part.valid
        pixels.append(numbers.valid)
    return Raster(data, valid), np.concatenate(pixels)


def pixels_of(window: Window, factor: int, shape: tuple[int, int]) -> Window:
    """The scene's pixels under a window of squares, cut off at the scene's (height, width)."""
    return Window(window.row * factor, window.col * factor, window.height * factor, window.width * factor).clip(shape)


def on_own_grid(rows: ScoredRows, factor: int, width: int) -> ScoredRows:
    """Rows of squares as rows of the scene's own pixels, `width` of them; nodata as the scene itself has it."""
    if factor == 1:
        return rows
    shape = len(rows.own_valid), width
    every = bool(rows.own_valid.all())

    def finer(layer: Layer) -> Layer:
        fine = spread(layer, factor, shape)
        return fine if every else np.where(rows.own_valid, fine, blank((), layer.dtype))

    further = {name: finer(layer) for name, layer in rows.further.items()}
    return ScoredRows(rows.row * factor, finer(rows.score), rows.own_valid, rows.own_valid, further)
