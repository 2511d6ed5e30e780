"""STAC items as documents: loads them, and reads bands, scale and nodata of their assets (1.0 and 1.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geocloud.errors import InputError
from geocloud.readers.bands.choosing import given_bands
from geocloud.readers.bands.evidence import BandHint, NamedBand, read_evidence
from geocloud.readers.bands.known_products import SENTINEL2_FROM_04
from geocloud.readers.bands.names import name_word, product_token, to_micrometres
from geocloud.readers.bands.sensors import BASELINE_KEYS, OFFSET_APPLIED, SENTINEL2, stated_sensors
from geocloud.readers.bands.spec import Radiometry
from geocloud.readers.files.http import fetch
from geocloud.readers.files.paths import check_plain, is_remote
from geocloud.readers.files.tree import Tree

_PICTURES = {"visual", "overview", "thumbnail"}


@dataclass(frozen=True, slots=True)
class AssetBand:
    """One band of one asset."""

    band: str
    """Common name."""
    key: str
    """The asset's key in the item."""
    index: int
    """Band number in the asset's file, from 1."""
    asset: Mapping[str, Any]
    radiometry: Radiometry | None
    """None if the item says nothing."""
    nodata: float | None
    rank: tuple[bool, bool, bool, bool, float, float]
    """Of several assets with one band the lowest is read."""
    label: str = ""
    """What the item calls it."""
    evidence: str = ""


def load_item(source: str) -> dict[str, Any]:
    """A STAC item from a path or URL; InputError if it is not one. Its links are never followed."""
    item = load_document(source)
    if not is_item(item):
        kind = item.get("type", "JSON") if isinstance(item, dict) else "JSON"
        raise InputError(f"{source} is a {kind}, not a STAC item; give the path or URL of one item")
    return dict(item)


def load_document(source: str) -> Any:  # noqa: ANN401 - any JSON value
    """A STAC document from a path or URL; InputError if it cannot be read."""
    check_plain(source)
    try:
        content = fetch(source) if is_remote(source) else Path(source).read_bytes()
        return json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{source} cannot be read as a STAC item ({error}); check the path or URL") from error


def is_item(document: object) -> bool:
    """True for a JSON value that is a STAC item."""
    return isinstance(document, dict) and document.get("type") == "Feature" and isinstance(document.get("assets"), dict)


