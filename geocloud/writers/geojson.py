"""Polygons as GeoJSON: by GDAL where lines must be cut, else a batch of features at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

if TYPE_CHECKING:
    import geopandas

DIGITS, SHORTEST_EDGE = 7, 1e-6
"""Digits of a degree, and the shortest edge in degrees that they cannot break."""
BATCH = 1_000
"""Features that are turned to degrees, or into text, at once."""


def write_geojson(frame: geopandas.GeoDataFrame, path: Path, tags: Mapping[str, str]) -> None:
    """Write a frame: as RFC 7946 wants it where it has a CRS, else in its own coordinates; `tags` as member `geocloud`.

    GDAL cuts at the antimeridian, and tests whether rounding broke a polygon, so it writes what is across the
    antimeridian, round a pole, or has edges hardly longer than what is rounded. It takes ten times as long.

    Raises:
        OSError, RuntimeError: the file cannot be written.
    """
    plain = frame if frame.crs is None or not len(frame) else _in_degrees(frame)
    if plain is None:
        members = json.dumps({"type": "FeatureCollection", "geocloud": dict(tags)}, ensure_ascii=False)
        options = {"NATIVE_DATA": members, "NATIVE_MEDIA_TYPE": "application/vnd.geo+json"} if tags else {}
        frame.to_file(path, driver="GeoJSON", geometry_type="Polygon", RFC7946="YES", **options)
        return
    head = {"type": "FeatureCollection", "name": path.stem} | ({"geocloud": dict(tags)} if tags else {})
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [')
        file.writelines(_features(plain))
        file.write("\n]}\n")


def _features(frame: geopandas.GeoDataFrame) -> Iterator[str]:
    """Each feature on a line of its own, what parts it from the one before in front of it."""
    for start in range(0, len(frame), BATCH):
        part = frame.iloc[start : start + BATCH]
        told = part.drop(columns=part.geometry.name).to_json(orient="records", lines=True, force_ascii=False)
        places = shapely.to_geojson(part.geometry.to_numpy())
        for row, (properties, geometry) in enumerate(zip(told.rstrip("\n").split("\n"), places, strict=True), start):
            yield f'{"," if row else ""}\n{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def _in_degrees(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame | None:
    """The frame in degrees to 7 digits (1 cm), outer rings counterclockwise; None where GDAL has to see to it."""
    extents, written = [], []
    for start in range(0, len(frame), BATCH):
        geometry = frame.geometry.iloc[start : start + BATCH].to_crs("EPSG:4326").to_numpy()
        extents.append(shapely.total_bounds(geometry))
        points, ring = shapely.get_coordinates(shapely.get_rings(geometry), return_index=True)
        edges = np.abs(np.diff(points, axis=0)).max(1)[np.diff(ring) == 0]
        if not _is_plain(extents) or edges.min() < SHORTEST_EDGE:
            return None
        rounded = shapely.transform(geometry, lambda xy: xy.round(DIGITS))
        written.append(shapely.orient_polygons(rounded))
    return frame.set_geometry(np.concatenate(written))


def _is_plain(extents: list[NDArray[np.float64]]) -> bool:
    """True where extents (west, south, east, north) in degrees, taken together, leave antimeridian and poles aside."""
    west, south = np.min(extents, axis=0)[:2]
    east, north = np.max(extents, axis=0)[2:]
    return bool(west >= -180 and east <= 180 and east - west < 180 and south > -89 and north < 89)
