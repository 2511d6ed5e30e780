"""Write polygons as vector files: GeoJSON, GeoPackage, FlatGeobuf and GeoParquet."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import shapely
from numpy.typing import NDArray

from geocloud.errors import MissingExtraError, OutputError, UsageError
from geocloud.geometry.geodesy import to_degrees
from geocloud.writers.staging import write_reason

if TYPE_CHECKING:
    import geopandas

    from geocloud.geometry.polygons import PolygonTable

VectorFormat = Literal["geojson", "gpkg", "fgb", "parquet", "none"]
VECTOR_SUFFIXES = tuple(f".{name}" for name in get_args(VectorFormat) if name != "none")
NO_TAGS: Mapping[str, str] = MappingProxyType({})
DIGITS, SHORTEST_EDGE = 7, 1e-6
"""Decimal places of degrees, and the shortest edge in degrees that such rounding cannot spoil."""
FEATURES_AT_ONCE = 1_000
"""Number of features that are projected, or converted to text, at once."""
_DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf"}
Tables = Callable[[], "Iterator[PolygonTable]"]
"""A function that gives the parts of a table, from the first one, each time it is called."""


def vector_format(path: Path) -> VectorFormat:
    """The format of a path's suffix; UsageError for an unknown suffix."""
    suffix = path.suffix.lstrip(".").lower()
    suffix = "geojson" if suffix == "json" else suffix
    kinds = [kind for kind in get_args(VectorFormat) if kind != "none"]
    if suffix not in kinds:
        allowed = ", ".join(f".{kind}" for kind in kinds)
        raise UsageError(f"{path} has the suffix {path.suffix!r}; polygons are written as {allowed}")
    return cast("VectorFormat", suffix)


def write_vectors(
    frame: geopandas.GeoDataFrame,
    path: Path,
    tags: Mapping[str, str] = NO_TAGS,
    layer: str = "clouds",
    geometry_type: str = "Polygon",
) -> None:
    """Write a frame in the format of the path's suffix: .gpkg, .fgb or .parquet.

    Args:
        frame: the polygons.
        path: the file to write.
        tags: provenance; written as metadata of the layer, or of the schema in GeoParquet.
        layer: name of the layer.
        geometry_type: of the layer, `Polygon` or `MultiPolygon`.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: .parquet without pyarrow.
    """
    kind = _suffix(path)
    with _vector_errors(path):
        if kind == "parquet":
            _write_parquet(frame, path, tags)
        else:
            from geocloud.writers.geopackage import fixed_date, scratch_name

            with fixed_date(), scratch_name(path) as short:
                frame.to_file(
                    short,
                    driver=_DRIVERS[kind],
                    layer=layer,
                    geometry_type=geometry_type,
                    layer_metadata=dict(tags) or None,
                )
        _check_complete(path, len(frame))


def write_polygons(tables: Tables, path: Path, tags: Mapping[str, str] = NO_TAGS) -> int:
    """Write tables, one after the other, into one file; returns the number of features.

    One table is in memory at a time, and for FlatGeobuf also its index (about 0.1 kB per polygon).

    Args:
        tables: gives the tables; there is at least one.
        path: its suffix chooses the format: .gpkg, .fgb and .parquet as in `write_vectors`; .geojson follows RFC 7946
            if the tables have a CRS.
        tags: as in `write_vectors`; in GeoJSON a member `geocloud` of the collection, which RFC 7946 allows.

    Raises:
        OutputError, MissingExtraError: as `write_vectors`.
    """
    write = {"gpkg": _append_all, "fgb": _write_indexed, "parquet": _write_row_groups}.get(_suffix(path), write_geojson)
    if write is not write_geojson:
        iterator = tables()
        first, second = next(iterator), next(iterator, None)
        if second is None:
            write_vectors(first.frame(), path, tags)
            return len(first)
        del first, second, iterator
    with _vector_errors(path):
        count = write(tables, path, tags)
        _check_complete(path, count)
    return count


def _append_all(tables: Tables, path: Path, tags: Mapping[str, str], **options: str) -> int:
    """Write a GeoPackage table by table, with these options of GDAL for its layer; returns the number of features."""
    from geocloud.writers.geopackage import fixed_date, scratch_name

    count = 0
    with fixed_date(), scratch_name(path) as short:
        for number, frame in enumerate(_frames(tables)):
            extra: dict[str, Any] = {"mode": "a"} if number else {"layer_metadata": dict(tags) or None, **options}
            frame.to_file(short, driver="GPKG", layer="clouds", geometry_type="Polygon", **extra)
            count += len(frame)
    return count


