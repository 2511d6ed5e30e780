"""Further classes and the cloud-free estimate, from the scorer to the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from PIL import Image
from rio_cogeo import cog_validate
from testutils import EchoScorer, run_cli

import geocloud
from geocloud import DetectOptions
from geocloud.classes import CLASSES as CODED
from geocloud.classes import ClassThresholds
from geocloud.errors import ModelError, UsageError
from geocloud.raster import Parts, PatchBatch
from geocloud.scorers.contract import Unmixer

Make = Callable[..., Path]
CLASSES = ("cloud", "thin", "haze", "dust", "shadow", "snow")
THRESHOLDS = ClassThresholds(thin=0.6, haze=-0.5, dust=0.5, shadow=0.3, snow=0.5)


class PaintedScorer(EchoScorer):
    """Reads score, slope and shadow off the scene's own bands, so that each pixel's class is known."""

    name = "painted"

    def __init__(self, thresholds: ClassThresholds | None = THRESHOLDS) -> None:
        super().__init__(0, 2, 8, class_thresholds=thresholds)
        self.unmixed = 0

    def unmix(self, batch: PatchBatch) -> Parts:
        self.unmixed += 1
        rows, cols = (slice(self.halo, size - self.halo) for size in batch.data.shape[-2:])
        data = batch.data[:, :, rows, cols]
        snow = (data[:, 1] > 0.8).astype(np.float32)
        return Parts(data[:, 0], data[:, 1] * 4 - 1, data[:, 2], snow, data[:, :3] / 2)


def painted(make: Make, **options: object) -> tuple[Path, np.ndarray]:
    """A scene of squares, one a class, and its codes: score, slope and shadow are its bands, nodata at one edge."""
    data = np.full((3, 200, 300), [[[1000]], [[2500]], [[1000]]], dtype=np.uint16)
    codes = np.zeros((200, 300), dtype=np.uint8)
    values = {
        1: (8000, 2500, 100),
        2: (5500, 2500, 100),
        3: (8000, 100, 100),
        4: (8000, 5000, 100),
        5: (1000, 2500, 5000),
        6: (1000, 9000, 100),
    }
    for i, (code, value) in enumerate(values.items()):
        top, left = 40 + 80 * (i // 5), 20 + 50 * (i % 5) + 100 * (i // 5)
        part = slice(top, top + 40), slice(left, left + 40)
        data[:, *part], codes[part] = np.array(value)[:, None, None], code
    part = slice(80, 100), slice(20, 60)
    data[:, *part], codes[part] = np.array(values[2])[:, None, None], 2
    data[:, 150:153, 20:23], codes[150:153, 20:23] = np.array(values[1])[:, None, None], 1
    data[:, :, 290:], codes[:, 290:] = 0, 255
    return make(data=data, names=("blue", "green", "red"), nodata=0, **options), codes


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_a_painted_unmixer_is_one() -> None:
    assert isinstance(PaintedScorer(), Unmixer)
    assert not isinstance(EchoScorer(), Unmixer)


def test_every_class_reaches_every_file(make_scene: Make, tmp_path: Path) -> None:
    pystac = pytest.importorskip("pystac")
    path, codes = painted(make_scene)
    options = DetectOptions(classes=CLASSES, stac=True, quicklook=True)
    detection = geocloud.detect(path, tmp_path / "out", options, scorer=PaintedScorer())
    np.testing.assert_array_equal(read(detection.mask_path), codes)
    valid = (codes != 255).sum()
    assert detection.cloud_cover == pytest.approx(100 * np.isin(codes, (1, 2)).sum() / valid)
    share = 100 * (codes == 3).sum() / valid
    assert detection.class_cover["haze or smoke"] == pytest.approx(share, abs=1e-3)
    assert sum(detection.class_cover.values()) == pytest.approx(100, abs=0.01)
    frame = geopandas.read_file(detection.files["polygons"])
    assert set(frame["class"]) == {"cloud", "thin cloud", "haze or smoke", "dust", "cloud shadow", "snow or ice"}
    table = detection.mask_path.with_name(detection.mask_path.name + ".aux.xml").read_text()
    style = detection.mask_path.with_suffix(".qml").read_text()
    assert all(name in table and name in style for name in ("thin cloud", "haze or smoke", "dust", "snow or ice"))
    item = pystac.Item.from_file(detection.files["stac"])
    assert [entry["value"] for entry in item.assets["mask"].extra_fields["classification:classes"]] == [
        *range(7),
        255,
    ]
    assert item.properties["geocloud:class_percent"]["dust"] == detection.class_cover["dust"]
    assert item.properties["eo:cloud_cover"] == pytest.approx(detection.cloud_cover, abs=1e-3)


def test_a_quicklook_of_several_classes_has_a_legend(make_scene: Make, tmp_path: Path) -> None:
    path, codes = painted(make_scene)
    looks = []
    for number, classes in enumerate((("cloud",), ("cloud", "shadow"), CLASSES)):
        options = DetectOptions(classes=classes, quicklook=True, polygons="none")
        found = geocloud.detect(path, tmp_path / str(number), options, scorer=PaintedScorer())
        with Image.open(found.files["quicklook"]) as picture:
            looks.append(np.asarray(picture)[len(codes) :])
    assert len(looks[0]) == 0
    for look, classes in zip(looks[1:], (("cloud", "shadow"), CLASSES), strict=True):
        for entry in (one for one in CODED if one.key not in ("clear", "nodata")):
            assert (look == entry.colour[:3]).all(axis=2).any() == (entry.key in classes)
        assert (look == 0).all(axis=2).sum() > 50  # letters


def test_fewer_classes_fold_into_cloud_and_none_cost_nothing(make_scene: Make, tmp_path: Path) -> None:
    path, codes = painted(make_scene)
    scorer = PaintedScorer()
    plain = geocloud.detect(path, tmp_path / "a", DetectOptions(), scorer=scorer)
    assert scorer.unmixed == 0
    np.testing.assert_array_equal(read(plain.mask_path) == 1, np.isin(codes, (1, 2, 3, 4)))
    same = geocloud.detect(path, tmp_path / "b", DetectOptions(), scorer=EchoScorer(0, 2, 8))
    with rasterio.open(plain.mask_path) as one, rasterio.open(same.mask_path) as other:
        assert one.colormap(1) == other.colormap(1)
        assert one.tags().keys() == other.tags().keys()
    thin = geocloud.detect(path, tmp_path / "c", DetectOptions(classes=("thin",)), scorer=scorer)
    expected = np.where(np.isin(codes, (3, 4)), 1, np.where(np.isin(codes, (5, 6)), 0, codes))
    np.testing.assert_array_equal(read(thin.mask_path), expected)


@pytest.mark.parametrize(
    ("encoding", "values"), [("scl", (9, 10, 10, 8, 3, 11)), ("qa_pixel", (22280, 54596, 54596, 22280, 23888, 30048))]
)
def test_encodings_know_the_classes(make_scene: Make, tmp_path: Path, encoding: str, values: tuple[int, ...]) -> None:
    path, codes = painted(make_scene)
    options = DetectOptions(classes=CLASSES, encoding=encoding, polygons="none")
    written = read(geocloud.detect(path, tmp_path, options, scorer=PaintedScorer()).mask_path)
    for code, value in enumerate(values, start=1):
        assert set(np.unique(written[codes == code])) == {value}


def test_least_area_looks_at_whole_clouds_and_growth_keeps_classes(make_scene: Make, tmp_path: Path) -> None:
    path, codes = painted(make_scene)
    options = DetectOptions(classes=CLASSES, min_area=100 * 850, polygons="none")
    kept = geocloud.detect(path, tmp_path / "a", options, scorer=PaintedScorer())
    expected = np.where(codes == 1, 1, codes)
    expected[150:153, 20:23] = 0  # alone and small; the thin strip below the thick square is small, but part of it
    np.testing.assert_array_equal(read(kept.mask_path), expected)
    assert kept.cloud_cover == pytest.approx(100 * np.isin(expected, (1, 2)).sum() / (codes != 255).sum())
    grown = read(
        geocloud.detect(path, tmp_path / "b", replace(options, min_area=0, dilate=3), scorer=PaintedScorer()).mask_path
    )
    assert grown[60, 270 - 50 + 41] == 5
    assert grown[60, 61] == 1
    assert grown[102, 40] == 2
    np.testing.assert_array_equal(grown[codes != 0], codes[codes != 0])


def test_the_cloud_free_estimate_is_reflectance_with_nodata(make_scene: Make, tmp_path: Path) -> None:
    path, codes = painted(make_scene)
    detection = geocloud.detect(path, tmp_path, DetectOptions(clear_sky=True), scorer=PaintedScorer())
    with rasterio.open(detection.files["clear_sky"]) as clear, rasterio.open(path) as scene:
        assert (clear.dtypes, clear.nodata, clear.scales) == (("uint16",) * 3, 0, (1e-4,) * 3)
        assert clear.descriptions == ("blue", "green", "red")
        assert (clear.transform, clear.crs) == (scene.transform, scene.crs)
        expected = np.where(codes == 255, 0, np.maximum(scene.read() / 2, 1)).round()
        assert np.abs(clear.read() - expected).max() <= 1
    assert cog_validate(detection.files["clear_sky"])[0]


def bands_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_each_class_has_a_band_of_its_probability(make_scene: Make, tmp_path: Path) -> None:
    path, codes = painted(make_scene)
    options = DetectOptions(class_scores=True, score=True, stac=find_spec("pystac") is not None)
    detection = geocloud.detect(path, tmp_path, options, scorer=PaintedScorer())
    written = detection.files["class_scores"]
    names = ["clear", "cloud", "thin cloud", "haze or smoke", "dust", "cloud shadow", "snow or ice"]
    with rasterio.open(written) as dataset, rasterio.open(path) as scene:
        assert dataset.descriptions == tuple(f"P({name})" for name in names)
        assert (set(dataset.dtypes), dataset.nodata, set(dataset.scales)) == ({"uint8"}, 255, {0.004})
        assert (dataset.transform, dataset.crs) == (scene.transform, scene.crs)
        assert dataset.tags()["GEOCLOUD_MODEL"] == "painted"
        shares = dataset.read()
    assert ((shares == 255) == (codes == 255)).all()
    valid = shares[:, codes != 255].astype(int)
    assert ((valid.sum(axis=0) >= 250 - len(names)) & (valid.sum(axis=0) <= 250)).all()
    cloud = bands_of(detection.files["score"])[0][codes != 255]
    assert (np.abs(valid[1:5].sum(axis=0) - cloud) <= 5).all()
    for code in (3, 4, 5, 6):  # painted far beyond their thresholds
        assert (shares[:, codes == code].argmax(axis=0) == code).all()
    assert cog_validate(written)[0]
    if options.stac:
        asset = json.loads(detection.files["stac"].read_text())["assets"]["class_scores"]
        assert [band["name"] for band in asset["eo:bands"]] == [f"P({name})" for name in names]
        assert asset["raster:bands"] == [{"nodata": 255, "data_type": "uint8", "scale": 0.004, "offset": 0.0}] * 7


def test_a_scorer_without_maps_has_two_classes(make_scene: Make, tmp_path: Path) -> None:
    detection = geocloud.detect(
        make_scene(nodata=0), tmp_path, DetectOptions(model="brightness", class_scores=True, score=True)
    )
    with rasterio.open(detection.files["class_scores"]) as dataset:
        assert dataset.descriptions == ("P(clear)", "P(cloud)")
        shares = dataset.read()
    np.testing.assert_array_equal(shares[1], bands_of(detection.files["score"])[0])


class LopsidedScorer(EchoScorer):
    """Scores each pixel by its left neighbour: mirrored views disagree at upright edges."""

    name = "lopsided"

    def score(self, batch: PatchBatch) -> np.ndarray:
        return np.roll(batch.data, 1, axis=-1)[:, 0, 8:-8, 8:-8].copy()


def test_mirrored_views_that_disagree_are_the_uncertainty(make_scene: Make, tmp_path: Path) -> None:
    data = np.full((3, 100, 130), 1000, dtype=np.uint16)
    data[:, :, 60:] = 9000
    data[:, :, 120:] = 0
    path = make_scene(data=data, names=("blue", "green", "red"), nodata=0)
    options = DetectOptions(uncertainty=True)
    found = geocloud.detect(path, tmp_path / "a", options, scorer=LopsidedScorer(0, 2, 8)).files["uncertainty"]
    with rasterio.open(found) as dataset:
        assert (dataset.scales, dataset.nodata, dataset.dtypes) == ((0.002,), 255, ("uint8",))
        assert dataset.descriptions == ("standard deviation of P(cloud)",)
        spread = dataset.read(1)
    expected = np.zeros((100, 130), dtype=np.uint8)
    expected[:, 59:61] = 250  # two views call it cloud, two do not: a standard deviation of one half
    expected[:, 120:] = 255
    np.testing.assert_array_equal(spread[:, :119], expected[:, :119])
    np.testing.assert_array_equal(spread == 255, expected == 255)
    assert cog_validate(found)[0]
    with pytest.raises(ModelError, match="brightness scores each pixel by itself, so mirrored views say nothing"):
        geocloud.detect(path, tmp_path / "b", DetectOptions(model="brightness", uncertainty=True))
    assert not list((tmp_path / "b").rglob("*.tif"))


def test_coarser_scoring_carries_the_maps(make_scene: Make, tmp_path: Path) -> None:
    path, codes = painted(make_scene)
    options = DetectOptions(classes=CLASSES, clear_sky=True, resolution=20, polygons="none")
    detection = geocloud.detect(path, tmp_path, options, scorer=PaintedScorer())
    assert (read(detection.mask_path) == codes).mean() > 0.99
    assert ((read(detection.files["clear_sky"]) == 0) == (codes == 255)).all()


@pytest.mark.parametrize("options", [{"classes": ("thin",)}, {"clear_sky": True}])
def test_a_scorer_without_maps_is_refused_and_nothing_is_written(
    make_scene: Make, tmp_path: Path, options: dict
) -> None:
    path = make_scene()
    with pytest.raises(ModelError, match="model brightness gives only a score, so no"):
        geocloud.detect(path, tmp_path / "out", DetectOptions(model="brightness", **options))
    assert not list((tmp_path / "out").rglob("*.tif"))


def test_a_class_that_a_card_cannot_tell_is_refused(make_scene: Make, tmp_path: Path) -> None:
    path, _ = painted(make_scene)
    scorer = PaintedScorer(ClassThresholds(thin=0.6))
    with pytest.raises(ModelError, match="cannot detect shadow: by its card it detects cloud, thin"):
        geocloud.detect(path, tmp_path, DetectOptions(classes=("thin", "shadow")), scorer=scorer)
    scorer = PaintedScorer(None)
    with pytest.raises(ModelError, match="geocloud survey"):
        geocloud.detect(path, tmp_path, DetectOptions(classes=("thin",)), scorer=scorer)
    with pytest.raises(UsageError, match="class 'fog' is unknown"):
        DetectOptions(classes=("fog",))


def test_the_shipped_model_gives_the_same_clouds_with_classes(sample: Path, tmp_path: Path) -> None:
    plain = read(geocloud.detect(sample, tmp_path / "a", DetectOptions(threads=1)).mask_path)
    result = run_cli(
        "detect", sample, "--out", tmp_path / "b", "--classes", "cloud,thin,shadow", "--clear-sky", "--threads", 1,
        "--score", "classes",
    )  # fmt: skip
    summary = json.loads(result.stdout)
    fine = read(Path(summary["mask"]))
    np.testing.assert_array_equal(np.isin(fine, (1, 2)), plain == 1)
    assert set(summary["class_percent"]) == {"clear", "cloud", "thin cloud", "cloud shadow"}
    assert "score" not in summary
    assert (bands_of(Path(summary["class_scores"]))[1:5].sum(axis=0, dtype=int) >= 118)[plain == 1].all()
    with rasterio.open(summary["clear_sky"]) as clear:
        assert clear.descriptions == ("blue", "green", "red", "nir")
