"""A model's finest resolution: fine pixels are scored in squares, everywhere in the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from testutils import EchoScorer, write_scene

import geocloud
from geocloud import DetectOptions, open_scene
from geocloud.errors import UsageError
from geocloud.pipeline.scoring import score_scene
from geocloud.pipeline.tiling import aggregation_factor
from geocloud.raster import Georef, Raster, spread
from geocloud.readers.bands.spec import add_squares, as_digital_numbers, average

UTM = rasterio.crs.CRS.from_epsg(32633).to_wkt()


class Coarse(EchoScorer):
    """Gains nothing below 20 m."""

    def __init__(self) -> None:
        super().__init__(min_resolution=20.0)


@pytest.mark.parametrize(
    ("pixel", "resolution", "side"),
    [
        (10, None, 2),
        (10.02, None, 2),
        (15, None, 1),
        (30, None, 1),
        (3, None, 4),
        (0.1, None, 4),
        (10, 10, 1),
        (10, 60, 6),
        (3, 10, 3),
    ],
)
def test_squares_are_as_coarse_as_the_card_allows_or_as_the_user_asks(
    pixel: float, resolution: float | None, side: int
) -> None:
    georef = Georef((1000, 1000), Affine(pixel, 0, 500000, 0, -pixel, 5000000), UTM)
    assert aggregation_factor(georef, Coarse(), resolution) == side
    assert aggregation_factor(georef, EchoScorer(), resolution) == max(1, round((resolution or 0) / pixel))


def test_without_a_georeference_pixels_are_pixels() -> None:
    assert aggregation_factor(Georef((100, 100)), Coarse()) == 1


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [
        (4326, Affine(1, 0, 1e9, 0, -1, 1e9)),
        (4326, Affine(1e-4, 0, 10, 0, -1e-4, 95)),
        (3857, Affine(1e12, 0, 0, 0, -1e12, 0)),
        (32633, Affine(1e-9, 0, 5e5, 0, -1e-9, 5e6)),
    ],
)
def test_pixels_without_a_size_are_scored_as_they_are(epsg: int, transform: Affine) -> None:
    georef = Georef((1000, 1000), transform, rasterio.crs.CRS.from_epsg(epsg).to_wkt())
    assert aggregation_factor(georef, Coarse()) == 1
    with pytest.raises(UsageError, match="leave out --resolution"):
        aggregation_factor(georef, Coarse(), 20)


def test_detect_and_evaluate_score_the_same_squares(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.tif", shape=(301, 403))
    fine, coarse = EchoScorer(), Coarse()
    asked = geocloud.detect(path, tmp_path / "a", DetectOptions(resolution=20, polygons="none"), scorer=fine)
    found = geocloud.detect(path, tmp_path / "b", DetectOptions(polygons="none"), scorer=coarse)
    native = geocloud.detect(path, tmp_path / "c", DetectOptions(resolution=10, polygons="none"), scorer=coarse)
    masks = [rasterio.open(detection.mask_path).read(1) for detection in (asked, found, native)]
    np.testing.assert_array_equal(masks[0], masks[1])
    with open_scene(path) as scene:
        score, valid = score_scene(scene, coarse)
        every = score_scene(scene, fine)[0]
    np.testing.assert_array_equal(masks[1] == 1, (score >= 0.5) & valid)
    np.testing.assert_array_equal(masks[2] == 1, (every >= 0.5) & valid)
    assert "scored 2x2 pixels at a time" in " ".join(found.notes)
    assert not native.notes or "pixels at a time" not in " ".join(native.notes)


def test_squares_are_means_of_their_valid_pixels() -> None:
    rng = np.random.default_rng(0)
    data, valid = rng.random((2, 7, 11), dtype=np.float32), rng.random((7, 11)) < 0.6
    coarse = average(as_digital_numbers(Raster(data, valid)), (3, 4), 3).reflectance()
    for row, col in np.ndindex(3, 4):
        square = slice(3 * row, 3 * row + 3), slice(3 * col, 3 * col + 3)
        there = valid[square]
        assert coarse.valid[row, col] == there.any()
        if there.any():
            np.testing.assert_allclose(coarse.data[:, row, col], data[:, *square][:, there].mean(axis=1), rtol=1e-5)
    whole = rng.integers(0, 65536, (6, 8), dtype=np.uint16)
    np.testing.assert_allclose(add_squares(spread(whole, 3, (18, 24)), 3), 9 * whole.astype(np.float32), rtol=1e-6)
