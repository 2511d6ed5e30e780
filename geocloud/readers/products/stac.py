"""A STAC item as a scene: which asset is read for which band, by the reading rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from geocloud.errors import InputError, MissingExtraError
from geocloud.progress import Warn
from geocloud.readers.bands.known_products import LANDSAT_L1
from geocloud.readers.bands.names import VISIBLE
from geocloud.readers.bands.radiometry import ScaleEvidence
from geocloud.readers.bands.sensors import no_scene, stated_sensors
from geocloud.readers.bands.spec import BandSource, FillSource, Radiometry, SceneInfo
from geocloud.readers.files.opening import is_absent, open_raster, path_exists
from geocloud.readers.files.paths import is_remote, is_virtual, resolve
from geocloud.readers.products.assembly import ProductDescription, assemble, require_visible, tagged_radiometry
from geocloud.readers.products.stac_item import (
    AssetBand,
    asset_bands,
    item_baseline,
    item_name,
    item_time,
    load_item,
    stated_texts,
)
from geocloud.readers.reader import SceneOptions

_WAY_OUT = (
    "if it has them, --bands blue=ASSET,green=ASSET,red=ASSET; if one asset's file holds them all, give that file"
)
_QUALITY = re.compile(r"qa_pixel|bqa", re.IGNORECASE)


_AZURE = ".blob.core.windows.net"
"""Where the Planetary Computer keeps its files: it gives them to whoever brings a token, which it gives to anyone."""


def signed(path: str, item: Mapping[str, Any]) -> str:
    """The address of an asset, with a token if its item comes from the Planetary Computer.

    Raises:
        MissingExtraError: planetary-computer is not installed.
        InputError: no token is given.
    """
    links = item.get("links")
    origin = (
        " ".join(str(link.get("href")) for link in links if isinstance(link, dict)) if isinstance(links, list) else ""
    )
    if "planetarycomputer." not in origin or not (urlsplit(path).hostname or "").endswith(_AZURE):
        return path
    try:
        import planetary_computer
    except ImportError as error:
        raise MissingExtraError("planetary-computer", "search", "an item of the Planetary Computer") from error
    try:
        return str(planetary_computer.sign_url(path))
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} needs a token, which the Planetary Computer does not give ({reason})") from error


def describe_item(source: str, options: SceneOptions) -> SceneInfo:
    """The spec of a STAC item.

    Links (root, collection, parent) are never followed, so broken links do not matter.

    Raises:
        InputError: no STAC item, an asset that is missing or may not be read, no blue, green or red.
        UsageError: a band is given that there is not.
    """
    item = load_item(source)
    chosen = choose_assets(item, options.bands)
    listed = f"not among its assets {', '.join(list(item['assets'])[:20])}"
    missing = dict.fromkeys(VISIBLE, listed)
    what = no_scene(stated_texts(item))
    if what and not set(VISIBLE) <= set(chosen):
        raise InputError(f"by its names, {source} is {what}")
    require_visible(source, tuple(chosen), missing, _WAY_OUT)
    sources, notes = [], []
    stated: dict[str, Radiometry | None] = {}
    for band, asset in chosen.items():
        path = signed(resolve(source, asset.asset["href"], allow_external=options.allow_external), item)
        problem = _dangling(source, asset, path, needed=band in missing)
        if problem and band in missing:
            raise InputError(f"{problem}; fetch it")
        if problem:
            notes.append(Warn(f"{problem}; the band is left out: fetch it, or name another with --bands"))
            continue
        stated[band] = asset.radiometry or _tags(asset, path, options)
        sources.append(
            BandSource(band, path, asset.index, nodata=asset.nodata, label=asset.label, evidence=asset.evidence)
        )
    fill = _fill(source, item, options)
    kind = f"STAC item, {item.get('stac_version', 'unknown version')}"
    hrefs = " ".join(str(asset.asset["href"]).rpartition("/")[2] for asset in chosen.values())
    texts = f"{stated_texts(item)} {hrefs}"
    sensors = stated_sensors(texts)
    product = ProductDescription(
        item_name(item),
        source,
        kind,
        item_time(item),
        source,
        tuple(notes),
        fill,
        scale=ScaleEvidence(
            *(source, texts, sensors[0] if len(sensors) == 1 else None, [source.label for source in sources]),
            item_baseline(item),
            taken=item_time(item),
        ),
        left_out=_left_out(item, chosen, options),
    )
    return assemble(product, sources, options, stated)


def _left_out(item: Mapping[str, Any], chosen: Mapping[str, AssetBand], options: SceneOptions) -> tuple[str, ...]:
    """One sentence for each asset, or band of one, that is not read."""
    read = {(band.key, band.index) for band in chosen.values()}
    known = asset_bands(item, options.bands)
    left = [
        f"{band.label}: {band.band}, of which {chosen[band.band].label} is read"
        for band in known
        if (band.key, band.index) not in read
    ]
    named = {band.key for band in known}
    return (
        *left,
        *(f"{key}: no band that models take, or nothing says which" for key in item["assets"] if key not in named),
    )


def choose_assets(item: Mapping[str, Any], bands: Mapping[str, int | str] | None = None) -> dict[str, AssetBand]:
    """Common name -> asset to read: data before pictures, GeoTIFF before JP2, the wide band, the finest."""
    found: dict[str, AssetBand] = {}
    for band in sorted(asset_bands(item, bands), key=lambda band: band.rank):
        found.setdefault(band.band, band)
    return found


def _dangling(source: str, asset: AssetBand, path: str, *, needed: bool) -> str:
    """A sentence on an asset that does not exist; empty if it exists, or if opening it will tell."""
    if not is_virtual(path) and path_exists(path):
        return ""
    if is_virtual(path) and (needed or not is_remote(path) or not is_absent(path)):
        return ""
    return f"{source} names {asset.asset['href']} as asset {asset.key} ({asset.band}), which does not exist"


def _tags(asset: AssetBand, path: str, options: SceneOptions) -> Radiometry | None:
    """Scale and offset from the file's tags, for items that state none."""
    if options.scale is not None:
        return None
    with open_raster(path, allow_external=options.allow_external) as dataset:
        return tagged_radiometry(dataset, asset.index)


def _fill(source: str, item: Mapping[str, Any], options: SceneOptions) -> FillSource | None:
    """The Landsat quality asset, if there is one that can be read."""
    for key, asset in item["assets"].items():
        href = asset.get("href", "") if isinstance(asset, dict) else ""
        if (
            not isinstance(href, str)
            or not href.lower().endswith((".tif", ".tiff"))
            or not (_QUALITY.search(key) or _QUALITY.search(href))
        ):
            continue
        try:
            path = signed(resolve(source, href, allow_external=options.allow_external), item)
            open_raster(path, allow_external=options.allow_external).close()
        except InputError:
            continue
        return FillSource(path, LANDSAT_L1.fill_bit or 0)
    return None
