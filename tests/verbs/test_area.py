"""An area of interest: its mask is that of the whole scene, cut; only what it needs is read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from rasterio.windows import Window as RasterioWindow
from rio_cogeo import cog_validate
from servers import serve
from testutils import UTM, write_scene

import geocloud
from geocloud import BatchOptions, DetectOptions, SceneOptions
from geocloud.batch.cluster import connect, tasks_on
from geocloud.cli.main import cli
from geocloud.errors import InputError, UsageError
from geocloud.models.registry import DEFAULT_MODEL, load_scorer, model_folder
from geocloud.pipeline.tiling import blocks_of
from geocloud.readers.area import find_area
from geocloud.readers.reader import part_of
from geocloud.scorers.card import read_card

Make = Callable[..., Path]
BRIGHT = DetectOptions(model="brightness", polygons="none")
WEST, NORTH = 500000, 5000000
"""Corner of the scenes that `write_scene` makes, on a grid of 10 m."""


def clouds(tmp_path: Path, side: int = 400, seed: int = 1) -> Path:
    """A scene with bright squares of all sizes, some of which touch, and nodata."""
    rng = np.random.default_rng(seed)
    data = rng.integers(400, 900, (4, side, side)).astype(np.uint16)
    for _ in range(120):
        row, col = rng.integers(0, side, 2)
        height, width = rng.integers(1, 25, 2)
        data[:, row : row + height, col : col + width] = rng.integers(2500, 9000)
    data[:, : side // 8, : side // 3] = 0
    return write_scene(tmp_path / "clouds.tif", data=data, nodata=0)


def circle(row: float, col: float, radius: float) -> geopandas.GeoDataFrame:
    """A polygon round a pixel of such a scene."""
    place = shapely.Point(WEST + 10 * col, NORTH - 10 * row)
    return geopandas.GeoDataFrame(geometry=[place.buffer(10 * radius)], crs=UTM)


def read(path: Path, like: Path | None = None) -> np.ndarray:
    """A raster, or the part of it that lies under another."""
    with rasterio.open(path) as dataset:
        if like is None:
            return dataset.read()
        with rasterio.open(like) as other:
            col, row = (round(number) for number in ~dataset.transform @ (other.transform.c, other.transform.f))
            return dataset.read(window=RasterioWindow(col, row, other.width, other.height))


def assert_same_inside(whole: geocloud.Detection, part: geocloud.Detection) -> np.ndarray:
    """Every raster inside the area is that of the whole scene; returns which pixels are inside."""
    mask = read(part.mask_path)[0]
    with geocloud.open_scene(whole.scene) as scene:
        area = find_area(AREAS[part.mask_path.parent.name], None, scene.georef, "scene")
    inside = area.inside(area.window)
    assert mask.shape == area.window.shape
    assert (mask[~inside] == 255).all()
    for key in {"mask", "score", "class_scores", "uncertainty", "clear_sky"} & set(part.files):
        full = read(whole.files[key], part.mask_path)
        np.testing.assert_array_equal(read(part.files[key])[:, inside], full[:, inside], err_msg=key)
    return inside


AREAS = {
    "circle": circle(150, 260, 61.3),
    "edge": circle(5, 390, 40),
    "two": geopandas.GeoDataFrame(
        geometry=[*circle(40, 30, 12).geometry, *circle(300, 200, 33).geometry], crs=UTM
    ).to_crs(4326),
}


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[DetectOptions], geocloud.Detection]:
    """The same scene detected whole, once for each set of options."""
    folder, made = tmp_path_factory.mktemp("wholes"), {}
    scene = clouds(folder)

    def whole(options: DetectOptions) -> geocloud.Detection:
        if repr(options) not in made:
            made[repr(options)] = geocloud.detect(scene, folder / str(len(made)), options)
        return made[repr(options)]

    return whole


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize(
    "more",
    [{}, {"dilate": 6}, {"min_area": 9000.0}, {"min_area": 9000.0, "dilate": 3}, {"resolution": 30.0}],
    ids=lambda more: "-".join(more) or "plain",
)
def test_the_mask_inside_is_that_of_the_whole_scene(
    wholes: Callable[[DetectOptions], geocloud.Detection], tmp_path: Path, area: str, more: dict
) -> None:
    options = replace(BRIGHT, score=True, polygons="gpkg", **more)
    whole = wholes(options)
    part = geocloud.detect(whole.scene, tmp_path / area, replace(options, aoi=AREAS[area]))
    inside = assert_same_inside(whole, part)
    mask = read(part.mask_path)[0]
    assert 0 < (mask == 1).sum() < inside.sum()
    valid = mask[inside] != 255
    assert part.cloud_cover == pytest.approx(100 * (mask == 1).sum() / valid.sum())
    assert part.polygons.to_crs(UTM).area.sum() / 100 == pytest.approx((mask == 1).sum(), rel=1e-4)
    assert cog_validate(part.mask_path)[0]


@pytest.mark.parametrize("name", ["chip_1", "chip_100301"])
def test_the_default_model_on_a_real_scene(data_root: Path, tmp_path: Path, name: str) -> None:
    scene = data_root / "labelled" / "s2chips" / "images" / f"{name}.tif"
    options = DetectOptions(classes=("cloud", "thin", "shadow"), score=True, clear_sky=True)
    options = replace(options, class_scores=True, uncertainty=name == "chip_1")  # four times the cost
    whole = geocloud.detect(scene, tmp_path / "whole", options)
    with geocloud.open_scene(scene) as opened:
        west, south, east, north = opened.georef.bounds
        crs = opened.georef.crs_wkt
    middle = shapely.Point((west + 2 * east) / 3, (south + north) / 2)
    AREAS["real"] = geopandas.GeoDataFrame(geometry=[middle.buffer((east - west) / 5)], crs=crs).to_crs(4326)
    part = geocloud.detect(scene, tmp_path / "real", replace(options, aoi=AREAS["real"]))
    assert assert_same_inside(whole, part).sum() > 10_000


@pytest.mark.slow
def test_the_default_model_on_a_tile(data_root: Path, tmp_path: Path) -> None:
    scene = data_root / "scenes" / "sentinel2_l2a_120m" / "S2A_33TWL_20230818_0_L2A"
    options = DetectOptions(score=True, min_area=100_000, dilate=2)
    whole = geocloud.detect(scene, tmp_path / "whole", options)
    with geocloud.open_scene(scene) as opened:
        west, south, east, north = opened.georef.bounds
        crs = opened.georef.crs_wkt
    for number, (x, y) in enumerate(((0.3, 0.3), (0.56, 0.44), (0.98, 0.7))):
        place = shapely.Point(west + x * (east - west), south + y * (north - south))
        AREAS[str(number)] = geopandas.GeoDataFrame(geometry=[place.buffer(9000)], crs=crs).to_crs(4326)
        part = geocloud.detect(scene, tmp_path / str(number), replace(options, aoi=AREAS[str(number)]))
        assert_same_inside(whole, part)


def test_bounds_are_a_rectangle_of_whole_pixels(tmp_path: Path) -> None:
    scene = clouds(tmp_path)
    whole = geocloud.detect(scene, tmp_path / "whole", BRIGHT)
    bounds = (WEST + 1003, NORTH - 2504, WEST + 3006, NORTH - 501)
    part = geocloud.detect(scene, tmp_path / "part", replace(BRIGHT, bounds=bounds))
    with rasterio.open(part.mask_path) as dataset:
        assert dataset.bounds == (WEST + 1000, NORTH - 2500, WEST + 3010, NORTH - 500)
        assert dataset.tags()["GEOCLOUD_AOI"] == "501003,4997496,503006,4999499 in the scene's CRS"
    np.testing.assert_array_equal(read(part.mask_path), read(whole.mask_path, part.mask_path))


def test_outputs_of_another_area_are_not_taken_for_this_one(tmp_path: Path) -> None:
    scene = clouds(tmp_path)
    one = replace(BRIGHT, aoi=AREAS["circle"])
    geocloud.detect(scene, tmp_path / "out", one)
    assert geocloud.detect(scene, tmp_path / "out", one).kept
    for other in (BRIGHT, replace(BRIGHT, aoi=AREAS["two"])):
        with pytest.raises(UsageError, match=r"exists with area polygons \(\w+\) instead of"):
            geocloud.detect(scene, tmp_path / "out", other)


def test_a_quicklook_and_an_item_show_the_area(tmp_path: Path) -> None:
    scene = clouds(tmp_path)
    part = geocloud.detect(scene, tmp_path / "out", replace(BRIGHT, aoi=AREAS["circle"], quicklook=True, stac=True))
    height, width = read(part.mask_path)[0].shape
    with rasterio.open(part.files["quicklook"]) as picture, rasterio.open(scene) as dataset:
        assert picture.width == 2 * width + 6
        assert picture.height == height
        left = picture.read(1)[:, :width]
        under = read(scene, part.mask_path)[2]
        assert np.corrcoef(left[under > 0], under[under > 0].clip(0, 2500))[0, 1] > 0.7
        assert dataset.crs == UTM
    item = json.loads(part.files["stac"].read_text())
    assert item["properties"]["proj:shape"] == [height, width]


def test_a_quicklook_is_dim_outside_the_area(tmp_path: Path) -> None:
    scene = clouds(tmp_path)
    box = (WEST + 1500, NORTH - 3000, WEST + 3000, NORTH - 1500)
    polygon = geopandas.GeoDataFrame(geometry=[shapely.Polygon([box[:2], (box[0], box[3]), box[2:]])], crs=UTM)
    parts = [
        geocloud.detect(scene, tmp_path / f"out{n}", replace(BRIGHT, quicklook=True, **area))
        for n, area in enumerate(({"bounds": box}, {"aoi": polygon}))
    ]
    plain, dim = (read(part.files["quicklook"])[:3].astype(float) for part in parts)
    mask = read(parts[1].mask_path)[0]
    assert dim.shape == plain.shape == (3, 150, 306)
    for pictures in ((plain[..., :150], dim[..., :150]), (plain[..., 156:], dim[..., 156:])):
        means = [[picture[:, there].mean() for there in (mask == 255, mask != 255)] for picture in pictures]
        assert means[1][1] == pytest.approx(means[0][1])
        assert means[1][0] < 0.5 * means[0][0]


@pytest.fixture(scope="module")
def odd_areas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scene, and files that hold no area."""
    folder = tmp_path_factory.mktemp("areas")
    clouds(folder, 100)
    empty = '{"type": "FeatureCollection", "features": [%s]}'
    (folder / "empty.geojson").write_text(empty % "")
    (folder / "hollow.geojson").write_text(
        empty % '{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": []}}'
    )
    (folder / "text.gpkg").write_text("no vector file")
    line = geopandas.GeoDataFrame(geometry=[shapely.LineString([(15, 45), (16, 46)])], crs=4326)
    line.to_file(folder / "line.geojson")
    with warnings.catch_warnings(action="ignore"):  # that it has no CRS
        AREAS["circle"].set_crs(None, allow_override=True).to_file(folder / "no_crs.shp")
    return folder


