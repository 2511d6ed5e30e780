"""A STAC item as a scene: which asset is read for which band, by the reading rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from geocloud.errors import InputError
from geocloud.readers.bands.radiometry import assume_radiometry, tagged_radiometry
from geocloud.readers.bands.sensors import LANDSAT_L1
from geocloud.readers.bands.spec import BandSource, FillSource, Radiometry, SceneSpec
from geocloud.readers.files.opening import is_absent, open_raster, path_exists
from geocloud.readers.files.paths import is_remote, is_virtual, resolve
from geocloud.readers.products.assembly import (
    ProductDescription,
    assemble,
    given_radiometry,
    refuse_band_numbers,
    require_visible,
)
from geocloud.readers.products.stac_item import AssetBand, asset_bands, item_name, item_time, load_item
from geocloud.readers.reader import SceneOptions

_QUALITY = re.compile(r"qa_pixel|bqa", re.IGNORECASE)


def describe_item(source: str, options: SceneOptions) -> SceneSpec:
    """The spec of a STAC item.

    Links (root, collection, parent) are never followed, so that broken ones are no obstacle.

    Raises:
        InputError: no STAC item, an asset that is missing or may not be read, no blue, green or red.
        UsageError: band numbers are given.
    """
    refuse_band_numbers(source, options)
    item = load_item(source)
    chosen = choose_assets(item)
    missing = {band: f"not among its assets {', '.join(item['assets'])}" for band in ("blue", "green", "red")}
    require_visible(source, tuple(chosen), missing)
    sources, notes = [], []
    for band, asset in chosen.items():
        path = resolve(source, asset.asset["href"], allow_external=options.allow_external)
        problem = _dangling(source, asset, path, needed=band in missing)
        if problem and band in missing:
            raise InputError(f"{problem}; fetch it")
        if problem:
            notes.append(f"{problem}; the band is left out")
            continue
        radiometry, note = _radiometry(asset, path, options)
        notes += [note] * (note not in ("", *notes))
        sources.append(BandSource(band, path, asset.index, radiometry, asset.nodata))
    fill = _fill(source, item, options)
    kind = f"STAC item, {item.get('stac_version', 'unknown version')}"
    product = ProductDescription(item_name(item), source, kind, item_time(item), source, tuple(notes), fill)
    return assemble(product, sources, options)


def choose_assets(item: Mapping[str, Any]) -> dict[str, AssetBand]:
    """Common name -> the asset to read: data before pictures, GeoTIFF before JP2, the wide band, the finest."""
    found: dict[str, AssetBand] = {}
    for band in sorted(asset_bands(item), key=lambda band: band.rank):
        found.setdefault(band.band, band)
    return found


def _dangling(source: str, asset: AssetBand, path: str, *, needed: bool) -> str:
    """What to say of an asset that does not exist; empty where it does, or where opening it will tell."""
    if not is_virtual(path) and path_exists(path):
        return ""
    if is_virtual(path) and (needed or not is_remote(path) or not is_absent(path)):
        return ""
    return f"{source} names {asset.asset['href']} as asset {asset.key} ({asset.band}), which does not exist"


def _radiometry(asset: AssetBand, path: str, options: SceneOptions) -> tuple[Radiometry, str]:
    """Scale and offset: as given, as the item says, by the file's tags, or assumed with a note."""
    known = given_radiometry(options) or asset.radiometry
    if known is not None:
        return known, ""
    with open_raster(path, allow_external=options.allow_external) as dataset:
        tagged = tagged_radiometry(dataset, asset.index)
        assumed = tagged or assume_radiometry(dataset, [asset.index])
    note = f"reflectance = DN * {assumed.scale:.6g} + {assumed.offset:g} ({assumed.origin})"
    return assumed, "" if tagged else note


def _fill(source: str, item: Mapping[str, Any], options: SceneOptions) -> FillSource | None:
    """Landsat's quality asset, where there is one that can be read."""
    for key, asset in item["assets"].items():
        href = asset.get("href", "") if isinstance(asset, dict) else ""
        if (
            not isinstance(href, str)
            or not href.lower().endswith((".tif", ".tiff"))
            or not (_QUALITY.search(key) or _QUALITY.search(href))
        ):
            continue
        try:
            path = resolve(source, href, allow_external=options.allow_external)
            open_raster(path, allow_external=options.allow_external).close()
        except InputError:
            continue
        return FillSource(path, LANDSAT_L1.fill_bit or 0)
    return None
