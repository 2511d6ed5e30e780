"""What GDAL does not handle in a GeoPackage: a fixed date, long file names, and a check that the file is complete."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

GEOPACKAGE_DATE = "2000-01-01T00:00:00.000Z"
"""Written into every GeoPackage, so that equal polygons give equal files."""


def geopackage_is_whole(path: Path, count: int) -> bool:
    """Whether a file holds `count` features, their spatial index, and the extent, which is written last.

    Raises:
        OSError: SQLite cannot read it.
    """
    try:
        return _is_whole(path, count)
    except sqlite3.Error as error:
        raise OSError(f"{error}") from error


def _is_whole(path: Path, count: int) -> bool:
    """`geopackage_is_whole`, with errors of SQLite."""
    with closing(sqlite3.connect(path)) as database:
        (layer, west), *_ = database.execute("SELECT table_name, min_x FROM gpkg_contents").fetchall() or [("", None)]
        indexes = f"rtree_{layer}_geom_rowid"
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if not {layer, indexes} <= tables or (count and west is None):
            return False
        count_of = 'SELECT count(*) FROM "{}"'  # the names are those that GDAL has just written
        counts = [database.execute(count_of.format(name)).fetchone()[0] for name in (layer, indexes)]
        return counts == [count, count]


@contextmanager
def scratch_name(path: Path) -> Iterator[Path]:
    """A short path beside `path` to write to, which is moved to `path` at the end.

    GDAL appends to file names while it writes, and the final name may already have the maximum length.
    """
    short = path.with_name(f"scratch{path.suffix}")
    try:
        yield short
        short.replace(path)
    finally:
        short.unlink(missing_ok=True)


@contextmanager
def fixed_date() -> Iterator[None]:
    """Set the date that GDAL writes into GeoPackages, so that the same input gives the same bytes."""
    from pyogrio import get_gdal_config_option, set_gdal_config_options

    before = get_gdal_config_option("OGR_CURRENT_DATE")
    set_gdal_config_options({"OGR_CURRENT_DATE": before or GEOPACKAGE_DATE})
    try:
        yield
    finally:
        set_gdal_config_options({"OGR_CURRENT_DATE": before})