def asset_bands(item: Mapping[str, Any], bands: Mapping[str, int | str] | None = None) -> list[AssetBand]:
    """All recognised bands of an item's assets, in the item's order.

    Names of all bands are read together, with the platform that the item states.

    Args:
        item: the item.
        bands: common name -> number or name of the band (an asset's key, a band's name) where the user gives them.

    Raises:
        InputError: an asset is not as in STAC.
        UsageError: a band is given that there is not.
    """
    entries: list[tuple[str, int, Mapping[str, Any], Mapping[str, Any]]] = []
    try:
        for key, asset in item["assets"].items():
            if isinstance(asset, dict) and isinstance(asset.get("href"), str):
                listed = _band_entries(item, asset) or [{"name": key}]
                entries += [(key, index, asset, entry) for index, entry in enumerate(listed, start=1)]
        return _read_entries(item, entries, bands or {})
    except (TypeError, AttributeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise InputError(
            f"the STAC item has assets that are not as STAC has them ({error}); correct the item"
        ) from error


def _read_entries(
    item: Mapping[str, Any],
    entries: Sequence[tuple[str, int, Mapping[str, Any], Mapping[str, Any]]],
    bands: Mapping[str, int | str],
) -> list[AssetBand]:
    """The recognised bands among an item's entries (asset's key, number in it, asset, band)."""
    labels = [_label(key, entry) for key, _, _, entry in entries]
    if bands:
        numbers = {
            n: name for name, n in given_bands(bands, [*labels], str(item.get("id", "the item"))).numbers.items()
        }
        named = [NamedBand(numbers[n], "--bands") if n in numbers else None for n in range(1, len(entries) + 1)]
    else:
        named = list(read_evidence([_hint(key, entry) for key, _, _, entry in entries], stated_texts(item)).bands)
    found = []
    for (key, index, asset, entry), label, band in zip(entries, labels, named, strict=True):
        if band is None or not band.band:
            continue
        radiometry, nodata = _numbers(item, asset, entry, index)
        rank = _rank(key, asset, narrow=band.rank[0] > 0, distance=band.rank[1])
        found.append(AssetBand(band.band, key, index, asset, radiometry, nodata, rank, label, band.evidence))
    return found


def stated_texts(item: Mapping[str, Any]) -> str:
    """All texts of an item that may state the sensor: platform, constellation, collection, id."""
    return " ".join(str(text) for text in (_stated(_properties(item)), item.get("collection"), item.get("id")) if text)


def _stated(properties: Mapping[str, Any]) -> str:
    """Platform and constellation in the properties."""
    stated = [properties.get(key) for key in ("platform", "constellation", "instruments", "mission", "eo:platform")]
    return " ".join(str(text) for text in stated if text)


def _label(key: str, entry: Mapping[str, Any]) -> str:
    name = str(entry.get("name") or entry.get("common_name") or "")
    return key if not name or name.lower() == key.lower() else f"{key} {name}"


def _hint(key: str, entry: Mapping[str, Any]) -> BandHint:
    """What an item says of one band; the key of its asset if the name says nothing."""
    name = str(entry.get("name") or "")
    wavelength = entry.get("eo:center_wavelength") or entry.get("center_wavelength")
    common = str(entry.get("eo:common_name") or entry.get("common_name") or "")
    says = product_token(name) or name_word(name)
    return BandHint(name if says else key, to_micrometres(wavelength) if wavelength else None, common)


def _rank(
    key: str, asset: Mapping[str, Any], *, narrow: bool, distance: float
) -> tuple[bool, bool, bool, bool, float, float]:
    """Rank, lower first: data before pictures, GeoTIFF before JP2, wide band, finest, nearest to the centre."""
    roles, kind, href = set(asset.get("roles") or ()), str(asset.get("type", "")).lower(), str(asset["href"]).lower()
    return (
        bool(roles & _PICTURES) or key.lower().startswith(tuple(_PICTURES)),
        not (kind.startswith(("image", "application/x-")) or not kind),
        "jp2" in kind or href.endswith(".jp2"),
        narrow,
        float(asset.get("gsd") or asset.get("eo:gsd") or 0),
        distance,
    )


def _band_entries(item: Mapping[str, Any], asset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """An asset's bands: STAC 1.1's `bands`, 1.0's `eo:bands`, or numbers into the item's own list as before 1.0."""
    entries = asset.get("bands") or asset.get("eo:bands") or []
    shared = _properties(item).get("eo:bands") or []
    looked_up = [shared[entry] if isinstance(entry, int) and entry < len(shared) else entry for entry in entries]
    return [entry if isinstance(entry, dict) else {} for entry in looked_up]


def _numbers(
    item: Mapping[str, Any], asset: Mapping[str, Any], entry: Mapping[str, Any], index: int
) -> tuple[Radiometry | None, float | None]:
    """Scale and offset, and nodata, of a band: 1.1's fields on the band or asset, or 1.0's `raster:bands`."""
    listed: Sequence[Mapping[str, Any]] = asset.get("raster:bands") or ()
    raster = listed[index - 1] if index <= len(listed) else {}
    layers = (raster, entry, asset)
    scale = _first(layers, "scale", "raster:scale")
    offset = _first(layers, "offset", "raster:offset")
    nodata = _first(layers, "nodata")
    number = float(nodata) if nodata is not None and str(nodata).lower() != "nan" else None
    return _radiometry(_properties(item), scale, offset), number


def _radiometry(properties: Mapping[str, Any], scale: object, offset: object) -> Radiometry | None:
    """Scale and offset of an item; no offset if the item says that it has been applied."""
    applied = any(properties.get(key) is True for key in OFFSET_APPLIED)
    if scale is None and offset is None:
        return _sentinel2_default(properties, applied=applied)
    given = Radiometry(float(str(scale or 1)), float(str(offset or 0)), "the STAC item")
    if offset is None and given.scale == SENTINEL2_FROM_04.scale and _late(properties) and not applied:
        return None  # whether the offset is in the numbers, these tell
    if not applied:
        return given
    return Radiometry(given.scale, 0.0, "the STAC item, whose offset is applied already")


def _sentinel2_default(properties: Mapping[str, Any], *, applied: bool) -> Radiometry | None:
    """For Sentinel-2 items that give no scale: by the processing baseline they state, or that no offset is left."""
    baseline = _baseline(properties)
    if not baseline and applied:
        return Radiometry(SENTINEL2_FROM_04.scale, 0.0, "the STAC item, whose offset is applied already")
    if not baseline:
        return None
    offset = SENTINEL2_FROM_04.offset if _late(properties) and not applied else 0.0
    return Radiometry(SENTINEL2_FROM_04.scale, offset, f"the STAC item's processing baseline {baseline}")


def _baseline(properties: Mapping[str, Any]) -> str:
    """Sentinel-2's processing baseline, such as `05.09`; empty if none is stated or the sensor is another."""
    baseline = str(next((properties[key] for key in BASELINE_KEYS if properties.get(key)), ""))
    of_it = "s2:processing_baseline" in properties or SENTINEL2 in stated_sensors(_stated(properties))
    return baseline if of_it and baseline.replace(".", "", 1).isdigit() else ""


def _late(properties: Mapping[str, Any]) -> bool:
    """True from baseline 04.00 on."""
    return float(_baseline(properties) or 0) >= 4


def item_baseline(item: Mapping[str, Any]) -> str:
    """Sentinel-2's processing baseline in an item; empty if it states none."""
    return _baseline(_properties(item))


def _properties(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties of an item; empty if they are not a JSON object."""
    properties = item.get("properties")
    return properties if isinstance(properties, dict) else {}


def _first(layers: Sequence[Mapping[str, Any]], *keys: str) -> Any:  # noqa: ANN401 - any JSON value
    """The first value that is not None, by layer and then by key."""
    return next((layer[key] for layer in layers for key in keys if layer.get(key) is not None), None)


def read_items_beside(tree: Tree) -> tuple[dict[str, Radiometry], str]:
    """File name in lower case -> scale and offset, and the time taken, of the STAC items among a folder's files."""
    found: dict[str, Radiometry] = {}
    taken = ""
    for name in tree.names():
        if not name.lower().endswith(".json"):
            continue
        try:
            item = json.loads(tree.read(name))
        except (ValueError, RecursionError):
            continue
        if is_item(item):
            taken = taken or item_time(item)
            for band in asset_bands(item):
                if band.radiometry is not None:
                    found[band.asset["href"].partition("?")[0].rpartition("/")[2].lower()] = band.radiometry
    return found, taken


def item_name(item: Mapping[str, Any]) -> str:
    """The item's id as a stem of file names; characters that could lead out of a folder are replaced."""
    return re.sub(r"[/\\\0:]", "_", str(item.get("id") or "")).lstrip(".") or "item"


def item_time(item: Mapping[str, Any]) -> str:
    """Time at which the item's scene was taken, ISO 8601; empty if not stated."""
    properties = _properties(item)
    return str(properties.get("datetime") or properties.get("start_datetime") or "")