@pytest.mark.parametrize(
    ("aoi", "error"),
    [
        ("10,45,10,46", "has no area"),
        ("179,-17,-179,-16", "crosses the antimeridian"),
        ("500000,4990000,510000,5000000", "must be west,south,east,north in degrees"),
        ("1,2,3", "must be four numbers"),
        ("16,45,nan,46", "must be four finite numbers"),
        ("-60,-10,-59,-9", "no pixel of .*clouds.tif has its centre in the area .* the scene covers 15.0000,45.1"),
        ("15.00001,45.14,15.00002,45.14001", "has its centre in the area"),
        ("empty.geojson", "has no features"),
        ("hollow.geojson", "holds no polygon"),
        ("no_crs.shp", "has no CRS"),
        ("line.geojson", "holds a LineString"),
        ("absent.gpkg", "does not exist"),
        ("text.gpkg", "is not a vector file"),
    ],
)
def test_an_area_that_cannot_be_used_is_one_sentence(
    odd_areas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aoi: str, error: str
) -> None:
    monkeypatch.chdir(odd_areas)
    scene, out = odd_areas / "clouds.tif", tmp_path / "out"
    result = CliRunner().invoke(cli, ["detect", str(scene), "--aoi", aoi, "--out", str(out), "--model", "brightness"])
    assert result.exit_code in (1, 2)
    assert not out.exists()
    with pytest.raises((InputError, UsageError), match=error) as raised:
        geocloud.detect(scene, out, replace(BRIGHT, aoi=aoi))
    assert "\n" not in str(raised.value)


