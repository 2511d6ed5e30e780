"""Polygons as vector files: GeoJSON, GeoPackage, FlatGeobuf and GeoParquet."""

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
"""Digits of a degree, and the shortest edge in degrees that they cannot break."""
FEATURES_AT_ONCE = 1_000
"""Features that are turned to degrees, or into text, at once."""
_DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf"}
Tables = Callable[[], "Iterator[PolygonTable]"]
"""Gives the parts of a table from the first on, as often as it is called."""


def vector_format(path: Path) -> VectorFormat:
    """The format that a file's suffix asks for; UsageError with those there are."""
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
    """Write a frame by the path's suffix: .gpkg, .fgb or .parquet.

    `tags` tell where the polygons come from: in GeoPackage and FlatGeobuf the layer's metadata, in GeoParquet the
    schema's.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: .parquet without pyarrow.
    """
    kind = _suffix(path)
    with _written(path):
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
        _check_written(path, len(frame))


def write_polygons(tables: Tables, path: Path, tags: Mapping[str, str] = NO_TAGS) -> int:
    """Write tables, one after the other, as one file; returns how many features.

    The path's suffix chooses the format: .gpkg, .fgb and .parquet are as `write_vectors` has them; .geojson (RFC 7946
    where it has a CRS) holds the tags as a member `geocloud` of the collection, which RFC 7946 allows.

    Memory holds one table, and of FlatGeobuf the index (some 0.1 kB for each polygon).

    Args:
        tables: gives the tables from the first on, as often as it is called; one or more.
        path: its suffix chooses the format.
        tags: as in `write_vectors`.

    Raises:
        OutputError, MissingExtraError: as `write_vectors`.
    """
    write = {"gpkg": _append_all, "fgb": _write_indexed, "parquet": _write_row_groups}.get(_suffix(path), write_geojson)
    if write is not write_geojson:
        begun = tables()
        first, second = next(begun), next(begun, None)
        if second is None:
            write_vectors(first.frame(), path, tags)
            return len(first)
        del first, second, begun
    with _written(path):
        count = write(tables, path, tags)
        _check_written(path, count)
    return count


def _append_all(tables: Tables, path: Path, tags: Mapping[str, str], **options: str) -> int:
    """A GeoPackage that grows, with GDAL's options for its layer; returns its features."""
    from geocloud.writers.geopackage import fixed_date, scratch_name

    count = 0
    with fixed_date(), scratch_name(path) as short:
        for number, frame in enumerate(_frames(tables)):
            more: dict[str, Any] = {"mode": "a"} if number else {"layer_metadata": dict(tags) or None, **options}
            frame.to_file(short, driver="GPKG", layer="clouds", geometry_type="Polygon", **more)
            count += len(frame)
    return count


def _write_indexed(tables: Tables, path: Path, tags: Mapping[str, str]) -> int:
    """A FlatGeobuf file; returns its features.

    It cannot grow, for its index comes first. So features pass through a GeoPackage beside it, and GDAL streams them
    from the one into the other.
    """
    from pyogrio import raw

    from geocloud.writers.geopackage import scratch_name

    waiting = path.with_name("scratch-waiting.gpkg")
    try:
        count = _append_all(tables, waiting, NO_TAGS, SPATIAL_INDEX="NO")
        with raw.open_arrow(waiting, use_pyarrow=False) as (about, features), scratch_name(path) as short:
            raw.write_arrow(
                features,
                short,
                driver="FlatGeobuf",
                layer="clouds",
                geometry_name=about["geometry_name"],
                geometry_type="Polygon",
                crs=about["crs"],
                layer_metadata=dict(tags) or None,
            )
    finally:
        waiting.unlink(missing_ok=True)
    return count


def _write_row_groups(tables: Tables, path: Path, tags: Mapping[str, str]) -> int:
    """GeoParquet, a row group a frame; returns its features."""
    parquet = _require_pyarrow()
    bounds = np.array([shapely.total_bounds(table.geometry) for table in tables()])
    extent = [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()]
    plain = {key.encode(): text.encode() for key, text in tags.items()}
    writer, count = None, 0
    for frame in _frames(tables):
        content = BytesIO()
        frame.to_parquet(content, index=False)
        table = parquet.read_table(content)
        if writer is None:
            about = json.loads(table.schema.metadata[b"geo"])
            about["columns"][about["primary_column"]]["bbox"] = extent
            schema = table.schema.with_metadata({b"geo": json.dumps(about).encode(), **plain})
            writer = parquet.ParquetWriter(path, schema, compression="snappy")
        writer.write_table(table.cast(schema))
        count += len(frame)
    if writer is not None:
        writer.close()
    return count


