"""COGs: overviews of a raster made of squares are those of any other, only sooner there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS

from geocloud.raster import Georef
from geocloud.writers.cog import MASK_FORMAT, SCORE_FORMAT, RasterFormat, RowWriter, copy_to_cog


def overviews(path: Path) -> list[np.ndarray]:
    """Pixels of every level, the finest first."""
    with rasterio.open(path) as dataset:
        levels = len(dataset.overviews(1))
    found = []
    for level in range(-1, levels):
        with rasterio.open(path, **({} if level < 0 else {"overview_level": level})) as dataset:
            found.append(dataset.read(1))
    return found


@pytest.mark.parametrize("product", [MASK_FORMAT, SCORE_FORMAT])
@pytest.mark.parametrize(("shape", "levels"), [((2048, 1536), 3), ((1024, 1024), 2), ((512, 300), 1)])
def test_overviews_of_squares_are_those_of_any_raster(
    tmp_path: Path, product: RasterFormat, shape: tuple[int, int], levels: int
) -> None:
    georef = Georef(shape, Affine(10, 0, 500_000, 0, -10, 5_000_000), CRS.from_epsg(32633).to_wkt())
    coarse = np.random.default_rng(3).choice([0, 0, 1, 255], (shape[0] // 2, shape[1] // 2)).astype(np.uint8)
    writer = RowWriter(tmp_path / "plain.tif", georef, product, {})
    writer.write(0, np.kron(coarse, np.ones((2, 2), dtype=np.uint8)))
    writer.close()
    copy_to_cog(writer.path, tmp_path / "any.tif", product)
    copy_to_cog(writer.path, tmp_path / "squares.tif", product, squares=2)
    expected, mine = overviews(tmp_path / "any.tif"), overviews(tmp_path / "squares.tif")
    assert len(mine) == len(expected) == levels
    for ours, theirs in zip(mine, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with rasterio.open(tmp_path / "squares.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


@pytest.mark.parametrize("step", [1, 50, 128, 300])
def test_rows_come_back_however_they_were_handed_on(tmp_path: Path, step: int) -> None:
    rows = np.random.default_rng(4).integers(0, 256, (333, 600)).astype(np.uint8)
    writer = RowWriter(tmp_path / "plain.tif", Georef(rows.shape), MASK_FORMAT, {})
    for row in range(0, len(rows), step):
        writer.write(row, rows[row : row + step])
    rows[200:210] = 7
    writer.write(200, rows[200:210])
    np.testing.assert_array_equal(writer.read(190, 40), rows[190:230])
    writer.close()
    with rasterio.open(writer.path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), rows)
