"""Very large rasters: scored in bands of rows, a task each, kept as files, and read back as one through a VRT."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterioWindow

from geocloud.batch.plan import SceneTask
from geocloud.pipeline.scoring import ScoredRows, piece_rows, scored_rows
from geocloud.pipeline.tiling import aggregation_factor
from geocloud.raster import FloatArray, Georef, PatchGrid, Window
from geocloud.readers import SceneReader
from geocloud.scorers.contract import Scorer
from geocloud.writers.cog import RasterFormat, RowWriter
from geocloud.writers.staging import staged

STRIPS = 12
"""So many bands would the largest raster have that is not split: each of 50,000 x 50,000 / 12 pixels, 0.2 Gpx."""
STORED = RasterFormat("AVERAGE", "NO", dtype="float32", nodata=float("nan"), names=("score",))
NOT_SCORED = np.float32(-np.inf)
"""Stands in the files for valid pixels without a score; nodata is NaN."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a raster is split."""

    folder: Path
    """Where the bands' scores are kept until they are joined; named by the scene, its fingerprint and parameters."""
    bands: tuple[range, ...]
    """Rows of blocks of each band."""
    step: int
    """Rows of the scene that a row of blocks stands for."""
    piece: int
    """Rows of it handed on at once."""

    def file(self, number: int) -> Path:
        """The scores of a band."""
        return self.folder / f"band-{number:04d}.tif"


def split_scene(task: SceneTask, scene: SceneReader, scorer: Scorer, fingerprint: str) -> Split:
    """Bands of whole rows of blocks."""
    factor = aggregation_factor(scene.georef, scorer, task.options.detect.resolution)
    height, width = scene.georef.shape
    step = PatchGrid((height, width), scorer.card.block).side * factor
    rows = -(-height // step)
    run = max(1, task.options.split**2 // STRIPS // (width * step))
    bands = tuple(range(row, min(row + run, rows)) for row in range(0, rows, run))
    name = f".geocloud-{task.stem}-bands-{fingerprint[:8]}{task.parameters[:8]}"
    return Split(task.folder / name, bands, step, piece_rows(factor, width))


def score_strip(scene: SceneReader, scorer: Scorer, split: Split, number: int, resolution: float | None) -> None:
    """Write the scores of a band, whole or not at all; one that an earlier run wrote is kept."""
    target, blocks = split.file(number), split.bands[number]
    if target.exists():
        return
    factor = aggregation_factor(scene.georef, scorer, resolution)
    first, stop = blocks.start * split.step, min(blocks.stop * split.step, scene.georef.shape[0])
    part = Window(first, 0, stop - first, scene.georef.shape[1])
    georef = Georef(part.shape, scene.georef.transform @ Affine.translation(0, first))
    with staged(target.stem) as staging:
        writer = RowWriter(staging.path(target), georef, STORED, {})
        for rows in scored_rows(scene, scorer, factor=factor, threads=1, part=part):
            unscored = rows.valid & np.isnan(rows.score)
            writer.write(rows.row, np.where(unscored, NOT_SCORED, rows.score))
        writer.close()
        staging.commit(last=target)


def stored_rows(split: Split, shape: tuple[int, int]) -> Generator[ScoredRows, None, None]:
    """The scene's rows from the top, as scoring it whole would give them, read through a VRT of all bands."""
    mosaic = split.folder / "scores.vrt"
    write_vrt(mosaic, split, shape)
    with rasterio.open(mosaic) as dataset:
        for row in range(0, shape[0], split.step):
            window = RasterioWindow(0, row, shape[1], min(split.step, shape[0] - row))
            score: FloatArray = dataset.read(1, window=window)
            valid = ~np.isnan(score)
            score[score == NOT_SCORED] = np.nan
            yield from ScoredRows(row, score, valid, own_valid=valid).pieces(split.piece)


def write_vrt(path: Path, split: Split, shape: tuple[int, int]) -> None:
    """A virtual raster of the bands' files, one below the other (GDAL's VRT format)."""
    root = Element("VRTDataset", rasterXSize=str(shape[1]), rasterYSize=str(shape[0]))
    band = SubElement(root, "VRTRasterBand", dataType="Float32", band="1")
    SubElement(band, "NoDataValue").text = "nan"
    for number, blocks in enumerate(split.bands):
        first, stop = blocks.start * split.step, min(blocks.stop * split.step, shape[0])
        source = SubElement(band, "SimpleSource")
        SubElement(source, "SourceFilename", relativeToVRT="1").text = split.file(number).name
        SubElement(source, "SourceBand").text = "1"
        for name, row in (("SrcRect", 0), ("DstRect", first)):
            SubElement(source, name, xOff="0", yOff=str(row), xSize=str(shape[1]), ySize=str(stop - first))
    ElementTree(root).write(path, encoding="utf-8")


def clear_strips(split: Split) -> None:
    """Remove the bands of a scene that is joined, of earlier parameters too."""
    for folder in split.folder.parent.glob(f"{split.folder.name[:-16].replace('[', '[[]')}????????????????"):
        shutil.rmtree(folder, ignore_errors=True)
