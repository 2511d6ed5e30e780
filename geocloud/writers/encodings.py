"""Mask codes in other tools' terms: Sentinel-2's scene classification (SCL) and Landsat's QA_PIXEL, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import CLEAR, CLOUD, DUST, HAZE, NODATA, SHADOW, THIN, ByteArray

EncodingName = Literal["geocloud", "scl", "qa_pixel"]
TAG = "GEOCLOUD_ENCODING"
"""Tag of a mask that says which codes it holds."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a mask's codes are written."""

    codes: Mapping[int, int]
    """Our code -> the written value."""
    dtype: str
    nodata: int


SCL = Encoding({CLEAR: 5, CLOUD: 9, THIN: 10, HAZE: 10, DUST: 8, SHADOW: 3, NODATA: 0}, "uint8", 0)
"""ESA, Sentinel-2 L2A Product Definition: 0 no data, 3 shadow, 5 not vegetated, 8-9 cloud, 10 thin cirrus.

Any clear ground is written as 5, which pipelines everywhere keep; whether it is vegetation is not told.
"""
QA_PIXEL = Encoding(
    {CLEAR: 21824, CLOUD: 22280, THIN: 54596, HAZE: 54596, DUST: 22280, SHADOW: 23888, NODATA: 1}, "uint16", 1
)
"""USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide, table 6-3: the values of clear land, of cloud with high
confidence, cirrus, cloud shadow and fill.
"""
OWN = Encoding({code: code for code in (CLEAR, CLOUD, THIN, HAZE, DUST, SHADOW, NODATA)}, "uint8", NODATA)
ENCODINGS: Mapping[EncodingName, Encoding] = {"geocloud": OWN, "scl": SCL, "qa_pixel": QA_PIXEL}


def encode(codes: ByteArray, name: EncodingName) -> NDArray[Any]:
    """Our codes as the encoding writes them, the same shape."""
    if name == "geocloud":
        return codes
    encoding = ENCODINGS[name]
    table = np.full(256, encoding.nodata, dtype=encoding.dtype)
    table[list(encoding.codes)] = list(encoding.codes.values())
    encoded: NDArray[Any] = table[codes]
    return encoded


def decode(values: NDArray[Any], name: EncodingName) -> ByteArray:
    """Our codes from an encoding's values, also from the sensors' own SCL and QA_PIXEL files.

    Of those, what is neither cloud nor cloud shadow nor no data is clear: vegetation, water, snow and all else.
    """
    if name == "scl":
        groups = {CLOUD: np.isin(values, (8, 9)), THIN: values == 10, SHADOW: values == 3, NODATA: values <= 1}
    elif name == "qa_pixel":
        bits = [(values >> bit & 1).astype(bool) for bit in range(5)]
        groups = {THIN: bits[2], SHADOW: bits[4], CLOUD: bits[1] | bits[3], NODATA: bits[0]}
    else:
        return values.astype(np.uint8)
    codes = np.full(values.shape, CLEAR, dtype=np.uint8)
    for code, where in groups.items():
        codes[where] = code
    return codes
