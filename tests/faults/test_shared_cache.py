"""What is written stays written while another thread decodes JP2, which puts tiles out of GDAL's one cache."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from geocloud.raster import Georef
from geocloud.writers.cog import MASK_FORMAT, RowWriter

pytestmark = pytest.mark.faults
ROUNDS, SIDE, PIECE = 60, 2048, 128
"""Where tiles were written in parts, one file in fifteen lacked some."""


def make_jp2(path: Path) -> Path:
    """A lossless JP2 tiled as Sentinel-2's at 60 m are."""
    data = np.random.default_rng(0).integers(0, 4000, (1, 1830, 1830)).astype(np.uint16)
    profile = {"driver": "JP2OpenJPEG", "width": 1830, "height": 1830, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", **profile, REVERSIBLE="YES", QUALITY="100", BLOCKXSIZE=192, BLOCKYSIZE=192) as file:
        file.write(data)
    return path


def test_no_row_is_lost_while_jp2_is_read(tmp_path: Path) -> None:
    source, stop = make_jp2(tmp_path / "band.jp2"), threading.Event()

    def read() -> None:
        while not stop.is_set():
            with rasterio.open(source) as file:
                for row in range(0, 1536, 512):
                    file.read(1, window=Window(0, row, 1830, 512))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        rows = np.random.default_rng(1).integers(0, 2, (SIDE, SIDE)).astype(np.uint8)
        for _ in range(ROUNDS):
            writer = RowWriter(tmp_path / "mask.tif", Georef(rows.shape), MASK_FORMAT, {})
            for row in range(0, SIDE, PIECE):
                writer.write(row, rows[row : row + PIECE])
                time.sleep(0.002)  # as scoring takes its time between rows
            writer.close()
            with rasterio.open(writer.path) as file:
                np.testing.assert_array_equal(file.read(1), rows)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
