"""Sentinel-2 products in the SAFE format: L1C and L2A, all baselines, folder or archive.

Band files are those that the product's own XML names. GDAL's SENTINEL2 driver is not used: it reads the files of
absent resolutions as zeros without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from geocloud.errors import InputError
from geocloud.readers.bands.choosing import given_bands
from geocloud.readers.bands.known_products import SENTINEL2_BEFORE_04, SENTINEL2_FROM_04
from geocloud.readers.bands.names import product_band
from geocloud.readers.bands.radiometry import ScaleEvidence
from geocloud.readers.bands.sensors import SENTINEL2, SENTINEL2_BANDS, SENTINEL2_BASELINES
from geocloud.readers.bands.spec import BandSource, Radiometry, SceneInfo
from geocloud.readers.files.paths import is_virtual, scene_name
from geocloud.readers.files.tree import Tree, first_text, local_name, parse_xml, texts
from geocloud.readers.products.assembly import (
    ProductDescription,
    assemble,
    require_visible,
)
from geocloud.readers.reader import SceneOptions

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SAFE_METADATA = re.compile(r"(MTD_MSIL(1C|2A)|S2[A-D]_.*_MTD_(SAF|DMP)L(1C|2A)_.*)\.xml", re.IGNORECASE)
"""Name of the product's metadata file, since 2016 and before."""
_RESOLUTION = re.compile(r"_(\d{2})m$")
_BASELINE = re.compile(r"_N(\d{2})\.?(\d{2})(?!\d)")
_PART = "GRANULE"
LEVELS = 4
"""Folders from a resolution's up to the product's."""
_STAND_INS = {"B8A": "B8"}
"""Narrow near infrared stands in where the wide band is absent, as at 60 m."""


def describe_safe(source: str, tree: Tree, options: SceneOptions) -> SceneInfo:
    """The spec of a SAFE product.

    Args:
        source: path of the product, as the user named it.
        tree: its files.
        options: scale and offset to use instead of the metadata's.

    Raises:
        InputError: metadata are missing or say no scale, or the blue, green or red band file is missing.
        UsageError: bands are given.
    """
    metadata = next(name for name in tree.names() if SAFE_METADATA.fullmatch(name))
    root = parse_xml(tree.read(metadata), f"{source}/{metadata}")
    baseline = first_text(root, "PROCESSING_BASELINE")
    named = safe_files(root, source)
    files = present_files(named, tree)
    wanted = {band: name for band, name in SENTINEL2.bands.items() if name and band in files}
    chosen = {name: band for band, name in wanted.items() if band not in _STAND_INS or _STAND_INS[band] not in files}
    if options.bands:
        labels = list(files)
        chosen = {name: labels[n - 1] for name, n in given_bands(options.bands, labels, source).numbers.items()}
    missing = {
        name: f"{band}, named as {named[band][0]}" if band in named else band
        for band, name in SENTINEL2.bands.items()
        if band not in _STAND_INS
    }
    require_visible(source, tuple(chosen), missing)
    stated = {
        name: None if options.scale is not None else safe_radiometry(root, band, source)
        for name, band in chosen.items()
    }
    sources = [
        BandSource(name, files[band], nodata=safe_nodata(root), label=band, evidence="the product's metadata")
        for name, band in chosen.items()
    ]
    level = first_text(root, "PROCESSING_LEVEL") or ("Level-2A" if "2A" in metadata.upper() else "Level-1C")
    product = ProductDescription(
        scene_name(source),
        source,
        f"Sentinel-2 L{level.removeprefix('Level-').upper()} SAFE, baseline {baseline or 'unknown'}",
        first_text(root, "DATATAKE_SENSING_START", "PRODUCT_START_TIME"),
        notes=_notes(baseline, chosen),
        document=tree.find(metadata) or "",
        scale=ScaleEvidence(source, source, SENTINEL2),
        left_out=tuple(_why_not(band, chosen) for band in files if band not in chosen.values()),
    )
    return assemble(product, sources, options, stated)


def _why_not(band: str, chosen: Mapping[str, str]) -> str:
    """The reason why a band of the product is not read."""
    name = SENTINEL2.bands[band]
    return f"{band}: {f'{name}, of which {chosen[name]} is read' if name in chosen else 'none that models take'}"


