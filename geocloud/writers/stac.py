"""Write the STAC item of a mask or composite: its files, its properties and its provenance."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform, transform_geom
from shapely.affinity import translate

from geocloud.classes import MaskClass
from geocloud.errors import MissingExtraError, without_secrets
from geocloud.geometry.geodesy import to_crs_coordinates
from geocloud.raster import Georef
from geocloud.readers.files.paths import is_virtual
from geocloud.version import __version__
from geocloud.writers.cog import RasterFormat

if TYPE_CHECKING:
    import pystac

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
MEDIA_TYPES = {
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".fgb": "application/vnd.flatgeobuf",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
}
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
EDGE_POINTS = 9
"""Points along each side of the footprint: a side that is straight in a projection is curved in degrees."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an item."""

    staged: Path
    """Path of the file while the item is written."""
    name: str
    """Final name of the file, beside the item."""
    title: str
    media_type: str
    """Empty: none."""
    roles: tuple[str, ...]
    raster: RasterFormat | None = None
    """Type, nodata, scale and bands of a raster; None: not a raster."""
    classes: tuple[MaskClass, ...] = ()
    """Classes of a mask, with the codes that are written."""


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """The content of an item."""

    name: str
    """Name of the scene; the item's id begins with it."""
    georef: Georef
    cloud_cover: float
    """Cloud cover in percent of the valid pixels; NaN if there are none."""
    taken: str
    """Acquisition time of the scene, ISO 8601, or empty."""
    source: str
    """Path or URL of the scene or of its STAC item."""
    tags: Mapping[str, str]
    """The provenance tags of the mask."""
    assets: Mapping[str, Asset] = field(default_factory=dict)
    """Key (mask, score, ...) -> file."""
    properties: Mapping[str, object] = field(default_factory=dict)
    """Further properties: name -> JSON value."""
    suffix: str = "_cloudmask"
    """End of the item's id."""
    lineage: str = ""
    """How the result was made, in words; empty: by the model that the tags name."""
    further_sources: tuple[str, ...] = ()
    """Further scenes, as `source`."""
    period: tuple[str, str] | None = None
    """First and last day of several scenes, YYYY-MM-DD; `taken` is then the first."""


def write_item(path: Path, record: ItemRecord) -> None:
    """Write a STAC 1.1 item at `path`; hrefs are relative to it.

    Raises:
        MissingExtraError: pystac is not installed.
    """
    require_pystac()
    import pystac

    now = datetime.now(UTC)
    taken = parse_time(record.taken)
    outline = footprint(record.georef)
    item = pystac.Item(
        f"{record.name}{record.suffix}",
        geometry=outline,
        bbox=_bbox(outline),
        datetime=taken or now,
        properties=_properties(record, now, dated=taken is not None),
    )
    item.stac_extensions.append(PROCESSING)
    _locate(item, record)
    for key, asset in record.assets.items():
        item_asset = pystac.Asset(
            f"./{asset.name}", title=asset.title, media_type=asset.media_type or None, roles=list(asset.roles)
        )
        item.add_asset(key, item_asset)
        _describe_asset(item_asset, asset)
    for source in (record.source, *record.further_sources):
        item.add_link(pystac.Link("derived_from", without_secrets(source)))
    text = json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def require_pystac() -> None:
    """MissingExtraError if pystac is not installed; called before a run begins."""
    try:
        import pystac  # noqa: F401 - only to say what is missing
    except ImportError as error:
        raise MissingExtraError("pystac", "stac", "A STAC item") from error


def footprint(georef: Georef) -> dict[str, Any] | None:
    """The scene's outline as GeoJSON in longitude and latitude, cut at the antimeridian; None without georeference.

    Exterior rings run counterclockwise (RFC 7946, 3.1.6).
    """
    if not georef.located:
        return None
    height, width = georef.shape
    steps = np.linspace(0, 1, EDGE_POINTS)[:-1]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height), (0, 0)], dtype=float)
    ring = np.concatenate([start + np.outer(steps, end - start) for start, end in pairwise(corners)])
    in_crs = to_crs_coordinates(np.array([shapely.Polygon(ring[::-1])]), georef)[0]
    crs = CRS.from_wkt(georef.crs_wkt)
    lons, lats = transform(crs, "EPSG:4326", *shapely.get_coordinates(in_crs).T)
    lons = np.unwrap(lons, period=360)
    if abs(lons[-1] - lons[0]) < 180:
        outline = _cut(shapely.Polygon(zip(lons, lats, strict=True)))
    else:  # the scene surrounds a pole
        outline = shapely.geometry.shape(
            transform_geom(crs, "EPSG:4326", shapely.geometry.mapping(in_crs), antimeridian_cutting=True, precision=7)
        )
    return dict(shapely.geometry.mapping(shapely.orient_polygons(outline)))


