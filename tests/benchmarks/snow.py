"""How much clear snow is called cloud, and how much cloud over snow is found, by the bands that are shown.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/snow.py [--model MODEL]

Snow is known from clear images of SEN12MS-CR (one place in spring), from Fmask's snow in the clear chips of HLS, and in
the Greenland scene from its index of 1.6 micrometres: above 0.7 is snow, below 0.4 cloud over the ice. Without that
band nothing of the sort is shown to the model. Pixels of 10 m are averaged to 20 m, as `detect` does.

A second table holds no snow: the cloud cover of two dates of a Sentinel-2 tile at 120 m beside that of the tile's own
scene classification, with texture as it counts in pixels of that size, and as it would in small ones. There clouds are
as rough as snow. Last comes what near infrared is of red in white pixels (5, 50 and 95 %), clear snow and cloud.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr

from geocloud import load_scorer, score
from geocloud.raster import BoolArray, FloatArray

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
GREENLAND = "LC08_L2SP_005009_20150710_20200908_02_T2"
TILE_DATES, TILE_PIXEL = ("20230810", "20230818"), 120.0
SCL_CLOUD = (8, 9, 10)
WHITE = 0.35
"""Mean visible reflectance of pixels whose near infrared is compared with red."""
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


def tile_rows(data: Path, model: str, threshold: float) -> Iterator[str]:
    """Rows of the second table."""
    for day in TILE_DATES:
        folder = next((data / "scenes/sentinel2_l2a_120m").glob(f"S2*_33TWL_{day}_*"))
        bands = [read(next(folder.glob(f"*{name}*.tif"))) * 1e-4 for name in ("B02", "B03", "B04", "B08")]
        shown, classes = np.concatenate(bands), read(next(folder.glob("*SCL*.tif")))[0]
        stated = 100 * np.isin(classes, SCL_CLOUD)[classes > 0].mean()
        for count in (3, 4):
            covers = []
            for size in (TILE_PIXEL, 20.0):
                side = np.arange(shown.shape[1]) * size
                array = xr.DataArray(
                    shown[:count],
                    dims=("band", "y", "x"),
                    coords={"band": list(BANDS[:count]), "y": 5e6 - side, "x": 5e5 + side},
                    attrs={"crs": "EPSG:32633"},
                )
                found = score(array, scale=1, offset=0, nodata=0, model=model, raw=True).to_numpy()
                known = ~np.isnan(found) & (classes > 0)
                covers.append(100 * (found >= threshold)[known].mean())
            yield f"| {day} | {count} | {stated:.1f} % | {covers[0]:.1f} % | {covers[1]:.1f} % |"


def ratio_rows(found: Sequence[Scene]) -> Iterator[str]:
    """Near infrared over red in white pixels."""
    for source in dict.fromkeys(scene[0] for scene in found):
        for what, place in (("snow", 2), ("cloud", 3)):
            parts = [
                (shown[3] / shown[2])[where & (shown[:3].mean(axis=0) > WHITE)]
                for name, shown, *masks in found
                if name == source
                for where in (masks[place - 2],)
            ]
            ratios = np.concatenate(parts)
            if len(ratios):
                low, middle, high = np.quantile(ratios, (0.05, 0.5, 0.95))
                yield f"| {source} | {what} | {low:.2f}, {middle:.2f}, {high:.2f} |"


def main() -> None:
    """The tables, as Markdown: snow called cloud / cloud found, in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    model = parser.parse_args().model
    threshold = load_scorer(model).card.calibration.threshold
    called: dict[tuple[str, int], list[FloatArray]] = {}
    data_folder = Path(os.environ["GEOCLOUD_DATA"])
    every = list(scenes(data_folder))
    for source, data, snow, cloud in every:
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
    sys.stdout.write("\n| date | bands | SCL | at 120 m | as if at 20 m |\n| --- | --- | --- | --- | --- |\n")
    sys.stdout.writelines(f"{row}\n" for row in tile_rows(data_folder, model, threshold))
    sys.stdout.write("\n| source | of | near infrared / red |\n| --- | --- | --- |\n")
    sys.stdout.writelines(f"{row}\n" for row in ratio_rows(every))


if __name__ == "__main__":
    main()
