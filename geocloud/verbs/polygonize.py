"""Polygonize: a mask in, polygons out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from geocloud.classes import MaskEncoding
from geocloud.errors import UsageError
from geocloud.geometry.polygons import PolygonTracer
from geocloud.geometry.shapes import ShapeStore
from geocloud.pipeline.outputs import MASK_SUFFIX
from geocloud.progress import Progress, no_progress
from geocloud.readers.dispatch import protected_files
from geocloud.readers.masks import MaskFile, ScoreFile
from geocloud.readers.reader import scene_name
from geocloud.writers.output_check import check_outputs
from geocloud.writers.staging import staged, write_errors
from geocloud.writers.vectors import to_frames, vector_format, write_polygons


@dataclass(frozen=True, slots=True)
class PolygonizeOptions:
    """How to make polygons of a mask."""

    min_area: float = 0.0
    """Polygons smaller than this many m² (geodesic) are left out."""
    score: str | os.PathLike[str] | None = None
    """The P(cloud) raster beside the mask, for `mean_score`; without it mean_score is 1."""
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
        UsageError: `out` exists, its suffix is unknown, or there are no areas without a georeference.
        OutputError: `out` cannot be written.
    """
    options, target = options or PolygonizeOptions(), Path(out)
    vector_format(target)
    inputs = [*protected_files(os.fspath(mask)), *([options.score] if options.score is not None else [])]
    check_outputs([target], inputs, overwrite=options.overwrite)
    with MaskFile(Path(mask), options.encoding) as codes, staged(target.stem) as staging:
        georef, min_area = codes.georef, options.min_area
        if min_area and not georef.located:
            raise UsageError(f"{mask} has no georeference, so areas in m² are unknown; leave out --min-area")
        with write_errors(target):
            shapes = _trace(codes, options.score, staging.path(target).parent, progress)
        name = scene_name(os.fspath(mask)).removesuffix(MASK_SUFFIX)
        frames = partial(to_frames, shapes, georef, name, min_area)
        count = write_polygons(frames, staging.path(target), codes.provenance)
        staging.commit(last=target, overwrite=options.overwrite)
    return count


def _trace(mask: MaskFile, score_path: str | os.PathLike[str] | None, folder: Path, progress: Progress) -> ShapeStore:
    """All polygons, each with the sum of P(cloud) inside, or of ones without a score; many wait in the folder."""
    height, width = mask.georef.shape
    tracer = PolygonTracer(width, folder=folder)
    score = ScoreFile(Path(score_path), mask.georef) if score_path is not None else None
    try:
        for row, codes in mask.strips():
            tracer.add(codes, score.read(row, len(codes)) if score else np.ones(codes.shape, dtype=np.float32))
            progress(row + len(codes), height, "polygons")
    finally:
        if score is not None:
            score.close()
    return tracer.finish()
