"""Convert pixel coordinates to the CRS of a scene, and compute areas on the ellipsoid."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.control import GroundControlPoint
from rasterio.transform import GCPTransformer

from geocloud.raster import Georef

EDGE_SAMPLES = 16
"""Straight edges become curves in another projection, so they are cut into pieces of 1/16 of the extent."""
BATCH = 1_000
"""Number of polygons that are projected at once, because that takes several times the memory of their vertices."""


def transform_points(transform: Affine, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) points (x, y) after an affine transform.

    It is not computed as a matrix product: that may round a point differently depending on its position in the array,
    and then the first and the last point of a ring differ.
    """
    a, b, c, d, e, f = tuple(transform)[:6]
    x, y = xy[:, 0], xy[:, 1]
    return np.column_stack([a * x + b * y + c, d * x + e * y + f])


def to_crs_coordinates(geometry: NDArray[Any], georef: Georef) -> NDArray[Any]:
    """Convert polygons from pixel coordinates (column, row) to the scene's CRS, by its GCPs if it has any."""
    if not georef.gcps:
        return np.asarray(shapely.transform(geometry, lambda xy: transform_points(georef.transform, xy)))
    points = [GroundControlPoint(row=r, col=c, x=x, y=y, z=z) for r, c, x, y, z in georef.gcps]
    with GCPTransformer(points) as transformer:

        def locate(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            xs, ys = transformer.xy(xy[:, 1], xy[:, 0], offset="ul")
            return np.column_stack([xs, ys])

        return np.asarray(shapely.transform(geometry, locate))


@lru_cache(maxsize=16)  # PROJ takes 10 ms to find a transformation, and a scene asks several times
def to_degrees(crs_wkt: str) -> Transformer:
    """The transformation from a CRS to (longitude, latitude), WGS 84. Threads may share it."""
    return Transformer.from_crs(CRS.from_wkt(crs_wkt), "EPSG:4326", always_xy=True)


@lru_cache(maxsize=16)
def to_equal_area(crs_wkt: str, lon: float, lat: float) -> Transformer:
    """The transformation from a CRS to a Lambert azimuthal equal-area projection (Snyder 1987, ch. 24), in metres.

    It is centred on (`lon`, `lat`), in degrees. Areas in it equal those on the WGS 84 ellipsoid everywhere, also across
    poles and the antimeridian.
    """
    equal_area = CRS.from_dict({"proj": "laea", "lat_0": lat, "lon_0": lon, "ellps": "WGS84", "units": "m"})
    return Transformer.from_crs(CRS.from_wkt(crs_wkt), equal_area, always_xy=True)


def scene_centre(georef: Georef) -> tuple[float, float]:
    """(longitude, latitude) of the centre of the scene in degrees, WGS 84."""
    height, width = georef.shape
    middle = to_crs_coordinates(np.array([shapely.Point(width / 2, height / 2)]), georef)[0]
    lon, lat = to_degrees(georef.crs_wkt).transform(middle.x, middle.y)
    return float(lon), float(lat)


def geodesic_areas(geometry: NDArray[Any], georef: Georef) -> NDArray[np.float64]:
    """(n,) areas in m², on the WGS 84 ellipsoid, of polygons (n,) in the scene's CRS.

    The areas of rings are added and subtracted, because GEOS repairs each polygon to which it adds vertices: that takes
    seconds if the polygon has many holes.
    """
    if not len(geometry):
        return np.zeros(0)
    transformer = to_equal_area(georef.crs_wkt, *scene_centre(georef))
    west, south, east, north = shapely.total_bounds(geometry)
    longest = max(east - west, north - south) / EDGE_SAMPLES

    def project(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    def areas(polygons: NDArray[Any]) -> NDArray[np.float64]:
        rings, owner = shapely.get_rings(polygons, return_index=True)
        segmented = shapely.segmentize(rings, longest) if longest > 0 else rings
        ring_areas = shapely.area(shapely.polygons(shapely.transform(segmented, project)))
        outer = np.diff(owner, prepend=-1) > 0
        return np.bincount(owner, np.where(outer, ring_areas, -ring_areas), len(polygons)).astype(np.float64)

    return np.concatenate([areas(geometry[start : start + BATCH]) for start in range(0, len(geometry), BATCH)])


def pixel_area(georef: Georef) -> float:
    """Area of the scene's middle pixel in m², on the WGS 84 ellipsoid."""
    height, width = georef.shape
    to_pixel = Affine.translation(width // 2, height // 2)
    square = shapely.Polygon([to_pixel @ xy for xy in ((0, 0), (1, 0), (1, 1), (0, 1))])
    return float(geodesic_areas(to_crs_coordinates(np.array([square]), georef), georef)[0])
