from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from pandas.testing import assert_frame_equal
from pyproj import CRS

from geocloud.geometry import shapes
from geocloud.geometry.polygons import PolygonTable, PolygonTracer, to_table, trace
from geocloud.geometry.shapes import Shapes, concatenate
from geocloud.raster import Georef
from geocloud.writers import vectors
from geocloud.writers.vectors import write_polygons

UTM = Georef((100, 100), Affine(10, 0, 500000, 0, -10, 5000000), CRS.from_epsg(32633).to_wkt())
FORMATS = ("geojson", "gpkg", "fgb", "parquet")


def two_clouds() -> Shapes:
    mask = np.zeros((100, 100), dtype=np.uint8)
    mask[10:20, 10:30] = 1
    mask[50:60, 50:60] = 1
    mask[54:56, 54:56] = 0
    return trace(mask, np.full((100, 100), 0.75))[0]


def write(table: PolygonTable, path: Path) -> None:
    assert write_polygons(lambda: iter([table]), path) == len(table)


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_read_back_with_its_attributes(tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    path = tmp_path / f"clouds.{kind}"
    write(to_table(two_clouds(), UTM, "scene"), path)
    back = geopandas.read_parquet(path) if kind == "parquet" else geopandas.read_file(path)
    back = back.to_crs(UTM.crs_wkt)
    back = back.iloc[np.argsort(back["area_m2"])]
    assert set(back.columns) == {"class", "area_m2", "mean_score", "scene", "geometry"}
    assert back["class"].tolist() == ["cloud", "cloud"]
    assert back["mean_score"].tolist() == [0.75, 0.75]
    np.testing.assert_allclose(back["area_m2"], [9600 / 0.9996**2, 20000 / 0.9996**2], rtol=1e-4)
    np.testing.assert_allclose(shapely.area(back.geometry), [9600, 20000], rtol=1e-4)


def test_geojson_is_rfc_7946(tmp_path: Path) -> None:
    path = tmp_path / "clouds.geojson"
    write(to_table(two_clouds(), UTM, "scene"), path)
    content = json.loads(path.read_text())
    assert "crs" not in content
    for feature in content["features"]:
        outer, *holes = feature["geometry"]["coordinates"]
        assert shapely.LinearRing(outer).is_ccw
        assert all(not shapely.LinearRing(hole).is_ccw for hole in holes)
        assert all(-180 <= x <= 180 and -90 <= y <= 90 for x, y in outer)
        assert all(len(str(x).split(".")[1]) <= 7 for x, _ in outer)


@pytest.mark.parametrize(
    ("pixel", "epsg", "corner"),
    [(10, 32633, (500_000, 5_000_000)), (0.01, 32633, (500_000, 5_000_000)), (1000, 3413, (-50_000, 50_000))],
)
def test_geojson_holds_what_gdal_would_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixel: float, epsg: int, corner: tuple[int, int]
) -> None:
    monkeypatch.setattr(vectors, "FEATURES_AT_ONCE", 100)
    georef = Georef((100, 100), Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), CRS.from_epsg(epsg).to_wkt())
    mask = (np.random.default_rng(1).random((100, 100)) < 0.55).astype(np.uint8)
    table = to_table(trace(mask, np.ones(mask.shape))[0], georef, 'Übung "1" \u2028 a/b\n')
    write(table, tmp_path / "ours.geojson")
    table.frame().to_file(tmp_path / "gdal.geojson", driver="GeoJSON", geometry_type="Polygon", RFC7946="YES")
    ours, gdal = (geopandas.read_file(tmp_path / name) for name in ("ours.geojson", "gdal.geojson"))
    assert ours.drop(columns="geometry").equals(gdal.drop(columns="geometry"))
    assert (ours.geometry.normalize() == gdal.geometry.normalize()).all()


def test_areas_of_polygons_with_holes_are_those_of_their_pixels() -> None:
    mask = (np.random.default_rng(2).random((100, 100)) < 0.7).astype(np.uint8)
    table = to_table(trace(mask, np.ones(mask.shape))[0], UTM, "scene")
    assert max(len(polygon.interiors) for polygon in table.geometry) > 100
    np.testing.assert_allclose(table.columns["area_m2"].sum(), mask.sum() * 100 / 0.9996**2, rtol=1e-4)


