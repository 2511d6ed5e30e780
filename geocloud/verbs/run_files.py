"""Steps of a scene's run that need no state: masks read and written again, tags, links."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.calibration import Calibration
from geocloud.georef import Georef
from geocloud.readers.contract import SceneReader
from geocloud.readers.paths import is_virtual
from geocloud.scorers.contract import Scorer
from geocloud.version import __version__
from geocloud.writers.cog import Product, RowWriter, raster_errors
from geocloud.writers.encodings import ENCODINGS, TAG, EncodingName, encode

STRIP = 512
"""Rows handled at once where a written raster is read back."""


def write_encoded(source: Path, target: Path, georef: Georef, encoding: EncodingName) -> None:
    """A mask of our codes written again in another encoding, row strip by row strip."""
    product = Product("MODE", "NO", ENCODINGS[encoding].dtype, ENCODINGS[encoding].nodata, description="cloud mask")
    with raster_errors(target), rasterio.open(source) as dataset:
        writer = RowWriter(target, georef, product, {**dataset.tags(), TAG: encoding})
        for row in range(0, dataset.height, STRIP):
            window = RasterioWindow(0, row, dataset.width, min(STRIP, dataset.height - row))
            writer.write(row, encode(dataset.read(1, window=window), encoding))
    writer.close()


def read_every(path: Path, step: int) -> NDArray[np.uint8]:
    """Every nth pixel of a raster's first band in both directions, read a few rows at a time."""
    rows = max(step, STRIP // step * step)
    parts = []
    with raster_errors(path), rasterio.open(path) as dataset:
        for row in range(0, dataset.height, rows):
            window = RasterioWindow(0, row, dataset.width, min(rows, dataset.height - row))
            parts.append(dataset.read(1, window=window)[::step, ::step])
    return np.concatenate(parts)


def seen_from(document: Path, source: str) -> str:
    """A source as a link in a document has it: a URL as it is, a local path relative to the document."""
    if is_virtual(source) or not Path(source).exists():
        return source
    try:
        return Path(os.path.relpath(source, document.parent)).as_posix()
    except ValueError:  # another drive
        return Path(source).resolve().as_uri()


def provenance(scene: SceneReader, scorer: Scorer, calibration: Calibration) -> dict[str, str]:
    """Tags every output carries: which model, cut where, from which bands of which source."""
    described = scene.describe()["bands"]
    bands = scorer.choose_bands(scene.bands)
    return {
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_MODEL": scorer.name,
        "GEOCLOUD_MODEL_SHA256": scorer.sha256,
        "GEOCLOUD_THRESHOLD": repr(float(calibration.threshold)),
        "GEOCLOUD_THRESHOLD_RULE": str(calibration.rule),
        "GEOCLOUD_BANDS": ",".join(bands),
        "GEOCLOUD_REFLECTANCE": "; ".join(
            f"{band} = DN * {described[band]['scale']:.8g} + {described[band]['offset']:.8g}" for band in bands
        ),
        "GEOCLOUD_SOURCE": scene.source,
    }
