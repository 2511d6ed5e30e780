"""No verb writes over what it reads, over two outputs at one place, or over anything without being told to."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import rasterio
import torch
from faults.running import contents
from testutils import run_cli, write_scene

from geocloud import (
    ApplyOptions,
    CompositeOptions,
    CoverOptions,
    DetectOptions,
    PolygonizeOptions,
    SceneOptions,
    SearchOptions,
    SeriesOptions,
    apply_mask,
    composite,
    cover,
    detect,
    detect_series,
    polygonize,
    search,
)
from geocloud.batch.batch import detect_many
from geocloud.batch.options import BatchOptions
from geocloud.datasets.labels import LabelCodes
from geocloud.errors import OutputError, UsageError
from geocloud.evaluation.samples import DataOptions
from geocloud.models.registry import SHIPPED, default_name
from geocloud.training.adapt import resume
from geocloud.training.checkpoint import CHECKPOINT_FILE, TrainingState, save_checkpoint
from geocloud.training.options import TrainOptions
from geocloud.verbs.adapt import AdaptOptions, adapt
from geocloud.verbs.calibrate import CalibrateOptions, calibrate
from geocloud.verbs.evaluate import EvaluateOptions, evaluate
from geocloud.verbs.export_model import export_model
from geocloud.verbs.patches import PatchOptions, write_patches
from geocloud.verbs.survey import SurveyOptions, survey
from geocloud.verbs.train import train
from geocloud.writers.commit import Journal
from geocloud.writers.staging import check_outputs

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


@pytest.mark.parametrize("name", ["s.tfw", "s.tifw", "s.wld"])
def test_an_output_that_is_the_scene_s_world_file_is_refused(scene: Path, name: str) -> None:
    """Also where the scene's own place on the Earth comes first: another program may read it otherwise."""
    world = scene.with_name(name)
    world.write_text("10\n0\n0\n-10\n500005\n4999995\n")
    for outputs in ({"mask": world}, {"mask": scene.with_name("m.tif"), "score": world}):
        with pytest.raises(UsageError, match="is the input"):
            detect(scene, outputs, ANEW)
    assert world.read_text().startswith("10\n")


