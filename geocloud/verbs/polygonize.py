"""Polygonize: a mask in, polygons out."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from geocloud.classes import MaskEncoding
from geocloud.errors import UsageError
from geocloud.geometry.outlines import OutlineTracer
from geocloud.geometry.polygons import PolygonTracer, to_tables
from geocloud.geometry.shapes import Outline, ShapeStore
from geocloud.pipeline.outputs import MASK_SUFFIX
from geocloud.progress import Progress, no_progress
from geocloud.readers.dispatch import protected_files
from geocloud.readers.files.paths import scene_name
from geocloud.readers.masks import STRIP, MaskFile, ScoreFile
from geocloud.writers.staging import check_outputs, staged, write_errors
from geocloud.writers.vectors import vector_format, write_polygons


@dataclass(frozen=True, slots=True)
class PolygonizeOptions:
    """How to make polygons of a mask."""

    min_area: float = 0.0
    """Polygons smaller than this many m² (geodesic) are left out."""
    score: str | os.PathLike[str] | None = None
    """The P(cloud) raster beside the mask, for `mean_score`; without it mean_score is 1."""
    outline: Outline = "pixel"
    """Along the pixels' edges, or `smooth`, where P(cloud) of `score` crosses one half between their centres."""
    encoding: MaskEncoding | None = None
    """The mask's codes; None: as its tags say, else geocloud's own."""
    overwrite: bool = False


def polygonize(
    mask: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: PolygonizeOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> int:
    """Write the polygons of every code but clear and nodata of a mask; returns their number.

    The mask is read by strips and never held whole.

    Args:
        mask: a mask that geocloud wrote, or any raster of class codes.
        out: the vector file; its suffix chooses the format: .geojson, .gpkg, .fgb or .parquet.
        options: how; defaults where None.
        progress: called after each strip; may raise Cancelled.

    Raises:
        InputError: mask or score cannot be used, or they are not on one grid.
        UsageError: `out` exists, its suffix is unknown, there are no areas without a georeference, or smooth outlines
            are asked for without a score or of more classes than cloud.
        OutputError: `out` cannot be written.
    """
    options, target = options or PolygonizeOptions(), Path(out)
    if options.outline == "smooth" and options.score is None:
        raise UsageError("smooth outlines follow P(cloud); give --score-file, or leave out --outline smooth")
    vector_format(target)
    inputs = [*protected_files(os.fspath(mask)), *([options.score] if options.score is not None else [])]
    check_outputs([target], inputs, overwrite=options.overwrite)
    with MaskFile(Path(mask), options.encoding) as codes, staged(target.stem) as staging:
        georef, min_area = codes.georef, options.min_area
        if min_area and not georef.located:
            raise UsageError(f"{mask} has no georeference, so areas in m² are unknown; leave out --min-area")
        with write_errors(target):
            shapes = _trace(codes, options, staging.path(target).parent, progress)
        name = scene_name(os.fspath(mask)).removesuffix(MASK_SUFFIX)
        tables = partial(to_tables, shapes, georef, name, min_area)
        count = write_polygons(tables, staging.path(target), codes.provenance)
        staging.commit(last=target, overwrite=options.overwrite)
    return count


def _trace(mask: MaskFile, options: PolygonizeOptions, folder: Path, progress: Progress) -> ShapeStore:
    """All polygons, each with the sum of P(cloud) inside, or of ones without a score; many wait in the folder."""
    height, width = mask.georef.shape
    score = ScoreFile(Path(options.score), mask.georef) if options.score is not None else None
    try:
        if score is not None and options.outline == "smooth":
            side = _square_side(score, height)
            tracer: PolygonTracer | OutlineTracer = OutlineTracer((height, width), side, folder)
        else:
            side, tracer = 1, PolygonTracer(width, folder=folder)
        for row, codes in mask.strips(-(-STRIP // side) * side):
            tracer.add(codes, score.read(row, len(codes)) if score else np.ones(codes.shape, dtype=np.float32))
            progress(row + len(codes), height, "polygons")
    finally:
        if score is not None:
            score.close()
    return tracer.finish()


def _square_side(score: ScoreFile, height: int) -> int:
    """The side of the squares of one value that a score is made of, nodata left aside."""
    side, last = 0, None
    for row in range(0, height, STRIP):
        rows = score.read(row, min(STRIP, height - row))
        joined = rows if last is None else np.concatenate([last, rows])
        first = row - (last is not None)
        for axis, start in ((0, first), (1, 0)):
            steps = np.abs(np.diff(joined, axis=axis)) > 0  # False beside NaN
            side = math.gcd(side, *(np.flatnonzero(steps.any(axis=1 - axis)) + 1 + start).tolist())
        last = rows[-1:]
    return max(side, 1)
