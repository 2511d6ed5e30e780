"""Names of outputs, and which files a document may name."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio
from rasterio.shutil import copy
from testutils import write_scene

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError
from geocloud.readers.files.paths import is_remote, resolve, scene_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/scene.tif", "scene"),
        ("a/scene.v1.2.tif", "scene.v1.2"),
        ("S2A_33TWL_20230818_0_L2A", "S2A_33TWL_20230818_0_L2A"),
        ("S2B_MSIL1C_X.SAFE/", "S2B_MSIL1C_X"),
        ("S2B_MSIL1C_X.SAFE.zip", "S2B_MSIL1C_X"),
        ("S2B_MSIL1C_X.zip", "S2B_MSIL1C_X"),
        ("LC08_L1TP_X.tar.gz", "LC08_L1TP_X"),
        ("https://host/a/scene.tif?sig=a/b.c", "scene"),
        ("https://host/items/S2A_29RKH_20200219_0_L2A", "S2A_29RKH_20200219_0_L2A"),
        ("s3://bucket/cube.zarr", "cube"),
        ("/vsizip/a.zip/b.tif", "b"),
        ("data.2020", "data.2020"),
    ],
)
def test_scene_names(source: str, name: str) -> None:
    assert scene_name(source) == name


def test_a_folders_dots_are_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "scene.v1").mkdir()
    assert scene_name(str(tmp_path / "scene.v1")) == "scene.v1"


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("https://h/a.tif", True),
        ("zip+https://h/a.zip!b.tif", True),
        ("/vsicurl/https://h/a.tif", True),
        ("/vsizip/vsicurl/https://h/a.zip", True),
        ("/vsizip//tmp/a.zip/b.tif", False),
        ("file:///tmp/a.tif", False),
        ("C:\\data\\a.tif", False),
    ],
)
def test_what_is_remote(path: str, *, remote: bool) -> None:
    assert is_remote(path) is remote


@pytest.mark.parametrize(
    ("document", "href", "target"),
    [
        ("https://h/a/item.json", "./b.tif", "https://h/a/b.tif"),
        ("https://h/a/item.json", "/b.tif", "https://h/b.tif"),
        ("s3://bucket/a/item.json", "../b.tif", "s3://bucket/b.tif"),
        ("https://h/item.json", "s3://bucket/b.tif", "s3://bucket/b.tif"),
        ("/data/item.json", "sub/b.tif", "/data/sub/b.tif"),
        ("/data/item.json", "/data/b.tif", "/data/b.tif"),
        ("/data/item.json", "https://h/b.tif", "https://h/b.tif"),
        ("item.json", "./b.tif", "b.tif"),
    ],
)
def test_hrefs_that_the_rule_allows(document: str, href: str, target: str) -> None:
    assert resolve(document, href) == target


@pytest.mark.parametrize(
    ("document", "href"),
    [
        ("https://h/item.json", "file:///etc/passwd"),
        ("https://h/item.json", "/vsizip//etc/a.zip/b.tif"),
        ("https://h/item.json", "/vsicurl/https://h/vsizip//etc/a.zip"),
        ("/data/item.json", "../b.tif"),
        ("/data/item.json", "/etc/passwd"),
        ("/data/item.json", "/vsizip//etc/a.zip/b.tif"),
        ("/data/item.json", "sub/../../b.tif"),
    ],
)
def test_hrefs_that_the_rule_forbids(document: str, href: str) -> None:
    with pytest.raises(InputError, match="names"):
        resolve(document, href)


def test_a_symbolic_link_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.tif").write_bytes(b"x")
    (tmp_path / "inside" / "link.tif").symlink_to(tmp_path / "secret.tif")
    with pytest.raises(InputError, match="not beside or below"):
        resolve(str(tmp_path / "inside" / "item.json"), "link.tif")


def vrt_of(source: Path, target: Path, written: str) -> Path:
    """A VRT of a raster that names it as `written`."""
    copy(str(source), str(target), driver="VRT")
    with rasterio.open(source) as dataset:
        assert dataset.count == 4
    text = target.read_text()
    start, end = text.index("<SourceFilename"), text.index("</SourceFilename>")
    old = text[start:end].rpartition(">")[2]
    target.write_text(text.replace(f'relativeToVRT="1">{old}<', f'relativeToVRT="0">{written}<'))
    return target


def test_a_vrt_is_a_document_too(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    inside, outside = write_scene(tmp_path / "a" / "scene.tif"), write_scene(tmp_path / "b.tif")
    with open_scene(vrt_of(inside, tmp_path / "a" / "good.vrt", str(inside))) as scene:
        assert scene.bands == ("blue", "green", "red", "nir")
        assert scene.describe()["kind"] == "VRT"
    bad = vrt_of(outside, tmp_path / "a" / "bad.vrt", str(outside))
    with pytest.raises(InputError, match="pass --allow-external if you trust the document"):
        open_scene(bad)
    with open_scene(bad, SceneOptions(allow_external=True)) as scene:
        assert scene.name == "bad"
    nested = vrt_of(bad, tmp_path / "a" / "nested.vrt", str(bad))
    with pytest.raises(InputError, match=r"vrt names .*b\.tif, which is not beside"):
        open_scene(nested)
