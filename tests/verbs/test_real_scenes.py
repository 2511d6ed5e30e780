"""The real scenes through detect and apply-mask, and the default model's cover of scenes whose cover is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

import geocloud
from geocloud import DetectOptions, open_scene
from geocloud.models.registry import SHIPPED
from geocloud.raster import Window
from geocloud.scorers.card import CARD_FILE
from geocloud.verbs.apply_mask import apply_mask

pytestmark = pytest.mark.data
TILE = "sentinel2_l2a_120m/S2*_33TWL_"
SCENES = (
    pytest.param("S2A_MSIL2A_*.SAFE", marks=pytest.mark.slow),  # a whole tile
    "LC08_L2SP_008059_*",
    "LC08_L2SP_005009_*",
    "LC08_L1TP_*",
    "LE07_L1TP_*",
    "S2A_29RKH_*",
    f"{TILE}20230818*",
    f"{TILE}20230810*/*.json",
    "rasterio_rgb/RGB.byte.tif",
    "sentinel2_series_alberta/2020-07-22.tif",
    "sentinel2_l1c_13band_frames/frame_1.tif",
    "sentinel2_chips_unlabelled/adwp.tif",
)


def real(data_root: Path, pattern: str) -> Path:
    found = sorted((data_root / "scenes").glob(pattern))
    if not found:
        pytest.skip(f"scenes/{pattern} is not here: set GEOCLOUD_DATA to the folder of real imagery")
    return found[0]


@pytest.mark.parametrize("pattern", SCENES)
def test_every_kind_is_masked_on_its_own_grid(data_root: Path, tmp_path: Path, pattern: str) -> None:
    source = real(data_root, pattern)
    detection = geocloud.detect(source, tmp_path, DetectOptions(model="brightness", polygons="none", threads=1))
    removed = apply_mask(source, detection.mask_path, tmp_path / "clear.tif")
    with rasterio.open(detection.mask_path) as mask, rasterio.open(tmp_path / "clear.tif") as clear:
        codes = mask.read(1)
        assert (mask.shape, mask.crs, mask.transform) == (clear.shape, clear.crs, clear.transform)
        assert removed == pytest.approx(100 * (codes == 1).mean())
        assert (clear.dataset_mask()[codes == 1] == 0).all()
    with open_scene(source) as scene:
        valid = scene.read(Window(0, 0, *codes.shape), ("blue", "green", "red")).valid
        assert tuple(scene.georef.transform) == tuple(mask.transform)
    assert ((codes != 255) == valid).all()
    assert detection.cloud_cover == pytest.approx(100 * (codes == 1).sum() / valid.sum())


def default_cover(data_root: Path, pattern: str, out: Path) -> float:
    if not any(SHIPPED.glob(f"*/{CARD_FILE}")):
        pytest.skip("no model is shipped yet: train one")
    options = DetectOptions(polygons="none", threads=1)
    return geocloud.detect(real(data_root, pattern), out, options).cloud_cover


def test_dates_of_one_tile_come_in_the_right_order(data_root: Path, tmp_path: Path) -> None:
    clear, half, most = (default_cover(data_root, f"{TILE}202308{day}*", tmp_path) for day in ("20", "18", "10"))
    assert clear < 15
    assert clear < half < most


def test_bare_sand_is_no_cloud(data_root: Path, tmp_path: Path) -> None:
    assert default_cover(data_root, "S2A_29RKH_*", tmp_path) < 6


def test_dilation_and_coarser_scoring_on_a_real_scene(data_root: Path, tmp_path: Path) -> None:
    source = real(data_root, f"{TILE}20230818*")
    plain = DetectOptions(model="hot", polygons="none", threads=1)
    cover = [
        geocloud.detect(source, tmp_path / str(number), options).cloud_cover
        for number, options in enumerate((plain, replace(plain, dilate=2), replace(plain, resolution=240)))
    ]
    assert cover[1] > cover[0]
    assert cover[2] == pytest.approx(cover[0], abs=1.5)
    assert np.isfinite(cover).all()
