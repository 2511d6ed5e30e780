"""Small products made after the formats' documents: SAFE folders, Landsat folders, STAC items."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from geocloud.raster import Raster, Window
from geocloud.readers import MemoryScene, SceneReader

UTM = "EPSG:32633"
ORIGIN = (600000, 5200020)
SAFE_NUMBERS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
METRES = {"B1": 60, "B2": 10, "B3": 10, "B4": 10, "B8": 10, "B8A": 20, "B10": 60, "B11": 20, "B12": 20}


def band_file(path: Path, data: np.ndarray, size: float = 10, **more: Any) -> Path:
    """One band as a raster; JP2 is written without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff", "height": data.shape[0], "width": data.shape[1], "count": 1, "dtype": data.dtype,
        "crs": UTM, "transform": from_origin(*ORIGIN, size, size), **more,
    }  # fmt: skip
    if path.suffix == ".jp2":
        profile |= {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(data, 1)
    return path


def numbers(side: int, seed: int, low: int = 1100, high: int = 9000) -> np.ndarray:
    """(side, side) uint16 digital numbers, a nodata corner of 0."""
    data = np.random.default_rng(seed).integers(low, high, (side, side)).astype(np.uint16)
    data[: side // 4, : side // 4] = 0
    return data


def write_safe(folder: Path, level: str = "L1C", **options: Any) -> tuple[Path, dict[str, np.ndarray]]:
    """A SAFE product and the numbers in its band files; options: baseline, offset, bands, quantification, metres."""
    baseline, offset = options.get("baseline", "05.10"), options.get("offset", -1000)
    bands = options.get("bands", ("B2", "B3", "B4", "B8", "B11"))
    safe = folder / options.get("name", f"S2B_MSI{level}_20240105T101319_N0510_R022_T33UUP_20240105T110000.SAFE")
    granule = f"GRANULE/{level}_T33UUP_A035700_20240105T101316"
    data, paths = {}, []
    for number, band in enumerate(bands):
        metres = options.get("metres", METRES[band])
        label = f"{band[0]}{band[1:]:0>2}"
        data[band] = numbers(1200 // metres, number)
        place = f"{granule}/IMG_DATA/" + (f"R{metres}m/" if level == "L2A" else "")
        paths.append(f"{place}T33UUP_20240105T101319_{label}" + (f"_{metres}m" if level == "L2A" else ""))
        band_file(safe / f"{paths[-1]}.jp2", data[band], metres)
    kind, add = ("BOA_", "BOA_ADD_OFFSET") if level == "L2A" else ("", "RADIO_ADD_OFFSET")
    offsets = "" if offset is None else "".join(f'<{add} band_id="{i}">{offset}</{add}>' for i in range(13))
    named = "".join(f"<IMAGE_FILE>{path}</IMAGE_FILE>" for path in (*paths, *options.get("named", ())))
    spectral = "".join(f'<Spectral_Information bandId="{i}" physicalBand="{b}"/>' for i, b in enumerate(SAFE_NUMBERS))
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-{level[1:]}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product.xsd"><n1:General_Info>
<PROCESSING_LEVEL>Level-{level[1:]}</PROCESSING_LEVEL><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<DATATAKE_SENSING_START>2024-01-05T10:13:19.024Z</DATATAKE_SENSING_START>
<Granule granuleIdentifier="S2B_TL_A">{named}</Granule>
<SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
<{kind}QUANTIFICATION_VALUE>{options.get("quantification", 10000)}</{kind}QUANTIFICATION_VALUE>
{offsets}{spectral}</n1:General_Info></n1:Level-{level[1:]}_User_Product>"""
    (safe / f"MTD_MSI{level}.xml").write_text(options.get("prolog", "") + text, encoding="utf-8")
    return safe, data


def write_landsat(folder: Path, **options: Any) -> tuple[Path, dict[str, np.ndarray]]:
    """A Collection 2 Level 1 folder in a polar CRS, its numbers by band; options: lower, spacecraft, elevation."""
    name = options.get("name", "LC09_L1GT_220113_20240105_20240105_02_T2")
    product, case = folder / name, str.lower if options.get("lower") else str
    place = {"crs": "EPSG:3031", "transform": from_origin(-1200000, 900000, 30, 60)}
    bands = options.get("bands", ("B2", "B3", "B4", "B5", "B6"))
    data = {band: numbers(48, number, 6000, 40000) for number, band in enumerate(bands)}
    for band, values in data.items():
        band_file(product / case(f"{name}_{band}.TIF"), values, **place)
    quality = np.full((48, 48), 21824, dtype=np.uint16)
    quality[:12, :12] = 1
    quality[40:, :] = 1
    band_file(product / case(f"{name}_QA_PIXEL.TIF"), quality, **place)
    files = "".join(f'    FILE_NAME_BAND_{band[1:]} = "{name}_{band}.TIF"\n' for band in data)
    gains = "".join(
        f"    REFLECTANCE_MULT_BAND_{band[1:]} = 2.0000E-05\n    REFLECTANCE_ADD_BAND_{band[1:]} = -0.100000\n"
        for band in data
    )
    text = f"""GROUP = LANDSAT_METADATA_FILE
  GROUP = PRODUCT_CONTENTS
    LANDSAT_PRODUCT_ID = "{name}"
    PROCESSING_LEVEL = "L1GT"
    COLLECTION_NUMBER = 02
{files}    FILE_NAME_QUALITY_L1_PIXEL = "{name}_QA_PIXEL.TIF"
  END_GROUP = PRODUCT_CONTENTS
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "{options.get("spacecraft", "LANDSAT_9")}"
    DATE_ACQUIRED = 2024-01-05
    SCENE_CENTER_TIME = "03:14:15.0000000Z"
    SUN_ELEVATION = {options.get("elevation", 30.0)}
  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = LEVEL1_RADIOMETRIC_RESCALING
{gains}  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING
END_GROUP = LANDSAT_METADATA_FILE
END
"""
    (product / f"{name}_MTL.txt").write_text(text, encoding="utf-8")
    return product, data


def write_item(folder: Path, version: str = "1.0.0", **options: Any) -> tuple[Path, dict[str, np.ndarray]]:
    """A STAC item beside its assets, and their numbers; options: properties, hrefs, links, scale, offset, drop."""
    data, assets = {}, {}
    for number, (key, metres) in enumerate({"blue": 10, "green": 10, "red": 10, "nir": 10, "swir16": 20}.items()):
        if key in options.get("drop", ()):
            continue
        data[key] = numbers(1200 // metres, number)
        band_file(folder / f"{key}.tif", data[key], metres)
        scale, offset = options.get("scale", 1e-4), options.get("offset", -0.1)
        if version == "1.0.0":
            bands = {
                "eo:bands": [{"name": f"b{number}", "common_name": key}],
                "raster:bands": [{"scale": scale, "offset": offset, "nodata": 0}],
            }
        else:
            entry = {"name": f"b{number}", "eo:common_name": key, "raster:scale": scale, "raster:offset": offset}
            bands = {"bands": [entry], "nodata": 0}
        assets[key] = {"href": options.get("hrefs", {}).get(key, f"./{key}.tif"), "type": "image/tiff", **bands}
    assets["thumbnail"] = {"href": "./preview.jpg", "type": "image/jpeg", "roles": ["thumbnail"]}
    item = {
        "type": "Feature", "stac_version": version, "id": "scene.v1.2", "geometry": None,
        "properties": {"datetime": "2024-01-05T10:13:19Z", **options.get("properties", {})},
        "links": options.get("links", []), "assets": assets,
    }  # fmt: skip
    path = folder / "item.json"
    path.write_text(json.dumps(item), encoding="utf-8")
    return path, data


def zipped(folder: Path) -> Path:
    """The folder as a zip with that folder in it."""
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


def read_all(scene: SceneReader) -> Raster:
    """The whole scene."""
    return scene.read(Window(0, 0, *scene.georef.shape), scene.bands)


def assert_twin(scene: SceneReader, data: dict[str, np.ndarray], valid: np.ndarray) -> None:
    """A reader gives what its in-memory twin gives, by whole scene and by window."""
    stack = np.stack([data[band] for band in scene.bands]).astype(np.float32)
    twin = MemoryScene(Raster(stack, valid), scene.bands, scene.georef)
    height, width = scene.georef.shape
    for window in (
        Window(0, 0, height, width),
        Window(5, 7, height - 9, width - 8),
        Window(height - 1, width - 1, 1, 1),
    ):
        ours, expected = scene.read(window, scene.bands), twin.read(window, scene.bands)
        np.testing.assert_array_equal(ours.valid, expected.valid)
        np.testing.assert_allclose(ours.data[:, ours.valid], expected.data[:, ours.valid], rtol=0, atol=2e-6)