def tile_radiometry(source: str, tree: Tree) -> dict[str, Radiometry]:
    """Common name -> scale and offset of a part of a product, from metadata above it or AWS's tileInfo.json."""
    info = next((name for name in tree.names() if name.lower() in ("tileinfo.json", "productinfo.json")), "")
    found = _BASELINE.search(tree.read(info).decode("utf-8", "replace")) if info else None
    if found:
        known = SENTINEL2_FROM_04 if int(found[1]) >= 4 else SENTINEL2_BEFORE_04
        radiometry = Radiometry(known.scale, known.offset, f"{info}, baseline {found[1]}.{found[2]}")
        return {name: radiometry for name in SENTINEL2.bands.values() if name}
    path = Path(source).resolve()
    above = [folder for folder in list(path.parents)[:LEVELS] if not is_virtual(source) and _PART in path.parts]
    for folder in above:
        for file in sorted(folder.glob("*.xml")):
            if SAFE_METADATA.fullmatch(file.name) and file.is_file():
                root = parse_xml(file.read_bytes(), str(file))
                bands = {name: band for band, name in SENTINEL2.bands.items() if name and band not in _STAND_INS}
                return {name: safe_radiometry(root, band, str(file)) for name, band in bands.items()}
    return {}


def safe_files(root: Element, source: str) -> dict[str, list[str]]:
    """Band -> paths without suffix of its files in the product, finest first, as the XML names them.

    Since 2016 IMAGE_FILE holds a path; before, IMAGE_ID holds a name in the granule's own folder.
    """
    granules = [element for element in root.iter() if local_name(element) in ("Granule", "Granules")]
    if len({element.get("granuleIdentifier", "") for element in granules}) > 1:
        raise InputError(f"{source} holds several granules; split it, as with one zip a granule, and name one")
    paths = texts(root, "IMAGE_FILE")
    for element in granules:
        folder = f"GRANULE/{element.get('granuleIdentifier', '')}/IMG_DATA"
        for name in (*texts(element, "IMAGE_ID"), *texts(element, "IMAGE_ID_2A")):
            resolution = _RESOLUTION.search(name)
            paths.append(f"{folder}/{f'R{resolution[1]}m/' if resolution else ''}{name}")
    found: dict[str, list[str]] = {}
    for path in sorted(paths, key=lambda path: _RESOLUTION.findall(path) or [""]):
        band = product_band(path.rpartition("/")[2])
        if band:
            found.setdefault(band, []).append(path)
    return found


def present_files(named: dict[str, list[str]], tree: Tree) -> dict[str, str]:
    """Band -> path of the finest of its files that exists."""
    found: dict[str, str] = {}
    for band, paths in named.items():
        finest = next((file for path in paths if (file := tree.find(f"{path}.jp2"))), None)
        if finest:
            found[band] = finest
    return found


def safe_radiometry(root: Element, band: str, source: str) -> Radiometry:
    """Scale and offset of a band from the metadata: (DN + ADD_OFFSET) / QUANTIFICATION_VALUE.

    The offset comes from BOA_ADD_OFFSET (L2A) or RADIO_ADD_OFFSET (L1C) alone. Without those elements it is 0, unless
    the baseline should have them or is unknown: then the scale is unknown, and the user is asked.
    """
    baseline = first_text(root, "PROCESSING_BASELINE")
    quantification = first_text(
        root, "BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"
    )
    offsets = {
        element.get("band_id", ""): (element.text or "").strip()
        for element in root.iter()
        if local_name(element) in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
    }
    if not offsets and _major(baseline) not in range(4):
        raise InputError(
            f"{source} has processing baseline {baseline or 'unknown'} and gives no offsets, so its scale cannot be "
            f"told; give --scale {SENTINEL2_BEFORE_04.scale:g} with --offset 0 or --offset -0.1"
        )
    number = _band_number(root, band)
    try:
        scale = 1 / float(quantification)
        offset = float(offsets[number]) * scale if offsets else 0.0
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise InputError(
            f"{source} says no quantification value or no offset for band {band} in its metadata ({error}); "
            "give --scale and --offset"
        ) from error
    return Radiometry(scale, offset, f"the product's metadata, baseline {baseline}")


def safe_nodata(root: Element) -> float:
    """The DN that the product's special values call NODATA; 0 if they name none."""
    values = dict(zip(texts(root, "SPECIAL_VALUE_TEXT"), texts(root, "SPECIAL_VALUE_INDEX"), strict=False))
    text = values.get("NODATA", "")
    return float(text) if text.isdigit() else 0.0


def _band_number(root: Element, band: str) -> str:
    """Number of a band as the metadata list it, else as all products number bands."""
    for element in root.iter():
        if local_name(element) == "Spectral_Information" and element.get("physicalBand") == band:
            return element.get("bandId", "")
    return str(SENTINEL2_BANDS.index(band))


def _major(baseline: str) -> int:
    """The number before the dot; -1 without one."""
    head = baseline.partition(".")[0]
    return int(head) if head.isdigit() else -1


def _notes(baseline: str, chosen: dict[str, str]) -> tuple[str, ...]:
    notes = []
    if _major(baseline) not in SENTINEL2_BASELINES:
        notes.append(
            f"processing baseline {baseline or 'unknown'} is not known here; its metadata's scale is trusted: "
            "if it is wrong, give --scale and --offset"
        )
    if chosen.get("nir") == "B8A":
        notes.append("B8A stands in for the near infrared band B08, which is absent")
    return tuple(notes)
