"""What the dialog says of a scene."""

from geocloud_qgis.described import band_numbers, has_band_files, summary

BAND = {"file": "/d/a.tif", "scale": 0.0001, "offset": -0.1, "nodata": 0.0}
SCENE = {
    "source": "/d/a.tif",
    "width": 512,
    "height": 400,
    "resolution": [10.0, 10.0],
    "crs": "EPSG:32633",
    "taken": "2022-10-05T11:54:11Z",
    "bands": {"blue": {**BAND, "number": 1}, "red": {**BAND, "number": 3}},
    "notes": ["B8A stands in for B08"],
}


def test_summary():
    first, second, third = summary(SCENE).splitlines()
    assert first == "512 × 400 pixels of 10 m, EPSG:32633, 2022-10-05"
    assert second == "reflectance = value × 0.0001 − 0.1, no data 0"
    assert third == "B8A stands in for B08"


def test_a_scene_of_which_little_is_known():
    text = summary({**SCENE, "crs": None, "taken": None, "bands": {}, "notes": [], "resolution": [1.0, 2.0]})
    assert text == "512 × 400 pixels, without georeference"


def test_bands():
    assert band_numbers(SCENE) == {"blue": "1", "red": "3"}
    assert not has_band_files(SCENE)
    product = {
        **SCENE,
        "source": "/d/S2A.SAFE",
        "bands": {"blue": {**BAND, "file": "/d/S2A.SAFE/x/T.jp2", "label": "B2"}},
    }
    assert band_numbers(product) == {"blue": "B2"}
    assert has_band_files(product)


def test_notes_name_the_dialogs_fields_and_say_once_how_values_are_read():
    note = "reflectance = DN * 0.0001 + 0, guessed; if it is wrong, give --scale and --offset; nodata 0"
    _, text = summary({**SCENE, "notes": [note]}).splitlines()
    title = "“Advanced Parameters ▸ Scale to reflectance”"
    assert text.startswith(f"reflectance = DN * 0.0001 + 0, guessed; if it is wrong, give {title} and ")
    assert "--" not in text
