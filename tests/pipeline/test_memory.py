"""Memory does not grow with the scene: measured on a subprocess by the operating system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window


def tall_scene(path: Path, height: int, width: int) -> Path:
    """A compressed scene written block by block: 4 bands, uint16, clouds repeating."""
    rng = np.random.default_rng(0)
    block = rng.integers(300, 900, (4, 512, 512)).astype(np.uint16)
    y, x = np.mgrid[:512, :512]
    block[:, np.hypot(y - 200, x - 260) < 90] += 6000
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": 4, "dtype": "uint16", "crs": "EPSG:32633",
        "transform": from_origin(300000, 5000000, 10, 10), "tiled": True, "blockxsize": 512, "blockysize": 512,
        "compress": "deflate", "zlevel": 1, "nodata": 0,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.descriptions = ("blue", "green", "red", "nir")
        for row in range(0, height, 512):
            for col in range(0, width, 512):
                high, wide = min(512, height - row), min(512, width - col)
                dataset.write(block[:, :high, :wide], window=Window(col, row, wide, high))
    return path


def peak_megabytes(scene: Path, out: Path) -> float:
    """Peak resident memory of `geocloud detect` with the default model, in 10^6 bytes."""
    command = [sys.executable, "-m", "geocloud", "detect", str(scene), "--out", str(out), "--progress", "none"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024 / 1e6


@pytest.mark.slow
def test_peak_memory_is_flat_in_height_and_under_a_gigabyte(tmp_path: Path) -> None:
    short = peak_megabytes(tall_scene(tmp_path / "short.tif", 5490, 10980), tmp_path / "a")
    tall = peak_megabytes(tall_scene(tmp_path / "tall.tif", 10980, 10980), tmp_path / "b")
    assert short < 1000
    assert tall < 1.05 * short
