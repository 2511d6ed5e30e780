"""Adapting the default: each way of giving truth, on real scenes; deterministic, resumable, never silently worse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from safetensors.torch import load_file
from testutils import run_cli

import geocloud.verbs.adapt as verb
from geocloud import (
    Cancelled,
    DetectOptions,
    ModelError,
    SceneOptions,
    UsageError,
    detect,
    load_scorer,
    mask,
    open_scene,
)  # fmt: skip
from geocloud.metrics.histogram import histogram
from geocloud.pipeline.scoring import score_scene
from geocloud.raster import Window
from geocloud.scorers.card import read_card
from geocloud.training.adapt import training_tile
from geocloud.training.before_after import AdaptRow, _loss, compare, measure_tiles
from geocloud.training.own_scenes import Truth, read_tiles
from geocloud.verbs.adapt import AdaptOptions, adapt

STEPS = 2
RGB = ("blue", "green", "red")


def pieces(path: Path, folder: Path, bands: int, side: int = 128, count: int = 4) -> list[Path]:
    """Corners of a scene as scenes of their own, on the Earth."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with rasterio.open(path) as file:
        data, nodata = file.read(list(range(1, bands + 1))), file.nodata
    for number in range(count):
        row, col = (number // 2) * side, (number % 2) * side
        part = data[:, row : row + side, col : col + side]
        target = folder / f"part{number}.tif"
        profile = {"driver": "GTiff", "count": bands, "height": side, "width": side, "dtype": part.dtype}
        place = from_origin(500000 + 20 * col, 5000000 - 20 * row, 20, 20)
        with rasterio.open(target, "w", **profile, crs="EPSG:32650", transform=place, nodata=nodata) as file:
            file.write(part)
            file.descriptions = (*RGB, "nir")[:bands]
        made.append(target)
    return made


@pytest.fixture
def desert(data_root: Path, tmp_path: Path) -> list[Path]:
    """Pieces of a clear red desert, in RGB."""
    return pieces(data_root / "scenes" / "sentinel2_l1c_clear" / "S2B_MSIL1C_20171022_T49JGM.tif", tmp_path / "d", 3)


@pytest.fixture
def labelled(data_root: Path, tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """Pieces of a Sentinel-2 chip with cloud in it, and of its labels."""
    images = data_root / "labelled" / "s2chips" / "images"
    labels = images.parent / "labels"
    name = next(
        path.name
        for path in sorted(images.iterdir())
        if 0.2 < (rasterio.open(labels / path.name).read(1)[:256, :256] == 1).mean() < 0.8
    )
    return pieces(images / name, tmp_path / "s", 4), pieces(labels / name, tmp_path / "m", 1)


def names(path: Path, scenes: list[Path]) -> Path:
    path.write_text("".join(f"{scene.stem}\n" for scene in scenes))
    return path


def truth_of(scene: Path, truth: Truth) -> np.ndarray:
    """(h, w) what is told of a scene's pixels, each scored as it is."""
    scorer = load_scorer("brightness")
    (tile,) = read_tiles(scene, SceneOptions(), scorer, truth)
    return tile.truth


@pytest.mark.data
def test_scenes_said_to_be_clear_or_cloudy_and_corrected_masks(labelled: tuple, tmp_path: Path) -> None:
    scenes, masks = labelled
    scene = scenes[0].rename(scenes[0].with_name("part0.small.tif"))
    with rasterio.open(masks[0]) as file:
        label = file.read(1)
    masks[0].rename(masks[0].with_name("part0.small_cloudmask.tif"))
    listed = names(tmp_path / "one.txt", [scene])
    for truth, wanted in (
        (Truth.of(listed, None, None, None), 0),
        (Truth.of(None, listed, None, None), 1),
        (Truth.of(None, None, masks[0].parent, None), np.where(label == 255, 2, label)),
        (Truth(), 2),
    ):
        found = truth_of(scene, truth)
        assert (found == wanted).all()


def test_tiles_are_scored_as_detect_scores_them_by_the_size_of_their_pixels(tmp_path: Path) -> None:
    rough = np.random.default_rng(0).normal(0, 1, (192, 192)).cumsum(axis=1) / 40
    white = np.clip(7000 + 400 * rough, 5000, 9000).astype(np.uint16)
    scorer, scores = load_scorer("default", "cpu", "fp32"), {}
    for side in (20.0, 120.0):  # of 120 m texture does not tell snow
        path = tmp_path / f"snow{side:.0f}.tif"
        profile = {"driver": "GTiff", "count": 3, "height": 192, "width": 192, "dtype": "uint16", "crs": "EPSG:32650"}
        with rasterio.open(path, "w", **profile, transform=from_origin(500000, 5000000, side, side)) as file:
            file.write(np.stack([white] * 3))
            file.descriptions = RGB
        options = SceneOptions(scale=1e-4, offset=0.0)
        (tile,) = read_tiles(path, options, scorer, Truth(clear=frozenset([path.stem])))
        with open_scene(path, options) as scene:
            scores[side], _ = score_scene(scene, scorer, threads=1)
        real = measure_tiles([tile], scorer, 1)["real"][0]
        wanted = histogram(scores[side], tile.truth == 1)
        assert (real.edges == wanted.edges).all()
        assert (real.clear == wanted.clear).all()
        assert training_tile(tile).fine == (side == 20.0)
    assert abs(scores[20.0] - scores[120.0]).max() > 0.5


SAVED = {
    "a GeoPackage in the scene's CRS": ("clouds.gpkg", "EPSG:32650"),
    "a GeoPackage in web Mercator": ("clouds.gpkg", "EPSG:3857"),
    "GeoJSON": ("clouds.geojson", "EPSG:4326"),
    "GeoJSON in another CRS": ("clouds.geojson", "EPSG:32649"),
    "a Shapefile": ("clouds.shp", "EPSG:4326"),
}


@pytest.mark.data
@pytest.mark.parametrize("kind", SAVED)
def test_polygons_as_qgis_saves_them(kind: str, labelled: tuple, tmp_path: Path) -> None:
    geopandas, shapely = pytest.importorskip("geopandas"), pytest.importorskip("shapely")
    scenes, _ = labelled
    found = detect(scenes[0], tmp_path / "out", DetectOptions(model="brightness", polygons="gpkg"))
    frame = found.polygons.to_crs("EPSG:32650")
    with rasterio.open(found.mask_path) as file:
        wanted, place = file.read(1), file.transform
    wanted[:20, :20] = 1
    wanted[:20, 20:60] = 0
    drawn = shapely.box(*(place @ (0, 20)), *(place @ (20, 0)))
    hole = shapely.box(*(place @ (20, 20)), *(place @ (60, 0)))
    frame["geometry"] = frame.geometry.difference(hole)
    frame = frame[~frame.is_empty]
    new = geopandas.GeoDataFrame({"geometry": [drawn]}, crs=frame.crs)  # as QGIS adds it: all its columns are NULL
    both = geopandas.pd.concat([frame, new], ignore_index=True).set_geometry("geometry", crs=frame.crs)
    both["geometry"] = [shapely.MultiPolygon([one]) if one.geom_type == "Polygon" else one for one in both.geometry]
    name, crs = SAVED[kind]
    both.to_crs(crs).to_file(tmp_path / name)
    truth = Truth.of(None, None, None, tmp_path / name)
    truth.check([scene.stem for scene in scenes])
    assert (truth_of(scenes[0], truth) == wanted).mean() > (0.995 if crs == "EPSG:4326" else 0.999)
    assert (truth_of(scenes[1], truth) == 2).all()  # the file says nothing of it


@pytest.mark.slow
@pytest.mark.data
def test_an_adapted_model_works_in_detect_batch_and_lazy_arrays(desert: list[Path], tmp_path: Path) -> None:
    dask, xarray = pytest.importorskip("dask.array"), pytest.importorskip("xarray")
    pytest.importorskip("distributed")
    model = tmp_path / "mine"
    options = AdaptOptions(clear=names(tmp_path / "c.txt", desert), steps=STEPS, allow_worse=True, threads=1)
    adapt(desert, model, options)
    found = detect(desert[0], tmp_path / "one", DetectOptions(model=model, score=True, class_scores=True))
    with rasterio.open(found.mask_path) as file:
        whole, tags = file.read(1), file.tags()
    assert (tags["GEOCLOUD_MODEL"], tags["GEOCLOUD_MODEL_SHA256"]) == ("mine", read_card(model).sha256)
    done = run_cli("batch", *desert, "--model", model, "--out", tmp_path / "many", "--workers", 1)
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "many" / found.mask_path.name) as file:
        np.testing.assert_array_equal(file.read(1), whole)
    with open_scene(desert[0]) as scene:
        array = scene.read(Window(0, 0, *whole.shape), RGB).data
    chunks = xarray.DataArray(dask.from_array(array, chunks=(3, 64, 64)), dims=("band", "y", "x"))
    lazy = mask(chunks, bands=RGB, scale=1.0, model=model)
    assert (np.asarray(lazy) == whole).mean() > 0.999


@pytest.mark.slow
@pytest.mark.data
def test_clear_scenes_resume_and_the_same_again(desert: list[Path], tmp_path: Path) -> None:
    options = AdaptOptions(clear=names(tmp_path / "c.txt", desert), steps=12, allow_worse=True, threads=1)
    whole = adapt(desert, tmp_path / "whole", options)
    assert len(whole.held_out) == 1
    assert not set(whole.held_out) & set(whole.learned)

    def stop(done: int, _total: int, stage: str) -> None:
        if stage == "training" and done == 11:
            raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        adapt(desert, tmp_path / "broken", options, progress=stop)
    assert not (tmp_path / "broken" / "card.json").exists()
    steps = []
    adapt(desert, tmp_path / "broken", options, progress=lambda done, _, stage: steps.append((stage, done)))
    assert ("training", 11) in steps
    assert ("training", 10) not in steps  # it went on from the checkpoint
    cards = [read_card(tmp_path / name) for name in ("whole", "broken")]
    assert cards[0].sha256 == cards[1].sha256 != read_card(verb.model_folder("default")).sha256
    assert cards[0].calibration == cards[1].calibration
    assert any("4 scenes" not in line and "said to be clear" in line for line in cards[0].training.data)
    found = detect(desert[0], tmp_path / "out", DetectOptions(model=tmp_path / "whole"))
    assert found.model == "whole"


@pytest.mark.slow
@pytest.mark.data
def test_corrected_masks_and_a_clear_scene(labelled: tuple, desert: list[Path], tmp_path: Path) -> None:
    scenes, masks = labelled
    clear = desert[0].rename(desert[0].with_name("sand.tif"))
    made = adapt(
        [*scenes, clear],
        tmp_path / "m1",
        AdaptOptions(masks=masks[0].parent, clear=names(tmp_path / "c.txt", [clear]), steps=STEPS, allow_worse=True,
                     threads=1),
    )  # fmt: skip
    card = read_card(tmp_path / "m1")
    assert card.training.supervision == "S"
    assert {row.figure for row in made.rows} >= {"recall of cloud", "false alarms on clear ground"}
    truth = np.concatenate([rasterio.open(path).read(1).ravel() for path in masks])
    assert (truth == 1).mean() > 0.1


@pytest.mark.slow
@pytest.mark.data
def test_corrected_polygons(labelled: tuple, tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    scenes, _ = labelled
    parts = [detect(scene, tmp_path / "out", DetectOptions()).polygons for scene in scenes]
    frame = geopandas.GeoDataFrame(geopandas.pd.concat(parts), crs=parts[0].crs)
    frame.to_file(tmp_path / "clouds.gpkg")
    made = adapt(
        scenes,
        tmp_path / "m2",
        AdaptOptions(polygons=tmp_path / "clouds.gpkg", steps=STEPS, allow_worse=True, threads=1),
    )
    before = {row.figure: row.before for row in made.rows}
    assert before["recall of cloud"] > 0.97  # the polygons are the default's own, so it agrees with them
    assert before["false alarms on clear ground"] < 0.03


@pytest.mark.data
def test_scenes_alone_move_the_threshold_and_no_weight(desert: list[Path], tmp_path: Path) -> None:
    made = adapt(desert, tmp_path / "m3", AdaptOptions(allow_worse=True, threads=1))
    assert made.folder is not None
    card, before = read_card(tmp_path / "m3"), read_card(verb.model_folder("default"))
    new, old = (load_file(folder / "weights.safetensors") for folder in (tmp_path / "m3", verb.model_folder("default")))
    assert new.keys() == old.keys()
    assert all(new[name].equal(old[name]) for name in old)
    assert card.calibration.threshold != before.calibration.threshold
    assert dict(card.calibration.alternatives)[before.calibration.rule.name] == before.calibration.threshold


@pytest.mark.data
def test_a_worse_model_is_not_written(desert: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def harm(network: object, *_: object) -> object:
        with __import__("torch").no_grad():
            network.last[-1].bias.fill_(-50)  # finds no cloud any more
        return network

    monkeypatch.setattr(verb, "_trained", harm)
    options = AdaptOptions(clear=names(tmp_path / "c.txt", desert), threads=1)
    made = adapt(desert, tmp_path / "bad", options)
    assert made.folder is None
    assert "recall of simulated cloud falls" in made.worse
    assert not (tmp_path / "bad" / "card.json").exists()


def test_fewer_false_alarms_are_never_called_worse() -> None:
    row = AdaptRow("false alarms on clear ground", 0.1, 0.01, (0, 1), (0, 1))
    assert _loss(row) == ""
    assert compare({"real": [], "simulated": []}, {"real": [], "simulated": []}, (0.0, 0.0)) == ((), "")


@pytest.mark.data
def test_mistakes_are_one_sentence(desert: list[Path], tmp_path: Path) -> None:
    listed = names(tmp_path / "c.txt", desert)
    other = tmp_path / "other.txt"
    other.write_text("nothing\n")
    with pytest.raises(UsageError, match="'nothing' is not among"):
        adapt(desert, tmp_path / "m", AdaptOptions(clear=other))
    with pytest.raises(UsageError, match="both clear and cloudy"):
        adapt(desert, tmp_path / "m", AdaptOptions(clear=listed, cloudy=listed))
    with pytest.raises(ModelError, match="can be run but not changed"):
        adapt(desert, tmp_path / "m", AdaptOptions(model="s2cloudless"))
    with pytest.raises(UsageError, match="too little to train"):
        adapt(desert[:1], tmp_path / "m", AdaptOptions(clear=names(listed, desert[:1])))


@pytest.mark.slow
@pytest.mark.data
def test_the_command_prints_the_table(desert: list[Path], tmp_path: Path) -> None:
    done = run_cli("adapt", *desert, "--clear", names(tmp_path / "c.txt", desert), "--out", tmp_path / "m",
                   "--steps", STEPS, "--allow-worse", "--threads", 1)  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert set(record["figures"]) >= {"false alarms on clear ground", "recall of simulated cloud"}
    assert len(record["held_out"]) == 1
