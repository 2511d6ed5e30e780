"""Peak memory and processor time of `composite` and `series` over the number of dates.

    python tests/benchmarks/dates_memory.py [SIDE]

Dates of SIDE x SIDE pixels (1500) of four bands, with masks; each run is a process of its own. Series scores each date
by brightness, so that the figure is that of the dates together and not of a network.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

DATES = (10, 30, 100, 200)
RUN = """
import resource, sys
from pathlib import Path
from geocloud import CompositeOptions, SeriesOptions, composite, detect_series
folder, what, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
scenes = sorted(folder.glob("*.tif"))[:count]
if what == "composite":
    composite(scenes, folder / "out" / f"{count}.tif", CompositeOptions(masks=folder / "masks"))
else:
    detect_series(scenes, folder / f"series{count}", SeriesOptions(model="brightness", threads=1))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_maxrss // 1024, "|", round(used.ru_utime + used.ru_stime))
"""


def write(path: Path, data: np.ndarray, nodata: int) -> None:
    path.parent.mkdir(exist_ok=True)
    profile = {
        "driver": "GTiff", "width": data.shape[2], "height": data.shape[1], "count": len(data), "dtype": data.dtype,
        "crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 20, 20), "nodata": nodata, "tiled": True,
        "blockxsize": 256, "blockysize": 256,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(data)
        if len(data) == 4:
            dataset.descriptions = ("blue", "green", "red", "nir")


def main() -> None:
    """Print a table."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = rng.integers(500, 1500, (4, side, side))
        for number in range(max(DATES)):
            day = datetime.date(2023, 1, 1) + datetime.timedelta(days=3 * number)
            data = base + rng.integers(0, 100, (4, side, 1))
            codes = np.zeros((1, side, side), dtype=np.uint8)
            start = rng.integers(0, side - side // 3)
            codes[:, start : start + side // 3], data[:, start : start + side // 3] = 1, 6000 + number
            write(folder / f"{day}.tif", data.astype(np.uint16), 0)
            write(folder / "masks" / f"{day}_cloudmask.tif", codes, 255)
        (folder / "out").mkdir()
        sys.stdout.write("| dates | composite, MB | seconds | series, MB | seconds |\n|---|---|---|---|---|\n")
        for count in DATES:
            peaks = [
                subprocess.run(
                    [sys.executable, "-c", RUN, name, what, str(count)], capture_output=True, text=True, check=True
                ).stdout.splitlines()[-1]
                for what in ("composite", "series")
            ]
            sys.stdout.write(f"| {count} | {peaks[0]} | {peaks[1]} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
