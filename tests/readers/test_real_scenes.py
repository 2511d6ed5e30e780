"""Each real scene through open_scene, against values computed here from its files in another way."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geocloud import open_scene
from geocloud.raster import Window

pytestmark = pytest.mark.data
DATES = ("S2A_33TWL_20230815", "S2B_33TWL_20230813", "S2B_33TWL_20230820", "S2A_33TWL_20230818", "S2B_33TWL_20230810")


@pytest.fixture(scope="module")
def scenes(data_root: Path) -> Path:
    if not (data_root / "scenes").is_dir():
        pytest.skip("real scenes are not here: set GEOCLOUD_DATA to their folder")
    return data_root / "scenes"


def pixels(path: Path, row: int = 0, col: int = 0, side: int | None = None) -> np.ndarray:
    """A window of a file's first band as rasterio reads it."""
    with rasterio.open(path) as dataset:
        height, width = (side, side) if side else dataset.shape
        return dataset.read(1, window=rasterio.windows.Window(col, row, width, height)).astype(np.float64)


def one(folder: Path, pattern: str) -> Path:
    return next(folder.glob(pattern))


def test_safe(scenes: Path) -> None:
    safe = one(scenes, "S2A_MSIL2A_*_T29UNU_*.SAFE")
    files = safe / "GRANULE" / "L2A_T29UNU_A038058_20221005T115407" / "IMG_DATA" / "R60m"
    area = Window(900, 1000, 64, 64)
    with open_scene(safe) as scene:
        assert scene.georef.resolution == (60, 60)
        assert scene.bands == ("blue", "green", "red", "nir", "swir16", "swir22")
        raster = scene.read(area, scene.bands)
        for band, name in zip(raster.data, ("B02", "B03", "B04", "B8A", "B11", "B12"), strict=True):
            expected = (pixels(one(files, f"*_{name}_60m.jp2"), 900, 1000, 64) - 1000) / 10000
            np.testing.assert_allclose(band[raster.valid], expected[raster.valid], atol=1e-6)
        whole = scene.read(Window(0, 0, 1830, 1830), ("blue", "green", "red", "nir")).valid
        classes = pixels(one(files, "*_SCL_60m.jp2"))
        assert abs(whole.mean() - 0.60) < 0.005
        assert ((classes == 0) != ~whole).mean() < 1e-3
        assert scene.describe()["kind"] == "Sentinel-2 L2A SAFE, baseline 04.00"


@pytest.mark.parametrize("name", ["LC08_L2SP_008059", "LC08_L2SP_005009"])
def test_landsat_collection_2_level_2(scenes: Path, name: str) -> None:
    folder = one(scenes, f"{name}_*")
    with open_scene(folder) as scene:
        raster = scene.read(Window(0, 0, 512, 512), ("red", "nir"))
        x, y = scene.georef.resolution
        assert x != pytest.approx(y, rel=1e-4)
    fill = (pixels(one(folder, "*_QA_PIXEL.TIF")).astype(int) & 1) == 1
    assert (raster.valid == ~fill).all()
    for band, suffix in zip(raster.data, ("B4", "B5"), strict=True):
        expected = pixels(one(folder, f"*_SR_{suffix}.TIF")) * 0.0000275 - 0.2
        np.testing.assert_allclose(band[raster.valid], expected[raster.valid], atol=1e-6)


@pytest.mark.parametrize(("name", "red"), [("LC08_L1TP_016037", "_B4.TIF"), ("LE07_L1TP_007059", "_b3.tif")])
def test_landsat_collection_1_level_1(scenes: Path, name: str, red: str) -> None:
    folder = one(scenes, f"{name}_*")
    text = one(folder, "*_MTL.txt").read_text()
    number = red[2]
    gain, bias, sun = (
        float(re.search(rf"{key} = (\S+)", text)[1])
        for key in (f"REFLECTANCE_MULT_BAND_{number}", f"REFLECTANCE_ADD_BAND_{number}", "SUN_ELEVATION")
    )
    values = pixels(one(folder, f"*{red}"))
    quality = pixels(next(path for path in folder.iterdir() if path.name.lower().endswith("_bqa.tif"))).astype(int)
    with open_scene(folder) as scene:
        raster = scene.read(Window(0, 0, *values.shape), ("red",))
    expected = (gain * values + bias) / math.sin(math.radians(sun))
    np.testing.assert_allclose(raster.data[0][raster.valid], expected[raster.valid], atol=1e-6)
    assert (raster.valid == ((quality & 1) == 0)).all()
    if name.startswith("LE07"):
        assert raster.valid.mean() == pytest.approx(0.53, abs=0.005)


@pytest.mark.parametrize("date", DATES)
def test_five_dates_of_one_tile(scenes: Path, date: str) -> None:
    folder = one(scenes / "sentinel2_l2a_120m", f"{date}_*")
    expected = pixels(folder / "B02.tif") / 10000
    data = np.stack([pixels(folder / f"{name}.tif") for name in ("B02", "B03", "B04", "B08")])
    for source in (folder, one(folder, "*.json")):
        with open_scene(source) as scene:
            raster = scene.read(Window(0, 0, 915, 915), scene.bands)
            assert scene.name == folder.name
            assert scene.bands == ("blue", "green", "red", "nir")
        np.testing.assert_allclose(raster.data[0], expected, atol=1e-6)
        assert (raster.valid == (data > 0).any(axis=0)).all()


def test_desert_with_bands_of_two_resolutions(scenes: Path) -> None:
    folder = scenes / "S2A_29RKH_20200219_0_L2A"
    with open_scene(folder) as scene:
        assert scene.georef.resolution == (100, 100)
        raster = scene.read(Window(0, 0, 1098, 1098), ("red", "swir16"))
    np.testing.assert_allclose(raster.data[0], pixels(folder / "B04.tif") / 10000, atol=1e-6)
    coarse = pixels(folder / "B11.tif") / 10000
    assert np.corrcoef(raster.data[1][::2, ::2].ravel(), coarse.ravel())[0, 1] > 0.99
    assert raster.valid.all()


@pytest.mark.parametrize(
    ("path", "bands", "scale"),
    [
        ("sentinel2_series_alberta/2020-06-25.tif", ("blue", "green", "red", "nir"), 1e-4),
        ("sentinel2_chips_unlabelled/akny.tif", ("blue", "green", "red", "nir"), 1e-4),
        ("rasterio_rgb/RGB.byte.tif", ("blue", "green", "red"), 0.8 / 255),
        ("sentinel2_l1c_13band_frames/frame_2.tif", None, 1.0),
    ],
)
def test_single_rasters(scenes: Path, path: str, bands: tuple[str, ...] | None, scale: float) -> None:
    with open_scene(scenes / path) as scene, rasterio.open(scenes / path) as oracle:
        assert bands is None or scene.bands == bands
        raster = scene.read(Window(10, 10, 64, 64), ("red",))
        number = scene.describe()["bands"]["red"]["number"]
        expected = oracle.read(number, window=rasterio.windows.Window(10, 10, 64, 64)) * scale
    np.testing.assert_allclose(raster.data[0][raster.valid], expected[raster.valid], atol=1e-6)
