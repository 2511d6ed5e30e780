"""Whether lasting change is kept apart from cloud and shadow by `series`.

    python tests/benchmarks/lasting.py [DATA] [CHANGE ...]

DATA is the folder of real imagery (else GEOCLOUD_DATA), CHANGE some of the changes below.
Over eight clear dates of fields in Italy (blue, green, red, near infrared) a patch of 70 x 100 pixels is changed:
harvest, flood, fire and snow, from one date on, for one or two dates or until the end, or on the last date alone.
Printed is how much of the patch each date calls cloud and shadow.
"""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

sys.path.insert(0, str(Path(__file__).parent))

from series import ITALY, SIDE, read, say

from geocloud import SeriesOptions, detect_series
from geocloud.classes import SHADOW
from geocloud.raster import CLOUD

BANDS = ("blue", "green", "red", "nir")
PATCH = slice(60, 130), slice(70, 170)
SPANS = ((3, 4), (3, 5), (3, 8), (7, 8))
"""First changed date, and the first that is not; there are eight."""
HARVEST, FIRE = np.array([1.3, 1.3, 1.9, 0.65]), np.array([0.6, 0.55, 0.6, 0.35])
WATER, SNOW = np.array([0.07, 0.08, 0.06, 0.03]), np.array([0.75, 0.74, 0.73, 0.68])
NOISE = 0.004


def times(factors: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda ground: ground * factors[:, None, None]


def flood(ground: np.ndarray) -> np.ndarray:
    return WATER[:, None, None] + 0.05 * ground


def snow(ground: np.ndarray) -> np.ndarray:
    return SNOW[:, None, None] + 0.25 * (ground - ground.mean(axis=(1, 2), keepdims=True))


CHANGES = {"harvest": times(HARVEST), "flood": flood, "fire": times(FIRE), "snow": snow}


def masks(dates: np.ndarray, folder: Path) -> np.ndarray:
    """(date, h, w) codes by `series` of files of these dates, twenty days apart."""
    files = []
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": len(BANDS), "dtype": "uint16", "crs": "EPSG:32632",
        "transform": from_origin(5e5, 5e6, 10, 10),
    }  # fmt: skip
    for number, image in enumerate(dates):
        day = datetime.date(2018, 3, 1) + datetime.timedelta(days=20 * number)
        files.append(folder / f"{day}.tif")
        with rasterio.open(files[-1], "w", **profile) as file:
            file.write((image * 10000).clip(1, 65535).astype(np.uint16))
            file.descriptions, file.scales = BANDS, [1e-4] * len(BANDS)
    codes = []
    for date in detect_series(files, folder / "masks", SeriesOptions()):
        with rasterio.open(date.mask_path) as mask:
            codes.append(mask.read(1))
    return np.stack(codes)


def main() -> None:
    """Print a table."""
    words = sys.argv[1:]
    data = Path(words.pop(0) if words and Path(words[0]).is_dir() else os.environ["GEOCLOUD_DATA"])
    images = [read(data / f"scenes/sen12mscr_series_italy/2018-{day}_patch0.tif") for day in ITALY]
    clear = np.stack([image[[bands.index(band) for band in BANDS]] for image, bands in images])
    say("| change | dates | % cloud, by date | % shadow, by date |\n|---|---|---|---|")
    for name, change in CHANGES.items():
        if words and name not in words:
            continue
        for first, stop in SPANS:
            dates = clear.copy()
            for number in range(first, stop):
                ground = clear[number][:, *PATCH]
                noise = np.random.default_rng(number).normal(0, NOISE, ground.shape)
                dates[number][:, *PATCH] = change(ground) + noise
            with tempfile.TemporaryDirectory() as folder:
                patch = masks(dates, Path(folder))[:, *PATCH]
            rows = [" ".join(f"{100 * (codes == code).mean():.0f}" for codes in patch) for code in (CLOUD, SHADOW)]
            say(f"| {name} | {first + 1} to {stop} | {rows[0]} | {rows[1]} |")


if __name__ == "__main__":
    main()
