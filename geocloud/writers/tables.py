"""Write tables with polygons as GeoPackage, GeoParquet or CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from geocloud.errors import UsageError
from geocloud.writers.staging import write_errors
from geocloud.writers.vectors import write_vectors

if TYPE_CHECKING:
    import geopandas

TABLES = (".gpkg", ".parquet", ".csv")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that make a spreadsheet read a text as a formula; the last four are the full-width forms."""


def check_table_path(path: Path) -> None:
    """UsageError unless a table can be written with this suffix."""
    if path.suffix.lower() not in TABLES:
        raise UsageError(f"{path} has the suffix {path.suffix or 'none'!r}; a table is written as {', '.join(TABLES)}")


def write_table(frame: geopandas.GeoDataFrame, path: Path, tags: Mapping[str, str], layer: str) -> None:
    """Write a frame in the format of the path's suffix. A CSV has no geometry, and no formulas for spreadsheets.

    Args:
        frame: the table.
        path: ends with one of TABLES.
        tags: metadata of the file; a CSV has none.
        layer: name of the layer in a GeoPackage.

    Raises:
        OutputError: the file cannot be written.
        MissingExtraError: .parquet without pyarrow.
    """
    if path.suffix.lower() != ".csv":
        multipolygons = [
            None if shapely.is_empty(zone) else shapely.MultiPolygon(shapely.get_parts(zone)) for zone in frame.geometry
        ]
        write_vectors(
            frame.set_geometry(multipolygons, crs=frame.crs), path, tags, layer=layer, geometry_type="MultiPolygon"
        )
        return
    plain = frame.drop(columns=frame.geometry.name)
    plain = plain.map(_harmless).rename(columns=_harmless)
    with write_errors(path):
        plain.to_csv(path, index=False, lineterminator="\n")


def _harmless(cell: Any) -> Any:  # noqa: ANN401 - any cell
    """The cell, with an apostrophe before a text that begins like a formula, so that spreadsheets show it as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell
