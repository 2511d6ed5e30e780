"""The main job on real files: what a user finds on disk afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio import features
from rasterio.control import GroundControlPoint
from rio_cogeo import cog_validate
from testutils import EchoScorer, rotated, write_scene

import geocloud
from geocloud import DetectOptions, SceneOptions
from geocloud.calibration import Probability
from geocloud.errors import Cancelled, InputError, ModelError, UsageError

Make = Callable[..., Path]
BRIGHT = DetectOptions(model="brightness")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def brightness_mask(path: Path, threshold: float = 0.25) -> np.ndarray:
    """The oracle: the null model in two lines of numpy."""
    with rasterio.open(path) as dataset:
        weights = np.full(3, 1 / 3, dtype=np.float32)
        reflectance = dataset.read([1, 2, 3]).astype(np.float32) * np.float32(1e-4)
        return (np.einsum("b,bhw->hw", weights, reflectance) >= np.float32(threshold)).astype(np.uint8)


def test_mask_is_right_and_on_the_scenes_grid(make_scene: Make, tmp_path: Path) -> None:
    path = make_scene()
    detection = geocloud.detect(path, tmp_path / "out", BRIGHT)
    expected = brightness_mask(path)
    assert (read(detection.mask_path) == expected).all()
    assert detection.cloud_cover == pytest.approx(100 * expected.mean())
    with rasterio.open(path) as scene, rasterio.open(detection.mask_path) as mask:
        assert (mask.crs, mask.transform, mask.shape) == (scene.crs, scene.transform, scene.shape)
        assert mask.nodata == 255
        assert mask.colormap(1)[1] == (0, 174, 239, 255)
        tags = mask.tags()
    assert tags["GEOCLOUD_MODEL"] == "brightness"
    assert float(tags["GEOCLOUD_THRESHOLD"]) == 0.25
    assert tags["GEOCLOUD_BANDS"] == "blue,green,red"
    assert "blue = DN * 0.0001" in tags["GEOCLOUD_REFLECTANCE"]
    valid, errors, warnings = cog_validate(detection.mask_path)
    assert valid, (errors, warnings)


def test_every_output_and_nothing_else(sample: Path, tmp_path: Path) -> None:
    options = DetectOptions(model="brightness", score=True, quicklook=True)
    detection = geocloud.detect(sample, tmp_path, options)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "scene_cloudmask.qml",
        "scene_cloudmask.tif",
        "scene_cloudmask.tif.aux.xml",
        "scene_clouds.geojson",
        "scene_cloudscore.tif",
        "scene_quicklook.png",
    ]
    mask, score = read(detection.mask_path), read(detection.files["score"])
    assert ((score == 255) == (mask == 255)).all()
    assert ((score[mask != 255] >= 125) == (mask[mask != 255] == 1)).all()
    with rasterio.open(detection.files["score"]) as dataset:
        assert dataset.scales == (0.004,)
        assert cog_validate(detection.files["score"])[0]
    frame = detection.polygons
    assert len(frame) == detection.polygon_count
    assert frame.crs.to_epsg() == 4326


def test_polygons_burnt_back_are_the_mask(sample: Path, tmp_path: Path) -> None:
    detection = geocloud.detect(sample, tmp_path, DetectOptions(model="brightness", polygons="gpkg"))
    frame = geopandas.read_file(detection.files["polygons"])
    with rasterio.open(detection.mask_path) as dataset:
        mask, transform = dataset.read(1), dataset.transform
        assert frame.crs == dataset.crs
    burnt = features.rasterize(frame.geometry, mask.shape, transform=transform)
    assert (burnt == (mask == 1)).all()


def test_nodata_stays_nodata(sample: Path, tmp_path: Path) -> None:
    detection = geocloud.detect(sample, tmp_path, BRIGHT)
    with rasterio.open(sample) as scene:
        empty = scene.dataset_mask() == 0
    mask = read(detection.mask_path)
    assert ((mask == 255) == empty).all()
    assert detection.cloud_cover == pytest.approx(100 * (mask == 1).sum() / (~empty).sum())


def test_min_area_leaves_small_clouds_out_of_everything(make_scene: Make, tmp_path: Path) -> None:
    path = make_scene()
    detection = geocloud.detect(path, tmp_path / "out", DetectOptions(model="brightness", min_area=10_000))
    mask = read(detection.mask_path)
    assert mask[20:50, 30:70].all()
    assert not mask[80:90, 100:105].any()
    assert detection.polygon_count == 1
    assert detection.polygons["area_m2"][0] == pytest.approx(120_000 / 0.9996**2, rel=1e-3)
    assert detection.cloud_cover == pytest.approx(100 * 1200 / 13000)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (5, 7), (63, 65), (64, 64), (513, 30)])
def test_scenes_of_any_size_lose_no_pixel(make_scene: Make, tmp_path: Path, shape: tuple[int, int]) -> None:
    data = np.random.default_rng(1).integers(1000, 5000, (4, *shape)).astype(np.uint16)
    path = make_scene(data=data)
    detection = geocloud.detect(path, tmp_path / "out", BRIGHT)
    assert (read(detection.mask_path) == brightness_mask(path)).all()


def test_wholly_nodata(make_scene: Make, tmp_path: Path) -> None:
    path = make_scene(data=np.zeros((4, 70, 70), dtype=np.uint16), nodata=0)
    detection = geocloud.detect(path, tmp_path / "out", BRIGHT)
    assert (read(detection.mask_path) == 255).all()
    assert np.isnan(detection.cloud_cover)
    assert detection.summary()["cloud_percent"] is None
    assert any("wholly nodata" in note for note in detection.notes)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_types(make_scene: Make, tmp_path: Path, dtype: str) -> None:
    ground, cloud = {"uint8": (20, 200), "float32": (0.05, 0.7), "float64": (0.05, 0.7)}.get(dtype, (500, 7000))
    data = np.full((3, 80, 80), ground, dtype=dtype)
    data[:, 10:20, 10:20] = cloud
    path = make_scene(data=data, names=("red", "green", "blue"))
    mask = read(geocloud.detect(path, tmp_path / "out", BRIGHT).mask_path)
    assert mask[10:20, 10:20].all()
    assert mask.sum() == 100


class TestPlace:
    def test_rotated_scene(self, make_scene: Make, tmp_path: Path) -> None:
        path = make_scene(transform=rotated(30))
        detection = geocloud.detect(path, tmp_path / "out", DetectOptions(model="brightness", polygons="gpkg"))
        with rasterio.open(detection.mask_path) as mask:
            assert mask.transform.almost_equals(rotated(30))
            burnt = features.rasterize(detection.polygons.geometry, mask.shape, transform=mask.transform)
            assert (burnt == mask.read(1)).all()

    def test_gcps_survive_and_place_the_polygons(self, make_scene: Make, tmp_path: Path) -> None:
        points = [GroundControlPoint(r, c, 14 + c / 1000, 47 - r / 1000, 0) for r in (0, 50, 100) for c in (0, 65, 130)]
        path = make_scene(crs=None, transform=Affine.identity())
        with rasterio.open(path, "r+") as dataset:
            dataset.gcps = points, rasterio.crs.CRS.from_epsg(4326)
        detection = geocloud.detect(path, tmp_path / "out", BRIGHT)
        with rasterio.open(detection.mask_path) as mask:
            assert len(mask.gcps[0]) == 9
        west, south, east, north = detection.polygons.total_bounds
        assert (west, north) == pytest.approx((14.030, 46.980), abs=1e-4)
        assert (east, south) == pytest.approx((14.105, 46.910), abs=1e-4)

    def test_without_georeference_polygons_come_when_asked_for(self, make_scene: Make, tmp_path: Path) -> None:
        path = make_scene(crs=None, transform=Affine.identity())
        detection = geocloud.detect(path, tmp_path / "one", BRIGHT)
        assert "polygons" not in detection.files
        assert any("--pixel-polygons" in note for note in detection.notes)
        detection = geocloud.detect(path, tmp_path / "two", DetectOptions(model="brightness", pixel_polygons=True))
        assert list(detection.polygons.total_bounds) == [30, 20, 105, 90]
        with pytest.raises(UsageError, match="no georeference"):
            geocloud.detect(path, tmp_path / "three", DetectOptions(model="brightness", min_area=5))


class TestThreshold:
    def test_number(self, make_scene: Make, tmp_path: Path) -> None:
        path = make_scene()
        options = DetectOptions(model="brightness", threshold=0.55)
        detection = geocloud.detect(path, tmp_path / "out", options)
        assert (read(detection.mask_path) == brightness_mask(path, 0.55)).all()
        assert (detection.threshold, detection.rule) == (0.55, "given")

    def test_unknown_rule(self, make_scene: Make, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="rule 'magic' is not in the card of brightness, which has fixed, paper"):
            geocloud.detect(make_scene(), tmp_path / "out", DetectOptions(model="brightness", threshold="magic"))


class TestNothingIsLost:
    def test_existing_outputs_are_kept_unless_overwritten(self, make_scene: Make, tmp_path: Path) -> None:
        path, out = make_scene(), tmp_path / "out"
        first = geocloud.detect(path, out, BRIGHT)
        stamp = first.mask_path.stat().st_mtime_ns
        with pytest.raises(UsageError, match=r"exists with threshold .* instead of 0\.9"):
            geocloud.detect(path, out, DetectOptions(model="brightness", threshold=0.9))
        again = geocloud.detect(path, out, BRIGHT)
        assert again.kept
        assert again.cloud_cover == pytest.approx(first.cloud_cover)
        assert first.mask_path.stat().st_mtime_ns == stamp
        options = DetectOptions(model="brightness", threshold=0.9, overwrite=True)
        assert geocloud.detect(path, out, options).cloud_cover == 0

    def test_who_asks_for_a_probability_is_told_in_probabilities(self, make_scene: Make, tmp_path: Path) -> None:
        path, out = make_scene(), tmp_path / "out"
        geocloud.detect(path, out, BRIGHT)
        with pytest.raises(UsageError, match=r"exists with probability 0\.5 instead of 0\.3; pass"):
            geocloud.detect(path, out, replace(BRIGHT, threshold=Probability(0.3)))
        geocloud.detect(path, out, replace(BRIGHT, threshold=Probability(0.3), overwrite=True))
        with pytest.raises(UsageError, match=r"exists with probability 0\.3 instead of 0\.7; pass"):
            geocloud.detect(path, out, replace(BRIGHT, threshold=Probability(0.7)))
        with pytest.raises(UsageError, match=r"exists with threshold \S+ \(probability 0\.3\) instead of"):
            geocloud.detect(path, out, BRIGHT)
        with pytest.raises(UsageError, match=r"threshold \S+ \(probability 0\.3\) instead of probability 0\.3"):
            geocloud.detect(path, out, replace(BRIGHT, model="hot", threshold=Probability(0.3)))

    def test_a_failed_run_leaves_no_trace(self, make_scene: Make, tmp_path: Path) -> None:
        class Failing(EchoScorer):
            def score(self, batch):
                raise InputError("broken on purpose")

        out = tmp_path / "out"
        geocloud.detect(make_scene(), out, BRIGHT)
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        with pytest.raises(InputError, match="broken on purpose"):
            geocloud.detect(make_scene(), out, DetectOptions(overwrite=True), scorer=Failing())
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    def test_cancel_leaves_nothing(self, make_scene: Make, tmp_path: Path) -> None:
        def cancel(done: int, total: int, stage: str) -> None:
            if stage == "polygons":
                raise Cancelled("cancelled")

        with pytest.raises(Cancelled):
            geocloud.detect(make_scene(), tmp_path / "out", BRIGHT, progress=cancel)
        assert not list((tmp_path / "out").iterdir())

    def test_the_same_run_gives_the_same_bytes(self, sample: Path, tmp_path: Path) -> None:
        options = DetectOptions(model="brightness", score=True)
        one = geocloud.detect(sample, tmp_path / "one", options)
        other = geocloud.detect(sample, tmp_path / "two", DetectOptions(model="brightness", score=True, threads=1))
        for name in ("mask", "score", "polygons"):
            assert one.files[name].read_bytes() == other.files[name].read_bytes()


def test_missing_band_is_named(make_scene: Make, tmp_path: Path) -> None:
    path = make_scene(names=None)
    with pytest.raises(ModelError, match="needs the bands blue, green, red, but the scene has no blue"):
        geocloud.detect(path, tmp_path, DetectOptions(model="brightness", scene=SceneOptions({"red": 1, "green": 2})))


def test_to_xarray_carries_coordinates(make_scene: Make, tmp_path: Path) -> None:
    array = geocloud.detect(make_scene(), tmp_path / "out", BRIGHT).to_xarray()
    assert array.dims == ("y", "x")
    assert float(array.x[0]) == 500005
    assert float(array.y[0]) == 4999995
    assert "UTM zone 33N" in array.attrs["crs_wkt"]


def test_progress_counts_up_to_the_end(make_scene: Make, tmp_path: Path) -> None:
    seen = []
    geocloud.detect(make_scene(), tmp_path / "out", BRIGHT, progress=lambda *event: seen.append(event))
    stages = list(dict.fromkeys(stage for _, _, stage in seen))
    assert stages == ["load", "inference", "polygons", "write"]
    assert (100, 100, "inference") in seen


@pytest.mark.data
def test_real_chips_and_pictures(data_root: Path, tmp_path: Path) -> None:
    chips = sorted((data_root / "labelled" / "s2chips" / "images").glob("*.tif"))
    pictures = sorted((data_root / "labelled" / "s2cmc" / "images").glob("*.png"))[:2]
    known = data_root / "scenes" / "rasterio_rgb" / "RGB.byte.tif"
    assert chips
    assert pictures
    for path in (*chips, *pictures, known):
        detection = geocloud.detect(path, tmp_path, BRIGHT)
        assert cog_validate(detection.mask_path)[0]
        with rasterio.open(path) as scene, rasterio.open(detection.mask_path) as mask:
            assert (mask.crs, mask.transform, mask.shape) == (scene.crs, scene.transform, scene.shape)
            assert ((mask.read(1) == 255) == (scene.dataset_mask() == 0)).all()


def test_wide_scene_is_cut_into_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geocloud.pipeline.scoring.SEGMENT_PIXELS", 1)
    path = write_scene(tmp_path / "wide.tif", shape=(70, 1500))
    assert (read(geocloud.detect(path, tmp_path / "out", BRIGHT).mask_path) == brightness_mask(path)).all()
