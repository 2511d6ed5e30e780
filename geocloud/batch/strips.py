"""Score very large rasters in strips of rows, one task per strip, and join the scores of the strips through a VRT."""

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
"""Number of strips of a raster with `split` x `split` pixels; with the default, a strip has 50,000² / 12 = 0.2 Gpx."""
STORED = RasterFormat("AVERAGE", "NO", dtype="float32", nodata=float("nan"), names=("score",))
NOT_SCORED = np.float32(-np.inf)
"""Value in the files of valid pixels without a score; nodata is NaN."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a raster is split."""

    folder: Path
    """Folder of the scores of the strips until they are joined; its name holds scene, fingerprint and parameters."""
    bands: tuple[range, ...]
    """For each strip, its range of rows of blocks."""
    step: int
    """Number of rows of the scene per row of blocks."""
    piece: int
    """Number of rows of the scene that are passed on at once."""

    def file(self, number: int) -> Path:
        """Path of the scores of a strip."""
        return self.folder / f"band-{number:04d}.tif"


def split_scene(task: SceneTask, scene: SceneReader, scorer: Scorer, fingerprint: str) -> Split:
    """Divide a scene into strips of whole rows of blocks."""
    factor = aggregation_factor(scene.georef, scorer, task.options.detect.resolution)
    height, width = scene.georef.shape
    step = PatchGrid((height, width), scorer.card.block).side * factor
    rows = -(-height // step)
    run = max(1, task.options.split**2 // STRIPS // (width * step))
    bands = tuple(range(row, min(row + run, rows)) for row in range(0, rows, run))
    name = f".geocloud-{task.stem}-bands-{fingerprint[:8]}{task.parameters[:8]}"
    return Split(task.folder / name, bands, step, piece_rows(factor, width))


def score_strip(scene: SceneReader, scorer: Scorer, split: Split, number: int, resolution: float | None) -> None:
    """Write the scores of a strip, all or none; nothing is done if an earlier run wrote them."""
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
    """The scene's scored rows from the top, read through a VRT of all strips: the same as without splitting."""
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
    """Write a virtual raster (GDAL's VRT) of all strips, one below the other; `shape`: (height, width) of the scene."""
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
    """Delete the strips of a scene, also those of earlier parameters."""
    for folder in split.folder.parent.glob(f"{split.folder.name[:-16].replace('[', '[[]')}????????????????"):
        shutil.rmtree(folder, ignore_errors=True)
