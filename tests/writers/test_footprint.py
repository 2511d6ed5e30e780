"""The outline of a scene in a STAC item, wherever on the Earth it lies."""

from __future__ import annotations

import json

import pytest
import shapely
from rasterio.crs import CRS
from rasterio.transform import from_origin

from geocloud.raster import Georef
from geocloud.writers.stac import footprint

CROSSING = {
    "UTM zone 1": ("EPSG:32701", (177700, 8130000, 10, 10)),
    "UTM zone 60": ("EPSG:32660", (817000, 1873000, 10, 10)),
    "degrees beyond 180": ("EPSG:4326", (179.98, -16.9, 1e-4, 1e-4)),
    "a polar grid": ("EPSG:3995", (-5000, 1005000, 20, 20)),
    "Web Mercator beyond its edge": ("EPSG:3857", (20035000, -1900000, 10, 10)),
    "the Pacific": ("EPSG:3832", (3338000, -1900000, 10, 10)),
    "compound CRS": ("EPSG:32660+5773", (817000, 1873000, 10, 10)),
}


def outline(crs: str, place: tuple[float, float, float, float]) -> shapely.Geometry:
    found = footprint(Georef((512, 512), from_origin(*place), CRS.from_string(crs).to_wkt()))
    assert found is not None
    return shapely.from_geojson(json.dumps(found))


@pytest.mark.parametrize("crs", CROSSING)
def test_a_scene_across_the_antimeridian_is_cut_there(crs: str) -> None:
    shape = outline(*CROSSING[crs])
    assert shape.is_valid
    assert shape.geom_type == "MultiPolygon"
    for part in shape.geoms:
        west, _, east, _ = part.bounds
        assert -180 <= west < east <= 180
        assert east - west < 1
        assert part.exterior.is_ccw


def test_longitudes_counted_to_360_are_brought_back() -> None:
    west, south, east, north = outline("EPSG:4326", (195.0, -16.9, 1e-4, 1e-4)).bounds
    assert (west, north) == pytest.approx((-165.0, -16.9))
    assert (east, south) == pytest.approx((-164.9488, -16.9512))


@pytest.mark.parametrize(("crs", "south"), [("EPSG:3031", -90), ("EPSG:3413", 88)])
def test_a_scene_round_a_pole_reaches_all_longitudes(crs: str, south: float) -> None:
    shape = outline(crs, (-100000, 100000, 390, 390))
    assert shape.is_valid
    assert (shape.bounds[0], shape.bounds[2]) == (-180, 180)
    assert shape.bounds[1] >= south
