"""From pixel coordinates to the Earth, and areas on the ellipsoid."""

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
"""A long straight edge is bent by a change of projection: it is cut into pieces of 1/16 of the scene's extent."""
BATCH = 1_000
"""Polygons that are copied at once: memory does not grow by several times their vertices."""


def transform_points(transform: Affine, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) points x, y through an affine transform.

    By element, not by a matrix product: that may round a point differently by its place in the array, and then the
    first and last point of a ring are no longer the same.
    """
    a, b, c, d, e, f = tuple(transform)[:6]
    x, y = xy[:, 0], xy[:, 1]
    return np.column_stack([a * x + b * y + c, d * x + e * y + f])


def to_crs_coordinates(geometry: NDArray[Any], georef: Georef) -> NDArray[Any]:
    """Polygons from pixel coordinates (column, row) into the scene's CRS, by its transform or else its GCPs."""
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
    """From a CRS into longitude and latitude, WGS 84. Threads may share it."""
    return Transformer.from_crs(CRS.from_wkt(crs_wkt), "EPSG:4326", always_xy=True)


@lru_cache(maxsize=16)
def to_equal_area(crs_wkt: str, lon: float, lat: float) -> Transformer:
    """Into a Lambert azimuthal equal-area CRS on the WGS 84 ellipsoid, centred on a place (Snyder 1987, ch. 24).

    Areas in it are areas on the ellipsoid, anywhere: over poles and the antimeridian as well.
    """
    equal_area = CRS.from_dict({"proj": "laea", "lat_0": lat, "lon_0": lon, "ellps": "WGS84", "units": "m"})
    return Transformer.from_crs(CRS.from_wkt(crs_wkt), equal_area, always_xy=True)


def scene_centre(georef: Georef) -> tuple[float, float]:
    """(longitude, latitude) of the middle of the scene in degrees, WGS 84."""
    height, width = georef.shape
    middle = to_crs_coordinates(np.array([shapely.Point(width / 2, height / 2)]), georef)[0]
    lon, lat = to_degrees(georef.crs_wkt).transform(middle.x, middle.y)
    return float(lon), float(lat)


def geodesic_areas(geometry: NDArray[Any], georef: Georef) -> NDArray[np.float64]:
    """Areas in m² on the WGS 84 ellipsoid of polygons given in the scene's CRS.

    Ring by ring, for GEOS mends each polygon that it adds vertices to, which takes seconds where one has many holes.
    """
    if not len(geometry):
        return np.zeros(0)
    change = to_equal_area(georef.crs_wkt, *scene_centre(georef))
    west, south, east, north = shapely.total_bounds(geometry)
    longest = max(east - west, north - south) / EDGE_SAMPLES

    def project(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(change.transform(xy[:, 0], xy[:, 1]))

    def areas(some: NDArray[Any]) -> NDArray[np.float64]:
        rings, owner = shapely.get_rings(some, return_index=True)
        bent = shapely.segmentize(rings, longest) if longest > 0 else rings
        inside = shapely.area(shapely.polygons(shapely.transform(bent, project)))
        outer = np.diff(owner, prepend=-1) > 0
        return np.bincount(owner, np.where(outer, inside, -inside), len(some)).astype(np.float64)

    return np.concatenate([areas(geometry[start : start + BATCH]) for start in range(0, len(geometry), BATCH)])


def pixel_area(georef: Georef) -> float:
    """Area in m² of the middle pixel on the ellipsoid."""
    height, width = georef.shape
    corner = Affine.translation(width // 2, height // 2)
    square = shapely.Polygon([corner @ xy for xy in ((0, 0), (1, 0), (1, 1), (0, 1))])
    return float(geodesic_areas(to_crs_coordinates(np.array([square]), georef), georef)[0])
