"""STAC items: 1.0 and 1.1, what hrefs may name, offsets that are applied already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from products import assert_twin, band_file, numbers, write_item
from servers import serve

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError


def at_10_m(data: dict, scale: float, offset: float) -> dict:
    return {band: values * scale + offset for band, values in data.items() if len(values) == 120}


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_equals_its_twin(tmp_path: Path, version: str) -> None:
    links = [
        {"rel": "root", "href": "https://nowhere.invalid/a.json"},
        {"rel": "collection", "href": "../gone.json"},
    ]
    path, data = write_item(tmp_path, version, links=links, drop=("swir16",))
    with open_scene(path) as scene:
        assert_twin(scene, at_10_m(data, 1e-4, -0.1), data["blue"] > 0)
        assert scene.name == "scene.v1.2"
        described = scene.describe()
    assert described["item"] == str(path)
    assert described["taken"] == "2024-01-05T10:13:19Z"


@pytest.mark.parametrize(("applied", "offset"), [(True, 0.0), (False, -0.1)])
def test_an_applied_offset_is_not_applied_again(tmp_path: Path, *, applied: bool, offset: float) -> None:
    path, data = write_item(tmp_path, properties={"earthsearch:boa_offset_applied": applied}, drop=("swir16",))
    with open_scene(path) as scene:
        assert_twin(scene, at_10_m(data, 1e-4, offset), data["blue"] > 0)


def test_coarser_assets_are_aligned(tmp_path: Path) -> None:
    path, _ = write_item(tmp_path)
    with open_scene(path) as scene:
        assert scene.georef.resolution == (10, 10)
        assert "swir16" in scene.bands


def test_sentinel_2_without_scale_goes_by_its_baseline(tmp_path: Path) -> None:
    path, data = write_item(
        tmp_path, properties={"s2:processing_baseline": "04.00"}, drop=("swir16",), scale=None, offset=None
    )
    with open_scene(path) as scene:
        assert_twin(scene, at_10_m(data, 1e-4, -0.1), (data["blue"] > 0))


def test_missing_and_dangling_assets_are_named(tmp_path: Path) -> None:
    path, _ = write_item(tmp_path, drop=("red",))
    with pytest.raises(InputError, match=r"has no red band \(red: not among its assets blue, green, nir, swir16"):
        open_scene(path)
    path, _ = write_item(tmp_path)
    (tmp_path / "nir.tif").unlink()
    with open_scene(path) as scene:
        assert "nir" not in scene.bands
        assert "asset nir (nir), which does not exist; the band is left out" in scene.notes[1]
    (tmp_path / "red.tif").unlink()
    with pytest.raises(InputError, match=r"names \./red\.tif as asset red \(red\), which does not exist; fetch it"):
        open_scene(path)


def test_a_local_item_names_files_beside_or_below_it_only(tmp_path: Path) -> None:
    folder = tmp_path / "item"
    path, _ = write_item(folder, hrefs={"red": "../elsewhere.tif"})
    band_file(tmp_path / "elsewhere.tif", write_item(folder, hrefs={"red": "../elsewhere.tif"})[1]["red"])
    with pytest.raises(InputError, match=r"is not beside or below it; pass --allow-external"):
        open_scene(path)
    with open_scene(path, SceneOptions(allow_external=True)) as scene:
        assert "red" in scene.bands
    path, _ = write_item(folder, hrefs={"red": f"file://{tmp_path}/elsewhere.tif"})
    with pytest.raises(InputError, match="is not beside or below it"):
        open_scene(path)


def test_remote_items_and_assets_are_read(served: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = served
    _, data = write_item(folder, drop=("swir16",))
    with open_scene(f"{url}/item.json") as scene:
        assert_twin(scene, at_10_m(data, 1e-4, -0.1), data["blue"] > 0)
    local, _ = write_item(tmp_path / "local", hrefs={"red": f"{url}/red.tif"})
    with open_scene(local) as scene:
        assert scene.describe()["bands"]["red"]["file"] == f"{url}/red.tif"


def test_opening_an_item_that_states_scale_and_nodata_reads_no_pixel(tmp_path: Path) -> None:
    bands = ("blue", "green", "red", "nir")
    with serve(tmp_path / "www") as site:
        path, _ = write_item(site.folder, drop=("swir16",))
        for number, band in enumerate(bands):
            band_file(site.folder / f"{band}.tif", numbers(1500, number))
        with open_scene(f"{site.url}/{path.name}") as scene:
            assert scene.georef.shape == (1500, 1500)
        assert site.sent < 0.02 * len(bands) * 1500**2 * 2


def test_an_asset_that_a_server_does_not_have_is_left_out_or_named(served: tuple[str, Path]) -> None:
    url, folder = served
    write_item(folder, drop=("swir16",))
    (folder / "nir.tif").unlink()
    with open_scene(f"{url}/item.json") as scene:
        assert scene.bands == ("blue", "green", "red")
        assert "nir.tif as asset nir (nir), which does not exist; the band is left out" in scene.notes[1]
    write_item(folder / "b")
    (folder / "b" / "red.tif").unlink()
    with pytest.raises(InputError, match=r"red\.tif cannot be opened .*; check the address, the network"):
        open_scene(f"{url}/b/item.json")


@pytest.mark.parametrize("href", ["/etc/hosts", "file:///etc/hosts", "/vsizip//etc/x.zip/a.tif", "vrt:///etc/hosts"])
def test_a_remote_item_never_names_local_files(served: tuple[str, Path], href: str) -> None:
    url, folder = served
    write_item(folder, hrefs={"red": href})
    with pytest.raises(InputError, match=r"is remote and names the local file|is not a raster|red\.tif|hosts"):
        open_scene(f"{url}/item.json", SceneOptions(allow_external=True))


def test_other_documents_are_told_apart(tmp_path: Path) -> None:
    for content, sentence in (
        ({"type": "Collection"}, "is a Collection, not a STAC item"),
        ({"type": "FeatureCollection", "features": []}, "is a FeatureCollection, not a STAC item"),
        ([1], "is a JSON, not a STAC item"),
    ):
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=sentence):
            open_scene(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as a STAC item"):
        open_scene(tmp_path / "a.json")
