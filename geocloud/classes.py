"""The classes of a mask beyond cloud and clear: what an unmixed pixel is called."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from geocloud.errors import UsageError
from geocloud.raster import CLEAR, CLOUD, DUST, HAZE, NODATA, SHADOW, SNOW, THIN, ByteArray, FloatArray

NO_VALUES: Mapping[int, int] = MappingProxyType({})
Colour = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class MaskClass:
    """One code of a mask."""

    code: int
    name: str
    colour: Colour
    """Red, green, blue, alpha, 0-255."""


CLASSES = (
    MaskClass(0, "clear", (0, 0, 0, 0)),
    MaskClass(1, "cloud", (0, 174, 239, 200)),
    MaskClass(2, "thin cloud", (123, 104, 238, 200)),
    MaskClass(3, "haze or smoke", (214, 120, 60, 200)),
    MaskClass(4, "dust", (224, 190, 0, 200)),
    MaskClass(5, "cloud shadow", (60, 60, 130, 200)),
    MaskClass(6, "snow or ice", (80, 220, 200, 200)),
    MaskClass(255, "nodata", (0, 0, 0, 0)),
)
"""All codes a mask may hold; 0, 1 and 255 unless more classes are asked for.

The colours show on a white canvas and on ground, sand, snow and cloud, and let the scene through; the QGIS plugin has
the same.
"""


def classes_of(codes: tuple[int, ...]) -> tuple[MaskClass, ...]:
    """The classes of these codes, in order of code."""
    return tuple(entry for entry in CLASSES if entry.code in codes)


def written_classes(codes: tuple[int, ...], values: Mapping[int, int]) -> tuple[MaskClass, ...]:
    """The classes of these codes as another encoding writes them: code -> value."""
    return tuple(replace(entry, code=values.get(entry.code, entry.code)) for entry in classes_of(codes))


ClassName = Literal["cloud", "thin", "haze", "dust", "shadow", "snow"]
CODES: dict[ClassName, int] = {
    "cloud": CLOUD,
    "thin": THIN,
    "haze": HAZE,
    "dust": DUST,
    "shadow": SHADOW,
    "snow": SNOW,
}
COUNTED = (CLOUD, THIN)
"""Codes that count towards the cloud cover."""
GROUND = (CLEAR, SNOW)
"""Codes of ground in the light: neither cloud nor its shadow."""


@dataclass(frozen=True, slots=True)
class ClassThresholds:
    """Where the parts of an unmixed pixel are cut; measured once for a model's weights and kept in its card."""

    thin: float | None = None
    """Score below which cloud is thin; None: the model cannot tell."""
    haze: float | None = None
    """Slope of the veil's brightness over wavelength up to which it is haze or smoke; None: the model cannot tell."""
    dust: float | None = None
    """Slope from which it is dust; None: the model cannot tell."""
    shadow: float | None = None
    """Logit from which ground lies in cloud shadow; None: the model cannot tell."""
    snow: float | None = None
    """Evidence, 0 to 1, from which ground is snow; None: the model cannot tell."""
    rule: str = ""
    """How they were chosen, in words."""


def wanted_classes(names: Iterable[str]) -> tuple[ClassName, ...]:
    """The classes of these names in order of code, cloud always among them; UsageError for an unknown name."""
    chosen = {name.strip().lower() for name in names}
    unknown = sorted(chosen - set(CODES))
    if unknown:
        raise UsageError(f"class {unknown[0]!r} is unknown; there are {', '.join(get_args(ClassName))}")
    return tuple(name for name in CODES if name in chosen | {"cloud"})


def mask_codes(classes: Iterable[ClassName]) -> tuple[int, ...]:
    """All codes that a mask of these classes holds, clear and nodata too."""
    return (CLEAR, *sorted(CODES[name] for name in classes), NODATA)


