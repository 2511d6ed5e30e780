"""Polygons as vector files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from geocloud.errors import MissingExtraError, OutputError, UsageError
from geocloud.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.georef import Georef
from geocloud.polygons import Shapes
from geocloud.writers.classes import CLASSES
from geocloud.writers.geojson import write_geojson

if TYPE_CHECKING:
    import geopandas

VectorFormat = Literal["geojson", "gpkg", "fgb", "parquet", "none"]
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
    frame: geopandas.GeoDataFrame, path: Path, tags: Mapping[str, str] = NO_TAGS, layer: str = "clouds"
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
                    path, driver=_DRIVERS[kind], layer=layer, geometry_type="Polygon", layer_metadata=dict(tags) or None
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