def _write_indexed(tables: Tables, path: Path, tags: Mapping[str, str]) -> int:
    """Write a FlatGeobuf file; returns the number of features.

    Nothing can be appended to it, because its index comes first. So the features are written to a temporary GeoPackage,
    and GDAL streams them from there.
    """
    from pyogrio import raw

    from geocloud.writers.geopackage import scratch_name

    temporary = path.with_name("scratch-waiting.gpkg")
    try:
        count = _append_all(tables, temporary, NO_TAGS, SPATIAL_INDEX="NO")
        with raw.open_arrow(temporary, use_pyarrow=False) as (layer, features), scratch_name(path) as short:
            raw.write_arrow(
                features,
                short,
                driver="FlatGeobuf",
                layer="clouds",
                geometry_name=layer["geometry_name"],
                geometry_type="Polygon",
                crs=layer["crs"],
                layer_metadata=dict(tags) or None,
            )
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _write_row_groups(tables: Tables, path: Path, tags: Mapping[str, str]) -> int:
    """Write GeoParquet with one row group per table; returns the number of features."""
    parquet = _require_pyarrow()
    bounds = np.array([shapely.total_bounds(table.geometry) for table in tables()])
    extent = [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()]
    metadata = {key.encode(): text.encode() for key, text in tags.items()}
    writer, count = None, 0
    for frame in _frames(tables):
        content = BytesIO()
        frame.to_parquet(content, index=False)
        table = parquet.read_table(content)
        if writer is None:
            geo = json.loads(table.schema.metadata[b"geo"])
            geo["columns"][geo["primary_column"]]["bbox"] = extent
            schema = table.schema.with_metadata({b"geo": json.dumps(geo).encode(), **metadata})
            writer = parquet.ParquetWriter(path, schema, compression="snappy")
        writer.write_table(table.cast(schema))
        count += len(frame)
    if writer is not None:
        writer.close()
    return count


def _frames(tables: Tables) -> Iterator[geopandas.GeoDataFrame]:
    return (table.frame() for table in tables())


def _suffix(path: Path) -> str:
    """The suffix in lower case, without the dot."""
    return path.suffix.lstrip(".").lower()


@contextmanager
def _vector_errors(path: Path) -> Iterator[None]:
    """Turn errors while a file is written into OutputError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise OutputError(
            f"{path} cannot be written ({write_reason(path, error)}); choose another folder or make room"
        ) from error


def _check_complete(path: Path, count: int) -> None:
    """OSError if the file is incomplete: GDAL does not report errors that occur while it closes a file."""
    kind, whole = _suffix(path), True
    if kind == "geojson":
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16))
            whole = file.read().rstrip().endswith(b"}")
    elif kind == "gpkg":
        from geocloud.writers.geopackage import geopackage_is_whole

        whole = geopackage_is_whole(path, count)
    elif kind == "fgb" and count:  # Parquet needs no check: without its footer it cannot be opened
        import pyogrio

        whole = len(pyogrio.read_dataframe(path, skip_features=count - 1, read_geometry=True)) == 1
    if not whole:
        raise OSError("the file is incomplete")


def _write_parquet(frame: geopandas.GeoDataFrame, path: Path, tags: Mapping[str, str]) -> None:
    parquet = _require_pyarrow()
    frame.to_parquet(path)
    table = parquet.read_table(path)
    parquet.write_table(table.replace_schema_metadata({**table.schema.metadata, **tags}), path, compression="snappy")


def _require_pyarrow() -> Any:  # noqa: ANN401 - pyarrow is untyped
    """The module pyarrow.parquet; MissingExtraError if pyarrow is not installed."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "GeoParquet") from error
    return parquet


