"""`polygonize`: write the polygons of a mask."""

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
    """How to make polygons from a mask."""

    min_area: float = 0.0
    """Square metres (geodesic): smaller polygons are left out."""
    score: str | os.PathLike[str] | None = None
    """Raster of P(cloud) on the mask's grid, for the column `mean_score`; None: it is 1."""
    outline: Outline = "pixel"
    """`pixel`: along pixel edges. `smooth`: where P(cloud) of `score`, interpolated, crosses one half."""
    encoding: MaskEncoding | None = None
    """Encoding of the mask; None: as its tags say, else geocloud's own."""
    overwrite: bool = False
    """Replace the output if it exists."""


def polygonize(
    mask: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: PolygonizeOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> int:
    """Write the polygons of a mask, of every code except clear and nodata.

    The mask is read strip by strip, so memory does not grow with its height.

    Args:
        mask: a mask that geocloud wrote, or any raster of class codes; a file or a URL.
        out: the vector file; its suffix chooses the format: .geojson, .gpkg, .fgb or .parquet.
        options: how; None: the defaults.
        progress: called after each strip; may raise Cancelled.

    Returns:
        The number of polygons.

    Raises:
        InputError: mask or score cannot be read, or they are not on one grid.
        UsageError: `out` exists or has an unknown suffix; `min_area` is given and the mask has no georeference; or
            smooth outlines are asked for without a score, or of a mask with more classes than cloud.
        OutputError: `out` cannot be written.
    """
    options, target = options or PolygonizeOptions(), Path(out)
    if options.outline == "smooth" and options.score is None:
        raise UsageError("smooth outlines follow P(cloud); give --score-file, or leave out --outline smooth")
    vector_format(target)
    inputs = [*protected_files(os.fspath(mask)), *([options.score] if options.score is not None else [])]
    check_outputs([target], inputs, overwrite=options.overwrite)
    with MaskFile(mask, options.encoding) as codes, staged(target.stem) as staging:
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
    """Trace all polygons; `folder` holds scratch files if they are many."""
    height, width = mask.georef.shape
    score = ScoreFile(options.score, mask.georef) if options.score is not None else None
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
    """Side in pixels of the squares of equal value that a score consists of, since averaged pixels were scored.

    It is the greatest common divisor of all rows and columns at which the value changes, nodata aside.
    """
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
