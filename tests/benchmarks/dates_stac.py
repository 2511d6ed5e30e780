"""From a STAC server to masks and a composite of a field: what is found, what is read, and what comes out.

    python tests/benchmarks/dates_stac.py [DATA]

DATA is the folder of real imagery (else GEOCLOUD_DATA). The five dates of 33TWL, each pixel as 4 x 4 (3660 x 3660 at
30 m, so that an area is a small part), are served as COGs by a web server with range requests, and their items by
stac-fastapi, both on this machine. Read are bytes of bodies; `own tiles` are those of the COGs' tiles that the area's
blocks touch, with the surroundings that the model sees.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import rasterio
from rasterio.shutil import copy as copy_raster

sys.path.insert(0, str(Path(__file__).parents[1]))

from servers import Site, serve
from stac_server import stac_api

from geocloud import (
    BatchOptions,
    CompositeOptions,
    DetectOptions,
    SearchOptions,
    SeriesOptions,
    composite,
    cover,
    detect,
    detect_series,
    load_scorer,
    search,
)
from geocloud.batch.cluster import connect, tasks_on
from geocloud.pipeline.tiling import aggregation_factor, blocks_of
from geocloud.readers.area import find_area
from geocloud.readers.files.opening import raster_georef

ENLARGED = 4
FIELD = "15.40,45.60,15.45,45.63"
"""4 x 3 km in the tile."""
BANDS = ("blue", "green", "red", "nir")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def put(path: Path, folder: Path, name: str) -> None:
    """A band enlarged, as a COG of tiles of 256 pixels."""
    with rasterio.open(path) as source:
        data = source.read(1).repeat(ENLARGED, 0).repeat(ENLARGED, 1)
        profile = source.profile | {
            "height": data.shape[0], "width": data.shape[1], "driver": "GTiff", "count": 1, "compress": None,
            "transform": source.transform @ source.transform.scale(1 / ENLARGED), "nodata": 0,
        }  # fmt: skip
    plain = folder / f"plain-{name}.tif"
    for key in ("blockxsize", "blockysize", "tiled", "interleave", "photometric", "jpeg_quality"):
        profile.pop(key, None)
    with rasterio.open(plain, "w", **profile) as made:
        made.write(data, 1)
    copy_raster(str(plain), str(folder / f"{name}.tif"), driver="COG", compress="DEFLATE", blocksize=256)
    plain.unlink()


def items(data: Path, folder: Path, site: Site) -> list[dict[str, object]]:
    """The items of the five dates, their assets on the web server."""
    found = []
    for scene in sorted((data / "scenes" / "sentinel2_l2a_120m").glob("S2*")):
        item = json.loads(next(scene.glob("*.json")).read_text())
        (folder / scene.name).mkdir()
        for band, file in zip(BANDS, ("B02", "B03", "B04", "B08"), strict=True):
            put(scene / f"{file}.tif", folder / scene.name, file)
            item["assets"][band]["href"] = f"{site.url}/{scene.name}/{file}.tif"
        item["assets"] = {band: item["assets"][band] for band in BANDS}
        for asset in item["assets"].values():
            for key in ("proj:shape", "proj:transform"):
                asset.pop(key, None)
        item["collection"] = "sentinel-2-l2a"
        item["links"] = []
        found.append(item)
    return found


def own_tiles(folder: Path) -> int:
    """Bytes of the tiles of one date that the area's blocks touch, with what the model sees round them."""
    with rasterio.open(folder / "B02.tif") as file:
        georef = raster_georef(file, file.name)
    scorer = load_scorer()
    halo = scorer.card.halo * aggregation_factor(georef, scorer)
    area = find_area(FIELD, None, georef, "the tile").window
    needed = blocks_of(area, georef, scorer).grow(halo).clip(georef.shape)
    total = 0
    for band in ("B02", "B03", "B04", "B08"):
        with rasterio.open(folder / f"{band}.tif") as file:
            for row in range(needed.row // 256, -(-needed.stop_row // 256)):
                for col in range(needed.col // 256, -(-needed.stop_col // 256)):
                    total += int(file.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1) or 0)
    return total


def main() -> None:
    """Print what is done and read."""
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["GEOCLOUD_DATA"])
    with tempfile.TemporaryDirectory() as name, serve(Path(name, "www")) as site:
        www, out = Path(name, "www"), Path(name, "out")
        www.mkdir(exist_ok=True)
        made = items(data, www, site)
        with stac_api(made) as api:
            wanted = SearchOptions(("sentinel-2-l2a",), "2023-08", FIELD, max_cloud=75)
            found = search(api.url, None, wanted)
            for scene in found:
                say(f"found {scene.date} {scene.cloud_percent:5.1f} % {scene.name}")
            urls = [scene.url for scene in found]
            sizes = [sum(file.stat().st_size for file in (www / scene.name).glob("*.tif")) for scene in found]
            tiles = [own_tiles(www / scene.name) for scene in found]
            say("| what | scenes | read, MB | own tiles, MB | ratio | whole files, MB | seconds |")
            say("|---|---|---|---|---|---|---|")

            def told(what: str, count: int, begun: float, before: int) -> None:
                read, own = site.sent - before, sum(tiles[:count])
                say(
                    f"| {what} | {count} | {read / 1e6:.2f} | {own / 1e6:.2f} | {read / own:.2f} | "
                    f"{sum(sizes[:count]) / 1e6:.1f} | {time.perf_counter() - begun:.0f} |"
                )

            begun, before = time.perf_counter(), site.sent
            detect(urls[0], out / "one", DetectOptions(aoi=FIELD, polygons="none"))
            told("detect --aoi", 1, begun, before)
            begun, before = time.perf_counter(), site.sent
            dates = detect_series(urls, out / "series", SeriesOptions(aoi=FIELD))
            told("series --aoi", len(urls), begun, before)
            begun, before = time.perf_counter(), site.sent
            options = CompositeOptions(aoi=FIELD, masks=out / "series", stac=True)
            image = composite(urls, out / "clear.tif", options)
            told("composite --aoi, masks of series", len(urls), begun, before)
            begun, before = time.perf_counter(), site.sent
            composite(urls, out / "alone.tif", CompositeOptions(aoi=FIELD))
            told("composite --aoi, masks made on the way", len(urls), begun, before)
            begun, before = time.perf_counter(), site.sent
            with connect(BatchOptions(workers=2)) as client:
                composite(urls, out / "dask.tif", CompositeOptions(aoi=FIELD), tasks=tasks_on(client))
            told("the same with --workers 2", len(urls), begun, before)
            table = cover([date.mask_path for date in dates], _field())
            say(table[["date", "cloud_percent", "shadow_percent", "valid_percent"]].to_string(index=False))
            say(f"composite: {image.filled_percent:.1f} % filled, of {', '.join(image.dates)}")


def _field() -> object:
    from geocloud.readers.area import read_area

    return read_area(FIELD)


if __name__ == "__main__":
    main()
