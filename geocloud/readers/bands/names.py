"""Which spectral band is which: names that sensors and software use, as data."""

from __future__ import annotations

import re
from collections.abc import Sequence

from geocloud.readers.bands.sensors import SENSORS, SensorProfile

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
    names = name_each(descriptions)
    found: dict[str, int] = {}
    order = sorted(range(len(names)), key=lambda index: product_band(descriptions[index] or "") == "B8A")
    for index in order:
        if names[index]:
            found.setdefault(names[index], index + 1)
    return dict(sorted(found.items(), key=lambda item: COMMON_NAMES.index(item[0])))


def name_each(descriptions: Sequence[str | None], sensors: Sequence[SensorProfile] = SENSORS) -> list[str]:
    """The common name of each description, an empty string where it is not recognised; several may share one."""
    best = [_word(text or "") for text in descriptions]
    products = [product_band(text or "") for text in descriptions]
    for sensor in sensors:
        named = [sensor.names.get(product, "") for product in products]
        if _explained(named) > _explained(best):
            best = named
    return best


def name_wavelength(micrometres: float) -> str:
    """The common name of a central wavelength, or an empty string between them."""
    return next((name for name, (low, high) in WAVELENGTHS.items() if low <= micrometres < high), "")


def product_band(text: str) -> str:
    """`S2A_..._B02_60m`, `SR_B2`, `Band 2` -> `B2`; empty where nothing looks like one."""
    match = _PRODUCT_NAME.search(text.lower())
    return f"B{match.group(1).upper()}" if match else ""


def _word(text: str) -> str:
    """The common name of a text that is a word for it, or ends with one of three letters and more after a separator."""
    whole = text.strip().lower().replace("_", " ").replace("-", " ")
    last = whole.rpartition(" ")[2]
    return WORDS.get(whole, "") or (WORDS.get(last, "") if len(last) > 2 else "")


def _explained(names: Sequence[str]) -> int:
    """How many different scored bands are named."""
    return len(set(names) & set(SCORED))
