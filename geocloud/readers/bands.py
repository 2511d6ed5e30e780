"""Which spectral band is which: names that sensors and software use, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COMMON_NAMES = (
    "coastal",
    "blue",
    "green",
    "red",
    "rededge",
    "nir",
    "swir16",
    "swir22",
    "cirrus",
)
"""STAC's common names of the bands that geocloud tells apart."""
SCORED = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
"""Those that a scorer may take, in the order users read them."""


@dataclass(frozen=True, slots=True)
class SensorNames:
    """How one family of sensors names its bands."""

    sensor: str
    names: Mapping[str, str]
    """Band name as in products, upper case without a leading zero or `SR_` -> common name."""


SENSORS = (
    SensorNames(
        "Sentinel-2",
        {
            "B1": "coastal",
            "B2": "blue",
            "B3": "green",
            "B4": "red",
            "B5": "rededge",
            "B8": "nir",
            "B8A": "nir",
            "B10": "cirrus",
            "B11": "swir16",
            "B12": "swir22",
        },
    ),
    SensorNames(
        "Landsat 8-9",
        {
            "B1": "coastal",
            "B2": "blue",
            "B3": "green",
            "B4": "red",
            "B5": "nir",
            "B6": "swir16",
            "B7": "swir22",
            "B9": "cirrus",
        },
    ),
    SensorNames(
        "Landsat 4-7",
        {"B1": "blue", "B2": "green", "B3": "red", "B4": "nir", "B5": "swir16", "B7": "swir22"},
    ),
)

WORDS = {
    **{name: name for name in COMMON_NAMES},
    "nir08": "nir",
    "nir1": "nir",
    "near infrared": "nir",
    "near-infrared": "nir",
    "infrared": "nir",
    "nir band": "nir",
    "swir1": "swir16",
    "swir 1": "swir16",
    "swir2": "swir22",
    "swir 2": "swir22",
    "coastal aerosol": "coastal",
    "deep blue": "coastal",
    "red edge": "rededge",
    "b": "blue",
    "g": "green",
    "r": "red",
    "n": "nir",
}
"""Words in descriptions -> common name."""

WAVELENGTHS = {
    "coastal": (0.43, 0.455),
    "blue": (0.455, 0.53),
    "green": (0.53, 0.60),
    "red": (0.62, 0.69),
    "nir": (0.77, 0.90),
    "cirrus": (1.35, 1.40),
    "swir16": (1.55, 1.75),
    "swir22": (2.05, 2.35),
}
"""Common name -> (from, to) central wavelength in micrometres."""

_PRODUCT_NAME = re.compile(r"(?:^|[^a-z0-9])(?:sr_|toa_)?b(?:and)?[ _]?0?(\d{1,2}|8a)(?:$|[^a-z0-9])")


def name_bands(descriptions: Sequence[str | None]) -> dict[str, int]:
    """Common names found in band descriptions -> band number from 1; empty where none is recognised.

    Words win over product names, the sensor that explains most bands wins over others, and of two bands with one
    name the first is taken, Sentinel-2's B08 before its narrower B8A.
    """
    words = [WORDS.get((text or "").strip().lower().replace("_", " "), "") for text in descriptions]
    products = [_product_name(text or "") for text in descriptions]
    best: list[str] = words
    for sensor in SENSORS:
        named = [sensor.names.get(product, "") for product in products]
        if _explained(named) > _explained(best):
            best = named
    found: dict[str, int] = {}
    for number, name in sorted(enumerate(best, start=1), key=lambda item: products[item[0] - 1] == "B8A"):
        if name:
            found.setdefault(name, number)
    return dict(sorted(found.items(), key=lambda item: COMMON_NAMES.index(item[0])))


def name_wavelength(micrometres: float) -> str:
    """The common name of a central wavelength, or an empty string between them."""
    return next((name for name, (low, high) in WAVELENGTHS.items() if low <= micrometres < high), "")


def _product_name(text: str) -> str:
    """`S2A_..._B02_60m`, `SR_B2`, `Band 2` -> `B2`; empty where nothing looks like one."""
    match = _PRODUCT_NAME.search(text.lower())
    return f"B{match.group(1).upper()}" if match else ""


def _explained(names: Sequence[str]) -> int:
    """How many different scored bands are named."""
    return len(set(names) & set(SCORED))
