"""Folders of band files: names, mixed resolutions, one CRS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from products import assert_twin, band_file, numbers, read_all, write_item

from geocloud import open_scene
from geocloud.errors import InputError


def folder_of(folder: Path, names: dict[str, str], **more: object) -> dict[str, np.ndarray]:
    """Files NAME -> band, and the numbers in them by band."""
    data = {}
    for number, (name, band) in enumerate(names.items()):
        data[band] = numbers(60, number)
        band_file(folder / name, data[band], nodata=0, **more)
    return data


@pytest.mark.parametrize(
    "names",
    [
        {"B02.tif": "blue", "B03.tif": "green", "B04.tif": "red", "B08.tif": "nir"},
        {"blue.tif": "blue", "green.tif": "green", "red.tif": "red", "nir08.tif": "nir"},
        {f"T33UUP_20210105T101319_B{n}_10m.jp2": b for n, b in (("02", "blue"), ("03", "green"), ("04", "red"))},
        {"scene_blue.tif": "blue", "scene_green.tif": "green", "scene_red.tif": "red", "scene_swir16.tif": "swir16"},
    ],
)
def test_equals_its_twin(tmp_path: Path, names: dict[str, str]) -> None:
    data = folder_of(tmp_path / "a.scene.v2", names)
    with open_scene(tmp_path / "a.scene.v2") as scene:
        assert_twin(scene, {band: values / 10000 for band, values in data.items()}, data["blue"] > 0)
        assert scene.name == "a.scene.v2"
        assert "read as reflectance x 10000" in scene.notes[0]


def test_landsat_names_tell_the_scale_and_the_sensor(tmp_path: Path) -> None:
    stem = "LC08_L2SP_008059_20191201_20200825_02_T1"
    names = {f"{stem}_SR_B{n}.TIF": b for n, b in ((2, "blue"), (3, "green"), (4, "red"), (5, "nir"))}
    data = folder_of(tmp_path, names)
    quality = np.where(np.arange(3600).reshape(60, 60) % 7 == 0, 1, 21824).astype(np.uint16)
    band_file(tmp_path / f"{stem}_QA_PIXEL.TIF", quality)
    with open_scene(tmp_path) as scene:
        twin = {band: values * 2.75e-5 - 0.2 for band, values in data.items()}
        assert_twin(scene, twin, (data["blue"] > 0) & (quality != 1))


def test_landsat_level_1_without_metadata_asks_for_it(tmp_path: Path) -> None:
    folder_of(tmp_path, {f"LC08_L1TP_016037_20170813_20170814_01_RT_B{n}.TIF": str(n) for n in (2, 3, 4)})
    with pytest.raises(
        InputError, match=r"Landsat Level 1, whose scale .* its gains stand in its MTL file: fetch that"
    ):
        open_scene(tmp_path)


def test_the_finest_of_the_scored_bands_is_the_grid(tmp_path: Path) -> None:
    for name, size in (("B02", 20), ("B03", 20), ("B04", 20), ("B11", 40), ("B01", 10)):
        band_file(tmp_path / f"{name}.tif", numbers(1200 // size, size), size, nodata=0)
    with open_scene(tmp_path) as scene:
        assert scene.georef.resolution == (20, 20)
        assert read_all(scene).data.shape == (5, 60, 60)


def test_several_resolutions_of_a_band_give_the_finest(tmp_path: Path) -> None:
    for size in (10, 20):
        for name in ("B02", "B03", "B04"):
            band_file(tmp_path / f"{name}_{size}m.tif", numbers(1200 // size, size), size, nodata=0)
    with open_scene(tmp_path) as scene:
        assert scene.georef.shape == (120, 120)


def test_a_shifted_grid_of_equal_size_is_warped(tmp_path: Path) -> None:
    data = folder_of(tmp_path, {"B02.tif": "blue", "B03.tif": "green"})
    from rasterio.transform import from_origin

    values = numbers(60, 9, 3000, 3001)
    values[:] = np.arange(60, dtype=np.uint16)[None, :] * 100 + 1000
    band_file(tmp_path / "B04.tif", values, transform=from_origin(600000 - 50, 5200020, 10, 10))
    with open_scene(tmp_path) as scene:
        red = read_all(scene).data[scene.bands.index("red")]
    np.testing.assert_allclose(red[30, 20:40], values[30, 25:45] / 10000, atol=1e-4)
    assert data["blue"].shape == (60, 60)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"crs": "EPSG:32634"}, "mixes reference systems: blue has EPSG:32633, red has EPSG:32634"),
        ({"place": 9e5}, "do not overlap"),
    ],
)
def test_what_does_not_belong_together_is_one_sentence(tmp_path: Path, more: dict, sentence: str) -> None:
    from rasterio.transform import from_origin

    folder_of(tmp_path, {"B02.tif": "blue", "B03.tif": "green"})
    if "place" in more:
        more = {"transform": from_origin(more["place"], 5200020, 10, 10)}
    band_file(tmp_path / "B04.tif", numbers(60, 1), **more)
    with pytest.raises(InputError, match=sentence):
        open_scene(tmp_path)


def test_two_dates_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, {f"S2A_{date}_{b}.tif": b + date for date in ("0101", "0106") for b in ("B02", "B03", "B04")})
    with pytest.raises(InputError, match="holds several files for blue"):
        open_scene(tmp_path)


def test_a_missing_band_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no raster; give a Sentinel-2 or Landsat product"):
        open_scene(tmp_path)
    folder_of(tmp_path, {"B02.tif": "blue", "B04.tif": "red"})
    with pytest.raises(InputError, match="has no green band"):
        open_scene(tmp_path)


def test_an_item_beside_the_files_tells_their_scale(tmp_path: Path) -> None:
    _, data = write_item(tmp_path, scale=2e-4, offset=-0.05)
    for name in ("item.json",):
        assert (tmp_path / name).exists()
    with open_scene(tmp_path) as scene:
        blue = read_all(scene).data[0]
        assert scene.describe()["taken"] == "2024-01-05T10:13:19Z"
    np.testing.assert_allclose(blue, data["blue"] * 2e-4 - 0.05, atol=1e-6)
