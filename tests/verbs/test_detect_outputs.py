"""What detect writes beside the plain mask: other encodings, grown clouds, coarser scoring, a STAC item."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from products import write_item, write_safe
from rasterio import features
from rio_cogeo import cog_validate
from testutils import run_cli

import geocloud
from geocloud import DetectOptions
from geocloud.classes import decode, encode
from geocloud.errors import UsageError
from geocloud.raster import NODATA

Make = Callable[..., Path]
BRIGHT = DetectOptions(model="brightness")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize(("encoding", "cloud", "dtype"), [("scl", 9, "uint8"), ("qa_pixel", 22280, "uint16")])
def test_encodings_hold_the_same_mask(sample: Path, tmp_path: Path, encoding: str, cloud: int, dtype: str) -> None:
    plain = read(geocloud.detect(sample, tmp_path / "a", BRIGHT).mask_path)
    detection = geocloud.detect(sample, tmp_path / "b", replace(BRIGHT, encoding=encoding))
    written = read(detection.mask_path)
    assert written.dtype == dtype
    assert ((written == cloud) == (plain == 1)).all()
    assert (decode(written, encoding) == plain).all()
    with rasterio.open(detection.mask_path) as dataset:
        assert (dataset.read_masks(1) == 0).tolist() == (plain == NODATA).tolist()
        assert dataset.tags()["GEOCLOUD_ENCODING"] == encoding
    assert cog_validate(detection.mask_path)[0]
    assert f"<F>{cloud}</F><F>cloud</F>" in detection.mask_path.with_name("scene_cloudmask.tif.aux.xml").read_text()
    kept = geocloud.detect(sample, tmp_path / "b", replace(BRIGHT, encoding=encoding))
    assert kept.kept
    assert kept.cloud_cover == pytest.approx(detection.cloud_cover)


def test_qa_pixel_bits_are_those_of_usgs() -> None:
    codes = np.array([0, 1, 2, 5, 6, 255], dtype=np.uint8)
    bits = encode(codes, "qa_pixel")
    fill, cirrus, cloud, shadow, snow, clear = (bits >> bit & 1 for bit in (0, 2, 3, 4, 5, 6))
    assert fill.tolist() == [0, 0, 0, 0, 0, 1]
    assert cloud.tolist() == [0, 1, 0, 0, 0, 0]
    assert cirrus.tolist() == [0, 0, 1, 0, 0, 0]
    assert shadow.tolist() == [0, 0, 0, 1, 0, 0]
    assert snow.tolist() == [0, 0, 0, 0, 1, 0]
    assert clear.tolist() == [1, 0, 1, 1, 1, 0]
    assert (bits >> 8 & 3).tolist() == [1, 3, 1, 1, 1, 0]
    assert (bits >> 12 & 3).tolist() == [1, 1, 1, 1, 3, 0]
    assert decode(bits, "qa_pixel").tolist() == codes.tolist()


def test_grown_clouds_are_one_in_mask_polygons_and_cover(make_scene: Make, tmp_path: Path) -> None:
    path = make_scene(shape=(150, 130))
    plain = read(geocloud.detect(path, tmp_path / "a", BRIGHT).mask_path)
    detection = geocloud.detect(path, tmp_path / "b", replace(BRIGHT, dilate=4))
    grown = read(detection.mask_path)
    y, x = np.mgrid[-4:5, -4:5]
    padded = np.pad(plain, 4)
    expected = np.zeros_like(plain)
    for dy, dx in zip(y[y**2 + x**2 <= 16], x[y**2 + x**2 <= 16], strict=True):
        expected |= padded[4 + dy : 4 + dy + plain.shape[0], 4 + dx : 4 + dx + plain.shape[1]]
    np.testing.assert_array_equal(grown, expected)
    assert detection.cloud_cover == pytest.approx(100 * expected.mean())
    with rasterio.open(detection.mask_path) as mask:
        frame = geopandas.read_file(detection.files["polygons"]).to_crs(mask.crs)
        burnt = features.rasterize(frame.geometry, mask.shape, transform=mask.transform)
    assert (burnt != grown).mean() < 0.01
    assert detection.polygon_count == 2


def test_coarser_scoring_stays_on_the_scenes_grid(sample: Path, tmp_path: Path) -> None:
    plain = geocloud.detect(sample, tmp_path / "a", BRIGHT)
    coarse = geocloud.detect(sample, tmp_path / "b", replace(BRIGHT, resolution=40, score=True, quicklook=True))
    with rasterio.open(plain.mask_path) as one, rasterio.open(coarse.mask_path) as other:
        assert (one.shape, one.transform, one.crs) == (other.shape, other.transform, other.crs)
        fine, rough = one.read(1), other.read(1)
    assert ((fine == NODATA) == (rough == NODATA)).all()
    assert "scored 4x4 pixels at a time" in " ".join(coarse.notes)
    with rasterio.open(sample) as dataset:
        rgb = dataset.read([1, 2, 3]).astype(np.float64) / 10000
        valid = dataset.dataset_mask() > 0
    count = valid.reshape(128, 4, 128, 4).sum(axis=(1, 3))
    mean = np.where(valid, rgb, 0).mean(axis=0).reshape(128, 4, 128, 4).sum(axis=(1, 3)) / np.maximum(count, 1)
    expected = np.repeat(np.repeat(mean >= 0.25, 4, axis=0), 4, axis=1)
    assert (expected[valid] == (rough[valid] == 1)).mean() > 0.9999


def test_a_scene_whose_size_is_no_multiple_is_scored_whole(make_scene: Make, tmp_path: Path) -> None:
    data = np.full((4, 131, 101), 6000, dtype=np.uint16)
    detection = geocloud.detect(make_scene(data=data), tmp_path, replace(BRIGHT, resolution=70, polygons="none"))
    assert (read(detection.mask_path) == 1).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"dilate": -1}, "dilate -1 must be 0 to"), ({"resolution": 0}, "resolution 0 must be more than 0 metres")],
)
def test_mistyped_numbers_are_refused(options: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        DetectOptions(**options)


def test_metres_need_a_georeference(make_scene: Make, tmp_path: Path) -> None:
    path = make_scene(crs=None, transform=rasterio.Affine.identity())
    with pytest.raises(UsageError, match="leave out --resolution"):
        geocloud.detect(path, tmp_path, replace(BRIGHT, resolution=60))


def test_a_stac_item_tells_what_was_found(tmp_path: Path) -> None:
    pystac = pytest.importorskip("pystac")
    from pystac.extensions.classification import ClassificationExtension
    from pystac.extensions.eo import EOExtension
    from pystac.extensions.file import FileExtension
    from pystac.extensions.projection import ProjectionExtension
    from pystac.extensions.raster import RasterExtension

    source, _ = write_item(tmp_path / "in")
    options = replace(BRIGHT, stac=True, score=True, quicklook=True)
    detection = geocloud.detect(source, tmp_path / "out", options)
    item = pystac.Item.from_file(detection.files["stac"])
    assert item.to_dict()["stac_version"] == "1.1.0"
    assert item.id == "scene.v1.2_cloudmask"
    assert item.datetime.isoformat() == "2024-01-05T10:13:19+00:00"
    assert EOExtension.ext(item).cloud_cover == pytest.approx(detection.cloud_cover, abs=1e-3)
    projection = ProjectionExtension.ext(item)
    assert (projection.code, projection.shape, projection.transform[:3]) == ("EPSG:32633", [120, 120], [10, 0, 600000])
    mask = item.assets["mask"]
    assert [entry.value for entry in ClassificationExtension.ext(mask).classes] == [0, 1, 255]
    assert RasterExtension.ext(mask).bands[0].nodata == 255
    assert FileExtension.ext(mask).checksum == "1220" + hashlib.sha256(detection.mask_path.read_bytes()).hexdigest()
    assert RasterExtension.ext(item.assets["score"]).bands[0].scale == 0.004
    assert set(item.assets) == {"mask", "score", "polygons", "quicklook"}
    for asset in item.assets.values():
        assert Path(asset.get_absolute_href()).exists()
    derived = next(link for link in item.links if link.rel == "derived_from")
    assert (detection.files["stac"].parent / derived.href).resolve() == source.resolve()
    west, south, east, north = item.bbox
    with rasterio.open(detection.mask_path) as dataset:
        bounds = rasterio.warp.transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    assert (west, south, east, north) == pytest.approx(bounds, abs=1e-5)


def test_a_scene_without_a_time_says_whose_time_it_is(sample: Path, tmp_path: Path) -> None:
    pytest.importorskip("pystac")
    detection = geocloud.detect(sample, tmp_path, replace(BRIGHT, stac=True))
    properties = json.loads(detection.files["stac"].read_text())["properties"]
    assert properties["geocloud:datetime_is"] == "the time of processing"
    assert properties["geocloud:model"] == "brightness"


def test_the_options_on_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("pystac")
    safe, _ = write_safe(tmp_path)
    more = ("--stac", "--encoding", "scl", "--dilate", 1, "--resolution", 20, "--polygons", "gpkg")
    result = run_cli("detect", safe, "--out", tmp_path / "out", "--model", "hot", *more)
    summary = json.loads(result.stdout)
    assert Path(summary["stac"]).exists()
    masked = run_cli("apply-mask", safe, summary["mask"], "--out", tmp_path / "clear.tif")
    assert masked.returncode == 0, masked.stderr
    with rasterio.open(tmp_path / "clear.tif") as clear, rasterio.open(summary["mask"]) as mask:
        assert clear.descriptions == ("blue", "green", "red", "nir", "swir16")
        assert (np.isnan(clear.read(1)) == np.isin(mask.read(1), (0, 9))).all()
    frame = run_cli("polygonize", summary["mask"], "--out", tmp_path / "again.gpkg")
    assert json.loads(frame.stdout)["polygon_count"] == summary["polygon_count"]


def test_the_percentages_stand_in_the_mask_s_tags(sample: Path, tmp_path: Path) -> None:
    options = DetectOptions(classes=("cloud", "thin", "shadow"), encoding="scl", polygons="none")
    detection = geocloud.detect(sample, tmp_path, options)
    with rasterio.open(detection.mask_path) as dataset:
        tags, codes = dataset.tags(), decode(dataset.read(1), "scl")
    valid = (codes != NODATA).sum()
    assert float(tags["GEOCLOUD_CLOUD_PERCENT"]) == pytest.approx(detection.cloud_cover, abs=1e-3)
    assert float(tags["GEOCLOUD_SHADOW_PERCENT"]) == pytest.approx(100 * (codes == 5).sum() / valid, abs=1e-3)
    assert float(tags["GEOCLOUD_VALID_PERCENT"]) == pytest.approx(100 * valid / codes.size, abs=1e-3)
    assert "GEOCLOUD_SNOW_PERCENT" not in tags
