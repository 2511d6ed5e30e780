"""Polygons of a vector file, such as fields or an area of interest, and their place on a raster's grid."""

from __future__ import annotations

import os
import re
import sqlite3
import zipfile
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from geocloud.errors import InputError, MissingExtraError
from geocloud.geometry.geodesy import pixel_area, transform_points
from geocloud.progress import tell
from geocloud.raster import Georef
from geocloud.readers.files.paths import check_beside, check_plain

if TYPE_CHECKING:
    import geopandas

DRIVERS = (
    *("GeoJSON", "GeoJSONSeq", "GPKG", "FlatGeobuf", "ESRI Shapefile", "KML", "LIBKML", "GML", "GPX", "SQLite"),
    *("OpenFileGDB", "MapInfo File", "Parquet", "TopoJSON", "DGN", "DXF", "Arrow"),
)
"""GDAL's drivers for files that hold their features themselves; the others may name files or services."""
FARTHEST = 1e9
"""Coordinates: more than any projection of the Earth has, in feet too."""
EARTH_RADIUS = 6.37e6
BEND = 0.02
"""Pixels by which an edge that was straight in its own CRS may be off the bent line it is in the raster's."""

NEAR_METRES = 1e5
"""Distance, or one degree, from a raster that is near it in any case; for large ones it is their size."""


