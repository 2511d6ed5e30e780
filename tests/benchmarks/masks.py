"""A sheet of 24 scenes and what the model calls cloud, thin cloud, shadow and snow: to be looked at before a release.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/masks.py SHEET.png [--model MODEL]

The scenes are those that masks go wrong on: snow and ice, bright ground, roofs, small cumulus, thin cloud, glint, haze.
Above each is the scene, below it the mask over it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rasterio.windows import Window

from geocloud import DetectOptions, SceneOptions, detect
from geocloud.classes import CLASSES

COLUMNS, SIDE = 8, 400
CLASS_NAMES = ("cloud", "thin", "shadow", "snow")
SEVEN = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")


@dataclass(frozen=True)
class Shown:
    """A scene on the sheet."""

    title: str
    path: str
    """Within the data folder."""
    count: int
    """How many of its bands are shown to the model: blue first, but for pictures."""
    scale: float | None = 1e-4
    offset: float = 0.0


CATALOGUE = "labelled/s2cmc_more/images"
PAIRS = "labelled/sen12mscr"
GREENLAND = "scenes/LC08_L2SP_005009_20150710_20200908_02_T2"
SCENES = (
    Shown("catalogue: snow", f"{CATALOGUE}/{{snow 1}}", 3, None),
    Shown("catalogue: snow", f"{CATALOGUE}/{{snow 12}}", 3, None),
    Shown("catalogue: snow", f"{CATALOGUE}/{{snow 25}}", 3, None),
    Shown("catalogue: snow", f"{CATALOGUE}/{{snow 40}}", 3, None),
    Shown("catalogue: desert", f"{CATALOGUE}/{{desert 3}}", 3, None),
    Shown("catalogue: desert", f"{CATALOGUE}/{{desert 9}}", 3, None),
    Shown("catalogue: haze", f"{CATALOGUE}/{{haze 1}}", 3, None),
    Shown("Greenland, all bands", GREENLAND, 7, None),
    Shown("Finland in March, 6 bands", "scenes/biomassters_finland/0060c0a5_S2_03.tif", 6),
    Shown("Finland in March, 4 bands", "scenes/biomassters_finland/0060c0a5_S2_03.tif", 4),
    Shown("Finland in November, 6 bands", "scenes/biomassters_finland/0060c0a5_S2_11.tif", 6),
    Shown("clear snow, 4 bands", f"{PAIRS}/clear/1158_spring_26_p500.tif", 4),
    Shown("clear snow, 7 bands", f"{PAIRS}/clear/1158_spring_26_p500.tif", 7),
    Shown("cloud and snow, 7 bands", f"{PAIRS}/images/1158_spring_26_p100.tif", 7),
    Shown("red desert, 6 bands", "scenes/sentinel2_l1c_clear/S2B_MSIL1C_20171022_T49JGM.tif", 6),
    Shown("desert rock, 4 bands", "scenes/landsat8_extra/zion_desert_rock.tif", 4),
    Shown("fields, 6 bands", "scenes/sentinel2_l1c_clear/S2A_MSIL1C_20170527_T33UUB.tif", 6),
    Shown("cirrus over sea, 7 bands", "scenes/landsat8_extra/cirrus_long_island_120m.tif", 7),
    Shown("cumulus over snow peaks", "scenes/landsat8_extra/LC80460282016177_rgb_150m.tif", 3),
    Shown("altocumulus", "scenes/landsat8_extra/LC81070352015122_rgb_150m.tif", 3),
    Shown("small cumulus, 8-bit", "scenes/rasterio_rgb/RGB.byte.tif", 3, None),
    Shown("shadows, 7 bands", f"{PAIRS}/images/gen_4287.tif", 7),
    Shown("thin cloud, 7 bands", f"{PAIRS}/images/gen_4433.tif", 7),
    Shown("sea and glint, 4 bands", "scenes/sentinel2_chips_unlabelled/adwp.tif", 4),
)
TAGS = {"snow": "snow/ice", "desert": "desert/barren", "haze": "haze/fog"}


def find(data: Path, path: str) -> Path:
    """The file; where its name is a tag and a number, that picture of those with no other tag."""
    import csv

    folder, name = (data / path).parent, Path(path).name
    if not name.startswith("{"):
        return data / path
    tag, number = name.strip("{}").split()
    with (folder.parent / "tags.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row[TAGS[tag]] == "1"]
    alone = [row["scene"] for row in rows if all(row[other] == "0" for key, other in TAGS.items() if key != tag)]
    return next(folder.glob(f"{sorted(alone)[int(number) % len(alone)]}.*"))


def few_bands(path: Path, shown: Shown, folder: Path) -> Path:
    """A copy with the first bands alone; folders and pictures as they are."""
    if path.is_dir() or shown.scale is None:
        return path
    with rasterio.open(path) as source:
        profile = {**source.profile, "count": min(shown.count, source.count), "driver": "GTiff"}
        copy = folder / f"{path.stem}-{shown.count}.tif"
        with rasterio.open(copy, "w", **profile) as target:
            target.write(source.read(list(range(1, profile["count"] + 1))))
    return copy


def draw(shown: Shown, data: Path, model: str, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8], str]:
    """The picture, the mask over it, and a line of figures."""
    scene = few_bands(find(data, shown.path), shown, folder)
    names = SEVEN[: shown.count] if shown.scale is not None else ()
    bands = {name: number for number, name in enumerate(names, start=1)}
    options = SceneOptions(bands=bands, scale=shown.scale, offset=None if shown.scale is None else shown.offset)
    out = folder / f"{len(list(folder.iterdir()))}"
    found = detect(scene, out, DetectOptions(model=model, scene=options, classes=CLASS_NAMES))
    with rasterio.open(found.mask_path) as mask:
        codes = mask.read(1, window=Window(0, 0, min(mask.width, 1024), min(mask.height, 1024)))
    picture = visible(scene, shown)[: codes.shape[0], : codes.shape[1]]
    over = picture.astype(np.float32)
    for entry in CLASSES:
        if entry.colour[3]:
            where, share = codes == entry.code, entry.colour[3] / 255 * 0.75
            over[where] = (1 - share) * over[where] + share * np.array(entry.colour[:3], np.float32)
    step = max(1, max(codes.shape) // SIDE)
    valid = codes != 255
    line = ", ".join(f"{entry.key} {100 * (codes[valid] == entry.code).mean():.0f}" for entry in CLASSES[1:3])
    snow = 100 * (codes[valid] == 6).mean()
    return picture[::step, ::step], over.astype(np.uint8)[::step, ::step], f"{line}, snow {snow:.0f} %"


def visible(scene: Path, shown: Shown) -> NDArray[np.uint8]:
    """(h, w, 3) red, green, blue of a scene; pictures as they are, others stretched."""
    if scene.is_dir():
        planes = [rasterio.open(next(scene.glob(f"*_B{number}.TIF"))).read(1) for number in (4, 3, 2)]
    else:
        with rasterio.open(scene) as source:
            planes = list(source.read([3, 2, 1] if shown.scale is not None else [1, 2, 3]))
    data = np.stack(planes, axis=-1).astype(np.float32)
    known = data[data.min(axis=-1) > 0]
    high = 255.0 if shown.scale is None and not scene.is_dir() else np.percentile(known, 99.5)
    picture: NDArray[np.uint8] = (np.clip(data / high, 0, 1) ** 0.7 * 255).astype(np.uint8)
    return picture


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()
    data, rows = Path(os.environ["GEOCLOUD_DATA"]), -(-len(SCENES) // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 5.7 * rows), dpi=100, layout="constrained")
    axes = figure.subplots(2 * rows, COLUMNS, squeeze=False)
    for one in axes.ravel():
        one.set_axis_off()
    with tempfile.TemporaryDirectory() as folder:
        for number, shown in enumerate(SCENES):
            picture, mask, line = draw(shown, data, arguments.model, Path(folder))
            row, column = 2 * (number // COLUMNS), number % COLUMNS
            for axis, image, title in ((axes[row, column], picture, shown.title), (axes[row + 1, column], mask, line)):
                axis.imshow(image)
                axis.set_title(title, fontsize=9)
    figure.savefig(arguments.sheet)


if __name__ == "__main__":
    main()
