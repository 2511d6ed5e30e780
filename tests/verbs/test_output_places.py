"""No verb writes over what it reads, over two outputs at one place, or over anything without being told to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from faults.running import contents
from testutils import write_scene

from geocloud import ApplyOptions, DetectOptions, PolygonizeOptions, apply_mask, detect, polygonize
from geocloud.errors import OutputError, UsageError
from geocloud.writers.output_check import check_outputs

ANEW = DetectOptions(model="brightness", overwrite=True)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "s.tif")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("form", ["itself", "dots", "symlink", "hard link", "folder link"])
def test_an_output_that_is_the_scene_is_refused_by_whatever_name(scene: Path, form: str, *, overwrite: bool) -> None:
    place = scene
    if form == "dots":
        (scene.parent / "d").mkdir()
        place = scene.parent / "d" / ".." / "s.tif"
    elif form == "symlink":
        place = scene.with_name("l.tif")
        place.symlink_to(scene)
    elif form == "hard link":
        place = scene.with_name("h.tif")
        os.link(scene, place)
    elif form == "folder link":
        (scene.parent / "f").symlink_to(scene.parent)
        place = scene.parent / "f" / "s.tif"
    before = scene.read_bytes()
    options = DetectOptions(model="brightness", overwrite=overwrite)
    for paths in (
        {"mask": place},
        {"mask": scene.with_name("n.tif"), "score": place},
        {"mask": scene.with_name("n.tif"), "quicklook": place},
    ):
        with pytest.raises(UsageError, match=r"is the input|exists"):
            detect(scene, paths, options)
    mask = detect(scene, scene.parent / "out", ANEW).mask_path
    with pytest.raises(UsageError, match="is the input"):
        apply_mask(scene, mask, place, ApplyOptions(overwrite=True))
    assert scene.read_bytes() == before


def test_an_output_that_is_a_part_of_the_scene_is_refused(scene: Path) -> None:
    """A raster that a virtual raster is made of, and a file of the model."""
    vrt = scene.with_name("v.vrt")
    bands = "".join(
        f"<VRTRasterBand dataType='UInt16' band='{n}'><Description>{name}</Description><SimpleSource>"
        f"<SourceFilename relativeToVRT='1'>s.tif</SourceFilename><SourceBand>{n}</SourceBand></SimpleSource>"
        "</VRTRasterBand>"
        for n, name in enumerate(("blue", "green", "red"), 1)
    )
    vrt.write_text(f"<VRTDataset rasterXSize='130' rasterYSize='100'>{bands}</VRTDataset>")
    with pytest.raises(UsageError, match="is the input"):
        detect(vrt, {"mask": scene}, ANEW)


def test_two_outputs_at_one_place_are_refused(scene: Path) -> None:
    for other in ("x.tif", "X.TIF", "./x.tif"):
        with pytest.raises(UsageError, match="are one file"):
            detect(scene, {"mask": scene.with_name("x.tif"), "score": scene.parent / other}, ANEW)


def test_anything_that_exists_stops_a_scene_without_overwrite(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("s_clouds.geojson", "s_cloudmask.qml"):
        (out / name).write_text("precious")
        with pytest.raises(UsageError, match=f"{name} exists"):
            detect(scene, out, DetectOptions(model="brightness"))
        assert contents(out) == {name: b"precious"}
        (out / name).unlink()


@pytest.mark.parametrize(
    "change", [{"threshold": 0.5}, {"score": True}, {"encoding": "scl"}, {"model": "otsu"}, {"polygons": "gpkg"}]
)
def test_what_differs_from_what_stands_there_is_said(scene: Path, tmp_path: Path, change: dict[str, object]) -> None:
    out = tmp_path / "out"
    first = DetectOptions(model="brightness")
    detect(scene, out, first)
    before = contents(out)
    assert detect(scene, out, first).kept
    from dataclasses import replace

    from geocloud.scorers.baselines import BASELINES

    if "model" in change:
        change = {"model": next(name for name in BASELINES if name != "brightness")}
    with pytest.raises(UsageError, match="exists"):
        detect(scene, out, replace(first, **change))
    assert contents(out) == before


def test_overwrite_leaves_no_product_of_the_older_run(scene: Path, tmp_path: Path) -> None:
    pytest.importorskip("pystac")
    out = tmp_path / "out"
    more = DetectOptions(model="brightness", polygons="gpkg", score=True, quicklook=True, stac=True)
    detect(scene, out, more)
    (out / "s_clouds.fgb").write_text("not of geocloud")
    detect(scene, out, ANEW)
    left = {path.name for path in out.iterdir()}
    assert left == {
        *("s_cloudmask.tif", "s_cloudmask.tif.aux.xml", "s_cloudmask.qml", "s_clouds.geojson", "s_clouds.fgb"),
    }
    json.loads((out / "s_clouds.geojson").read_text())


def test_polygons_never_replace_their_mask_or_score(scene: Path, tmp_path: Path) -> None:
    mask = detect(scene, tmp_path / "out", ANEW).mask_path
    link = tmp_path / "m.gpkg"
    link.symlink_to(mask)
    with pytest.raises(UsageError, match="is the input"):
        polygonize(mask, link, PolygonizeOptions(overwrite=True))


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for path in (tmp_path / "d", Path("/dev/null"), tmp_path / ("n" * 300), Path("a\0b"), tmp_path / "x\udcff"):
        with pytest.raises((UsageError, OutputError)):
            check_outputs([path], overwrite=True)
