"""Summarise a folder of masks in summary.csv, footprints.gpkg and a STAC Collection."""

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
from geocloud.writers.staging import staged, write_errors
from geocloud.writers.tables import FORMULA_SIGNS

if TYPE_CHECKING:
    import geopandas

COLUMNS = ("scene", "status", "cloud_percent", "pixels", "datetime", "mask", "polygons", "error")


@dataclass(frozen=True, slots=True)
class PlacedScene:
    """A record, with outline and time from its STAC item."""

    record: Record
    geometry: Any
    """A shapely geometry in longitude and latitude; None without georeference, or if the scene failed."""
    taken: datetime | None
    """Time of the scene; None if unknown."""

    def output(self, key: str) -> str:
        """Path of an output relative to the folder; empty if there is none."""
        file = self.record.outputs.get(key)
        return file.path if file else ""


def write_summary(folder: Path, records: Sequence[Record]) -> None:
    """Write the three files, all or none. Rows are sorted by scene, so that equal batches give equal files.

    Raises:
        OutputError: they cannot be written.
    """
    placed = [_place(folder, record) for record in sorted(records, key=lambda record: record.scene)]
    with staged("summary") as staging, write_errors(folder):
        _write_csv(staging.path(folder / CSV), placed)
        _write_footprints(staging.path(folder / FOOTPRINTS), placed)
        _write_collection(staging.path(folder / COLLECTION), folder.name, placed)
        staging.commit(last=folder / COLLECTION)


def _place(folder: Path, record: Record) -> PlacedScene:
    """A record with outline and time from the scene's STAC item; without them if the item cannot be read."""
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
    """The value, with an apostrophe before a text that a spreadsheet would read as a formula."""
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return f"'{value}"
    return value


def _text(text: str) -> str:
    """A text as valid UTF-8: other bytes are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _write_csv(path: Path, placed: Sequence[PlacedScene]) -> None:
    """Write the table of all scenes."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for scene in placed:
            record = scene.record
            table.writerow(
                _cell(value)
                for value in (
                    record.scene,
                    record.status,
                    record.cloud_percent,
                    record.pixels,
                    _iso(scene.taken),
                    scene.output("mask"),
                    scene.output("polygons"),
                    record.error,
                )
            )


def _write_footprints(path: Path, placed: Sequence[PlacedScene]) -> None:
    """Write a GeoPackage of the outlines of all scenes that are done, with cloud cover."""
    frame = footprints(placed)
    try:
        frame.to_file(path, driver="GPKG", layer="footprints", geometry_type="MultiPolygon", promote_to_multi=True)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path} cannot be written ({error}); choose another folder or make room") from error


def footprints(placed: Sequence[PlacedScene]) -> geopandas.GeoDataFrame:
    """The scenes that are done: scene, cloud_percent, datetime, mask and outline (EPSG:4326; None if unknown)."""
    import geopandas
    import numpy as np

    done = [scene for scene in placed if scene.record.status == "done"]
    cover = [np.nan if scene.record.cloud_percent is None else scene.record.cloud_percent for scene in done]
    return geopandas.GeoDataFrame(
        {
            "scene": np.array([_text(scene.record.scene) for scene in done], dtype=object),
            "cloud_percent": np.array(cover, dtype=float),
            "datetime": np.array([_iso(scene.taken) for scene in done], dtype=object),
            "mask": np.array([_text(scene.output("mask")) for scene in done], dtype=object),
        },
        geometry=np.array([scene.geometry for scene in done], dtype=object),
        crs="EPSG:4326",
    )


def _write_collection(path: Path, name: str, placed: Sequence[PlacedScene]) -> None:
    """Write a STAC 1.1 Collection that links to the items beside it."""
    import pystac

    done = [scene for scene in placed if scene.record.status == "done"]
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
    covers = [scene.record.cloud_percent for scene in done if scene.record.cloud_percent is not None]
    if covers:
        collection.summaries.add("eo:cloud_cover", {"minimum": min(covers), "maximum": max(covers)})
    for scene in done:
        collection.add_link(pystac.Link("item", f"./{scene.output('stac')}", media_type="application/geo+json"))
    content = collection.to_dict(include_self_link=False, transform_hrefs=False)
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="backslashreplace"
    )


def _bounds(done: Sequence[PlacedScene]) -> list[float]:
    """(west, south, east, north) of all outlines in degrees; the whole Earth if there are none."""
    outlines = [scene.geometry for scene in done if scene.geometry is not None]
    if not outlines:
        return [-180.0, -90.0, 180.0, 90.0]
    return [float(bound) for bound in shapely.total_bounds(outlines)]


def _times(done: Sequence[PlacedScene]) -> tuple[datetime | None, datetime | None]:
    """First and last time of all scenes; None and None if no time is known."""
    taken = [scene.taken for scene in done if scene.taken is not None]
    return (min(taken), max(taken)) if taken else (None, None)


def _iso(time: datetime | None) -> str:
    """A time as ISO 8601; empty for None."""
    return time.isoformat().replace("+00:00", "Z") if time else ""
