"""Cuts the sample scene out of a chip of the "On Cloud N" data set.

    python sample_data/make_sample.py CHIP LABEL [FOLDER]

CHIP is chip_3 (512 x 512 pixels; blue, green, red, nir; uint16 reflectance x 10000) and LABEL its label. Writes
scene.tif, its values rounded to 0.001 reflectance so that it stays small, and scene_labels.tif (0 clear, 1 cloud).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

SIDE = 304
CUT = Window(192, 208, SIDE, SIDE)
"""Column and row of the crop in the chip."""
STEP = 10
"""0.001 reflectance."""
CREDIT = "Contains modified Copernicus Sentinel data; crop of the On Cloud N data set, CC BY 4.0"


def write(path: Path, data: np.ndarray, like: rasterio.DatasetReader, **more: object) -> None:
    """A tiled GeoTIFF of the crop."""
    profile = {
        "driver": "GTiff", "count": data.shape[0], "height": SIDE, "width": SIDE, "dtype": data.dtype, "crs": like.crs,
        "transform": like.window_transform(CUT), "compress": "deflate", "predictor": 2, "zlevel": 9, "tiled": True,
        "blockxsize": SIDE, "blockysize": SIDE, "interleave": "band", **more,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(data)
        if data.shape[0] > 1:
            dataset.descriptions = ("blue", "green", "red", "nir")
            dataset.scales = (0.0001,) * data.shape[0]
            dataset.update_tags(TIFFTAG_COPYRIGHT=CREDIT)


def main(chip: Path, label: Path, folder: Path) -> None:
    """Write both files."""
    with rasterio.open(chip) as dataset:
        data = dataset.read(window=CUT)
        write(folder / "scene.tif", (np.round(data / STEP) * STEP).astype(np.uint16), dataset, nodata=0)
    with rasterio.open(label) as dataset:
        write(folder / "scene_labels.tif", dataset.read(window=CUT).astype(np.uint8), dataset, nodata=255)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3] if len(sys.argv) > 3 else Path(__file__).parent))
