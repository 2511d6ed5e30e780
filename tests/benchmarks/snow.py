"""How much clear snow is called cloud, and how much cloud over snow is found, by the bands that are shown.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/snow.py [--model MODEL]

Snow is known from clear images of SEN12MS-CR (one place in spring), from Fmask's snow in the clear chips of HLS, and in
the Greenland scene from its index of 1.6 micrometres: above 0.7 is snow, below 0.4 cloud over the ice. Without that
band nothing of the sort is shown to the model. Pixels of 10 m are averaged to 20 m, as `detect` does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio

from geocloud import load_scorer, score
from geocloud.raster import BoolArray, FloatArray

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
GREENLAND = "LC08_L2SP_005009_20150710_20200908_02_T2"
Scene = tuple[str, FloatArray, BoolArray, BoolArray]
"""Source, reflectance (band, h, w), where there is clear snow, and where cloud over it (h, w)."""


def read(path: Path) -> FloatArray:
    """(band, h, w)."""
    with rasterio.open(path) as source:
        data: FloatArray = source.read().astype(np.float32)
    return data


def halved(data: FloatArray) -> FloatArray:
    """(band, h/2, w/2) means of 2x2 pixels."""
    bands, height, width = data.shape
    means: FloatArray = data.reshape(bands, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return means


def scenes(data: Path) -> Iterator[Scene]:
    """All that show snow."""
    for path in sorted((data / "labelled/sen12mscr/clear").glob("1158_spring*.tif")):
        shown = halved(read(path) * 1e-4)
        yield "SEN12MS-CR, clear", shown, np.ones(shown.shape[1:], bool), np.zeros(shown.shape[1:], bool)
    for path in sorted((data / "labelled/sen12mscr/images").glob("1158_spring*.tif")):
        labels = read(data / "labelled/sen12mscr/labels" / path.name)[0, ::2, ::2]
        yield "SEN12MS-CR, cloud", halved(read(path) * 1e-4), labels == 4, (labels == 1) | (labels == 2)
    for path in sorted((data / "scenes/hls_l30_chips/images").glob("*.tif")):
        snow = read(data / "scenes/hls_l30_chips/fmask" / path.name)[0] == 4
        if snow.mean() > 0.02:
            yield "HLS, clear", (read(path) * 1e-4).clip(0), snow, np.zeros_like(snow)
    folder = data / "scenes" / GREENLAND
    counts = np.concatenate([read(folder / f"{GREENLAND}_SR_B{number}.TIF") for number in range(2, 8)])
    shown = (counts * 2.75e-5 - 0.2).clip(0)
    index = (shown[1] - shown[4]) / (shown[1] + shown[4] + 1e-3)
    yield "Greenland, cloud over ice", shown, (index > 0.7) & (counts[0] > 0), (index < 0.4) & (shown[0] > 0.3)


def main() -> None:
    """The table, as Markdown: snow called cloud / cloud found, in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    model = parser.parse_args().model
    threshold = load_scorer(model).card.calibration.threshold
    called: dict[tuple[str, int], list[FloatArray]] = {}
    for source, data, snow, cloud in scenes(Path(os.environ["GEOCLOUD_DATA"])):
        for count in (3, 4, 6, 7):
            if len(data) >= count:
                shown = np.ascontiguousarray(data[:count])
                found = score(shown, bands=BANDS[:count], scale=1, offset=0, model=model, raw=True) >= threshold
                figures = np.array([found[snow].sum(), snow.sum(), found[cloud].sum(), cloud.sum()], np.float32)
                called.setdefault((source, count), []).append(figures)
    sys.stdout.write("| source | bands | snow called cloud | cloud found |\n| --- | --- | --- | --- |\n")
    for (source, count), figures in called.items():
        false, all_snow, right, all_cloud = np.sum(figures, axis=0)
        shares = [
            f"{100 * part / whole:.1f} %" if whole else "-" for part, whole in ((false, all_snow), (right, all_cloud))
        ]
        sys.stdout.write(f"| {source} | {count} | {' | '.join(shares)} |\n")


if __name__ == "__main__":
    main()