def test_a_scene_without_a_grid_has_no_areas(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "plain.tif", crs=None, transform=None)
    for more in ({"aoi": "15,45,16,46"}, {"bounds": (0, 0, 10, 10)}):
        with pytest.raises(InputError, match="does not say where on the Earth"):
            geocloud.detect(scene, tmp_path / "out", replace(BRIGHT, **more))


def test_aoi_and_bounds_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        DetectOptions(aoi="15,45,16,46", bounds=(0, 0, 1, 1))


def test_commands_take_a_file_and_a_box(tmp_path: Path) -> None:
    scene = clouds(tmp_path)
    fields = tmp_path / "fields.gpkg"
    AREAS["circle"].to_crs(3857).to_file(fields)
    result = CliRunner().invoke(cli, ["info", str(scene), "--aoi", str(fields), "--json"])
    described = json.loads(result.stdout)
    part = geocloud.detect(scene, tmp_path / "circle", replace(BRIGHT, aoi=fields))
    with rasterio.open(part.mask_path) as dataset:
        assert described["bounds"] == list(dataset.bounds)
        assert dataset.tags()["GEOCLOUD_AOI"].startswith("fields.gpkg (")
    box = ",".join(str(number) for number in AREAS["circle"].to_crs(4326).total_bounds)
    arguments = ["detect", str(scene), "--aoi", box, "--out", str(tmp_path / "box"), "--model", "brightness"]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert read(tmp_path / "box" / "clouds_cloudmask.tif").shape == read(part.mask_path).shape


