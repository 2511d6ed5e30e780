"""Polygons as vector files."""

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
import sqlite3
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast, get_args

from geocloud.classes import CLASSES
from geocloud.errors import MissingExtraError, OutputError, UsageError
from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.geometry.polygons import Shapes
from geocloud.raster import Georef

DIGITS, SHORTEST_EDGE = 7, 1e-6
"""Digits of a degree, and the shortest edge in degrees that they cannot break."""
FEATURES_AT_ONCE = 1_000
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
    for start in range(0, len(frame), FEATURES_AT_ONCE):
        part = frame.iloc[start : start + FEATURES_AT_ONCE]
        told = part.drop(columns=part.geometry.name).to_json(orient="records", lines=True, force_ascii=False)
        places = shapely.to_geojson(part.geometry.to_numpy())
        for row, (properties, geometry) in enumerate(zip(told.rstrip("\n").split("\n"), places, strict=True), start):
            yield f'{"," if row else ""}\n{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def _in_degrees(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame | None:
    """The frame in degrees to 7 digits (1 cm), outer rings counterclockwise; None where GDAL has to see to it."""
    extents, written = [], []
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


def _is_plain(extents: list[NDArray[np.float64]]) -> bool:
    """True where extents (west, south, east, north) in degrees, taken together, leave antimeridian and poles aside."""
    west, south = np.min(extents, axis=0)[:2]
    east, north = np.max(extents, axis=0)[2:]
    return bool(west >= -180 and east <= 180 and east - west < 180 and south > -89 and north < 89)


VectorFormat = Literal["geojson", "gpkg", "fgb", "parquet", "none"]
VECTOR_SUFFIXES = tuple(f".{name}" for name in get_args(VectorFormat) if name != "none")
NO_TAGS: Mapping[str, str] = MappingProxyType({})
GEOPACKAGE_DATE = "2000-01-01T00:00:00.000Z"
_DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf"}


def vector_format(path: Path) -> VectorFormat:
    """The format that a file's suffix asks for; UsageError with those there are."""
    suffix = path.suffix.lstrip(".").lower()
    suffix = "geojson" if suffix == "json" else suffix
    kinds = [kind for kind in get_args(VectorFormat) if kind != "none"]
    if suffix not in kinds:
        allowed = ", ".join(f".{kind}" for kind in kinds)
        raise UsageError(f"{path} has the suffix {path.suffix!r}; polygons are written as {allowed}")
    return cast("VectorFormat", suffix)


def to_frame(shapes: Shapes, georef: Georef, scene: str) -> geopandas.GeoDataFrame:
    """Polygons with their attributes: class, area_m2 (geodesic, missing without georeference), mean_score, scene.

    mean_score is the mean P(cloud) inside. Coordinates are the scene's CRS, or pixels (column, row) without one.
    """
    import geopandas

    located = georef.located
    geometry = to_crs_coordinates(shapes.geometry, georef) if located and len(shapes) else shapes.geometry
    names = {entry.code: entry.name for entry in CLASSES}
    areas = geodesic_areas(geometry, georef) if located else np.full(len(shapes), np.nan)
    return geopandas.GeoDataFrame(
        {
            "class": np.array([names.get(code, str(code)) for code in shapes.code.tolist()], dtype=object),
            "area_m2": areas.round(1),
            "mean_score": (shapes.weight / np.maximum(shapes.pixels, 1)).round(4),
            "scene": np.full(len(shapes), scene, dtype=object),
        },
        geometry=geometry,
        crs=georef.crs_wkt if located else None,
    )


def write_vectors(
    frame: geopandas.GeoDataFrame,
    path: Path,
    tags: Mapping[str, str] = NO_TAGS,
    layer: str = "clouds",
    geometry_type: str = "Polygon",
) -> None:
    """Write a frame by the path's suffix: .geojson (RFC 7946 where it has a CRS), .gpkg, .fgb or .parquet.

    `tags` tell where the polygons come from: in GeoJSON a member `geocloud` of the collection, which RFC 7946 allows,
    in GeoPackage and FlatGeobuf the layer's metadata, in GeoParquet the schema's.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: .parquet without pyarrow.
    """
    kind = path.suffix.lstrip(".").lower()
    try:
        if kind == "parquet":
            _write_parquet(frame, path, tags)
        elif kind in _DRIVERS:
            with _fixed_date():
                frame.to_file(
                    path,
                    driver=_DRIVERS[kind],
                    layer=layer,
                    geometry_type=geometry_type,
                    layer_metadata=dict(tags) or None,
                )
        else:
            write_geojson(frame, path, tags)
        _check_written(frame, path)
    except (OSError, RuntimeError, sqlite3.Error) as error:
        raise OutputError(f"{path} cannot be written ({error}); choose another folder or make room") from error


def _check_written(frame: geopandas.GeoDataFrame, path: Path) -> None:
    """OSError where the file ends early: what fails while a file is closed is told to nobody."""
    import pyogrio

    kind, whole = path.suffix.lstrip(".").lower(), True
    if kind == "geojson":
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16))
            whole = file.read().rstrip().endswith(b"}")
    elif kind == "gpkg":
        whole = _geopackage_is_whole(path, len(frame))
    elif kind == "fgb" and len(frame):  # Parquet ends with what it is opened by
        whole = len(pyogrio.read_dataframe(path, skip_features=len(frame) - 1, read_geometry=True)) == 1
    if not whole:
        raise OSError("the file is incomplete")


def _geopackage_is_whole(path: Path, count: int) -> bool:
    """True where all features are there and indexed, and the extent, which is written last, is told."""
    with closing(sqlite3.connect(path)) as database:
        (layer, west), *_ = database.execute("SELECT table_name, min_x FROM gpkg_contents").fetchall() or [("", None)]
        indexes = f"rtree_{layer}_geom_rowid"
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if not {layer, indexes} <= tables or (count and west is None):
            return False
        count_of = 'SELECT count(*) FROM "{}"'  # names that GDAL has just written for us
        counts = [database.execute(count_of.format(name)).fetchone()[0] for name in (layer, indexes)]
        return counts == [count, count]


def _write_parquet(frame: geopandas.GeoDataFrame, path: Path, tags: Mapping[str, str]) -> None:
    try:
        import pyarrow  # noqa: F401 - only to say what is missing
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "GeoParquet") from error
    frame.to_parquet(path)
    table = parquet.read_table(path)
    parquet.write_table(table.replace_schema_metadata({**table.schema.metadata, **tags}), path, compression="snappy")


@contextmanager
def _fixed_date() -> Iterator[None]:
    """GeoPackage notes when it was written; a fixed date there lets the same input give the same bytes."""
    from pyogrio import get_gdal_config_option, set_gdal_config_options

    before = get_gdal_config_option("OGR_CURRENT_DATE")
    set_gdal_config_options({"OGR_CURRENT_DATE": before or GEOPACKAGE_DATE})
    try:
        yield
    finally:
        set_gdal_config_options({"OGR_CURRENT_DATE": before})
