"""How much `geocloud adapt` gains on a place: a clear scene is cut into nine, three are learned, six are measured.

    python tests/benchmarks/adapt.py SCENE --bands blue=1,green=2,red=3

prints false alarms on the six, and the recall of simulated cloud over them, before and after.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import rasterio
from rasterio.transform import from_origin

from geocloud import AdaptOptions, SceneOptions, adapt, load_scorer
from geocloud.training.before_after import compare, measure
from geocloud.training.own_scenes import Truth, read_tiles

LEARNED = (0, 4, 8)
"""Pieces on the diagonal."""


def cut(scene: Path, numbers: dict[str, int], folder: Path) -> list[Path]:
    """Nine pieces of the scene, of these bands, with pixels of 20 m."""
    with rasterio.open(scene) as file:
        data = file.read(list(numbers.values()))
    height, width = data.shape[1] // 3, data.shape[2] // 3
    made = []
    for number in range(9):
        row, col = number // 3 * height, number % 3 * width
        part = data[:, row : row + height, col : col + width]
        target = folder / f"piece{number}.tif"
        profile = {"driver": "GTiff", "count": len(part), "height": height, "width": width, "dtype": part.dtype}
        place = from_origin(500000 + 20 * col, 5000000 - 20 * row, 20, 20)
        with rasterio.open(target, "w", **profile, crs="EPSG:32650", transform=place) as file:
            file.write(part)
            file.descriptions = tuple(numbers)
        made.append(target)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--bands", default="blue=1,green=2,red=3")
    parser.add_argument("--scale", type=float, default=1e-4)
    parser.add_argument("--steps", type=int, default=AdaptOptions().steps)
    given = parser.parse_args()
    numbers = {name: int(number) for name, number in (pair.split("=") for pair in given.bands.split(","))}
    read = SceneOptions(scale=given.scale, offset=0.0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pieces = cut(given.scene, numbers, folder)
        learned = [pieces[number] for number in LEARNED]
        names = folder / "clear.txt"
        names.write_text("".join(f"{piece.stem}\n" for piece in learned))
        options = AdaptOptions(clear=names, scene=read, steps=given.steps, allow_worse=True)
        made = adapt(learned, folder / "model", options)
        truth = Truth(clear=frozenset(piece.stem for piece in pieces))
        scorers = [load_scorer(name, "cpu", "fp32") for name in ("default", folder / "model")]
        tiles = [
            tile for piece in pieces if piece not in learned for tile in read_tiles(piece, read, scorers[0], truth)
        ]
        before, after = (measure(tiles, one, options.threads) for one in scorers)
        rows, worse = compare(before, after, [float(one.card.calibration.score_threshold) for one in scorers])
    sys.stdout.write(f"{given.scene.name}: learned {len(made.learned)} of 9 pieces, measured on {9 - len(LEARNED)}\n")
    for row in rows:
        sys.stdout.write(f"  {row.figure:<40}{100 * row.before:7.1f} %{100 * row.after:9.1f} %\n")
    sys.stdout.write(f"  worse: {worse or 'nothing'}\n")


if __name__ == "__main__":
    main()
