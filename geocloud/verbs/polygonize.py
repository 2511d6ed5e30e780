"""Polygonize: a mask in, polygons out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.errors import InputError, UsageError
from geocloud.polygons import PolygonTracer
from geocloud.progress import Progress, no_progress
from geocloud.raster import CLEAR, NODATA, ByteArray
from geocloud.readers.opening import damaged, open_raster, raster_georef
from geocloud.readers.options import scene_name
from geocloud.verbs.detection import MASK_SUFFIX
from geocloud.writers.staging import staged
from geocloud.writers.vectors import to_frame, vector_format, write_vectors

STRIP = 512


def polygonize(
    mask: str, out: Path, *, min_area: float = 0.0, overwrite: bool = False, progress: Progress = no_progress
) -> int:
    """Write the polygons of every code but clear and nodata of a mask, by the suffix of `out`; returns their number.

    Without a score mean_score is 1. Polygons smaller than `min_area` m² are left out.

    Raises:
        InputError: the mask is not a raster of one byte a pixel.
        UsageError: `out` exists, its suffix is unknown, or there are no areas without a georeference.
        OutputError: `out` cannot be written.
    """
    vector_format(out)
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists; pass --overwrite to replace it")
    with open_raster(mask) as dataset, damaged(mask), staged(out.stem) as staging:
        georef = raster_georef(dataset, mask)
        if min_area and not georef.located:
            raise UsageError(f"{mask} has no georeference, so areas in m² are unknown; leave out --min-area")
        tracer = PolygonTracer(dataset.width)
        for row, codes in mask_rows(dataset, mask):
            tracer.add(codes, np.ones(codes.shape, dtype=np.float32))
            progress(row + len(codes), dataset.height, "polygons")
        frame = to_frame(tracer.finish(), georef, scene_name(mask).removesuffix(MASK_SUFFIX))
        if min_area:
            frame = frame[frame["area_m2"] >= min_area]
        write_vectors(frame, staging.path(out))
        staging.commit(last=out)
    return len(frame)


def mask_rows(dataset: Any, source: str) -> Iterator[tuple[int, ByteArray]]:  # noqa: ANN401 - rasterio is untyped
    """(first row, codes (h, width)) of a mask from the top; its own nodata value becomes 255, InputError if no mask."""
    if dataset.dtypes[0] != "uint8":
        raise InputError(f"{source} holds {dataset.dtypes[0]}; a mask holds uint8 codes: 0 clear, 1 cloud, 255 nodata")
    for row in range(0, dataset.height, STRIP):
        window = RasterioWindow(0, row, dataset.width, min(STRIP, dataset.height - row))
        codes: NDArray[np.uint8] = dataset.read(1, window=window)
        if dataset.nodata not in (None, CLEAR, NODATA):
            codes[codes == dataset.nodata] = NODATA
        yield row, codes
