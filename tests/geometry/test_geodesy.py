"""Areas against the geodesic algorithm of Karney as pyproj has it."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer
from testutils import rotated

from geocloud.geometry.geodesy import geodesic_areas, pixel_area, to_crs_coordinates
from geocloud.raster import Georef

CASES = {
    "utm": (32633, Affine(10, 0, 450000, 0, -10, 5250000)),
    "utm, far from its meridian": (32633, Affine(10, 0, 100000, 0, -10, 7900000)),
    "degrees": (4326, Affine(0.0001, 0, 14, 0, -0.0001, 47)),
    "polar stereographic": (3413, Affine(30, 0, -50000, 0, -30, 60000)),
    "across the antimeridian": (32660, Affine(10, 0, 700000, 0, -10, 200000)),
    "web mercator": (3857, Affine(100, 0, 2e6, 0, -100, 8e6)),
}


@pytest.mark.parametrize("case", CASES)
def test_area_is_that_on_the_ellipsoid(case: str) -> None:
    code, transform = CASES[case]
    georef = Georef((2000, 2000), transform, CRS.from_epsg(code).to_wkt())
    pixels = np.array([
        shapely.box(10, 20, 60, 90),
        shapely.Polygon([(100, 100), (1900, 100), (1900, 1900), (100, 1900)], [[(500, 500), (500, 900), (900, 900)]]),
    ])  # fmt: skip
    geometry = to_crs_coordinates(pixels, georef)
    mine = geodesic_areas(geometry, georef)
    to_degrees = Transformer.from_crs(code, 4326, always_xy=True)
    for polygon, area in zip(geometry, mine, strict=True):
        fine = shapely.segmentize(polygon, polygon.length / 4000)
        degrees = shapely.transform(fine, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))
        expected = abs(Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(degrees))[0])
        assert area == pytest.approx(expected, rel=2e-6)


def test_rotated_transform_and_gcps_place_the_same_pixels() -> None:
    transform, wkt = rotated(20), CRS.from_epsg(32633).to_wkt()
    corners = [(0.0, 0.0), (0.0, 500.0), (400.0, 0.0), (400.0, 500.0), (200.0, 250.0)]
    gcps = tuple((row, col, *(transform @ (col, row)), 0.0) for row, col in corners)
    square = np.array([shapely.box(100, 50, 200, 150)])
    by_transform = to_crs_coordinates(square, Georef((400, 500), transform, wkt))
    by_gcps = to_crs_coordinates(square, Georef((400, 500), crs_wkt=wkt, gcps=gcps))
    assert shapely.hausdorff_distance(by_transform, by_gcps)[0] < 0.01


def test_pixel_area_of_a_utm_scene_is_near_its_square() -> None:
    georef = Georef((100, 100), Affine(10, 0, 500000, 0, -10, 5e6), CRS.from_epsg(32633).to_wkt())
    assert pixel_area(georef) == pytest.approx(100 / 0.9996**2, rel=1e-5)
