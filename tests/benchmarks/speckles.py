"""Memory with millions of polygons: a scene that is noise, masked by the real program, in each vector format.

python tests/benchmarks/speckles.py [rows] [model]

Prints for each format the number of polygons, the seconds, and the largest memory of the process in megabytes: of
`detect`, and of `polygonize` of its mask. With 4,000 pixels per row, 4,000 rows are 2.05 million polygons.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

WIDTH = 4000
FORMATS = ("none", "geojson", "gpkg", "fgb", "parquet")


def write_noise(path: Path, rows: int) -> None:
    """A scene each pixel of which is cloud by chance, three of ten."""
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "height": rows, "width": WIDTH, "count": 4, "dtype": "uint16", "crs": "EPSG:32633"}
    where = from_origin(300_000, 5_000_000, 10, 10)
    with rasterio.open(path, "w", **profile, transform=where, tiled=True, compress="deflate") as dataset:
        dataset.descriptions = ("blue", "green", "red", "nir")
        for row in range(0, rows, 400):
            high = min(400, rows - row)
            data = np.where(rng.random((high, WIDTH)) < 0.3, 6000, 600).astype(np.uint16)
            dataset.write(np.repeat(data[None], 4, axis=0), window=Window(0, row, WIDTH, high))


def run(verb: str, scene: Path, out: Path, kind: str, model: str) -> tuple[int, float]:
    """Polygons and seconds of one run."""
    command = [sys.executable, "-m", "geocloud", verb, "--overwrite", "--progress", "none", "--json"]
    if verb == "detect":
        command += [str(scene), "--out", str(out), "--model", model, "--polygons", kind]
    else:
        command += [str(out / f"{scene.stem}_cloudmask.tif"), "--out", str(out / f"p.{kind}")]
    started = time.perf_counter()
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout).get("polygon_count") or 0, time.perf_counter() - started


def main() -> None:
    """Each format in a process of its own, for the largest memory is that of the largest child so far."""
    if len(sys.argv) > 1 and sys.argv[1] == "--one":
        verb, scene, out, kind, model = sys.argv[2:]
        count, seconds = run(verb, Path(scene), Path(out), kind, model)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        sys.stdout.write(f"{verb:10} {kind:8} {count:9} polygons {seconds:7.1f} s {peak:7.0f} MB\n")
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    model = sys.argv[2] if len(sys.argv) > 2 else "brightness"
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "noise.tif"
        write_noise(scene, rows)
        for kind in FORMATS:
            for verb in ("detect", "polygonize")[: 1 if kind == "none" else 2]:
                subprocess.run([sys.executable, __file__, "--one", verb, str(scene), folder, kind, model], check=True)


if __name__ == "__main__":
    main()
