"""Polygons as vector files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import shapely

from geocloud.classes import CLASSES
from geocloud.errors import MissingExtraError, OutputError, UsageError
from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.geometry.shapes import Shapes, ShapeStore
from geocloud.raster import Georef
from geocloud.writers.geojson import Frames, write_geojson

if TYPE_CHECKING:
    import geopandas

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


def to_frames(
    shapes: ShapeStore, georef: Georef, scene: str, min_area: float = 0.0
) -> Iterator[geopandas.GeoDataFrame]:
    """The same of many polygons, some at a time; those below `min_area` m² left out."""
    for part in shapes.chunks():
        frame = to_frame(part, georef, scene)
        yield frame[frame["area_m2"] >= min_area] if min_area else frame


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
    kind = _suffix(path)
    with _written(path):
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
            write_geojson(lambda: iter([frame]), path, tags)
        _check_written(path, len(frame))


def write_polygons(frames: Frames, path: Path, tags: Mapping[str, str] = NO_TAGS) -> int:
    """Write frames, one after the other, as one file, which is as `write_vectors` has it; returns how many features.

    Memory holds one frame, but for FlatGeobuf, whose index wants all outlines at once (half a kilobyte each).

    Args:
        frames: gives the frames from the first on, as often as it is called; one or more.
        path: its suffix chooses the format.
        tags: as in `write_vectors`.

    Raises:
        OutputError, MissingExtraError: as `write_vectors`.
    """
    begun = frames()
    first, second = next(begun), next(begun, None)
    if second is None:
        write_vectors(first, path, tags)
        return len(first)
    del first, second, begun
    write = {"gpkg": _append_all, "fgb": _write_outlines, "parquet": _write_row_groups}.get(
        _suffix(path), write_geojson
    )
    with _written(path):
        count = write(frames, path, tags)
        _check_written(path, count)
    return count


def _append_all(frames: Frames, path: Path, tags: Mapping[str, str]) -> int:
    """A GeoPackage that grows; returns its features."""
    count = 0
    with _fixed_date():
        for number, frame in enumerate(frames()):
            more: dict[str, Any] = {"mode": "a"} if number else {"layer_metadata": dict(tags) or None}
            frame.to_file(path, driver="GPKG", layer="clouds", geometry_type="Polygon", **more)
            count += len(frame)
    return count


def _write_outlines(frames: Frames, path: Path, tags: Mapping[str, str]) -> int:
    """A FlatGeobuf file, from all outlines as bytes; returns its features."""
    import pyogrio

    outlines, columns, crs = [], [], None
    for frame in frames():
        outlines.append(np.asarray(shapely.to_wkb(frame.geometry.to_numpy()), dtype=object))
        columns.append(frame.drop(columns=frame.geometry.name))
        crs = frame.crs
    names = list(columns[0].columns)
    pyogrio.raw.write(
        path,
        np.concatenate(outlines),
        [np.concatenate([part[name].to_numpy() for part in columns]) for name in names],
        names,
        driver="FlatGeobuf",
        layer="clouds",
        geometry_type="Polygon",
        crs=None if crs is None else crs.to_wkt(),
        layer_metadata=dict(tags) or None,
    )
    return sum(map(len, columns))


def _write_row_groups(frames: Frames, path: Path, tags: Mapping[str, str]) -> int:
    """GeoParquet, a row group a frame; returns its features."""
    parquet = _require_pyarrow()
    bounds = np.array([frame.total_bounds for frame in frames()])
    extent = [*bounds[:, :2].min(axis=0).tolist(), *bounds[:, 2:].max(axis=0).tolist()]
    plain = {key.encode(): text.encode() for key, text in tags.items()}
    writer, count = None, 0
    for frame in frames():
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


def _suffix(path: Path) -> str:
    return path.suffix.lstrip(".").lower()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """OutputError for what may go wrong while a file is written."""
    try:
        yield
    except (OSError, RuntimeError, sqlite3.Error) as error:
        raise OutputError(f"{path} cannot be written ({error}); choose another folder or make room") from error


def _check_written(path: Path, count: int) -> None:
    """OSError where the file ends early: what fails while a file is closed raises nothing."""
    import pyogrio

    kind, whole = _suffix(path), True
    if kind == "geojson":
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16))
            whole = file.read().rstrip().endswith(b"}")
    elif kind == "gpkg":
        whole = _geopackage_is_whole(path, count)
    elif kind == "fgb" and count:  # Parquet ends with what it is opened by
        whole = len(pyogrio.read_dataframe(path, skip_features=count - 1, read_geometry=True)) == 1
    if not whole:
        raise OSError("the file is incomplete")


def _geopackage_is_whole(path: Path, count: int) -> bool:
    """True where all features are there and indexed, and the extent, which is written last, is there."""
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
