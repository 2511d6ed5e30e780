"""How much `geocloud adapt` gains on a place, from three clear scenes of it, measured on others that no run saw.

    python tests/benchmarks/adapt.py CASE DATA

DATA is the folder of GEOCLOUD_DATA. A case that is one clear scene is cut into nine pieces: three on the diagonal are
given as clear scenes, six are measured. It prints false alarms on what is measured, and the recall of simulated cloud
over it, before and after, each with its 95 % interval over tiles, and the time and memory that it took. Memory is of
this process, which measures too.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin

from geocloud import AdaptOptions, SceneOptions, adapt, load_scorer
from geocloud.training.before_after import compare, measure_tiles
from geocloud.training.own_scenes import Truth, read_tiles

LEARNED = (0, 4, 8)
"""Pieces on the diagonal."""
RGB = {"blue": 1, "green": 2, "red": 3}


@dataclass(frozen=True)
class Case:
    """A place, or scenes of some places."""

    title: str
    files: tuple[str, ...]
    """One: it is cut into nine pieces. Several: the first three are learned."""
    bands: dict[str, int]
    """Band -> its number in the file."""
    side: float = 20.0
    """Metres of a pixel as it is written."""
    zoom: int = 1
    """Pixels along a side that each becomes, by bilinear interpolation."""
    white: float = 0.0
    """Reflectance of 255 where 8-bit pictures are made; 0: numbers stay reflectance x 10000."""


ISLAND = "scenes/sentinel2_l1c_clear/S2B_MSIL1C_20171022_T49JGM.tif"
FINLAND = "scenes/biomassters_finland/0060c0a5_S2_{}.tif"
CASES = {
    "desert": Case("red desert island, Sentinel-2 in RGB", (ISLAND,), RGB),
    "snow": Case("snow in April, Alberta, RGB", ("scenes/sentinel2_series_alberta/2020-04-11.tif",), RGB),
    "planet": Case("the island as PlanetScope's 3 m in 8-bit RGB", (ISLAND,), RGB, side=3.0, zoom=3, white=1.0),
    "aerial": Case("the island as aerial RGB of 1 m, 8-bit", (ISLAND,), RGB, side=1.0, zoom=4, white=0.6),
    "finland": Case(
        "a forest in Finland, October to July, six bands",
        tuple(FINLAND.format(month) for month in ("02", "08", "10", "01", "07", "09")),
        {**RGB, "nir": 4, "swir16": 5, "swir22": 6},
        side=10.0,
    ),
    "bands": Case("the island in RGB and 1.6 um, without near infrared", (ISLAND,), {**RGB, "swir16": 5}),
}  # fmt: skip


def write(target: Path, data: np.ndarray, case: Case, corner: tuple[int, int]) -> Path:
    """A scene of the case's own kind, at a place of its own."""
    shape = data.shape[1] * case.zoom, data.shape[2] * case.zoom
    if case.white:
        data = np.clip(np.rint(data / 1e4 / case.white * 255), 1, 255).astype(np.uint8)
    place = from_origin(500000 + case.side * corner[1], 5000000 - case.side * corner[0], case.side, case.side)
    profile = {"driver": "GTiff", "count": len(data), "height": shape[0], "width": shape[1], "dtype": data.dtype}
    with rasterio.io.MemoryFile() as memory:
        small = {**profile, "height": data.shape[1], "width": data.shape[2]}
        with memory.open(**small) as file:
            file.write(data)
        with memory.open() as file:
            large = file.read(out_shape=(len(data), *shape), resampling=Resampling.bilinear)
    with rasterio.open(target, "w", **profile, crs="EPSG:32650", transform=place) as file:
        file.write(large)
        file.descriptions = tuple(case.bands)
    return target


def scenes_of(case: Case, root: Path, folder: Path) -> tuple[list[Path], list[Path]]:
    """Scenes to learn from, and scenes to measure on."""
    every = []
    for name in case.files:
        with rasterio.open(root / name) as file:
            every.append(file.read(list(case.bands.values())))
    if len(every) > 1:
        made = [
            write(folder / f"scene{number}.tif", data, case, (number * 10_000, 0)) for number, data in enumerate(every)
        ]
        return made[:3], made[3:]
    height, width = every[0].shape[1] // 3, every[0].shape[2] // 3
    made = []
    for number in range(9):
        row, col = number // 3 * height, number % 3 * width
        part = every[0][:, row : row + height, col : col + width]
        made.append(write(folder / f"piece{number}.tif", part, case, (row * case.zoom, col * case.zoom)))
    return [made[number] for number in LEARNED], [one for n, one in enumerate(made) if n not in LEARNED]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=AdaptOptions().steps)
    parser.add_argument("--nothing-said", action="store_true", help="give the scenes without a word of what they are")
    given = parser.parse_args()
    case = CASES[given.case]
    read = SceneOptions(scale=case.white / 255 if case.white else 1e-4, offset=0.0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        learned, held = scenes_of(case, given.data, folder)
        names = folder / "clear.txt"
        names.write_text("".join(f"{scene.stem}\n" for scene in learned))
        clear = None if given.nothing_said else names
        options = AdaptOptions(clear=clear, scene=read, steps=given.steps, allow_worse=True)
        begun = time.monotonic(), time.process_time()
        adapt(learned, folder / "model", options)
        took = time.monotonic() - begun[0], time.process_time() - begun[1]
        truth = Truth(clear=frozenset(scene.stem for scene in held))
        scorers = [load_scorer(name, "cpu", "fp32") for name in ("default", folder / "model")]
        tiles = [tile for scene in held for tile in read_tiles(scene, read, scorers[0], truth)]
        before, after = (measure_tiles(tiles, one, options.threads) for one in scorers)
        rows, worse = compare(before, after, [float(one.card.calibration.score_threshold) for one in scorers])
    sys.stdout.write(f"{case.title}: {len(learned)} scenes given, measured on {len(held)} others\n")
    for row in rows:
        spans = ((row.before, *row.before_95), (row.after, *row.after_95))
        cells = [f"{100 * value:.1f} % ({100 * low:.1f}-{100 * high:.1f})" for value, low, high in spans]
        sys.stdout.write(f"  {row.figure:<40}{cells[0]:>24}{cells[1]:>24}\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(f"  worse: {worse or 'nothing'}; {took[0]:.0f} s, {took[1]:.0f} s of a core, {peak:.1f} GB\n")


if __name__ == "__main__":
    main()
