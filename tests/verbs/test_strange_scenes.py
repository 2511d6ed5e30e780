"""Real scenes: those of every day are silent, those unlike the training data are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import geocloud
from geocloud import Detection, DetectOptions, MemoryScene, SceneReader, open_scene
from geocloud.models.registry import load_scorer
from geocloud.raster import Georef, Raster, Window
from geocloud.scorers.contract import Scorer

pytestmark = pytest.mark.data
SIDE = 640
TILE = "sentinel2_l2a_120m/S2*_33TWL_202308"
FIVE = tuple(f"{TILE}{day}*/*.json" for day in ("10", "13", "15", "18", "20"))
BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    scorer = load_scorer("default", "cpu")
    if scorer.card.domain is None:
        pytest.skip("the default model's card does not say what it has seen: run geocloud survey")
    return scorer


def middle(scene: SceneReader, change: object = None) -> MemoryScene:
    """The middle of a scene, its bands' values changed."""
    height, width = scene.georef.shape
    window = Window(max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2), min(height, SIDE), min(width, SIDE))
    bands = tuple(band for band in scene.bands if band in BANDS)
    raster = scene.read(window, bands)
    data = change(bands, raster.data) if change is not None else raster.data
    return MemoryScene(Raster(data.astype(np.float32), raster.valid), bands, Georef(window.shape), name="middle")


def detected(data_root: Path, pattern: str, scorer: Scorer, out: Path, change: object = None) -> Detection:
    found = sorted(data_root.glob(pattern))
    if not found:
        pytest.skip(f"{pattern} is not here: set GEOCLOUD_DATA to the folder of real imagery")
    with open_scene(found[0]) as scene:
        options = DetectOptions(polygons="none", threads=1)
        return geocloud.detect(middle(scene, change), out, options, scorer=scorer)


def swapped(*pairs: tuple[str, str]) -> object:
    """Bands given in another order."""

    def change(bands: tuple[str, ...], data: np.ndarray) -> np.ndarray:
        names = {one: other for pair in pairs for one, other in (pair, pair[::-1])}
        return data[[bands.index(names.get(band, band)) for band in bands]]

    return change


@pytest.mark.parametrize("pattern", [f"scenes/{pattern}" for pattern in (*FIVE, "S2A_29RKH_*", "LC08_L2SP_008059_*")])
def test_scenes_of_every_day_are_silent(data_root: Path, tmp_path: Path, scorer: Scorer, pattern: str) -> None:
    detection = detected(data_root, pattern, scorer, tmp_path)
    assert not detection.unlike_training_data
    assert not any("unlike" in note for note in detection.notes)


def test_the_catalogue_is_silent(data_root: Path, tmp_path: Path, scorer: Scorer) -> None:
    names = sorted((data_root / "labelled/s2cmc/images").iterdir())[::17]
    told = []
    for number, name in enumerate(names):
        pattern = f"labelled/s2cmc/images/{name.name}"
        told.append(detected(data_root, pattern, scorer, tmp_path / str(number)).unlike_training_data)
    assert sum(told) <= len(told) // 10


@pytest.mark.parametrize("factor", [10, 0.1, 10_000], ids=str)
@pytest.mark.parametrize("pattern", [f"scenes/{FIVE[2]}", "scenes/S2A_29RKH_*", "labelled/s2chips/images/chip_1.tif"])
def test_a_wrong_scale_is_told(data_root: Path, tmp_path: Path, scorer: Scorer, pattern: str, factor: float) -> None:
    detection = detected(data_root, pattern, scorer, tmp_path, lambda _, data: data * factor)
    assert detection.unlike_training_data
    assert "--scale" in " ".join(detection.notes)


@pytest.mark.parametrize("pairs", [(("red", "nir"),)], ids=["NIR for red"])
@pytest.mark.parametrize("pattern", [f"scenes/{FIVE[1]}", f"scenes/{FIVE[2]}"])
def test_a_wrong_order_of_bands_is_told(
    data_root: Path, tmp_path: Path, scorer: Scorer, pattern: str, pairs: tuple[tuple[str, str], ...]
) -> None:
    detection = detected(data_root, pattern, scorer, tmp_path, swapped(*pairs))
    assert "--bands" in " ".join(detection.notes)


def test_stripes_are_told(data_root: Path, tmp_path: Path, scorer: Scorer) -> None:
    detection = detected(data_root, "scenes/LE07_L1TP_*", scorer, tmp_path)
    assert "strips" in " ".join(detection.notes)
