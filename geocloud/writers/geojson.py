"""Polygons as GeoJSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

if TYPE_CHECKING:
    import geopandas

DIGITS, SHORTEST_EDGE = 7, 1e-6
"""Digits of a degree, and the shortest edge in degrees that they cannot break."""
FEATURES_AT_ONCE = 1_000
"""Features that are turned to degrees, or into text, at once."""
Frames = Callable[[], "Iterator[geopandas.GeoDataFrame]"]
"""Gives the parts of a table from the first on, as often as it is called."""


def write_geojson(frames: Frames, path: Path, tags: Mapping[str, str]) -> int:
    """Write frames: as RFC 7946 wants it where they have a CRS, else in their own coordinates.

    Returns how many features there are. `tags` become a member `geocloud` of the collection.

    GDAL cuts at the antimeridian, and tests whether rounding broke a polygon, so it writes what is across the
    antimeridian, round a pole, or has edges hardly longer than what is rounded. It takes ten times as long.

    Raises:
        OSError, RuntimeError: the file cannot be written.
    """
    extents: list[NDArray[np.float64]] = []
    count, converted = 0, None
    for frame in frames():
        converted = _in_degrees(frame, extents)
        if converted is None:
            return _write_by_gdal(frames, path, tags)
        count += 1
    if count == 1 and converted is not None:
        parts: Iterable[geopandas.GeoDataFrame] = [converted]
    else:
        parts = (_placed(_in_degrees(frame, extents)) for frame in frames())
    head = {"type": "FeatureCollection", "name": path.stem} | ({"geocloud": dict(tags)} if tags else {})
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [')
        features = 0
        for line in chain.from_iterable(map(_features, parts)):
            file.write(f"{',' if features else ''}\n{line}")
            features += 1
        file.write("\n]}\n")
    return features


def _write_by_gdal(frames: Frames, path: Path, tags: Mapping[str, str]) -> int:
    """Each frame as a file that GDAL writes; the lines of features of the others go into the first."""
    members = json.dumps({"type": "FeatureCollection", "geocloud": dict(tags)}, ensure_ascii=False)
    options = {"NATIVE_DATA": members, "NATIVE_MEDIA_TYPE": "application/vnd.geo+json"} if tags else {}
    part, count = path.with_name("part.geojson"), 0
    for number, frame in enumerate(frames()):
        target = part if number else path
        frame.to_file(target, driver="GeoJSON", geometry_type="Polygon", RFC7946="YES", **options)
        if number:
            with path.open("rb+") as whole, part.open("rb") as more:
                whole.seek(-len(b"\n]\n}\n"), os.SEEK_END)
                features = (line for line in more if line.startswith(b'{ "type": "Feature", '))
                whole.write(b",\n" + b"".join(features).removesuffix(b"\n") + b"\n]\n}\n")
            part.unlink()
        count += len(frame)
    return count


def _features(frame: geopandas.GeoDataFrame) -> Iterator[str]:
    """Each feature as a line."""
    for start in range(0, len(frame), FEATURES_AT_ONCE):
        part = frame.iloc[start : start + FEATURES_AT_ONCE]
        members = part.drop(columns=part.geometry.name).to_json(orient="records", lines=True, force_ascii=False)
        places = shapely.to_geojson(part.geometry.to_numpy())
        for properties, geometry in zip(members.rstrip("\n").split("\n"), places, strict=True):
            yield f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def _in_degrees(frame: geopandas.GeoDataFrame, extents: list[NDArray[np.float64]]) -> geopandas.GeoDataFrame | None:
    """The frame in degrees to 7 digits (1 cm), outer rings counterclockwise; None where GDAL has to see to it.

    `extents` are those in degrees of what belongs into the same file; this frame's are added.
    """
    if frame.crs is None or not len(frame):
        return frame
    written = []
    for start in range(0, len(frame), FEATURES_AT_ONCE):
        geometry = frame.geometry.iloc[start : start + FEATURES_AT_ONCE].to_crs("EPSG:4326").to_numpy()
        extents.append(shapely.total_bounds(geometry))
        points, ring = shapely.get_coordinates(shapely.get_rings(geometry), return_index=True)
        edges = np.abs(np.diff(points, axis=0)).max(1)[np.diff(ring) == 0]
        if not _is_plain(extents) or edges.min() < SHORTEST_EDGE:
            return None
        rounded = shapely.transform(geometry, lambda xy: xy.round(DIGITS))
        written.append(shapely.orient_polygons(rounded))
    return frame.set_geometry(np.concatenate(written))


def _placed(frame: geopandas.GeoDataFrame | None) -> geopandas.GeoDataFrame:
    """What was in degrees before, and is again."""
    if frame is None:
        raise RuntimeError("the polygons changed while they were written")
    return frame


def _is_plain(extents: list[NDArray[np.float64]]) -> bool:
    """True where extents (west, south, east, north) in degrees, taken together, leave antimeridian and poles aside."""
    west, south = np.min(extents, axis=0)[:2]
    east, north = np.max(extents, axis=0)[2:]
    return bool(west >= -180 and east <= 180 and east - west < 180 and south > -89 and north < 89)