def read_polygons(source: str | os.PathLike[str] | geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """The features of a vector file in any format that GDAL reads, or of a frame; all must be polygons.

    Empty geometries stay, as empty polygons; crossed ones are mended.

    Raises:
        InputError: it is no vector file, has no features, no CRS, or lines or points among its features.
        MissingExtraError: .parquet without pyarrow.
    """
    name = "the polygons" if _is_frame(source) else os.fspath(source)
    frame = source.copy() if _is_frame(source) else _read(name)  # type: ignore[union-attr]
    if not len(frame):
        raise InputError(f"{name} has no features; give polygons")
    if frame.crs is None:
        raise InputError(f"{name} has no CRS, so its place is unknown; assign one, as with ogr2ogr -a_srs EPSG:4326")
    geometry = np.array([shapely.Polygon() if shape is None else shape for shape in frame.geometry], dtype=object)
    flat = shapely.get_dimensions(geometry)
    if (flat < 2).any() and not shapely.is_empty(geometry[flat < 2]).all():
        kind = geometry[(flat < 2) & ~shapely.is_empty(geometry)][0].geom_type
        raise InputError(f"{name} holds a {kind}; give polygons, for lines and points cover no area")
    if (np.abs(np.nan_to_num(shapely.bounds(geometry))) > FARTHEST).any():
        raise InputError(f"{name} holds coordinates beyond {FARTHEST:g}, which lie nowhere on the Earth; correct them")
    broken = ~shapely.is_valid(geometry)
    try:
        geometry[broken] = [_polygons_of(shape) for shape in shapely.make_valid(geometry[broken])]
    except shapely.errors.ShapelyError as error:
        raise InputError(f"{name} holds a polygon that cannot be mended ({error}); correct it") from error
    return frame.set_geometry(shapely.force_2d(geometry), crs=frame.crs)


def _is_frame(source: Any) -> bool:  # noqa: ANN401 - a path or a frame
    return not isinstance(source, str | os.PathLike)


def _read(name: str) -> geopandas.GeoDataFrame:
    """The first layer of a file."""
    import geopandas
    import pyogrio

    if not Path(name).exists():
        raise InputError(f"{name} does not exist; give a vector file of polygons")
    check_plain(name)
    check_beside(name)
    try:
        if name.lower().endswith((".parquet", ".geoparquet")):
            return geopandas.read_parquet(name)
        _check_table(name)
        _check_text(name)
        _check_database(name)
        driver = pyogrio.read_info(name, layer=0)["driver"]
        if driver in ("GPKG", "SQLite") and not _is_database(Path(name)):
            raise InputError(f"{name} holds a database in an archive; unpack it, and give that")
        if driver not in DRIVERS:
            raise InputError(f"{name} is read by GDAL's {driver} driver, which may name other files; give a GeoPackage")
        layers = pyogrio.list_layers(name)
        if len(layers) > 1:
            tell(name, [f"of its {len(layers)} layers the first, {layers[0][0]}, is read"])
        return geopandas.read_file(name, layer=0)
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "GeoParquet") from error
    except (
        ValueError,
        OSError,
        RuntimeError,
        zipfile.BadZipFile,
        pyogrio.errors.DataSourceError,
        shapely.errors.ShapelyError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{name} is not a vector file that can be read ({reason}); give a GeoPackage") from error


def _check_table(name: str) -> None:
    """InputError for a table of MapInfo that is made of others, which may lie anywhere."""
    if name.lower().endswith(".tab"):
        with Path(name).open("rb") as file:
            text = file.read(1 << 20).lower()
        if b"isseamless" in text or b"create view" in text or b"open table" in text:
            raise InputError(f"{name} is a table of MapInfo that is made of other files; give a GeoPackage")


def _check_text(name: str) -> None:
    """InputError for what GDAL's drivers must not begin to open: documents that name others."""
    if not Path(name).is_file():
        return
    with Path(name).open("rb") as file:
        head = file.read(1 << 12)
        if b"<OGR" in head or b"<OGC" in head or head.startswith(b"-- SQL"):
            raise InputError(f"{name} is a document of GDAL that names other files or a server; give a GeoPackage")


DATABASE = b"SQLite format 3\0"
"""The first bytes of a GeoPackage and of SpatiaLite's files."""
OWN_TABLES = ("rtree", "fts3", "fts4", "fts5", "virtualspatialindex", "virtualelementary", "virtualknn", "virtualknn2")
"""Modules of virtual tables that hold what is in the database itself; others, as VirtualShape, read any file."""
VIEW_WORDS = {
    "as", "in", "on", "and", "or", "not", "using", "exists", "values", "when", "then", "else", "case", "from", "join",
    "select", "where", "distinct", "union", "all", "cast", "coalesce", "ifnull", "nullif", "upper", "lower", "trim",
    "round", "abs", "count", "sum", "min", "max", "avg", "length", "substr",
}  # fmt: skip
"""What may stand before a parenthesis in a view; other functions may read files, ask servers or never end."""


def _check_database(name: str) -> None:
    """InputError for a database that is made of other files, or whose views may do anything but choose."""
    if zipfile.is_zipfile(name):
        _check_archive(name)
    path = Path(name)
    if not _is_database(path):
        return
    alone = not any(Path(f"{name}{end}").exists() for end in ("-wal", "-journal"))  # then nothing is written beside it
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            entries = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
    except sqlite3.Error as error:
        raise InputError(f"{name} is a database that cannot be read ({error}); give a GeoPackage") from error
    for kind, entry, sql in entries:
        plain = re.sub(r"[\"`\[\]]", "", str(sql)).lower()
        module = re.match(r"\s*create\s+virtual\s+table\b.*?\busing\s+(\w+)", plain, re.DOTALL)
        if "virtual" in plain[:40] and (module is None or module[1] not in OWN_TABLES):
            raise InputError(
                f"{name} holds the table {entry}, which reads other files; give one whose tables are its own"
            )
        odd = {*re.findall(r"(\w+)\s*\(", plain)} - VIEW_WORDS or re.search(r"\bwith\b|--|/\*", plain)
        if kind == "view" and odd:
            raise InputError(
                f"{name} holds the view {entry}, which does more than choose rows; save its rows as a table"
            )


def _is_database(path: Path) -> bool:
    with path.open("rb") if path.is_file() else BytesIO() as file:
        return file.read(len(DATABASE)) == DATABASE


def _check_archive(name: str) -> None:
    """InputError for an archive with a database in it, which could be checked only once unpacked."""
    with zipfile.ZipFile(name) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                if file.read(len(DATABASE)) == DATABASE:
                    raise InputError(f"{name} holds the database {member.filename}; unpack it, and give that")


def _polygons_of(shape: Any) -> Any:  # noqa: ANN401 - shapely is untyped
    """The polygons among the parts of a mended shape, as one multipolygon."""
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    deeper = [p for part in shapely.get_parts(shape) for p in shapely.get_parts(part) if p.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts or deeper)


def check_grid_on_earth(georef: Georef, name: str, what: str, *, placed: bool) -> None:
    """InputError if a raster has GCPs, or is not `placed`: what is given in coordinates has no place on its grid."""
    if georef.gcps:
        raise InputError(
            f"{name} is placed by ground control points, so {what} have no place on its grid; warp it, as with gdalwarp"
        )
    if not placed:
        raise InputError(
            f"{name} does not say where on the Earth it lies, so {what} have no place in it; give it a place, as with "
            "gdal_translate -a_srs EPSG:32633 -a_ullr WEST NORTH EAST SOUTH, or mask all of it"
        )


def cut_to_surroundings(geometry: NDArray[Any], crs: CRS, georef: Georef) -> NDArray[Any]:
    """(n,) polygons, cut where they reach far beyond a raster: there its projection gives wrong coordinates.

    A polygon that lies wholly near the raster stays as it is; of one that lies wholly far from it nothing is left.
    Numbers beyond 180 and 90 degrees stay too: longitudes may count from 0 to 360, and what is wrong is told.

    Args:
        geometry: the polygons.
        crs: theirs.
        georef: of the raster; one across the antimeridian has no surroundings in degrees.
    """
    change = Transformer.from_crs(CRS.from_wkt(georef.crs_wkt), crs, always_xy=True)
    west, south, east, north = change.transform_bounds(*georef.bounds)
    if not np.isfinite([west, south, east, north]).all() or west >= east:
        return geometry
    margin = max(east - west, north - south, 1 if crs.is_geographic else NEAR_METRES)
    near = shapely.box(west - margin, south - margin, east + margin, north + margin)
    bounds = np.abs(np.nan_to_num(shapely.bounds(geometry)))
    sane = (bounds <= [180, 90, 180, 90]).all(axis=1) if crs.is_geographic else np.ones(len(geometry), dtype=bool)
    far = sane & ~shapely.covered_by(geometry, near) & ~shapely.is_empty(geometry)
    cut = geometry.copy()
    cut[far] = [_polygons_of(shape) for shape in shapely.intersection(geometry[far], near)]
    return cut


def to_pixel_coordinates(frame: geopandas.GeoDataFrame, georef: Georef, name: str) -> NDArray[Any]:
    """The polygons in pixels (column, row) of a raster; edges are bent as the change of CRS bends them.

    In another CRS than the raster's they are cut to its surroundings.

    Raises:
        InputError: the raster has no transform with a CRS, or a polygon reaches where its projection has no values.
    """
    check_grid_on_earth(georef, name, "polygons", placed=georef.located)
    geometry, crs = frame.geometry.to_numpy(), CRS.from_wkt(georef.crs_wkt)
    if not crs.equals(frame.crs, ignore_axis_order=True):
        geometry = cut_to_surroundings(geometry, frame.crs, georef)
        longest = (8 * EARTH_RADIUS * BEND * pixel_area(georef) ** 0.5) ** 0.5  # the rise of an arc is length² / 8 R
        metres = frame.crs.axis_info[0].unit_conversion_factor * (EARTH_RADIUS if frame.crs.is_geographic else 1)
        change = Transformer.from_crs(frame.crs, crs, always_xy=True)
        geometry = shapely.transform(
            shapely.segmentize(geometry, longest / metres),
            lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])),
        )
    lost = ~np.isfinite(shapely.bounds(geometry)).all(axis=1) & ~shapely.is_empty(geometry)
    if lost.any():
        raise InputError(
            f"polygon {int(np.flatnonzero(lost)[0]) + 1} reaches where the CRS of {name} has no values; "
            "cut it to the scene's surroundings, or check that the zones name their own CRS"
        )
    return np.asarray(shapely.transform(geometry, lambda xy: transform_points(~georef.transform, xy)))