def test_an_output_that_is_the_area_of_interest_is_refused(scene: Path) -> None:
    area = scene.with_name("area.geojson")
    ring = [[500_100, 4_999_200], [500_900, 4_999_200], [500_900, 4_999_900], [500_100, 4_999_200]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    features = [{"type": "Feature", "properties": {}, "geometry": shape}]
    area.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    before = area.read_bytes()
    with pytest.raises(UsageError, match="is the input"):
        detect(scene, {"mask": scene.with_name("m.tif"), "polygons": area}, replace(ANEW, aoi=area))
    assert area.read_bytes() == before


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
    "change",
    [
        *({"threshold": 0.5}, {"score": True}, {"encoding": "scl"}, {"model": "otsu"}, {"polygons": "gpkg"}),
        *({"dilate": 3}, {"min_area": 5000.0}, {"resolution": 20.0}, {"scene": SceneOptions(scale=0.0002)}),
        {"scene": SceneOptions(nodata=1.0)},
        {"scene": SceneOptions(bands={"red": 1, "green": 2, "blue": 3, "nir": 4})},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_differs_from_what_stands_there_is_said(scene: Path, tmp_path: Path, change: dict[str, object]) -> None:
    out = tmp_path / "out"
    first = DetectOptions(model="brightness")
    detect(scene, out, first)
    before = contents(out)
    assert detect(scene, out, first).kept
    from geocloud.scorers.baselines import BASELINES

    if "model" in change:
        change = {"model": next(name for name in BASELINES if name != "brightness")}
    with pytest.raises(UsageError, match="exists"):
        detect(scene, out, replace(first, **change))
    assert contents(out) == before


@pytest.mark.parametrize("stranger", ["text", "broken link", "empty", "of another threshold", "dilated"])
@pytest.mark.parametrize("kind", ["score", "polygons", "quicklook", "stac"])
def test_a_product_that_is_not_of_the_mask_s_run_is_not_kept(scene: Path, kind: str, stranger: str) -> None:
    """Nor taken for what was asked: a mask alone says nothing of the file beside it."""
    if kind == "stac":
        pytest.importorskip("pystac")
    options = DetectOptions(model="brightness", score=True, quicklook=True, stac=True)
    product = detect(scene, scene.parent / "out", options).files[kind]
    assert detect(scene, scene.parent / "out", options).kept
    if stranger == "of another threshold":
        shutil.copy(detect(scene, scene.parent / "other", replace(options, threshold=0.9)).files[kind], product)
    elif stranger == "dilated":
        shutil.copy(detect(scene, scene.parent / "other", replace(options, dilate=3)).files[kind], product)
    else:
        product.unlink()
        if stranger == "broken link":
            product.symlink_to("nowhere")
        else:
            product.write_text("precious" if stranger == "text" else "")
    with pytest.raises(UsageError, match=f"{product.name} (does not|exists and is not of the run)"):
        detect(scene, scene.parent / "out", options)


@pytest.mark.parametrize("form", ["geojson", "gpkg", "fgb", "parquet"])
def test_what_one_run_made_is_kept_in_every_format(scene: Path, form: str) -> None:
    options = DetectOptions(model="brightness", polygons=form, score=True, quicklook=True, dilate=2, min_area=500.0)
    detect(scene, scene.parent / "out", options)
    assert detect(scene, scene.parent / "out", options).kept


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


def test_a_product_of_the_older_run_that_is_read_now_is_not_taken_away(scene: Path, tmp_path: Path) -> None:
    """An area that is a mask's polygons, a scene that is a clear-sky estimate, a mask that is named as a sidecar."""
    out = tmp_path / "out"
    area = detect(scene, out, ANEW).files["polygons"]
    for kind in ("gpkg", "none"):
        with pytest.raises(UsageError, match="is the input"):
            detect(scene, out, replace(ANEW, aoi=area, polygons=kind))
    clear = write_scene(tmp_path / "t_clearsky.tif")
    with rasterio.open(clear, "r+") as dataset:
        dataset.update_tags(GEOCLOUD_VERSION="1")
    with pytest.raises(UsageError, match="is the input"):
        detect(clear, {"mask": tmp_path / "t_cloudmask.tif"}, ANEW)
    masked, mask = tmp_path / "m.tif", tmp_path / "m.tif.msk"
    shutil.copy(scene, masked)
    shutil.copy(out / "s_cloudmask.tif", mask)
    with pytest.raises(UsageError, match="is the input"):
        apply_mask(scene, mask, masked, ApplyOptions(overwrite=True))
    assert area.exists()
    assert clear.exists()
    assert mask.exists()


def test_what_a_killed_run_left_half_done_is_put_back_before_anything_is_asked(scene: Path, tmp_path: Path) -> None:
    """A mask that was on its way out is there again: a plain run keeps it, and a verb refuses to replace its output."""
    out, options = tmp_path / "out", DetectOptions(model="brightness")
    mask = detect(scene, out, options).mask_path
    zones = out / "p.geojson"
    polygonize(mask, zones)
    before = contents(out)

    def half_done(path: Path) -> None:
        staging = out / ".geocloud-x-1.partial"
        staging.mkdir(exist_ok=True)
        path.rename(staging / "old-0")
        Journal("", (), ((path.name, path.name, "old-0"),)).write(staging)

    half_done(mask)
    assert detect(scene, out, options).kept
    half_done(zones)
    with pytest.raises(UsageError, match=r"p\.geojson exists"):
        polygonize(mask, zones)
    assert {name: content for name, content in contents(out).items() if "partial" not in name} == before


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


@pytest.mark.skipif(os.name == "nt", reason="other names there")
def test_a_stream_an_address_or_a_side_file_is_no_output(scene: Path, tmp_path: Path) -> None:
    """Refused before the work, also with `overwrite`; a link to a pipe or device is not replaced."""
    device = tmp_path / "device.tif"
    device.symlink_to(os.devnull)
    mask = tmp_path / "m.tif"
    for paths in (
        *({"mask": Path("/dev/stdout")}, {"mask": Path("/proc/self/fd/1")}, {"mask": device}, {"mask": Path()}),
        *({"mask": Path("s3://bucket/m.tif")}, {"mask": Path("/vsimem/m.tif")}, {"mask": Path("file:///tmp/m.tif")}),
        *({"mask": scene.with_name(f"{scene.name}{end}")} for end in (".aux.xml", ".ovr", ".msk")),
        *({"mask": mask, "score": tmp_path / f"m.tif{end}"} for end in (".aux.xml", ".ovr", ".msk")),
    ):
        with pytest.raises((UsageError, OutputError)):
            detect(scene, paths, ANEW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device.tif", "s.tif"]


def test_a_file_where_a_folder_is_needed_is_named_with_a_way_out(scene: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    said = run_cli("detect", scene, "--out", file, "--model", "brightness")
    assert (said.returncode, "is a file, and a folder is needed; give a path that" in said.stderr) == (2, True)
    said = run_cli("detect", scene, "--mask-file", tmp_path, "--model", "brightness")
    assert (said.returncode, "is a directory, and a file is needed; give the path" in said.stderr) == (2, True)
    mask = detect(scene, tmp_path / "out", ANEW).mask_path
    for write in (
        lambda: detect(scene, file, ANEW),
        lambda: detect(scene, file / "deeper", ANEW),
        lambda: detect_many([scene], file / "deeper", BatchOptions(ANEW)),
        lambda: write_patches(scene, file / "deeper"),
        lambda: polygonize(mask, file / "deeper" / "p.gpkg"),
    ):
        with pytest.raises(OutputError, match=r"cannot be written, for .*file is no folder; choose another"):
            write()
    assert file.read_text() == "precious"


def test_a_mask_of_another_scene_of_that_name_is_not_kept(scene: Path, tmp_path: Path) -> None:
    """One elsewhere on the disk, one elsewhere on the Earth at the same path, and one that was written again."""
    out, options = tmp_path / "out", DetectOptions(model="brightness")
    first = detect(scene, out, options)
    (tmp_path / "b").mkdir()
    other = write_scene(tmp_path / "b" / "s.tif", seed=1)
    with pytest.raises(UsageError, match="exists with scene"):
        detect(other, out, options)
    os.utime(scene, (1 << 31, 1 << 31))
    with pytest.raises(UsageError, match="an older state of the scene"):
        detect(scene, out, options)
    write_scene(scene, shape=(100, 140))
    os.utime(scene, (0, 0))
    with pytest.raises(UsageError, match="another grid"):
        detect(scene, out, options)
    write_scene(scene)
    os.utime(scene, (0, 0))
    assert detect(Path(os.path.relpath(scene)), out, options).kept
    assert first.mask_path.exists()


def test_one_scene_s_output_is_never_another_scene(scene: Path) -> None:
    """Of several scenes in one run, in the command and in a batch: the later one would be read after it is gone."""
    mask = write_scene(scene.with_name("s_cloudmask.tif"))
    before = mask.read_bytes()
    result = run_cli("detect", scene, mask, "--out", scene.parent, "--model", "brightness", "--overwrite")
    assert (result.returncode, "is the input" in result.stderr) == (2, True)
    with pytest.raises(UsageError, match="is the input"):
        detect_many([scene, mask], scene.parent, BatchOptions(ANEW))
    assert mask.read_bytes() == before


def test_a_batch_replaces_no_file_of_others(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("summary.csv", "footprints.gpkg", "collection.json", "manifest.jsonl"):
        (out / name).write_text("precious")
        with pytest.raises(UsageError, match=f"{name} exists"):
            detect_many([scene], out, BatchOptions(DetectOptions(model="brightness")))
        assert contents(out) == {name: b"precious"}
        with pytest.raises(UsageError, match=f"{name} is the input"):
            detect_many([scene], out, BatchOptions(ANEW, lists=(out / name,)))
        assert contents(out) == {name: b"precious"}
        (out / name).unlink()
    area = out / "collection.json"
    area.write_text('{"type": "Polygon", "coordinates": [[[15, 45], [16, 45], [16, 46], [15, 45]]]}')
    with pytest.raises(UsageError, match="is the input"):
        detect_many([scene], out, BatchOptions(replace(ANEW, aoi=area)))


def test_what_stands_beside_a_replaced_file_goes_with_it(scene: Path, tmp_path: Path) -> None:
    """Statistics, overviews and masks of an old raster, and the log of an old database, are read with the new one."""
    out, options = tmp_path / "out", DetectOptions(model="brightness", polygons="gpkg", score=True, overwrite=True)
    detect(scene, out, options)
    clean = contents(out)
    for name in ("s_cloudscore.tif.aux.xml", "s_cloudscore.tif.msk", "s_cloudmask.tif.ovr", "s_clouds.gpkg-wal"):
        (out / name).write_bytes(b"old")
    detect(scene, out, options)
    assert contents(out) == clean


def _dates(folder: Path) -> list[Path]:
    return [write_scene(folder / f"site_2023-08-1{n}.tif", seed=n, bands=4) for n in range(4)]


def test_cover_composite_and_series_replace_nothing_that_they_read(tmp_path: Path) -> None:
    dates = _dates(tmp_path)
    mask = detect(dates[0], tmp_path / "out", ANEW).mask_path
    zones = tmp_path / "zones.gpkg"
    polygonize(mask, zones)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="is the input"):
        cover([mask], zones, zones, CoverOptions(overwrite=True))
    link = tmp_path / "link.csv"
    link.symlink_to(mask)
    with pytest.raises(UsageError, match="is the input"):
        cover([mask], zones, link, CoverOptions(overwrite=True))
    link.unlink()
    with pytest.raises(UsageError, match="is the input"):
        composite(dates, dates[1], CompositeOptions(model="brightness", overwrite=True))
    (tmp_path / "x.tif").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"x\.tif exists"):
        composite(dates, tmp_path / "x.tif", CompositeOptions(model="brightness"))
    (tmp_path / "x.tif").unlink()
    os.link(dates[2], dates[1].with_name("site_2023-08-10_cloudmask.tif"))
    with pytest.raises(UsageError, match="is the input"):
        detect_series(dates, tmp_path, SeriesOptions(model="brightness", overwrite=True))
    dates[1].with_name("site_2023-08-10_cloudmask.tif").unlink()
    assert contents(tmp_path) == before


def test_evaluate_replaces_nothing_unasked_and_no_data(labelled: Path, tmp_path: Path) -> None:
    data = DataOptions(codes=LabelCodes((2,), (9,)), threads=1)
    options = EvaluateOptions(models=("brightness",), baselines=(), data=data, draws=5)
    out = tmp_path / "out"
    out.mkdir()
    (out / "evaluation.md").write_text("precious")
    with pytest.raises(UsageError, match=r"evaluation\.md exists"):
        evaluate([labelled / "images"], out, options)
    (out / "evaluation.md").unlink()
    evaluate([labelled / "images"], out, options)
    before = set(contents(out))
    evaluate([labelled / "images"], out, replace(options, models=("hot",), overwrite=True))
    left = set(contents(out))
    assert not any("brightness" in name for name in left)
    assert len(left) == len(before)
    picture = next((labelled / "images").glob("*.tif"))
    os.link(picture, out / "link.tif")
    (out / "evaluation.json").unlink()
    (out / "link.tif").rename(out / "evaluation.json")
    content = picture.read_bytes()
    with pytest.raises(UsageError, match="is the input"):
        evaluate([labelled / "images"], out, replace(options, overwrite=True))
    assert picture.read_bytes() == content


def test_models_replace_nothing_unasked_and_no_data(tagged: Path, clear_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    out.mkdir()
    quick = TrainOptions(folders=("field",), epochs=1, batch_size=8, latent=4, widths=(8,))
    for name in ("log.csv", "errors.png", "weights.safetensors", "checkpoint.safetensors"):
        (out / name).write_text("precious")
        with pytest.raises(UsageError, match=f"{name} exists"):
            train(tagged, out, quick)
        assert contents(out) == {name: b"precious"}
        (out / name).unlink()
    picture = next(path for path in tagged.rglob("*") if path.is_file())
    content = picture.read_bytes()
    os.link(picture, out / "loss.png")
    with pytest.raises(UsageError, match="is the input"):
        train(tagged, out, replace(quick, overwrite=True))
    (out / "loss.png").rename(out / "card.json")
    with pytest.raises(UsageError, match="is the input"):
        calibrate(tagged, clear_model, out, CalibrateOptions("f1", overwrite=True))
    (out / "card.json").unlink()
    (out / "weights.safetensors").write_text("precious")
    with pytest.raises(UsageError, match=r"weights\.safetensors exists"):
        calibrate(tagged, clear_model, out, CalibrateOptions("f1"))
    assert (picture.read_bytes(), contents(out)) == (content, {"weights.safetensors": b"precious"})


def test_an_exported_or_surveyed_model_replaces_nothing_that_is_read(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(SHIPPED / default_name(), model)
    (tmp_path / "data").mkdir()
    os.link(model / "card.json", tmp_path / "data" / "note.txt")
    before = contents(model)
    with pytest.raises(UsageError, match="is the input"):
        survey(tmp_path / "data", os.fspath(model), model, SurveyOptions(batches=1))
    pytest.importorskip("onnx", reason="needs pip install 'geocloud[onnx]'")
    os.link(model / "weights.safetensors", tmp_path / "weights.onnx")
    with pytest.raises(UsageError, match="is the input"):
        export_model(os.fspath(model), tmp_path / "weights.onnx", ("blue", "green", "red"), overwrite=True)
    assert contents(model) == before


def test_what_others_write_into_a_product_s_folder_makes_its_mask_no_older(tmp_path: Path, make_safe: object) -> None:
    """Statistics beside a band, and the outputs themselves."""
    safe = make_safe(tmp_path)
    options = DetectOptions(model="brightness")
    found = detect(safe, safe / "clouds", options)
    band = next(safe.rglob("*_B04.jp2"))
    band.with_name(f"{band.name}.aux.xml").write_text("<PAMDataset/>")
    later = found.mask_path.stat().st_mtime + 10
    for path in (band.with_name(f"{band.name}.aux.xml"), found.files["polygons"]):
        os.utime(path, (later, later))
    assert detect(safe, safe / "clouds", options).kept
    os.utime(band, (later, later))
    with pytest.raises(UsageError, match="an older state of the scene"):
        detect(safe, safe / "clouds", options)


def test_patches_anew_leave_none_of_a_larger_scene(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_patches(scene, out)
    (out / "s_0009_0009.tif").write_bytes(b"of another program")
    (out / "t_0001_0001.tif").write_bytes((out / "s_0001_0001.tif").read_bytes())
    write_scene(scene, shape=(60, 70))
    write_patches(scene, out, PatchOptions(overwrite=True))
    assert {path.name for path in out.iterdir()} == {
        *("s_0000_0000.tif", "s_0000_0001.tif", "s_0009_0009.tif", "t_0001_0001.tif"),
    }


def test_a_search_does_not_replace_the_area_it_reads(tmp_path: Path) -> None:
    area = tmp_path / "field.geojson"
    area.write_text('{"type": "Point", "coordinates": [0, 0]}')
    before = area.read_bytes()
    options = SearchOptions(("any",), aoi=area, overwrite=True)
    with pytest.raises(UsageError, match="is the input"):
        search("http://127.0.0.1:9", area, options)
    assert area.read_bytes() == before


def test_an_adapted_model_replaces_nothing_that_is_read_and_no_other_training(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    before = scene.read_bytes()
    (out / "weights.safetensors").symlink_to(scene)
    with pytest.raises(UsageError, match="is the input"):
        adapt([scene], out, AdaptOptions(overwrite=True))
    (out / "weights.safetensors").unlink()
    assert scene.read_bytes() == before
    module = torch.nn.Linear(1, 1)
    state = TrainingState(module, torch.optim.AdamW(module.parameters()), step=1)
    save_checkpoint(out, state, "another")
    state.step = 0
    before = (out / CHECKPOINT_FILE).read_bytes()
    with pytest.raises(UsageError, match="is of another training; pass --overwrite"):
        resume(out, state, "this", anew=False)
    assert (out / CHECKPOINT_FILE).read_bytes() == before
    resume(out, state, "another", anew=False)
    assert state.step == 1
    resume(out, state, "this", anew=True)
    assert not (out / CHECKPOINT_FILE).exists()
