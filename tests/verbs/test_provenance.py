"""Every file tells which model made it, cut where, from which bands of what, and how they were scaled."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image
from rasterio.shutil import copy
from testutils import run_cli, write_scene

import geocloud
from geocloud import DetectOptions
from geocloud.verbs.apply_mask import apply_mask
from geocloud.verbs.patches import write_patches
from geocloud.verbs.polygonize import polygonize

Make = Callable[..., Path]
BRIGHT = DetectOptions(model="brightness", score=True, quicklook=True)
EXPECTED = {
    "GEOCLOUD_VERSION": geocloud.__version__,
    "GEOCLOUD_MODEL": "brightness",
    "GEOCLOUD_MODEL_SHA256": "",
    "GEOCLOUD_THRESHOLD": "0.25",
    "GEOCLOUD_BANDS": "blue,green,red",
    "GEOCLOUD_REFLECTANCE": "blue = DN * 0.0001; green = DN * 0.0001; red = DN * 0.0001",
}


def assert_told(tags: dict, source: Path) -> None:
    assert {key: tags[key] for key in EXPECTED if EXPECTED[key]} == {k: v for k, v in EXPECTED.items() if v}
    assert tags["GEOCLOUD_SOURCE"] == str(source)


def tags_of(path: Path) -> dict:
    with rasterio.open(path) as dataset:
        return dataset.tags()


@pytest.mark.parametrize("kind", ["geojson", "gpkg", "fgb", "parquet"])
def test_in_each_file_of_a_run_and_of_what_is_made_of_it(make_scene: Make, tmp_path: Path, kind: str) -> None:
    source = make_scene()
    detection = geocloud.detect(source, tmp_path / "out", replace(BRIGHT, polygons=kind))
    assert_told(tags_of(detection.mask_path), source)
    assert_told(tags_of(detection.files["score"]), source)
    with Image.open(detection.files["quicklook"]) as picture:
        assert_told(picture.text, source)
    again = tmp_path / f"again.{kind}"
    polygonize(str(detection.mask_path), again)
    for path in (detection.files["polygons"], again):
        assert_told(polygon_tags(path), source)
    apply_mask(source, detection.mask_path, tmp_path / "clear.tif")
    assert_told(tags_of(tmp_path / "clear.tif"), source)


def polygon_tags(path: Path) -> dict:
    """From where each format keeps them, and the polygons themselves must be readable."""
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        assert len(geopandas.read_parquet(path)) == 2
        return {key.decode(): value.decode() for key, value in parquet.read_schema(path).metadata.items()}
    assert len(geopandas.read_file(path)) == 2
    if path.suffix == ".geojson":
        return json.loads(path.read_text())["geocloud"]
    return pyogrio.read_info(path)["layer_metadata"]


def test_patches_name_their_scene(make_scene: Make, tmp_path: Path) -> None:
    write_patches(str(make_scene()), tmp_path / "patches")
    tags = tags_of(next((tmp_path / "patches").iterdir()))
    assert (tags["GEOCLOUD_SOURCE"], tags["GEOCLOUD_VERSION"]) == (str(tmp_path / "scene.tif"), geocloud.__version__)


class TestApplyMaskKeeps:
    """What a scene says of itself, colours and overviews."""

    def masked(self, scene: Path, tmp_path: Path, mask: Path | None = None) -> Path:
        mask = mask or geocloud.detect(scene, tmp_path / "out", DetectOptions(model="brightness")).mask_path
        apply_mask(scene, mask, tmp_path / "clear.tif")
        return tmp_path / "clear.tif"

    def test_what_it_says_of_itself(self, make_scene: Make, tmp_path: Path) -> None:
        scene = make_scene(nodata=0)
        with rasterio.open(scene, "r+") as dataset:
            dataset.update_tags(AREA_OR_POINT="Point", PROJECT="alpine")
            dataset.update_tags(2, WAVELENGTH="560")
            dataset.units = ("1", "1", "1", "1")
            dataset.offsets = (0.1,) * 4
            dataset.scales = (1e-4,) * 4
        with rasterio.open(scene) as before, rasterio.open(self.masked(scene, tmp_path)) as after:
            assert after.tags()["AREA_OR_POINT"] == before.tags()["AREA_OR_POINT"] == "Point"
            assert after.tags()["PROJECT"] == "alpine"
            assert after.transform == before.transform
            assert after.tags(2)["WAVELENGTH"] == "560"
            assert (after.units, after.offsets, after.scales) == (before.units, before.offsets, before.scales)

    def test_tags_of_domains_of_their_own(self, make_scene: Make, tmp_path: Path) -> None:
        scene = make_scene(nodata=0)
        with rasterio.open(scene, "r+") as dataset:
            dataset.update_tags(ns="IMAGERY", CLOUDCOVER="12")
        with rasterio.open(self.masked(scene, tmp_path)) as after:
            assert after.tags(ns="IMAGERY") == {"CLOUDCOVER": "12"}

    def test_a_palette(self, tmp_path: Path) -> None:
        """The mask lies on the palette image's grid; of indexes no means are taken in overviews."""
        rgb = write_scene(tmp_path / "rgb.tif", shape=(1100, 900))
        mask = geocloud.detect(rgb, tmp_path / "out", DetectOptions(model="brightness")).mask_path
        indexes = np.random.default_rng(0).choice([3, 200], (1, 1100, 900)).astype(np.uint8)
        palette = {3: (10, 20, 30, 255), 200: (250, 240, 230, 255)}
        scene = write_scene(tmp_path / "palette.tif", data=indexes, names=None)
        with rasterio.open(scene, "r+") as dataset:
            dataset.write_colormap(1, palette)
        with rasterio.open(self.masked(scene, tmp_path, mask)) as after, rasterio.open(mask) as codes:
            cloud = codes.read(1) == 1
            assert {key: after.colormap(1)[key] for key in palette} == palette
            assert (after.read(1)[~cloud] == indexes[0][~cloud]).all()
            assert (after.dataset_mask()[cloud] == 0).all()
            assert after.overviews(1)
            small = after.read(1, out_shape=(550, 450))
            assert set(np.unique(small)) <= {int(after.nodata), 3, 200}

    def test_bands_of_different_types(self, make_scene: Make, tmp_path: Path) -> None:
        scene, high = make_scene(nodata=0), make_scene("high.tif", data=np.full((1, 100, 130), 0.25, np.float32))
        document = tmp_path / "mixed.vrt"
        copy(str(scene), str(document), driver="VRT")
        with rasterio.open(high) as dataset:
            assert dataset.dtypes == ("float32",)
        band = (
            '<VRTRasterBand dataType="Float32" band="5"><SimpleSource><SourceFilename relativeToVRT="1">high.tif'
            "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
        )
        document.write_text(document.read_text().replace("</VRTDataset>", band))
        with rasterio.open(self.masked(document, tmp_path)) as after:
            assert after.dtypes == ("float32",) * 5
            assert after.read(5).max() == np.float32(0.25)


