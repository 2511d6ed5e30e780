"""Every command of docs/recipes runs, on small products of the names that the pages speak of."""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from products import band_file, numbers, write_landsat, write_safe, zipped
from rasterio.transform import from_origin
from testutils import write_scene

from geocloud.cli.main import cli

PAGES = Path(__file__).parents[2] / "docs" / "recipes"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SIX = ("B2", "B3", "B4", "B8", "B11", "B12")
LANDSAT, ARD, DEMAND = (
    "LC09_L2SP_010065_20220129_20220131_02_T1",
    "LC08_CU_003008_20161026_20210502_02",
    "LC08_L1TP_044034_20140318_20170307_01_T1",
)


def stack(count: int, low: int = 300, high: int = 9000) -> np.ndarray:
    return np.random.default_rng(5).integers(low, high, (count, 64, 64)).astype(np.uint16)


def tar(folder: Path, path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for file in folder.iterdir():
            archive.add(file, file.name)


def sentinel_2(folder: Path) -> None:
    safe, _ = write_safe(folder, "L2A", bands=("B2", "B3", "B4", "B8", "B8A"))
    zipped(safe)
    assets = {}
    for number, band in enumerate(("B02", "B03", "B04", "B08", "B8A")):
        band_file(folder / "R10m" / f"T33UUP_20240105T101319_{band}_10m.jp2", numbers(64, number))
        band_file(folder / f"{band}.tif", numbers(64, number))
        assets[band] = {"href": f"./{band}.tif", "type": "image/tiff", "eo:bands": [{"name": band}]}
    properties = {"datetime": "2024-01-05T10:13:19Z", "platform": "sentinel-2b", "s2:processing_baseline": "05.10"}
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "S2B_33UUP_20240105_0_L2A", "geometry": None, "links": [],
        "properties": properties, "assets": assets,
    }  # fmt: skip
    (folder / "S2B_33UUP_20240105_0_L2A.json").write_text(json.dumps(item))
    write_scene(folder / "export.tif", data=stack(6), names=SIX)
    (folder / "tiles").mkdir()
    for name in ("field-0000000000-0000000000", "field-0000000000-0000000064"):
        place = from_origin(300000 + 640 * name.endswith("64"), 4700000, 10, 10)
        write_scene(folder / "tiles" / f"{name}.tif", data=stack(6), names=SIX, transform=place)


def landsat(folder: Path) -> None:
    product, _ = write_landsat(folder, name=LANDSAT)
    tar(product, folder / f"{LANDSAT}.tar")
    for number in range(2, 8):
        data = numbers(64, number, 8000, 40000)
        band_file(folder / "ard" / f"{ARD}_SR_B{number}.TIF", data)
        band_file(folder / DEMAND / f"{DEMAND}_sr_band{number}.tif", (data // 5).astype(np.int16), nodata=-9999)
    tar(folder / "ard", folder / f"{ARD}_SR.tar")
    write_scene(folder / "export.tif", data=stack(6, 8000, 40000), names=[f"SR_B{n}" for n in range(2, 8)])
    write_scene(folder / "LT05_045030_20050718.tif", data=stack(6), names=["B1", "B2", "B3", "B4", "B5", "B7"])
    write_scene(folder / "seven.tif", data=stack(7), names=[f"B{n}" for n in range(1, 8)])


def planetscope(folder: Path) -> None:
    scene = "20230101_101112_30_24a1_3B_AnalyticMS_SR_8b_clip.tif"
    (folder / "order" / "PSScene").mkdir(parents=True)
    for path in (folder / scene, folder / "order" / "PSScene" / scene, folder / "renamed.tif"):
        write_scene(path, data=stack(8), names=None, nodata=0)
    usable = np.ones((8, 64, 64), dtype=np.uint8)
    write_scene(folder / "order" / "PSScene" / "20230101_101112_30_24a1_3B_udm2_clip.tif", data=usable, names=None)
    mosaic = folder / "planet_medres_normalized_analytic_2021-06_mosaic_1234-1100.tif"
    write_scene(mosaic, data=stack(4), names=None, nodata=0)


def aerial(folder: Path) -> None:
    for name in ("m_3807504_sw_18_060_20191012", "photo"):
        data = (stack(4) // 40).astype(np.uint8)
        write_scene(folder / f"{name}.tif", data=data, names=None, photometric="RGB")
    write_scene(folder / "micasense.tif", data=stack(5, 1000, 30000), names=None)


def cubes(folder: Path, write: Callable[[object, str], None], name: str) -> None:
    xarray = pytest.importorskip("xarray")
    along = 10.0 * np.arange(64)
    coordinates = {"x": 300005 + along, "y": 4699995 - along}
    bands = {f"B{n:02d}": (("y", "x"), values) for n, values in zip((2, 3, 4, 8), stack(4), strict=True)}
    one = xarray.Dataset(bands, coordinates)
    write(one, str(folder / name))
    days = xarray.DataArray(np.array(["2023-08-18", "2023-09-01"], "datetime64[ns]"), dims="time", name="time")
    write(xarray.concat([one, one], days), str(folder / f"times.{name.rpartition('.')[2]}"))


def netcdf(folder: Path) -> None:
    pytest.importorskip("h5netcdf")
    cubes(folder, lambda cube, path: cube.to_netcdf(path, engine="h5netcdf"), "openEO.nc")


def zarr(folder: Path) -> None:
    pytest.importorskip("zarr")
    cubes(folder, lambda cube, path: cube.to_zarr(path, consolidated=False), "cube.zarr")


FACTORIES = {
    "sentinel-2": sentinel_2,
    "landsat": landsat,
    "planetscope": planetscope,
    "aerial": aerial,
    "netcdf": netcdf,
    "xarray": zarr,
}


def commands(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    plain = [block for language, block in FENCE.findall(text) if not language]
    return [line for block in plain for line in block.splitlines() if line.startswith("geocloud ")]


def test_every_page_has_products() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(FACTORIES)
    assert all(commands(page) for page in PAGES.glob("*.md"))


@pytest.mark.parametrize("page", FACTORIES)
def test_every_command_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FACTORIES[page](tmp_path)
    monkeypatch.chdir(tmp_path)
    for command in commands(PAGES / f"{page}.md"):
        words = shlex.split(command)[1:]
        quick = ["--model", "brightness", "--polygons", "none"] if words[0] == "detect" else []
        result = CliRunner().invoke(cli, [*words, *quick])
        assert result.exit_code == 0, f"{command}\n{result.output}"