def _frames(tables: Tables) -> Iterator[geopandas.GeoDataFrame]:
    return (table.frame() for table in tables())


def _suffix(path: Path) -> str:
    return path.suffix.lstrip(".").lower()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """OutputError for what may go wrong while a file is written."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise OutputError(
            f"{path} cannot be written ({write_reason(path, error)}); choose another folder or make room"
        ) from error


def _check_written(path: Path, count: int) -> None:
    """OSError where the file ends early: what fails while a file is closed raises nothing."""
    kind, whole = _suffix(path), True
    if kind == "geojson":
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16))
            whole = file.read().rstrip().endswith(b"}")
    elif kind == "gpkg":
        from geocloud.writers.geopackage import geopackage_is_whole

        whole = geopackage_is_whole(path, count)
    elif kind == "fgb" and count:  # Parquet ends with what it is opened by
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
    """Its module for Parquet; MissingExtraError where it is not installed."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "GeoParquet") from error
    return parquet


def write_geojson(tables: Tables, path: Path, tags: Mapping[str, str]) -> int:
    """Write tables: as RFC 7946 wants it where they have a CRS, else in their own coordinates.

    Returns how many features there are. `tags` become a member `geocloud` of the collection.

    GDAL cuts at the antimeridian, and tests whether rounding broke a polygon, so it writes what is across the
    antimeridian, round a pole, or has edges hardly longer than what is rounded. It takes ten times as long.

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
        parts = (_placed(_in_degrees(table, extents)) for table in tables())
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
    """Each frame as a file that GDAL writes; the lines of features of the others go into the first."""
    members = json.dumps({"type": "FeatureCollection", "geocloud": dict(tags)}, ensure_ascii=False)
    options = {"NATIVE_DATA": members, "NATIVE_MEDIA_TYPE": "application/vnd.geo+json"} if tags else {}
    part, count = path.with_name("scratch-part.geojson"), 0
    for number, frame in enumerate(_frames(tables)):
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


def _features(table: PolygonTable) -> Iterator[str]:
    """Each feature as a line."""
    as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    for start in range(0, len(table), FEATURES_AT_ONCE):
        part = table.take(slice(start, start + FEATURES_AT_ONCE))
        rows = zip(*(map(_json_value, values.tolist()) for values in part.columns.values()), strict=True)
        for row, geometry in zip(rows, shapely.to_geojson(part.geometry), strict=True):
            properties = as_json(dict(zip(part.columns, row, strict=True)))
            yield f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def _json_value(value: Any) -> Any:  # noqa: ANN401 - any that JSON has
    """JSON has no NaN: null there."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _in_degrees(table: PolygonTable, extents: list[NDArray[np.float64]]) -> PolygonTable | None:
    """The table in degrees to 7 digits (1 cm), outer rings counterclockwise; None where GDAL has to see to it.

    `extents` are those in degrees of what belongs into the same file; this table's are added.
    """
    if table.crs is None or not len(table):
        return table
    change = to_degrees(table.crs)

    def project(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(change.transform(xy[:, 0], xy[:, 1]))

    written = []
    for start in range(0, len(table), FEATURES_AT_ONCE):
        geometry = shapely.transform(table.geometry[start : start + FEATURES_AT_ONCE], project)
        extents.append(shapely.total_bounds(geometry))
        points, ring = shapely.get_coordinates(shapely.get_rings(geometry), return_index=True)
        edges = np.abs(np.diff(points, axis=0)).max(1)[np.diff(ring) == 0]
        if not _is_plain(extents) or edges.min() < SHORTEST_EDGE:
            return None
        rounded = shapely.transform(geometry, lambda xy: xy.round(DIGITS))
        written.append(shapely.orient_polygons(rounded))
    return replace(table, geometry=np.concatenate(written))


def _placed(table: PolygonTable | None) -> PolygonTable:
    """What was in degrees before, and is again."""
    if table is None:
        raise RuntimeError("the polygons changed while they were written")
    return table


def _is_plain(extents: list[NDArray[np.float64]]) -> bool:
    """True where extents (west, south, east, north) in degrees, taken together, leave antimeridian and poles aside."""
    west, south = np.min(extents, axis=0)[:2]
    east, north = np.max(extents, axis=0)[2:]
    return bool(west >= -180 and east <= 180 and east - west < 180 and south > -89 and north < 89)