def _cut(outline: shapely.Geometry) -> shapely.Geometry:
    """The outline, with the parts beyond longitudes of 180 or -180 moved to the other side."""
    turns = range(math.floor((outline.bounds[0] + 180) / 360), math.ceil((outline.bounds[2] - 180) / 360) + 1)
    parts = [
        translate(outline & shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90), -360 * turn) for turn in turns
    ]
    return shapely.set_precision(shapely.union_all([part for part in parts if part.area]), 1e-7)


def _bbox(outline: dict[str, Any] | None) -> list[float] | None:
    """(west, south, east, north); west is greater than east if it crosses the antimeridian (RFC 7946, 5.2)."""
    if outline is None:
        return None
    shape = shapely.geometry.shape(outline)
    west, south, east, north = shape.bounds
    parts = [part.bounds for part in getattr(shape, "geoms", [shape])]
    western, eastern = [b for b in parts if b[2] < 0 or b[0] == -180], [b for b in parts if b[0] > 0 or b[2] == 180]
    if (
        west == -180
        and east == 180
        and len(western) + len(eastern) == len(parts) > 1
        and not set(western) & set(eastern)
    ):
        west, east = min(b[0] for b in eastern), max(b[2] for b in western)
    return [west, south, east, north]


def parse_time(text: str) -> datetime | None:
    """An ISO 8601 time in UTC, or None if the text is none; a date gives the beginning of the day."""
    try:
        time = datetime.fromisoformat(text[:26] + "Z" if len(text) > 27 and text.endswith("Z") else text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError at the ends of the calendar
        return None


def seen_from(document: Path, source: str) -> str:
    """The link to a source in a document: a URL unchanged, a local path relative to the document."""
    if is_virtual(source) or not Path(source).exists():
        return source
    try:
        return Path(os.path.relpath(source, document.parent)).as_posix()
    except ValueError:  # another drive
        return Path(source).resolve().as_uri()


def _properties(record: ItemRecord, now: datetime, *, dated: bool) -> dict[str, Any]:
    """Properties of the processing, those of geocloud, and those of the record."""
    own = {f"geocloud:{key.removeprefix('GEOCLOUD_').lower()}": text for key, text in record.tags.items() if text}
    properties = {
        "created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "processing:datetime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "processing:software": {"geocloud": __version__},
        "processing:lineage": record.lineage or f"cloud mask by model {record.tags.get('GEOCLOUD_MODEL', '')}",
        **own,
        **record.properties,
    }
    if record.period is not None:
        first, last = record.period
        properties |= {"start_datetime": f"{first}T00:00:00Z", "end_datetime": f"{last}T23:59:59Z"}
    return properties if dated else {**properties, "geocloud:datetime_is": "the time of processing"}


def _locate(item: pystac.Item, record: ItemRecord) -> None:
    """Set cloud cover and projection."""
    from pystac.extensions.eo import EOExtension
    from pystac.extensions.projection import ProjectionExtension

    if not np.isnan(record.cloud_cover):
        EOExtension.ext(item, add_if_missing=True).cloud_cover = round(record.cloud_cover, 3)
    projection = ProjectionExtension.ext(item, add_if_missing=True)
    projection.shape = list(record.georef.shape)
    if record.georef.crs_wkt:
        code = CRS.from_wkt(record.georef.crs_wkt).to_epsg()
        projection.code = f"EPSG:{code}" if code else None
        if not code:
            projection.wkt2 = record.georef.crs_wkt
    if record.georef.located and not record.georef.gcps:
        projection.transform = list(record.georef.transform)[:6]


def _describe_asset(item_asset: pystac.Asset, asset: Asset) -> None:
    """Set file size and hash; for rasters also type, nodata, scale and classes."""
    from pystac.extensions.classification import Classification, ClassificationExtension
    from pystac.extensions.eo import Band, EOExtension
    from pystac.extensions.file import FileExtension
    from pystac.extensions.raster import DataType, RasterBand, RasterExtension

    digest = hashlib.sha256(asset.staged.read_bytes()).hexdigest()
    size = asset.staged.stat().st_size
    FileExtension.ext(item_asset, add_if_missing=True).apply(size=size, checksum=f"1220{digest}")
    if asset.raster is not None:
        raster = asset.raster
        scale, offset = (None, None) if raster.scale == 1 else (raster.scale, 0.0)
        band = RasterBand.create(nodata=raster.nodata, data_type=DataType(raster.dtype), scale=scale, offset=offset)
        RasterExtension.ext(item_asset, add_if_missing=True).bands = [band] * raster.bands
        if raster.names:
            EOExtension.ext(item_asset, add_if_missing=True).bands = [Band.create(name) for name in raster.names]
    if asset.classes:
        ClassificationExtension.ext(item_asset, add_if_missing=True).classes = [
            Classification.create(
                value=entry.code,
                name=entry.name.replace(" ", "-"),
                description=entry.name,
                color_hint="{:02X}{:02X}{:02X}".format(*entry.colour[:3]),
            )
            for entry in asset.classes
        ]