def test_a_batch_masks_the_area_and_resumes_by_it(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    scene, fields, out = clouds(tmp_path), tmp_path / "fields.gpkg", tmp_path / "out"
    AREAS["circle"].to_file(fields)
    detect = replace(BRIGHT, aoi=str(fields))
    alone = geocloud.detect(scene, tmp_path / "alone", detect)
    options = BatchOptions(detect=detect, split=100)
    here = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(**here) as client:
        (record,) = geocloud.detect_many([scene], out, options, client=client).done
        np.testing.assert_array_equal(read(out / "clouds_cloudmask.tif"), read(alone.mask_path))
        assert record.cloud_percent == pytest.approx(alone.cloud_cover, abs=1e-3)
        again = geocloud.detect_many([scene], out, replace(options, resume=True), client=client)
        assert (len(again.records), len(again.kept)) == (0, 1)
        AREAS["two"].to_file(fields)  # the same name, another area
        other = geocloud.detect_many([scene], out, replace(options, resume=True), client=client)
        assert (len(other.done), len(other.kept)) == (1, 0)


@pytest.mark.parametrize("lazy", [False, True])
def test_arrays_are_cut_to_the_area(tmp_path: Path, lazy: bool) -> None:  # noqa: FBT001
    rioxarray = pytest.importorskip("rioxarray")
    scene = clouds(tmp_path)
    part = geocloud.detect(scene, tmp_path / "circle", replace(BRIGHT, aoi=AREAS["circle"]))
    array = rioxarray.open_rasterio(scene, chunks={"x": 128, "y": 128} if lazy else None)
    for more in ({"aoi": AREAS["circle"]}, {"bounds": tuple(AREAS["circle"].total_bounds)}):
        found = geocloud.mask(array, model="brightness", scale=1e-4, **more)
        expected = part.to_xarray()
        np.testing.assert_allclose(found.x, expected.x)
        np.testing.assert_allclose(found.y, expected.y)
        inside = expected.to_numpy() != 255
        np.testing.assert_array_equal(found.to_numpy()[inside], expected.to_numpy()[inside])
    array.close()


def test_only_the_tiles_of_the_area_s_blocks_are_fetched(tmp_path: Path) -> None:
    card = read_card(model_folder(DEFAULT_MODEL))
    side, tile, bands = 2560, 256, 4
    data = np.random.default_rng(0).integers(300, 3000, (bands, side, side)).astype(np.uint16)
    with serve(tmp_path / "served") as site:
        write_scene(
            site.folder / "cog.tif", data=data, transform=rasterio.Affine(20, 0, WEST, 0, -20, NORTH), driver="COG",
            blocksize=tile, overviews="NONE", nodata=0, compress="NONE",
        )  # fmt: skip
        url, options = f"{site.url}/cog.tif", DetectOptions(scene=SceneOptions(scale=1e-4, nodata=0), polygons="none")
        bounds = (WEST + 20 * 600, NORTH - 20 * 1000, WEST + 20 * 1000, NORTH - 20 * 600)
        part = geocloud.detect(url, tmp_path / "part", replace(options, bounds=bounds))
        fetched = site.sent
        described = geocloud.open_scene(url, options.scene)
        described.close()
        assert site.sent - fetched <= 64 << 10  # nothing has to be guessed: the header alone
    assert read(part.mask_path)[0].shape == (400, 400)
    first, stop = 512 - card.halo, 1024 + card.halo  # the block of 512 pixels that holds rows and columns 600 to 1000
    tiles = (-(-stop // tile) - first // tile) ** 2
    assert fetched <= 1.3 * tiles * tile**2 * 2 * bands
    assert fetched < 0.25 * data.nbytes


@pytest.mark.parametrize("verb", ["series", "composite", pytest.param("on workers", marks=pytest.mark.slow)])
def test_each_tile_of_the_dates_is_fetched_once(tmp_path: Path, verb: str) -> None:
    rng, tile, bands = np.random.default_rng(0), 256, 4
    ground, scene = rng.integers(300, 3000, (bands, 1300, 1300)), SceneOptions(scale=1e-4, nodata=0)
    bounds = (WEST + 20 * 600, NORTH - 20 * 760, WEST + 20 * 690, NORTH - 20 * 640)
    options = {"model": "brightness", "scene": scene, "bounds": bounds}

    def run(scenes: list[str], out: Path) -> list[np.ndarray]:
        if verb == "series":
            dates = geocloud.detect_series(scenes, out, geocloud.SeriesOptions(**options))
            return [read(date.mask_path) for date in dates]
        target, wish = out / "clear.tif", geocloud.CompositeOptions(**options)
        if verb == "composite":
            return [read(geocloud.composite(scenes, target, wish).path)]
        with connect(BatchOptions(workers=2)) as client:  # processes: none has what another fetched
            return [read(geocloud.composite(scenes, target, wish, tasks=tasks_on(client)).path)]

    with serve(tmp_path / "served") as site:
        names = [f"site_2023-08-{day}.tif" for day in (10, 13, 15)]
        for name in names:
            data = (ground + rng.integers(0, 60, ground.shape)).astype(np.uint16)
            write_scene(
                site.folder / name, data=data, transform=rasterio.Affine(20, 0, WEST, 0, -20, NORTH), driver="COG",
                blocksize=tile, overviews="NONE", nodata=0, compress="NONE",
            )  # fmt: skip
        far = run([f"{site.url}/{name}" for name in names], tmp_path / "far")
        near = run([str(site.folder / name) for name in names], tmp_path / "near")
        with geocloud.open_scene(site.folder / names[0], scene) as opened:
            area = find_area(None, bounds, opened.georef, "scene").window
            blocks = blocks_of(area, opened.georef, load_scorer("brightness"))
    for one, other in zip(far, near, strict=True):
        np.testing.assert_array_equal(one, other)
    rows, cols = (
        (-(-stop // tile) - first // tile)
        for first, stop in zip((blocks.row, blocks.col), (blocks.stop_row, blocks.stop_col), strict=True)
    )
    own = len(names) * rows * cols * tile**2 * 2 * bands
    assert own < len(names) * ground.size
    assert site.sent <= 1.3 * own


def test_reading_a_part_is_reading_the_scene(tmp_path: Path) -> None:
    scene = clouds(tmp_path)
    with geocloud.open_scene(scene) as whole:
        area = find_area(AREAS["circle"], None, whole.georef, "scene")
        part = part_of(whole, AREAS["circle"], None)
        inner = geocloud.Window(3, 5, 60, 70)
        moved = geocloud.Window(area.window.row + 3, area.window.col + 5, 60, 70)
        got, want = part.read(inner, ("red", "blue")), whole.read(moved, ("red", "blue"))
        np.testing.assert_array_equal(got.data, want.data)
        np.testing.assert_array_equal(got.valid, want.valid & area.inside(moved))
        assert part.georef.bounds[0] == whole.georef.bounds[0] + 10 * area.window.col
