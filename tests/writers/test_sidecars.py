from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from geocloud.classes import CLASSES
from geocloud.writers.cog import write_attribute_table, write_qgis_style


def test_attribute_table_names_each_code(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif.aux.xml"
    write_attribute_table(path, (0, 1, 255))
    rows = [[cell.text for cell in row.findall("F")] for row in ElementTree.parse(path).iter("Row")]  # noqa: S314
    assert [row[:2] for row in rows] == [["0", "clear"], ["1", "cloud"], ["255", "nodata"]]


def test_style_shows_cloud_and_lets_clear_through(tmp_path: Path) -> None:
    path = tmp_path / "mask.qml"
    write_qgis_style(path, tuple(entry.code for entry in CLASSES))
    entries = {entry.get("label"): entry for entry in ElementTree.parse(path).iter("paletteEntry")}  # noqa: S314
    assert entries["clear"].get("alpha") == "0"
    assert int(entries["cloud"].get("alpha")) >= 128
    assert set(entries) == {entry.name for entry in CLASSES} - {"nodata"}


@pytest.mark.parametrize("ground", [(255, 255, 255), (40, 80, 40), (210, 170, 110), (10, 25, 60), (128, 128, 128)])
def test_cloud_shows_on_a_white_canvas_and_on_ground(ground: tuple[int, int, int]) -> None:
    """Vegetation, sand, deep water, grey rock; the colour is laid over them with its alpha."""
    *colour, alpha = next(entry.colour for entry in CLASSES if entry.name == "cloud")
    drawn = np.array(colour) * alpha / 255 + np.array(ground) * (1 - alpha / 255)
    assert np.linalg.norm(drawn - np.array(ground)) > 100


def test_the_qgis_plugin_has_the_same_colour() -> None:
    style = Path(__file__).parents[2] / "qgis_plugin" / "geocloud_qgis" / "styles" / "mask.qml"
    colour = next(entry.colour for entry in CLASSES if entry.name == "cloud")
    entries = {entry.get("label"): entry for entry in ElementTree.parse(style).iter("paletteEntry")}  # noqa: S314
    assert entries["cloud"].get("color") == "#{:02x}{:02x}{:02x}".format(*colour[:3])
    assert 64 < int(entries["cloud"].get("alpha")) <= colour[3]  # lighter on the map, where the ground should show
