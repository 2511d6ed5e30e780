"""A folder of band files without product metadata, such as B02.tif or ..._SR_B4.TIF."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from geocloud.errors import InputError
from geocloud.readers.bands.names import name_each, product_band
from geocloud.readers.bands.radiometry import assume_radiometry, tagged_radiometry
from geocloud.readers.bands.sensors import LANDSAT_L1, SENSORS, sensor_of
from geocloud.readers.bands.spec import BandSource, FillSource, Radiometry, SceneSpec
from geocloud.readers.files.opening import open_raster
from geocloud.readers.files.tree import Tree
from geocloud.readers.products.assembly import (
    ProductDescription,
    assemble,
    given_radiometry,
    inspect,
    refuse_band_numbers,
    require_visible,
)
from geocloud.readers.products.stac_item import read_items_beside
from geocloud.readers.reader import SceneOptions, scene_name

_RASTER = re.compile(r".*\.(tiff?|jp2|vrt|img)", re.IGNORECASE)
_QUALITY = re.compile(r"(.*_)?(QA_PIXEL|BQA)\.tiff?", re.IGNORECASE)
_LANDSAT_L1 = re.compile(r"L[COTE]0[4-9]_L1", re.IGNORECASE)


def describe_folder(source: str, tree: Tree, options: SceneOptions) -> SceneSpec:
    """The spec of a folder of band files of any resolutions.

    Scale and offset come from the options, else from a STAC item in the folder that names the files, else from each
    file's tags, else they are assumed, with a note.

    Raises:
        InputError: no band is recognised, two files claim one band, or a band's file cannot be used.
        UsageError: band numbers are given.
    """
    refuse_band_numbers(source, options)
    names = [name for name in tree.names() if _RASTER.fullmatch(name)]
    files = {name: path for name in names if (path := tree.find(name))}
    chosen = choose_files(files, source, allow_external=options.allow_external)
    require_visible(source, tuple(chosen), {})
    from_item, taken = read_items_beside(tree)
    sources: list[BandSource] = []
    notes: list[str] = []
    for band, name in chosen.items():
        radiometry, note = _radiometry(files[name], name, from_item, options)
        sources.append(BandSource(band, files[name], radiometry=radiometry))
        notes += [note] * (note not in ("", *notes))
    quality = next((files[name] for name in names if _QUALITY.fullmatch(name)), None)
    fill = FillSource(quality, LANDSAT_L1.fill_bit or 0) if quality else None
    product = ProductDescription(
        scene_name(source), source, "folder of band files", taken, notes=tuple(notes), fill=fill
    )
    return assemble(product, sources, options)


def choose_files(files: Mapping[str, str], source: str, *, allow_external: bool = False) -> dict[str, str]:
    """Common name -> name of the file to read, the finest where a band is there in several resolutions.

    Raises:
        InputError: two files of one resolution claim a band.
    """
    stems = [name.rpartition(".")[0] for name in files]
    sensor = next((found for stem in stems if (found := sensor_of(stem))), None)
    names = name_each(stems, (sensor,) if sensor else SENSORS)
    claims: dict[str, list[str]] = {}
    for name, band in zip(files, names, strict=True):
        if band:
            claims.setdefault(band, []).append(name)
    return {
        band: _finest(band, {name: files[name] for name in claimed}, source, allow_external=allow_external)
        for band, claimed in claims.items()
    }


def _finest(band: str, claimed: Mapping[str, str], source: str, *, allow_external: bool) -> str:
    wide = [name for name in claimed if product_band(name) != "B8A"] or list(claimed)
    if len(wide) == 1 or band == "rededge":
        return wide[0]
    areas = {name: inspect(claimed[name], allow_external=allow_external).pixel_area for name in wide}
    finest = [name for name in wide if areas[name] == min(areas.values())]
    if len(finest) > 1:
        raise InputError(f"{source} holds several files for {band} ({finest[0]}, {finest[1]}); give a scene a folder")
    return finest[0]


def _radiometry(
    path: str, name: str, from_item: Mapping[str, Radiometry], options: SceneOptions
) -> tuple[Radiometry, str]:
    """Scale and offset of one file, and a note where they are assumed."""
    known = given_radiometry(options) or from_item.get(name.lower())
    if known is not None:
        return known, ""
    if _LANDSAT_L1.match(Path(name).name):
        raise InputError(f"{name} is a Landsat Level 1 band, whose gains stand in an MTL file that is absent; fetch it")
    with open_raster(path, allow_external=options.allow_external) as dataset:
        tagged = tagged_radiometry(dataset, 1)
        assumed = tagged or assume_radiometry(dataset, [1])
    note = f"reflectance = DN * {assumed.scale:.6g} + {assumed.offset:g} ({assumed.origin})"
    return assumed, "" if tagged else note
