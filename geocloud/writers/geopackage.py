"""What GDAL leaves open about a GeoPackage: its date, its names, and whether it is whole. Imported only with one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

GEOPACKAGE_DATE = "2000-01-01T00:00:00.000Z"


def geopackage_is_whole(path: Path, count: int) -> bool:
    """Whether all features, their index, and the extent, which comes last, are there; OSError where unreadable."""
    try:
        return _is_whole(path, count)
    except sqlite3.Error as error:
        raise OSError(f"{error}") from error


def _is_whole(path: Path, count: int) -> bool:
    with closing(sqlite3.connect(path)) as database:
        (layer, west), *_ = database.execute("SELECT table_name, min_x FROM gpkg_contents").fetchall() or [("", None)]
        indexes = f"rtree_{layer}_geom_rowid"
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if not {layer, indexes} <= tables or (count and west is None):
            return False
        count_of = 'SELECT count(*) FROM "{}"'  # names that GDAL has just written for us
        counts = [database.execute(count_of.format(name)).fetchone()[0] for name in (layer, indexes)]
        return counts == [count, count]


@contextmanager
def scratch_name(path: Path) -> Iterator[Path]:
    """A name beside a file for GDAL, which adds to names while it writes; the file's own may be as long as can be."""
    short = path.with_name(f"scratch{path.suffix}")
    try:
        yield short
        short.replace(path)
    finally:
        short.unlink(missing_ok=True)


@contextmanager
def fixed_date() -> Iterator[None]:
    """GeoPackage notes when it was written; a fixed date there lets the same input give the same bytes."""
    from pyogrio import get_gdal_config_option, set_gdal_config_options

    before = get_gdal_config_option("OGR_CURRENT_DATE")
    set_gdal_config_options({"OGR_CURRENT_DATE": before or GEOPACKAGE_DATE})
    try:
        yield
    finally:
        set_gdal_config_options({"OGR_CURRENT_DATE": before})
