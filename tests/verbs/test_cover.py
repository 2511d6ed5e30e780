"""Cover of zones: against exact clipping, in other CRSs, with gaps, and bad zones in one sentence."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin
from servers import serve
from testutils import run_cli

from geocloud import ApplyOptions, PolygonizeOptions, apply_mask, cover, polygonize
from geocloud.errors import InputError, UsageError

ORIGIN = 500_000.0, 5_000_000.0


def write_mask(path: Path, codes: np.ndarray, crs: str = "EPSG:32633", *, tiled: bool = False, **tags: str) -> Path:
    degrees = crs == "EPSG:4326"
    transform = from_origin(15, 60, 1e-3, 1e-3) if degrees else from_origin(*ORIGIN, 10, 10)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 255, "crs": crs, "transform": transform}
    if tiled:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with rasterio.open(path, "w", height=codes.shape[0], width=codes.shape[1], **profile) as dataset:
        dataset.write(codes, 1)
        dataset.update_tags(**tags)
    return path


def codes(seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).choice([0, 1, 2, 5, 255], (90, 110), p=[0.5, 0.2, 0.1, 0.1, 0.1])
    made[40:60, 20:80] = 1
    return made.astype(np.uint8)


def zone(*pixels: tuple[float, float]) -> shapely.Polygon:
    """A polygon given in pixels (column, row)."""
    return shapely.Polygon([(ORIGIN[0] + 10 * x, ORIGIN[1] - 10 * y) for x, y in pixels])


ZONES = geopandas.GeoDataFrame(
    {"name": ["triangle", "partly outside", "elsewhere"]},
    geometry=[
        zone((10.3, 5.2), (80.7, 30.1), (33.3, 77.7)),
        zone((90.5, 50.5), (140, 50.5), (140, 75.25), (90.5, 75.25)),
        zone((1000, 1000), (1010, 1000), (1010, 1010)),
    ],
    crs="EPSG:32633",
)


def expected(shape: shapely.Polygon, made: np.ndarray) -> tuple[float, float, float]:
    """Cloud, shadow and valid percent by clipping every pixel."""
    rows, cols = np.indices(made.shape)
    x, y = ORIGIN[0] + 10 * cols, ORIGIN[1] - 10 * rows
    share = shapely.area(shapely.intersection(shapely.box(x, y - 10, x + 10, y), shape))
    valid = share[made != 255].sum()
    cloud, shadow = share[np.isin(made, (1, 2))].sum(), share[made == 5].sum()
    return 100 * cloud / valid, 100 * shadow / valid, 100 * valid / shape.area


def test_percents_are_those_of_the_exact_geometry(tmp_path: Path) -> None:
    made = codes()
    table = cover([write_mask(tmp_path / "S2A_33TWL_20230815_0_cloudmask.tif", made)], ZONES)
    for row in (0, 1):
        found = table.iloc[row][["cloud_percent", "shadow_percent", "valid_percent"]].astype(float)
        np.testing.assert_allclose(found, expected(ZONES.geometry[row], made), atol=1e-3)
    assert table["valid_percent"][2] == 0
    assert np.isnan(table["cloud_percent"][2])
    assert list(table["date"]) == ["2023-08-15"] * 3


def test_zones_in_another_crs_give_the_same_within_half_a_pixel(tmp_path: Path) -> None:
    mask = write_mask(tmp_path / "mask.tif", codes())
    here, there = cover([mask], ZONES[:1]), cover([mask], ZONES[:1].to_crs("EPSG:4326"))
    np.testing.assert_allclose(here["cloud_percent"], there["cloud_percent"], atol=0.02)
    np.testing.assert_allclose(here["valid_percent"], there["valid_percent"], atol=0.02)


def test_a_long_edge_bends_with_the_projection(tmp_path: Path) -> None:
    """A parallel 60 km long bends by 100 m in UTM: straight from corner to corner, 9 pixels would be cut off."""
    tall = np.zeros((60, 6000), dtype=np.uint8)
    mask = write_mask(tmp_path / "mask.tif", tall)
    edge = geopandas.GeoDataFrame(geometry=[zone((0, 30), (6000, 30), (6000, 60), (0, 60))], crs="EPSG:32633")
    corners = edge.to_crs("EPSG:4326")
    bent = shapely.segmentize(corners.geometry[0], 0.001)
    exact = geopandas.GeoSeries([bent], crs="EPSG:4326").to_crs("EPSG:32633")[0]
    scene = shapely.box(ORIGIN[0], ORIGIN[1] - 600, ORIGIN[0] + 60_000, ORIGIN[1])
    share = 100 * shapely.intersection(exact, scene).area / exact.area
    assert cover([mask], corners)["valid_percent"][0] == pytest.approx(share, abs=0.1)  # 0.03 pixels
    assert share < 95


def test_on_a_grid_in_degrees_pixels_count_by_their_area(tmp_path: Path) -> None:
    """Over 4 degrees of latitude the northern half is smaller than the southern one."""
    made = np.zeros((4000, 30), dtype=np.uint8)
    made[:2000] = 1
    mask = write_mask(tmp_path / "mask.tif", made, "EPSG:4326")
    box = geopandas.GeoDataFrame(geometry=[shapely.box(15.0, 56.0, 15.03, 60.0)], crs="EPSG:4326")
    row = cover([mask], box).iloc[0]
    north, south = (np.sin(np.radians([60, 58])) - np.sin(np.radians([58, 56])),)[0]
    assert row["cloud_percent"] == pytest.approx(100 * north / (north + south), abs=0.05)
    assert row["cloud_percent"] < 49.5
    assert row["valid_percent"] == pytest.approx(100, abs=0.01)


def test_rows_stand_zone_by_zone_and_columns_of_the_zones_stay(tmp_path: Path) -> None:
    masks = [write_mask(tmp_path / f"{day}_cloudmask.tif", codes(seed)) for seed, day in enumerate(("a", "b"))]
    table = cover(masks, ZONES.assign(date="mine"))
    assert list(table["name"]) == [name for name in ZONES["name"] for _ in masks]
    assert list(table["mask"]) == ["a_cloudmask.tif", "b_cloudmask.tif"] * 3
    assert set(table["date_zone"]) == {"mine"}
    assert set(table["date"]) == {""}


def test_no_shadow_is_claimed_where_the_mask_did_not_look_for_it(tmp_path: Path) -> None:
    plain = np.zeros((90, 110), dtype=np.uint8)
    without = write_mask(tmp_path / "a.tif", plain, GEOCLOUD_MODEL="m")
    with_it = write_mask(tmp_path / "b.tif", plain, GEOCLOUD_MODEL="m", GEOCLOUD_CLASSES="cloud,shadow")
    assert np.isnan(cover([without], ZONES)["shadow_percent"][0])
    assert cover([with_it], ZONES)["shadow_percent"][0] == 0


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".csv"])
def test_tables_are_read_back_and_no_csv_cell_is_a_formula(tmp_path: Path, suffix: str) -> None:
    mask, out = write_mask(tmp_path / "2023-08-15.tif", codes()), tmp_path / f"cover{suffix}"
    zones = ZONES.assign(**{"=1+1": ["=cmd()", "@x", "-1 to 2"]})
    table = cover([mask], zones, out)
    if suffix == ".csv":
        with out.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["'=1+1"] for row in rows] == ["'=cmd()", "'@x", "'-1 to 2"]
        assert float(rows[0]["cloud_percent"]) == table["cloud_percent"][0]
        assert rows[2]["cloud_percent"] == ""
    else:
        read = geopandas.read_parquet(out) if suffix == ".parquet" else geopandas.read_file(out)
        np.testing.assert_allclose(read["valid_percent"], table["valid_percent"])
        assert read.crs == ZONES.crs
        assert shapely.equals(shapely.get_parts(read.geometry[0])[0], ZONES.geometry[0])


def test_a_crossed_polygon_is_mended_and_an_empty_one_has_no_figures(tmp_path: Path) -> None:
    bow = zone((10, 10), (30, 30), (30, 10), (10, 30))
    zones = geopandas.GeoDataFrame(geometry=[bow, None], crs="EPSG:32633")
    table = cover([write_mask(tmp_path / "m.tif", np.ones((90, 110), dtype=np.uint8))], zones)
    assert table["cloud_percent"][0] == 100
    assert table["valid_percent"][0] == pytest.approx(100)
    assert np.isnan(table["cloud_percent"][1])


@pytest.mark.parametrize(
    ("zones", "words"),
    [
        (ZONES[:0], "no features"),
        (ZONES.set_crs(None, allow_override=True), "no CRS"),
        (ZONES.set_geometry(ZONES.boundary), "cover no area"),
        ("missing.gpkg", "does not exist"),
    ],
)
def test_bad_zones_are_refused_in_one_sentence(tmp_path: Path, zones: object, words: str) -> None:
    mask = write_mask(tmp_path / "m.tif", codes())
    with pytest.raises(InputError, match=words):
        cover([mask], zones)


def test_a_zone_of_half_the_earth_is_measured_where_the_mask_is(tmp_path: Path) -> None:
    mask = write_mask(tmp_path / "m.tif", codes())
    east, whole, far = shapely.box(0, -90, 180, 90), shapely.box(-180, -90, 180, 90), shapely.box(-170, -80, -10, 80)
    frame = geopandas.GeoDataFrame(geometry=[east, shapely.union(whole, east), far], crs="EPSG:4326")
    table = cover([mask], frame)
    valid = codes() != 255
    percent = 100 * np.isin(codes(), [1, 2]).sum() / valid.sum()
    assert table["cloud_percent"][:2].to_list() == pytest.approx([percent] * 2, abs=0.01)
    assert np.isnan(table["cloud_percent"][2])
    assert table["valid_percent"].max() < 0.001


def test_metres_called_degrees_are_one_sentence(tmp_path: Path) -> None:
    wrong = ZONES.set_crs("EPSG:4326", allow_override=True)
    with pytest.raises(InputError, match=r"polygon 1 reaches where the CRS of .* has no values; .* name their own CRS"):
        cover([write_mask(tmp_path / "m.tif", codes())], wrong, tmp_path / "out.csv")


def test_documents_that_name_other_files_are_no_zones(tmp_path: Path) -> None:
    ZONES.to_file(tmp_path / "zones.gpkg")
    layer = f'<OGRVRTLayer name="zones"><SrcDataSource>{tmp_path / "zones.gpkg"}</SrcDataSource></OGRVRTLayer>'
    (tmp_path / "zones.vrt").write_text(f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")
    with pytest.raises(InputError, match="names other files"):
        cover([write_mask(tmp_path / "m.tif", codes())], tmp_path / "zones.vrt")


def test_an_existing_table_is_kept_and_another_suffix_refused(tmp_path: Path) -> None:
    mask = write_mask(tmp_path / "m.tif", codes())
    (tmp_path / "cover.csv").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        cover([mask], ZONES, tmp_path / "cover.csv")
    with pytest.raises(UsageError, match=r"\.xlsx"):
        cover([mask], ZONES, tmp_path / "cover.xlsx")
    assert (tmp_path / "cover.csv").read_text() == "mine"


def test_a_mask_on_a_server_is_read_under_the_zones_alone(tmp_path: Path) -> None:
    side, tile = 2048, 256
    zones = geopandas.GeoDataFrame(geometry=[zone((300, 300), (480, 300), (480, 500))], crs="EPSG:32633")
    made = np.random.default_rng(0).choice([0, 1, 255], (side, side)).astype(np.uint8)
    local = write_mask(tmp_path / "site_2023-08-13.tif", made, tiled=True)
    with serve(tmp_path / "served") as site:
        shutil.copy(local, site.folder / local.name)
        far = cover(f"{site.url}/{local.name}?sig=20200101", zones)
        assert site.sent <= 1.3 * tile**2 + (32 << 10)  # the zone lies in one tile; the header and its directory
        polygons = polygonize(f"{site.url}/{local.name}", tmp_path / "clouds.gpkg", PolygonizeOptions(min_area=2000))
    near = cover(local, zones)
    assert list(far["mask"]) == list(near["mask"]) == ["site_2023-08-13.tif"]
    assert list(far["date"]) == ["2023-08-13"]
    assert list(far["cloud_percent"]) == list(near["cloud_percent"])
    assert polygons > 0


def test_masks_and_scores_on_a_server_give_the_same_polygons_and_scene(tmp_path: Path) -> None:
    rows, cols = np.mgrid[:90, :110]
    near = np.clip(1.3 - np.hypot(rows - 40, cols - 50) / 40, 0, 1)
    places: dict[str, list[Path | str]] = {}
    with serve(tmp_path / "served") as site:
        for name, values in (("mask", near >= 0.5), ("score", 250 * near), ("scene", 100 + rows)):
            file = write_mask(site.folder / f"{name}.tif", values.astype(np.uint8))
            places[name] = [file, f"{site.url}/{name}.tif"]
        with rasterio.open(places["score"][0], "r+") as dataset:
            dataset.scales = (0.004,)
        for number in (0, 1):
            mask, score, scene = (places[name][number] for name in ("mask", "score", "scene"))
            options = PolygonizeOptions(score=score, outline="smooth")
            assert polygonize(mask, tmp_path / f"{number}.geojson", options) == 1
            apply_mask(scene, mask, tmp_path / f"{number}.tif", ApplyOptions(nodata=0))
    local, remote = (geopandas.read_file(tmp_path / f"{number}.geojson") for number in (0, 1))
    assert 0.7 < local["mean_score"][0] < 1
    assert remote["mean_score"][0] == local["mean_score"][0]
    assert remote.geometry[0].equals(local.geometry[0])
    written = []
    for number in (0, 1):
        with rasterio.open(tmp_path / f"{number}.tif") as dataset:
            written.append(dataset.read(1))
    np.testing.assert_array_equal(*written)
    assert (written[0] == np.where(near >= 0.5, 0, 100 + rows)).all()


def test_the_command(tmp_path: Path) -> None:
    mask = write_mask(tmp_path / "m.tif", codes())
    ZONES.to_file(tmp_path / "zones.geojson")
    done = run_cli("cover", mask, "--zones", tmp_path / "zones.geojson", "--out", tmp_path / "cover.csv")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["zone_count"] == 3
    assert "mean_cloud_percent" not in record  # of zones and dates together it would say nothing
    seen = cover(mask, ZONES)["cloud_percent"].dropna()  # one mask needs no list
    assert record["masks"] == [
        {"mask": "m.tif", "date": "", "zones_seen": 2, "mean_cloud_percent": round(seen.mean(), 3)}
    ]
    failed = run_cli("cover", mask, "--zones", tmp_path / "m.tif", "--out", tmp_path / "other.csv")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
