"""Layers, the scenes they stand for, and their short names."""

import pytest
from geocloud_qgis.sources import (
    LONGEST_TITLE,
    free_names,
    is_inside_qgis,
    may_name_files,
    scene_source,
    scene_title,
    typed_path,
)

SAFE = "/d/S2A_MSIL1C.SAFE"
LANDSAT = "LC08_L2SP_008059_20191201_20200825_02_T1"


@pytest.mark.parametrize(
    ("path", "bands", "expected"),
    [
        ("/d/scene one.tif", 4, "/d/scene one.tif"),
        ("/d/mask.tif", 1, "/d/mask.tif"),
        (f"{SAFE}/GRANULE/L1C/IMG_DATA/T33_B02.jp2", 1, SAFE),
        (f"SENTINEL2_L1C:{SAFE}/MTD_MSIL1C.xml:10m:EPSG_32633", 4, SAFE),
        ("/d/LC08/LC08_L1TP_193024_B4.TIF", 1, "/d/LC08"),
        (f"/d/{LANDSAT}/{LANDSAT}_QA_PIXEL.TIF", 1, f"/d/{LANDSAT}"),
        ("/d/S2/B8A.tif", 1, "/d/S2"),
        (r"C:\d\S2\B8A.tif", 1, r"C:\d\S2"),
        ("/vsicurl/https://example.org/scene.tif", 4, "/vsicurl/https://example.org/scene.tif"),
        (f"/vsitar//d/{LANDSAT}.tar/{LANDSAT}_SR_B4.TIF", 1, f"/d/{LANDSAT}.tar"),
        (f"/vsitar//d/{LANDSAT}.tar.gz/{LANDSAT}_SR_B4.TIF", 1, f"/d/{LANDSAT}.tar.gz"),
        (f"/vsizip//d/S2A.SAFE.zip/S2A.SAFE/GRANULE/L/IMG_DATA/R60m/T29_B03_60m.jp2", 1, "/d/S2A.SAFE.zip"),
        ("/vsizip/{/d/S2A.zip}/S2A.SAFE/GRANULE/T29_B03_60m.jp2", 1, "/d/S2A.zip"),
        ("SENTINEL2_L2A:/vsizip//d/S2A.zip/S2A.SAFE/MTD_MSIL2A.xml:10m:EPSG_32629", 4, "/d/S2A.zip"),
        ("/vsizip//d/pictures.zip/scene.tif", 4, "/vsizip//d/pictures.zip/scene.tif"),
        ("/vsizip//d/pictures.zip/mask.tif", 1, "/vsizip//d/pictures.zip/mask.tif"),
        ("GPKG:/d/all.gpkg:chip", 4, "GPKG:/d/all.gpkg:chip"),
    ],
)
def test_source(path, bands, expected):
    assert scene_source(path, bands) == expected


@pytest.mark.parametrize("source", ["/tmp/processing_x/OUTPUT.vrt", "C:/d/a.VRT", "/d/a.ers", "/d/a.xml"])
def test_sources_that_may_name_files_get_leave(source):
    assert may_name_files(source)


@pytest.mark.parametrize("source", ["/d/a.nc", "/d/MOD09GA.hdf", r"C:\d\a.h5"])
def test_sources_that_need_none(source):
    assert not may_name_files(source)


@pytest.mark.parametrize("source", ["GPKG:/d/all.gpkg:chip", "/d/all.gpkg", "/vsimem/made.tif"])
def test_sources_that_no_other_program_can_open(source):
    assert is_inside_qgis(source)


@pytest.mark.parametrize("source", ["/d/a.tif", SAFE, r"C:\d\a.tif", "/vsizip//d/a.zip/a.tif", "https://e.org/a.tif"])
def test_sources_that_it_can(source):
    assert not is_inside_qgis(source)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (' "/d/my scene.tif" ', "/d/my scene.tif"),
        ("'/d/a.tif'", "/d/a.tif"),
        ("file:///d/my%20scene.tif", "/d/my scene.tif"),
        ("https://example.org/a b.tif", "https://example.org/a b.tif"),
        (r"C:\d\a.tif", r"C:\d\a.tif"),
        ("", ""),
    ],
)
def test_paths_as_people_paste_them(text, path):
    assert typed_path(text) == path


def test_a_path_from_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert typed_path("~/scenes/a.tif") == "/home/me/scenes/a.tif"


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("/d/S2A_MSIL2A_20221005T113321_N0400_R080_T29UNU_20221005T164504.SAFE", "S2A T29UNU 2022-10-05"),
        (f"/d/{LANDSAT}", "LC08 008059 2019-12-01"),
        (f"/d/{LANDSAT}.tar", "LC08 008059 2019-12-01"),
        ("/d/chip_1.tif", "chip_1"),
        ("/vsizip//d/chips.zip/chip_1.tif", "chip_1"),
        ("GPKG:/d/all.gpkg:chip", "chip"),
        ("https://example.org/items/one.json?token=x", "one"),
        (r"C:\d\my scene.tif", "my scene"),
    ],
)
def test_title(source, title):
    assert scene_title(source) == title


def test_a_long_name_is_cut_in_the_middle():
    assert len(scene_title("/d/" + "x" * 90 + ".tif")) <= LONGEST_TITLE


def test_names_of_files_are_free():
    sources = ["/a/B04.tif", "/b/b04.tif", "/b/B04_2.tif", "/c/B04.tif"]
    assert free_names(sources) == ["B04", "b04_2", "B04_2_2", "B04_3"]
