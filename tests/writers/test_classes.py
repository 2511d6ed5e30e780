from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from geocloud.writers.classes import CLASSES, write_attribute_table, write_qgis_style


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
    assert entries["cloud"].get("alpha") == "255"
    assert set(entries) == {entry.name for entry in CLASSES} - {"nodata"}