def write_geojson(tables: Tables, path: Path, tags: Mapping[str, str]) -> int:
    """Write tables by RFC 7946 if they have a CRS, otherwise in their own coordinates; returns the number of features.

    `tags` become a member `geocloud` of the collection. GDAL writes the file if polygons cross the antimeridian, are
    near a pole, or have edges so short that rounding may spoil them: it cuts at the antimeridian and checks polygons
    after rounding, but takes ten times as long.

    Raises:
        OSError, RuntimeError: the file cannot be written.
    """
    extents: list[NDArray[np.float64]] = []
    count, converted = 0, None
    for table in tables():
        converted = _in_degrees(table, extents)
        if converted is None:
            return _write_by_gdal(tables, path, tags)
        count += 1
    if count == 1 and converted is not None:
        parts: Iterable[PolygonTable] = [converted]
    else:
        parts = (_required(_in_degrees(table, extents)) for table in tables())
    head = {"type": "FeatureCollection", "name": path.stem} | ({"geocloud": dict(tags)} if tags else {})
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [')
        features = 0
        for line in chain.from_iterable(map(_features, parts)):
            file.write(f"{',' if features else ''}\n{line}")
            features += 1
        file.write("\n]}\n")
    return features


def _write_by_gdal(tables: Tables, path: Path, tags: Mapping[str, str]) -> int:
    """GDAL writes each table to a file; the features of the second and later files are appended to the first."""
    members = json.dumps({"type": "FeatureCollection", "geocloud": dict(tags)}, ensure_ascii=False)
    options = {"NATIVE_DATA": members, "NATIVE_MEDIA_TYPE": "application/vnd.geo+json"} if tags else {}
    part, count = path.with_name("scratch-part.geojson"), 0
    for number, frame in enumerate(_frames(tables)):
        target = part if number else path
        frame.to_file(target, driver="GeoJSON", geometry_type="Polygon", RFC7946="YES", **options)
        if number:
            with path.open("rb+") as whole, part.open("rb") as other:
                whole.seek(-len(b"\n]\n}\n"), os.SEEK_END)
                features = (line for line in other if line.startswith(b'{ "type": "Feature", '))
                whole.write(b",\n" + b"".join(features).removesuffix(b"\n") + b"\n]\n}\n")
            part.unlink()
        count += len(frame)
    return count


def _features(table: PolygonTable) -> Iterator[str]:
    """Each feature as a line of JSON."""
    as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    for start in range(0, len(table), FEATURES_AT_ONCE):
        part = table.take(slice(start, start + FEATURES_AT_ONCE))
        rows = zip(*(map(_json_value, values.tolist()) for values in part.columns.values()), strict=True)
        for row, geometry in zip(rows, shapely.to_geojson(part.geometry), strict=True):
            properties = as_json(dict(zip(part.columns, row, strict=True)))
            yield f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def _json_value(value: Any) -> Any:  # noqa: ANN401 - any that JSON has
    """The value, or null for NaN, which JSON lacks."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _in_degrees(table: PolygonTable, extents: list[NDArray[np.float64]]) -> PolygonTable | None:
    """The table in degrees, rounded to 7 decimals (1 cm), exteriors counterclockwise; None if GDAL has to write it.

    `extents` holds the extents, in degrees, of all that goes into the same file; those of this table are appended.
    """
    if table.crs is None or not len(table):
        return table
    transformer = to_degrees(table.crs)

    def project(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    converted = []
    for start in range(0, len(table), FEATURES_AT_ONCE):
        geometry = shapely.transform(table.geometry[start : start + FEATURES_AT_ONCE], project)
        extents.append(shapely.total_bounds(geometry))
        points, ring = shapely.get_coordinates(shapely.get_rings(geometry), return_index=True)
        edges = np.abs(np.diff(points, axis=0)).max(1)[np.diff(ring) == 0]
        if not _is_plain(extents) or edges.min() < SHORTEST_EDGE:
            return None
        rounded = shapely.transform(geometry, lambda xy: xy.round(DIGITS))
        converted.append(shapely.orient_polygons(rounded))
    return replace(table, geometry=np.concatenate(converted))


def _required(table: PolygonTable | None) -> PolygonTable:
    """The table; RuntimeError for None, because every table was converted once before."""
    if table is None:
        raise RuntimeError("the polygons changed while they were written")
    return table


def _is_plain(extents: list[NDArray[np.float64]]) -> bool:
    """True if the union of extents (west, south, east, north), in degrees, is far from antimeridian and poles."""
    west, south = np.min(extents, axis=0)[:2]
    east, north = np.max(extents, axis=0)[2:]
    return bool(west >= -180 and east <= 180 and east - west < 180 and south > -89 and north < 89)
