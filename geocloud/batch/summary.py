"""What a folder of masks holds, in one place: summary.csv, footprints.gpkg and a STAC Collection."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from geocloud.batch.manifest import COLLECTION, CSV, FOOTPRINTS, Record
from geocloud.errors import OutputError
from geocloud.writers.stac import MEDIA_TYPES, parse_time
from geocloud.writers.staging import staged
from geocloud.writers.tables import FORMULA_SIGNS

if TYPE_CHECKING:
    import geopandas

COLUMNS = ("scene", "status", "cloud_percent", "pixels", "datetime", "mask", "polygons", "error")


@dataclass(frozen=True, slots=True)
class PlacedScene:
    """A record with what its STAC item knows."""

    record: Record
    geometry: Any
    """A shapely geometry in longitude and latitude; None without georeference, or where the scene failed."""
    taken: datetime | None

    def output(self, key: str) -> str:
        """A file's path relative to the folder, or empty."""
        file = self.record.outputs.get(key)
        return file.path if file else ""


def write_summary(folder: Path, records: Sequence[Record]) -> None:
    """Write the three files, each whole or not at all; rows are sorted by scene, so that two equal batches agree.

    Raises:
        OutputError: they cannot be written.
    """
    placed = [_place(folder, record) for record in sorted(records, key=lambda record: record.scene)]
    with staged("summary") as staging:
        _write_csv(staging.path(folder / CSV), placed)
        _write_footprints(staging.path(folder / FOOTPRINTS), placed)
        _write_collection(staging.path(folder / COLLECTION), folder.name, placed)
        staging.commit(last=folder / COLLECTION)


def _place(folder: Path, record: Record) -> PlacedScene:
    """Outline and time as the scene's item gives them; an item that is damaged gives none."""
    file = record.outputs.get("stac")
    if file is None or not (folder / file.path).is_file():
        return PlacedScene(record, None, None)
    try:
        item = json.loads((folder / file.path).read_bytes())
        geometry = shapely.geometry.shape(item["geometry"]) if item["geometry"] else None
        dated = "geocloud:datetime_is" not in item["properties"]
        return PlacedScene(record, geometry, parse_time(item["properties"]["datetime"]) if dated else None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, shapely.errors.ShapelyError):
        return PlacedScene(record, None, None)


def _cell(value: object) -> object:
    """A cell of a table: a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return f"'{value}"
    return value


def _text(text: str) -> str:
    """A name as UTF-8 has it: bytes that are none are written as numbers."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _write_csv(path: Path, placed: Sequence[PlacedScene]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for one in placed:
            record = one.record
            table.writerow(
                _cell(value)
                for value in (
                    record.scene,
                    record.status,
                    record.cloud_percent,
                    record.pixels,
                    _iso(one.taken),
                    one.output("mask"),
                    one.output("polygons"),
                    record.error,
                )
            )


def _write_footprints(path: Path, placed: Sequence[PlacedScene]) -> None:
    """A layer of the scenes that are done, with cloud %."""
    frame = footprints(placed)
    try:
        frame.to_file(path, driver="GPKG", layer="footprints", geometry_type="MultiPolygon", promote_to_multi=True)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path} cannot be written ({error}); choose another folder or make room") from error


def footprints(placed: Sequence[PlacedScene]) -> geopandas.GeoDataFrame:
    """Columns scene, cloud_percent, datetime, mask and outline, EPSG:4326; scenes without georeference have none."""
    import geopandas
    import numpy as np

    done = [one for one in placed if one.record.status == "done"]
    cover = [np.nan if one.record.cloud_percent is None else one.record.cloud_percent for one in done]
    return geopandas.GeoDataFrame(
        {
            "scene": np.array([_text(one.record.scene) for one in done], dtype=object),
            "cloud_percent": np.array(cover, dtype=float),
            "datetime": np.array([_iso(one.taken) for one in done], dtype=object),
            "mask": np.array([_text(one.output("mask")) for one in done], dtype=object),
        },
        geometry=np.array([one.geometry for one in done], dtype=object),
        crs="EPSG:4326",
    )


def _write_collection(path: Path, name: str, placed: Sequence[PlacedScene]) -> None:
    """A STAC 1.1 Collection that links the items beside it."""
    import pystac

    done = [one for one in placed if one.record.status == "done"]
    collection = pystac.Collection(
        id=name or "batch",
        title="Cloud masks",
        description=f"Cloud masks of {len(done)} scenes, by geocloud",
        extent=pystac.Extent(pystac.SpatialExtent([_bounds(done)]), pystac.TemporalExtent([list(_times(done))])),
        license="other",
    )
    tables = {FOOTPRINTS: (MEDIA_TYPES[".gpkg"], "Footprints with cloud cover"), CSV: ("text/csv", "Summary")}
    for file, (kind, title) in tables.items():
        collection.add_asset(Path(file).stem, pystac.Asset(f"./{file}", title, media_type=kind, roles=["metadata"]))
    covers = [one.record.cloud_percent for one in done if one.record.cloud_percent is not None]
    if covers:
        collection.summaries.add("eo:cloud_cover", {"minimum": min(covers), "maximum": max(covers)})
    for one in done:
        collection.add_link(pystac.Link("item", f"./{one.output('stac')}", media_type="application/geo+json"))
    content = collection.to_dict(include_self_link=False, transform_hrefs=False)
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="backslashreplace"
    )


def _bounds(done: Sequence[PlacedScene]) -> list[float]:
    """West, south, east, north of all outlines; the whole Earth where none is known."""
    outlines = [one.geometry for one in done if one.geometry is not None]
    if not outlines:
        return [-180.0, -90.0, 180.0, 90.0]
    return [float(bound) for bound in shapely.total_bounds(outlines)]


def _times(done: Sequence[PlacedScene]) -> tuple[datetime | None, datetime | None]:
    taken = [one.taken for one in done if one.taken is not None]
    return (min(taken), max(taken)) if taken else (None, None)


def _iso(time: datetime | None) -> str:
    return time.isoformat().replace("+00:00", "Z") if time else ""