def classify(
    score: FloatArray,
    slope: FloatArray,
    shadow: FloatArray | None,
    cut: np.float32,
    thresholds: ClassThresholds,
    classes: Container[str],
) -> ByteArray:
    """The code of each pixel.

    What scores at or above the cut is a veil, exactly as in a mask without further classes. Haze and dust are told by
    the slope, thin cloud among the rest by the score; a class that is not asked for falls to the next one, in the end
    to cloud. Ground below the cut is shadow or clear.

    Args:
        score: any shape, higher = cloudier; NaN = not scored, called clear.
        slope: the same shape, exponent of the veil's brightness over wavelength.
        shadow: the same shape, logit of lying in cloud shadow; None: none is told.
        cut: score from which a pixel is a veil.
        thresholds: where the classes are separated.
        classes: names as in ClassName.
    """
    veil = score >= cut
    codes = np.where(veil, np.uint8(CLOUD), np.uint8(CLEAR))
    if "thin" in classes and thresholds.thin is not None:
        codes[veil & (score < thresholds.thin)] = THIN
    if "haze" in classes and thresholds.haze is not None:
        codes[veil & (slope <= thresholds.haze)] = HAZE
    if "dust" in classes and thresholds.dust is not None:
        codes[veil & (slope >= thresholds.dust)] = DUST
    if "shadow" in classes and thresholds.shadow is not None and shadow is not None:
        codes[~veil & (shadow >= thresholds.shadow)] = SHADOW
    return codes


def mark_snow(codes: ByteArray, snow: FloatArray, thresholds: ClassThresholds, classes: Container[str]) -> ByteArray:
    """The codes with clear ground that is snow called so, where that is asked for; in place.

    Args:
        codes: what `classify` gives.
        snow: the same shape, evidence of snow from 0 to 1.
        thresholds: where the classes are separated.
        classes: names as in ClassName.
    """
    if "snow" in classes and thresholds.snow is not None:
        codes[(codes == CLEAR) & (snow >= thresholds.snow)] = SNOW
    return codes


EncodingName = Literal["geocloud", "scl", "qa_pixel"]
MaskEncoding = Literal["geocloud", "scl", "qa_pixel", "binary", "omnicloudmask"]
"""Codes that masks are read in: those that are written, and those of other programs."""
TAG = "GEOCLOUD_ENCODING"
"""Tag of a mask that says which codes it holds."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a mask's codes are written."""

    codes: Mapping[int, int]
    """Our code -> the written value."""
    dtype: str
    nodata: int


SCL = Encoding({CLEAR: 5, CLOUD: 9, THIN: 10, HAZE: 10, DUST: 8, SHADOW: 3, SNOW: 11, NODATA: 0}, "uint8", 0)
"""ESA, Sentinel-2 L2A Product Definition: 0 no data, 3 shadow, 5 not vegetated, 8-9 cloud, 10 thin cirrus, 11 snow.

Any clear ground is written as 5, which pipelines everywhere keep; whether it is vegetation is not told.
"""
QA_PIXEL = Encoding(
    {CLEAR: 21824, CLOUD: 22280, THIN: 54596, HAZE: 54596, DUST: 22280, SHADOW: 23888, SNOW: 30048, NODATA: 1},
    "uint16",
    1,
)
"""USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide, table 6-3: the values of clear land, of cloud with high
confidence, cirrus, cloud shadow, snow or ice with high confidence, and fill.
"""
OWN = Encoding({code: code for code in (CLEAR, CLOUD, THIN, HAZE, DUST, SHADOW, SNOW, NODATA)}, "uint8", NODATA)
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


def decode(values: NDArray[Any], name: MaskEncoding) -> ByteArray:
    """Our codes from an encoding's values, also from the sensors' own SCL and QA_PIXEL files and from other programs.

    Of those, what is neither cloud nor cloud shadow nor snow nor no data is clear: vegetation, water and all else. Of
    `binary` whatever is not 0 is cloud.
    """
    if name == "scl":
        groups = {
            CLOUD: np.isin(values, (8, 9)),
            THIN: values == 10,
            SHADOW: values == 3,
            SNOW: values == 11,
            NODATA: values <= 1,
        }
    elif name == "qa_pixel":
        bits = [(values >> bit & 1).astype(bool) for bit in range(6)]
        groups = {SNOW: bits[5], THIN: bits[2], SHADOW: bits[4], CLOUD: bits[1] | bits[3], NODATA: bits[0]}
    elif name == "binary":
        groups = {CLOUD: values != 0}
    elif name == "omnicloudmask":
        groups = {CLOUD: values == 1, THIN: values == 2, SHADOW: values == 3}
    else:
        return values.astype(np.uint8)
    codes = np.full(values.shape, CLEAR, dtype=np.uint8)
    for code, where in groups.items():
        codes[where] = code
    return codes
