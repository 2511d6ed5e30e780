"""What is known of sensors and their products, as data: bands, wavelengths, scale, nodata, fill bits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SensorProfile:
    """One family of sensors whose products name their bands alike."""

    sensor: str
    names: Mapping[str, str]
    """Band name as in products, upper case without a leading zero or `SR_` -> common name."""
    wavelengths: Mapping[str, float]
    """Band name -> central wavelength in micrometres."""
    product_name: str
    """Regular expression, case ignored, that a product's or file's name begins with."""


SENTINEL2 = SensorProfile(
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
    {
        "B1": 0.443,
        "B2": 0.493,
        "B3": 0.560,
        "B4": 0.665,
        "B5": 0.704,
        "B8": 0.833,
        "B8A": 0.865,
        "B10": 1.374,
        "B11": 1.614,
        "B12": 2.202,
    },
    r"S2[A-D]_|T\d{2}[A-Z]{3}_\d{8}T\d{6}_",
)
LANDSAT_8_9 = SensorProfile(
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
    {"B1": 0.443, "B2": 0.482, "B3": 0.561, "B4": 0.655, "B5": 0.865, "B6": 1.609, "B7": 2.201, "B9": 1.373},
    r"L[CO]0[89]_",
)
LANDSAT_4_7 = SensorProfile(
    "Landsat 4-7",
    {"B1": "blue", "B2": "green", "B3": "red", "B4": "nir", "B5": "swir16", "B7": "swir22"},
    {"B1": 0.485, "B2": 0.560, "B3": 0.660, "B4": 0.835, "B5": 1.650, "B7": 2.220},
    r"L[ET]0[4-7]_",
)
SENSORS = (SENTINEL2, LANDSAT_8_9, LANDSAT_4_7)
"""Where names fit several sensors the first wins."""


@dataclass(frozen=True, slots=True)
class ProductProfile:
    """How the numbers in one kind of product are to be read."""

    product: str
    scale: float
    """Reflectance = DN * scale + offset."""
    offset: float
    nodata: float | None
    """DN that means no data."""
    fill_bit: int | None = None
    """Bit of the quality band that is set where there is no data."""


SENTINEL2_BEFORE_04 = ProductProfile("Sentinel-2 before baseline 04.00", 1e-4, 0.0, 0)
SENTINEL2_FROM_04 = ProductProfile("Sentinel-2 from baseline 04.00 on", 1e-4, -0.1, 0)
"""ESA, Sentinel-2 Products Specification Document 14.9: reflectance = (DN + ADD_OFFSET) / QUANTIFICATION_VALUE."""
LANDSAT_C2_L2 = ProductProfile("Landsat Collection 2 Level 2", 2.75e-5, -0.2, 0, fill_bit=0)
"""USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619), section 6."""
LANDSAT_L1 = ProductProfile("Landsat Level 1", float("nan"), float("nan"), 0, fill_bit=0)
"""USGS, Landsat Collection 1 and 2 Level 1 Data Format Control Books: gains differ by scene and stand in the MTL."""
SENTINEL2_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
"""Sentinel-2's bands by the number that product metadata give them, from 0."""
SENTINEL2_BASELINES = range(6)
"""Major numbers of the processing baselines known so far (01 to 05; 00 in trials)."""


def sensor_of(name: str) -> SensorProfile | None:
    """The sensor that a product's or band file's name begins with, or None."""
    return next((sensor for sensor in SENSORS if re.match(sensor.product_name, name, re.IGNORECASE)), None)
