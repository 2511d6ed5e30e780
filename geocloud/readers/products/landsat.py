"""Landsat 4 to 9 products: Collection 2 Level 2 and Level 1, Collection 1 Level 1, folder or archive."""

from __future__ import annotations

import math

from geocloud.errors import InputError
from geocloud.readers.bands.choosing import given_bands
from geocloud.readers.bands.known_products import LANDSAT_C2_L2, LANDSAT_L1
from geocloud.readers.bands.radiometry import ScaleEvidence
from geocloud.readers.bands.sensors import LANDSAT_FAMILIES, Sensor, stated_sensors
from geocloud.readers.bands.spec import BandSource, FillSource, Radiometry, SceneInfo
from geocloud.readers.files.paths import scene_name
from geocloud.readers.files.tree import Tree
from geocloud.readers.products.assembly import (
    ProductDescription,
    assemble,
    require_visible,
)
from geocloud.readers.products.mtl import MTL_FILE, Groups, lookup, read_mtl
from geocloud.readers.reader import SceneOptions

_CONTENTS = ("PRODUCT_CONTENTS", "PRODUCT_METADATA")
"""Groups that name the files, of Collection 2 and of Collection 1."""
_LEVEL2 = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
_LEVEL1 = ("LEVEL1_RADIOMETRIC_RESCALING", "RADIOMETRIC_RESCALING")
_SUN = ("IMAGE_ATTRIBUTES",)
_QUALITY = ("FILE_NAME_QUALITY_L1_PIXEL", "FILE_NAME_BAND_QUALITY")


def describe_landsat(source: str, tree: Tree, options: SceneOptions) -> SceneInfo:
    """The spec of a Landsat product.

    Args:
        source: path of the product, as the user named it.
        tree: its files.
        options: scale and offset to use instead of the metadata's.

    Raises:
        InputError: the metadata give no gains or sun elevation, or the blue, green or red band file is missing.
        UsageError: a band is given that there is not.
    """
    metadata = min((name for name in tree.names() if MTL_FILE.fullmatch(name)), key=_preference)
    groups = read_mtl(tree.read(metadata), f"{source}/{metadata}")
    sensor = _sensor(groups, source)
    bands = {band: name for band, name in sensor.bands.items() if name and band.startswith("B")}
    named = {band: _file_name(groups, band) for band in bands}
    files = {band: file for band, name in named.items() if name and (file := tree.find(name))}
    chosen = {bands[band]: band for band in files}
    if options.bands:
        labels = list(files)
        chosen = {name: labels[n - 1] for name, n in given_bands(options.bands, labels, source).numbers.items()}
    missing = {bands[band]: f"{band}, named as {name}" if name else band for band, name in named.items()}
    require_visible(source, tuple(chosen), missing)
    stated = {
        name: None if options.scale is not None else mtl_radiometry(groups, band, source)
        for name, band in chosen.items()
    }
    sources = [
        BandSource(name, files[band], nodata=LANDSAT_L1.nodata, label=band, evidence="the MTL file")
        for name, band in chosen.items()
    ]
    quality = next((file for key in _QUALITY if (file := tree.find(lookup(groups, key, *_CONTENTS)))), None)
    notes = () if quality else ("the quality band is absent, so only DN 0 counts as nodata",)
    fill = FillSource(quality, LANDSAT_L1.fill_bit or 0) if quality else None
    product = ProductDescription(
        scene_name(source),
        source,
        _kind(groups, sensor),
        _taken(groups),
        notes=notes,
        fill=fill,
        document=tree.find(metadata) or "",
        scale=ScaleEvidence(source, source, sensor),
        left_out=tuple(f"{band}: not named by --bands" for band in files if band not in chosen.values()),
    )
    return assemble(product, sources, options, stated)


def mtl_radiometry(groups: Groups, band: str, source: str) -> Radiometry:
    """Scale and offset of a band: surface reflectance as given, or top of atmosphere by gains and sun elevation.

    USGS, Landsat 8 Data Users Handbook (LSDS-1574), section 5: rho = (M * DN + A) / sin(sun elevation).
    """
    number = band.removeprefix("B")
    keys = f"REFLECTANCE_MULT_BAND_{number}", f"REFLECTANCE_ADD_BAND_{number}"
    level2 = _is_level2(groups)
    where = (_LEVEL2,) if level2 else _LEVEL1
    gain, bias = (lookup({name: groups[name] for name in where if name in groups}, key) for key in keys)
    if not gain and level2:
        return Radiometry(LANDSAT_C2_L2.scale, LANDSAT_C2_L2.offset, LANDSAT_C2_L2.product)
    try:
        if level2:
            return Radiometry(float(gain), float(bias), "the MTL file")
        sine = _sine(float(lookup(groups, "SUN_ELEVATION", *_SUN)))
        return Radiometry(float(gain) / sine, float(bias) / sine, "the MTL file's gains and sun elevation")
    except ValueError as error:
        raise InputError(
            f"{source} gives no gains or no sun elevation for band {band} in its MTL file ({error}); "
            "give --scale and --offset"
        ) from error


def _sine(sun_elevation: float) -> float:
    """Sine of an elevation in degrees; ValueError if the sun is below the horizon."""
    if not 0 < sun_elevation <= 90:
        raise ValueError(f"sun elevation {sun_elevation:g} is not above the horizon")
    return math.sin(math.radians(sun_elevation))


def _preference(name: str) -> int:
    """Sort key: text first, because every collection has it."""
    return ("txt", "xml", "json").index(name.rpartition(".")[2].lower())


def _file_name(groups: Groups, band: str) -> str:
    """File name of a band in the MTL."""
    return lookup(groups, f"FILE_NAME_BAND_{band.removeprefix('B')}", *_CONTENTS)


def _sensor(groups: Groups, source: str) -> Sensor:
    spacecraft, instrument = lookup(groups, "SPACECRAFT_ID"), lookup(groups, "SENSOR_ID")
    if instrument.upper() == "MSS":
        raise InputError(
            f"{source} is of the Multispectral Scanner (MSS), which has no blue band, and a scene needs "
            "blue, green and red: give one of TM, ETM+ or OLI"
        )
    found = [sensor for sensor in stated_sensors(spacecraft) if sensor.families == LANDSAT_FAMILIES]
    if not found:
        raise InputError(f"{source} is of {spacecraft or 'an unknown spacecraft'}; Landsat 4 to 9 are read here")
    return found[0]


def _is_level2(groups: Groups) -> bool:
    level = lookup(groups, "PROCESSING_LEVEL", "PRODUCT_CONTENTS") or lookup(groups, "DATA_TYPE", *_CONTENTS)
    return level.upper().startswith("L2")


def _kind(groups: Groups, sensor: Sensor) -> str:
    collection = lookup(groups, "COLLECTION_NUMBER").lstrip("0") or "unknown"
    level = 2 if _is_level2(groups) else 1
    spacecraft = lookup(groups, "SPACECRAFT_ID").replace("_", " ").title() or sensor.sensor
    return f"{spacecraft} Collection {collection} Level {level}"


def _taken(groups: Groups) -> str:
    """Date and time of the scene's centre, ISO 8601."""
    date, time = lookup(groups, "DATE_ACQUIRED"), lookup(groups, "SCENE_CENTER_TIME")
    return f"{date}T{time}" if date and time else date
