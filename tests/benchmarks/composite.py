"""Composites of five dates of one tile: each clear date is left out in turn, and the composite of the rest held to it.

    python tests/benchmarks/composite.py [DATA]

DATA is the folder of real imagery (else GEOCLOUD_DATA). Compared are masks of `detect` and `series`, the sensor's own
SCL, and no mask at all; only pixels that are clear by SCL on the date left out count. SCL is no ground truth either.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from geocloud import SeriesOptions, detect, detect_series, open_scene
from geocloud.pipeline.detection import DetectOptions
from geocloud.raster import CLEAR, NODATA, Window
from geocloud.readers.masks import MaskFile
from geocloud.series.compose import Method, compose_window
from geocloud.series.ground import box_means

LEFT_OUT = ("20230815", "20230813", "20230820")
"""Cloud by their items: 0.2, 1.7 and 8 %."""


def codes(path: Path, encoding: str | None = None) -> np.ndarray:
    with MaskFile(path, encoding) as mask:
        return mask.read(0, mask.georef.shape[0])


def ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(h, w) structural similarity over 7 x 7 pixels (Wang et al. 2004), for reflectance up to 1."""
    a, b = box_means(first, 3), box_means(second, 3)
    spread_a, spread_b = box_means(first**2, 3) - a**2, box_means(second**2, 3) - b**2
    shared = box_means(first * second, 3) - a * b
    return (2 * a * b + 1e-4) * (2 * shared + 9e-4) / ((a**2 + b**2 + 1e-4) * (spread_a + spread_b + 9e-4))


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["GEOCLOUD_DATA"])
    folders = sorted((data / "scenes" / "sentinel2_l2a_120m").glob("S2*"), key=lambda folder: folder.name.split("_")[2])
    items = [next(folder.glob("*.json")) for folder in folders]
    rasters = []
    for item in items:
        with open_scene(item) as scene:
            rasters.append(scene.read(Window(0, 0, *scene.georef.shape), ("blue", "green", "red", "nir")))
    x, valid = np.stack([raster.data for raster in rasters]), np.stack([raster.valid for raster in rasters])
    scl = np.stack([codes(folder / "SCL.tif", "scl") for folder in folders])
    with tempfile.TemporaryDirectory() as scratch:
        series = detect_series(items, Path(scratch, "series"), SeriesOptions())
        alone = [detect(item, Path(scratch, "alone"), DetectOptions(polygons="none")).mask_path for item in items]
        masks = {
            "no mask": np.where(valid, CLEAR, NODATA),
            "SCL": scl,
            "detect": np.stack([codes(path) for path in alone]),
            "series": np.stack([codes(date.mask_path) for date in series]),
        }
    sys.stdout.write(
        "| left out | masks | method | RMSE of reflectance | SSIM | filled % |\n|---|---|---|---|---|---|\n"
    )
    methods: tuple[Method, ...] = ("median", "medoid", "best")
    for day in LEFT_OUT:
        out = next(number for number, folder in enumerate(folders) if day in folder.name)
        rest = [number for number in range(len(folders)) if number != out]
        asked = valid[out] & (scl[out] == CLEAR)
        for name, found in masks.items():
            for method in methods if name == "detect" else ("median",):
                clear = valid[rest] & (found[rest] == CLEAR)
                weight = np.stack([1.001 - box_means((one != CLEAR).astype(np.float32), 15) for one in found[rest]])
                made = compose_window(x[rest], clear, weight, method)
                use = asked & (made.count > 0)
                error = np.sqrt(((made.data - x[out])[:, use] ** 2).mean())
                alike = np.mean([ssim(np.nan_to_num(a), b)[use].mean() for a, b in zip(made.data, x[out], strict=True)])
                filled = 100 * use.sum() / asked.sum()
                sys.stdout.write(f"| {day} | {name} | {method} | {error:.4f} | {alike:.3f} | {filled:.1f} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