def test_a_cloud_across_the_antimeridian_is_split(tmp_path: Path) -> None:
    georef = Georef((100, 400), Affine(1000, 0, 600000, 0, -1000, 300000), CRS.from_epsg(32660).to_wkt())
    mask = np.zeros((100, 400), dtype=np.uint8)
    mask[40:50, 10:390] = 1
    path = tmp_path / "clouds.geojson"
    write(to_table(trace(mask, np.ones(mask.shape))[0], georef, "scene"), path)
    geometry = json.loads(path.read_text())["features"][0]["geometry"]
    assert geometry["type"] == "MultiPolygon"
    for polygon in geometry["coordinates"]:
        xs = [x for x, _ in polygon[0]]
        assert max(xs) - min(xs) < 10


@pytest.mark.parametrize("kind", ["geojson", "gpkg", "fgb"])
def test_no_clouds_is_a_file_without_features(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"clouds.{kind}"
    write(to_table(concatenate([]), UTM, "scene"), path)
    assert len(geopandas.read_file(path)) == 0


def test_pixel_coordinates_carry_no_crs_and_no_area(tmp_path: Path) -> None:
    path = tmp_path / "clouds.geojson"
    write(to_table(two_clouds(), Georef((100, 100)), "scene"), path)
    feature = json.loads(path.read_text())["features"][0]
    assert feature["properties"]["area_m2"] is None
    assert [30, 10] in [list(map(int, point)) for point in feature["geometry"]["coordinates"][0]]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("pole", [False, True])
def test_many_polygons_are_written_part_by_part_as_at_once(tmp_path: Path, kind: str, *, pole: bool) -> None:
    """Also those that GDAL writes, round a pole."""
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    polar = Georef((100, 100), Affine(1000, 0, -50_000, 0, -1000, 50_000), CRS.from_epsg(3413).to_wkt())
    mask, tags = (np.random.default_rng(3).random((100, 100)) < 0.4).astype(np.uint8), {"GEOCLOUD_MODEL": "m"}
    table = to_table(trace(mask, np.ones(mask.shape))[0], polar if pole else UTM, "scene")
    assert len(table) > 400
    once, parts = tmp_path / f"once.{kind}", tmp_path / f"parts.{kind}"

    def tables() -> Iterator[PolygonTable]:
        return (table.take(slice(start, start + 150)) for start in range(0, len(table), 150))

    assert write_polygons(lambda: iter([table]), once, tags) == len(table)
    assert write_polygons(tables, parts, tags) == len(table)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([once.name, parts.name])
    read = geopandas.read_parquet if kind == "parquet" else geopandas.read_file
    one, other = read(once), read(parts)
    if kind == "fgb":  # in the order of its index
        one, other = (read.sort_values(list(read.columns[:2])).reset_index(drop=True) for read in (one, other))
    values, others = (pd.DataFrame(table.drop(columns="geometry")) for table in (one, other))
    assert_frame_equal(values, others, check_dtype=False)  # texts are `object` or `str`, by the version of pyarrow
    assert one.crs == other.crs
    assert set(shapely.to_wkb(one.geometry.normalize())) == set(shapely.to_wkb(other.geometry.normalize()))
    if kind == "geojson":
        whole, joined = (json.loads(path.read_text()) for path in (once, parts))
        assert whole["geocloud"] == joined["geocloud"] == tags


@pytest.mark.parametrize("kind", ["geojson", "gpkg", "fgb"])
def test_a_name_as_long_as_can_be_is_written_part_by_part_too(tmp_path: Path, kind: str) -> None:
    table = to_table(two_clouds(), UTM, "scene")
    path = tmp_path / f"{'n' * (254 - len(kind))}.{kind}"
    assert write_polygons(lambda: iter([table, table]), path) == 2 * len(table)
    assert len(geopandas.read_file(path)) == 2 * len(table)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_polygons_in_a_file_are_those_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    mask = (np.random.default_rng(4).random((90, 60)) < 0.5).astype(np.uint8)
    found = []
    for limit in (1 << 30, 100):
        monkeypatch.setattr(shapes, "IN_MEMORY", limit)
        tracer = PolygonTracer(60, folder=tmp_path)
        for row in range(0, 90, 30):
            tracer.add(mask[row : row + 30], mask[row : row + 30])
        found.append(tracer.finish())
    memory, file = found[0].all(), concatenate(list(found[1].chunks(size)))
    assert (memory.geometry == file.geometry).all()
    np.testing.assert_array_equal(memory.pixels, file.pixels)
    top, bottom = found[1].rows
    found[1].keep(top >= 30)
    assert len(found[1]) == (top >= 30).sum()
    assert shapely.bounds(found[1].all().geometry)[:, 1].min() >= 30
    assert (bottom > top).all()
