"""Landsat folders: gains and sun elevation, quality bits, letter case, a polar grid of pixels that are not square."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from products import assert_twin, write_landsat

from geocloud import open_scene
from geocloud.errors import InputError
from geocloud.readers.products.mtl import lookup, read_mtl

NAMES = {"B2": "blue", "B3": "green", "B4": "red", "B5": "nir", "B6": "swir16"}


@pytest.mark.parametrize("lower", [False, True])
def test_collection_2_level_1_equals_its_twin(tmp_path: Path, *, lower: bool) -> None:
    folder, data = write_landsat(tmp_path, lower=lower)
    sine = math.sin(math.radians(30))
    twin = {NAMES[band]: (values * 2e-5 - 0.1) / sine for band, values in data.items()}
    valid = np.ones((48, 48), dtype=bool)
    valid[:12, :12] = valid[40:] = False
    with open_scene(folder) as scene:
        assert_twin(scene, twin, valid)
        assert scene.georef.resolution == (30, 60)
        assert scene.describe()["crs"] == "EPSG:3031"
        assert scene.describe()["kind"] == "Landsat 9 Collection 2 Level 1"
        assert scene.describe()["taken"] == "2024-01-05T03:14:15.0000000Z"
        assert scene.name == folder.name


def test_older_sensors_number_bands_otherwise(tmp_path: Path) -> None:
    folder, _ = write_landsat(tmp_path, spacecraft="LANDSAT_5", bands=("B1", "B2", "B3", "B4", "B5", "B7"))
    with open_scene(folder) as scene:
        assert scene.bands == ("blue", "green", "red", "nir", "swir16", "swir22")
        assert scene.describe()["bands"]["blue"]["file"].endswith("_B1.TIF")


def test_three_spellings_of_the_metadata_are_one(tmp_path: Path) -> None:
    text = b'GROUP = L\n GROUP = G\n SPACECRAFT_ID = "LANDSAT_8"\n SUN_ELEVATION = 40.5\n END_GROUP = G\nEND_GROUP = L'
    xml = b"<L><G><SPACECRAFT_ID>LANDSAT_8</SPACECRAFT_ID><SUN_ELEVATION>40.5</SUN_ELEVATION></G></L>"
    as_json = b'{"L": {"G": {"SPACECRAFT_ID": "LANDSAT_8", "SUN_ELEVATION": "40.5"}}}'
    for content, suffix in ((text, "txt"), (xml, "xml"), (as_json, "json")):
        groups = read_mtl(content, f"a_MTL.{suffix}")
        assert groups["G"] == {"SPACECRAFT_ID": "LANDSAT_8", "SUN_ELEVATION": "40.5"}
        assert lookup(groups, "SUN_ELEVATION") == "40.5"


@pytest.mark.parametrize(
    ("content", "suffix"), [(b"\x00\x01", "txt"), (b"{", "json"), (b"<a>", "xml"), (b"A = B", "txt")]
)
def test_what_is_no_metadata_is_one_sentence(content: bytes, suffix: str) -> None:
    with pytest.raises(InputError, match="fetch it again"):
        read_mtl(content, f"x_MTL.{suffix}")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"elevation": -3}, "sun elevation -3 is not above the horizon"),
        ({"spacecraft": "LANDSAT_3"}, "is of LANDSAT_3; Landsat 4 to 9 are read"),
        ({"bands": ("B2", "B4")}, "has no green band"),
    ],
)
def test_unusable_products_say_why(tmp_path: Path, options: dict, sentence: str) -> None:
    folder, _ = write_landsat(tmp_path, **options)
    with pytest.raises(InputError, match=sentence):
        open_scene(folder)


def test_a_file_that_the_metadata_names_but_is_absent_is_named(tmp_path: Path) -> None:
    folder, _ = write_landsat(tmp_path)
    (folder / f"{folder.name}_B4.TIF").unlink()
    with pytest.raises(InputError, match=rf"has no red band \(red: B4, named as {folder.name}_B4.TIF\)"):
        open_scene(folder)


def test_without_the_quality_band_a_note_says_so(tmp_path: Path) -> None:
    folder, _ = write_landsat(tmp_path)
    (folder / f"{folder.name}_QA_PIXEL.TIF").unlink()
    with open_scene(folder) as scene:
        assert "quality band is absent" in scene.notes[1]
        assert scene.describe()["fill"] is None
