"""An output is no input either where the input goes by a URL, an archive's member or another name of GDAL."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import geopandas
import pytest
import shapely
from testutils import write_scene

from geocloud import CoverOptions, DetectOptions, cover, detect
from geocloud.batch.batch import detect_many
from geocloud.batch.options import BatchOptions
from geocloud.errors import UsageError
from geocloud.readers.files.paths import files_within

ANEW = DetectOptions(model="brightness", overwrite=True)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "s.tif")


@pytest.mark.skipif(os.name == "nt", reason="file URLs have drives there")
@pytest.mark.parametrize("form", ["file://{}", "FILE://localhost{}", "/vsisubfile/0,{}", "/vsicached?file={}"])
def test_the_scene_by_another_of_its_names(scene: Path, form: str) -> None:
    before = scene.read_bytes()
    named = form.format(scene)
    other = write_scene(scene.with_name("t.tif"))
    with pytest.raises(UsageError, match="is the input"):
        detect(named, {"mask": scene}, ANEW)
    out = scene.with_name("out")
    out.mkdir()
    os.link(scene, out / "t_cloudmask.tif")
    with pytest.raises(UsageError, match="is the input"):
        detect_many([named, other], out, BatchOptions(ANEW, workers=1))
    assert scene.read_bytes() == before


def test_a_file_url_may_hold_escapes(scene: Path) -> None:
    (scene.parent / "a b").mkdir()
    moved = scene.rename(scene.parent / "a b" / "ü.tif")
    assert detect(moved.as_uri(), scene.parent / "o", ANEW).mask_path == scene.parent / "o" / "ü_cloudmask.tif"


@pytest.mark.parametrize("form", ["zip://{}!s.tif", "/vsizip/{}/s.tif"])
def test_the_archive_of_the_scene(scene: Path, form: str) -> None:
    archive = scene.with_name("z.zip")
    with ZipFile(archive, "w") as file:
        file.write(scene, "s.tif")
    before = archive.read_bytes()
    for name in (archive, form.format(archive)):
        with pytest.raises(UsageError, match="is the input"):
            detect(name, {"mask": archive}, ANEW)
    assert archive.read_bytes() == before


def test_a_file_of_a_shapefile(scene: Path) -> None:
    area = scene.with_name("area.shp")
    frame = geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.box(5e5, 4.9992e6, 5.009e5, 4.9999e6)], crs=32633)
    frame.to_file(area)
    part = area.with_suffix(".dbf")
    mask = detect(scene, scene.with_name("o"), ANEW).mask_path
    table = area.with_name("t.csv")
    os.link(part, table)
    polygons = area.with_name("p.geojson")
    os.link(part, polygons)
    with pytest.raises(UsageError, match="is the input"):
        detect(scene, {"mask": scene.with_name("m.tif"), "polygons": polygons}, replace(ANEW, aoi=area))
    with pytest.raises(UsageError, match="is the input"):
        cover([mask], area, table, CoverOptions(overwrite=True))
    assert len(geopandas.read_file(area)) == 1


def test_a_table_beside_its_zones_is_replaced(scene: Path) -> None:
    zones = scene.with_name("fields.gpkg")
    box = shapely.box(5e5, 4.9992e6, 5.009e5, 4.9999e6)
    geopandas.GeoDataFrame({"n": [1]}, geometry=[box], crs=32633).to_file(zones)
    mask = detect(scene, scene.with_name("o"), ANEW).mask_path
    for _ in range(2):
        cover([mask], zones, zones.with_suffix(".csv"), CoverOptions(overwrite=True))


def test_a_file_of_the_working_folder_is_no_part_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "away").mkdir()
    for name in ("away/a.zip", "scene.tif"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    archive = str(tmp_path / "away" / "a.zip")
    for name in (f"/vsizip/{archive}/scene.tif", f"/vsizip/{{{archive}}}/scene.tif", f"zip://{archive}!scene.tif"):
        assert files_within(name) == [archive]