def test_zarr_through_the_program(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    rng = np.random.default_rng(0)
    numbers = rng.integers(300, 900, (4, 70, 80)).astype(np.uint16)
    numbers[:, 20:40, 30:60] = 6000
    y, x = 5000000 - 5 - 10 * np.arange(70.0), 500005 + 10 * np.arange(80.0)
    bands = ("blue", "green", "red", "nir")
    array = xarray.DataArray(numbers, {"band": list(bands), "y": y, "x": x}, ("band", "y", "x"))
    array = array.assign_coords(
        spatial_ref=xarray.DataArray(0, attrs={"crs_wkt": rasterio.CRS.from_epsg(32633).to_wkt()})
    )
    store = tmp_path / "cube.zarr"
    array.to_dataset("band").to_zarr(store, consolidated=False)
    info = run_cli("info", store, "--json")
    assert json.loads(info.stdout)["crs"] == "EPSG:32633"
    summary = json.loads(run_cli("detect", store, "--out", tmp_path, "--model", "brightness").stdout)
    assert summary["cloud_percent"] == pytest.approx(100 * 600 / 5600, abs=1e-3)
    masked = run_cli("apply-mask", store, summary["mask"], "--out", tmp_path / "clear.tif")
    assert masked.returncode == 0, masked.stderr
    with rasterio.open(summary["mask"]) as mask, rasterio.open(tmp_path / "clear.tif") as clear:
        assert (mask.transform.c, mask.transform.f, mask.transform.a) == (500000, 5000000, 10)
        assert (np.isnan(clear.read(1)) == (mask.read(1) == 1)).all()
        assert_told(clear.tags(), store)


def test_a_scene_on_the_web_through_the_program(served: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = served
    write_scene(folder / "scene.tif", shape=(300, 300))
    result = run_cli("detect", f"{url}/scene.tif", "--out", tmp_path / "out", "--model", "brightness")
    mask = json.loads(result.stdout)["mask"]
    local = run_cli("detect", folder / "scene.tif", "--out", tmp_path / "local", "--model", "brightness")
    with rasterio.open(mask) as one, rasterio.open(json.loads(local.stdout)["mask"]) as other:
        assert (one.read(1) == other.read(1)).all()
        assert one.tags()["GEOCLOUD_SOURCE"] == f"{url}/scene.tif"
    masked = run_cli("apply-mask", f"{url}/scene.tif", mask, "--out", tmp_path / "clear.tif")
    assert masked.returncode == 0, masked.stderr


def test_the_key_of_a_signed_address_stands_in_no_result(served: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = served
    write_scene(folder / "scene.tif")
    address, out = f"{url}/scene.tif?sv=1&sig=GEHEIM", tmp_path / "out"
    said = run_cli("info", address, "--json").stdout
    for wish in ((), ("--overwrite",)):  # the second finds the first one's mask
        done = run_cli("detect", address, "--out", out, "--model", "brightness", "--stac", *wish)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    clear = run_cli("apply-mask", address, out / "scene_cloudmask.tif", "--out", tmp_path / "clear.tif")
    cut = run_cli("patches", address, "--out", tmp_path / "patches")
    said += clear.stdout + clear.stderr + cut.stdout + cut.stderr
    said += "".join(str(tags_of(path)) for path in (tmp_path / "clear.tif", *(tmp_path / "patches").glob("*.tif")))
    missing = run_cli("info", f"{url}/none.tif?sig=GEHEIM")
    assert missing.returncode == 1
    with rasterio.open(out / "scene_cloudmask.tif") as mask:
        said += str(mask.tags())
    assert f"{url}/scene.tif" in said
    said += missing.stderr + "".join(path.read_text() for path in out.glob("*.json"))
    assert "GEHEIM" not in said
