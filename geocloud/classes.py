"""The classes of a mask, in one list: codes, names, colours, encodings, and how a pixel comes to be of one.

A new class is an entry of CLASSES and a threshold of its key in ClassThresholds, and in `metrics/class_thresholds.py`
how that threshold is measured. Options, files, styles and statistics follow. A rule reads a map of `Parts`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.errors import UsageError
from geocloud.raster import CLEAR, CLOUD, NODATA, ByteArray, FloatArray, Parts

NO_VALUES: Mapping[int, int] = MappingProxyType({})
Colour = tuple[int, int, int, int]
ClassName = str
"""Key of an entry of CLASSES that a user may ask for."""


@dataclass(frozen=True, slots=True)
class ClassRule:
    """Which pixels are of a class: those whose map compares with the model's threshold of that class."""

    among: Literal["cloud", "ground", "clear"]
    """Pixels at or above the model's cloud threshold; those below it; or those that no rule before has named."""
    map: str
    """A field of Parts."""
    compare: Callable[[Any, Any], Any]
    """Of the map and the threshold."""
    spread: float
    """Units of the map beyond the threshold where the odds of the class are e to 1."""

    def share(self, values: FloatArray, threshold: float) -> FloatArray:
        """The chance of the class among the pixels it is looked for in: a half at the threshold, logistic beyond."""
        side = 1.0 if self.compare(1, 0) else -1.0
        beyond = (values - np.float32(threshold)) * np.float32(side / self.spread)
        chance: FloatArray = 1 / (1 + np.exp(-beyond.clip(-30, 30)))
        return chance


@dataclass(frozen=True, slots=True)
class MaskClass:
    """One code of a mask."""

    code: int
    key: str
    """Name in options."""
    name: str
    """Name in outputs and legends."""
    colour: Colour
    """Red, green, blue, alpha, 0-255."""
    scl: int
    """What is written for it as Sentinel-2's SCL."""
    qa_pixel: int
    """What is written for it as Landsat's QA_PIXEL."""
    scl_values: tuple[int, ...] = ()
    """Values of the sensor's own SCL files that mean it; what means nothing here is clear."""
    qa_bits: tuple[int, ...] = ()
    """Bits of the sensor's own QA_PIXEL files that mean it."""
    qa_rank: int = 0
    """Where bits of several classes are set, the highest of these wins."""
    counted: bool = False
    """Whether it counts towards the cloud cover."""
    rule: ClassRule | None = None
    """None for those that need no parts of pixels: clear, cloud and nodata."""


CLASSES = (
    MaskClass(0, "clear", "clear", (0, 0, 0, 0), scl=5, qa_pixel=21824),
    MaskClass(
        1, "cloud", "cloud", (0, 174, 239, 200), scl=9, qa_pixel=22280, scl_values=(8, 9), qa_bits=(1, 3), qa_rank=4,
        counted=True,
    ),
    MaskClass(
        2, "thin", "thin cloud", (123, 104, 238, 200), scl=10, qa_pixel=54596, scl_values=(10,), qa_bits=(2,),
        qa_rank=2, counted=True, rule=ClassRule("cloud", "score", operator.lt, spread=1.0),
    ),
    MaskClass(
        3, "haze", "haze or smoke", (214, 120, 60, 200), scl=10, qa_pixel=54596,
        rule=ClassRule("cloud", "slope", operator.le, spread=0.3),
    ),
    MaskClass(
        4, "dust", "dust", (224, 190, 0, 200), scl=8, qa_pixel=22280,
        rule=ClassRule("cloud", "slope", operator.ge, spread=0.3),
    ),
    MaskClass(
        5, "shadow", "cloud shadow", (60, 60, 130, 200), scl=3, qa_pixel=23888, scl_values=(3,), qa_bits=(4,),
        qa_rank=3, rule=ClassRule("ground", "shadow", operator.ge, spread=1.0),
    ),
    MaskClass(
        6, "snow", "snow or ice", (80, 220, 200, 200), scl=11, qa_pixel=30048, scl_values=(11,), qa_bits=(5,),
        qa_rank=1, rule=ClassRule("clear", "snow", operator.ge, spread=0.15),
    ),
    MaskClass(255, "nodata", "nodata", (0, 0, 0, 0), scl=0, qa_pixel=1, scl_values=(0, 1), qa_bits=(0,), qa_rank=5),
)  # fmt: skip
"""All codes a mask may hold; clear, cloud and nodata unless more classes are asked for. Where several rules hold, the
later entry wins. The spreads: thin cloud and shadow are logits; those of the slope are what two classes have whose
means lie as far apart as simulated dust and cloud; snow's evidence goes from 0 to 1.

The colours show on a white canvas and on ground, sand, snow and cloud, and let the scene through; the QGIS plugin has
the same.

SCL: ESA, Sentinel-2 L2A Product Definition: 0 no data, 3 shadow, 5 not vegetated, 8-9 cloud, 10 thin cirrus, 11 snow.
Any clear ground is written as 5, which pipelines everywhere keep; whether it is vegetation is not known.
QA_PIXEL: USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide, table 6-3: the values of clear land, of cloud
with high confidence, cirrus, cloud shadow, snow or ice with high confidence, and fill; bits 0 fill, 1 dilated cloud,
2 cirrus, 3 cloud, 4 cloud shadow, 5 snow.
"""
CODES: Mapping[ClassName, int] = {entry.key: entry.code for entry in CLASSES if entry.key not in ("clear", "nodata")}
"""Key -> code of those that a user may ask for."""
SHADOW = CODES["shadow"]
COUNTED = tuple(entry.code for entry in CLASSES if entry.counted)
"""Codes that count towards the cloud cover."""
GROUND = (CLEAR, *(entry.code for entry in CLASSES if entry.rule is not None and entry.rule.among == "clear"))
"""Codes of ground in the light: neither cloud nor its shadow."""
CLOUDS = ("cloud", *(entry.key for entry in CLASSES if entry.rule is not None and entry.rule.among == "cloud"))
"""Keys of the classes that are cloud of some kind."""
NO_CLOUD = (*(entry.code for entry in CLASSES if entry.rule is not None and entry.rule.among != "cloud"),)
"""Codes of further classes that are no kind of cloud."""


def classes_of(codes: tuple[int, ...]) -> tuple[MaskClass, ...]:
    """The classes of these codes, in order of code."""
    return tuple(entry for entry in CLASSES if entry.code in codes)


def written_classes(codes: tuple[int, ...], values: Mapping[int, int]) -> tuple[MaskClass, ...]:
    """The classes of these codes as another encoding writes them: code -> value."""
    return tuple(replace(entry, code=values.get(entry.code, entry.code)) for entry in classes_of(codes))


PERCENT_TAG = "_PERCENT"
"""End of a mask's tags that count its pixels."""


def cover_tags(counts: Mapping[int, int], pixels: int) -> dict[str, str]:
    """Tags of a mask: percent of its valid pixels in each class but clear, and of all its pixels the valid ones.

    Args:
        counts: valid pixels by each code that the mask may hold; thin cloud counts as cloud too.
        pixels: of the mask.
    """
    valid = sum(counts.values())
    found = {name: counts[code] for name, code in CODES.items() if code in counts}
    found |= {"cloud": sum(counts.get(code, 0) for code in COUNTED)}
    shares = {name: count / valid for name, count in found.items()} if valid else {}
    return {
        f"GEOCLOUD_{name.upper()}{PERCENT_TAG}": f"{100 * share:.3f}"
        for name, share in (*shares.items(), ("valid", valid / pixels))
    }


@dataclass(frozen=True, slots=True)
class ClassThresholds:
    """The thresholds of the classes' rules; measured once for a model's weights and kept in its card.

    One per class with a rule, by its key; None: the model cannot tell.
    """

    thin: float | None = None
    """Score below which cloud is thin."""
    haze: float | None = None
    """Slope of the cloud's brightness over wavelength up to which it is haze or smoke."""
    dust: float | None = None
    """Slope from which it is dust."""
    shadow: float | None = None
    """Logit from which ground lies in cloud shadow."""
    snow: float | None = None
    """Evidence, 0 to 1, from which ground is snow."""
    rule: str = ""
    """How they were chosen, in words."""

    def of(self, name: ClassName) -> float | None:
        """The threshold of a class; None where it has no rule."""
        value: float | None = getattr(self, name, None)
        return value

    def known(self) -> tuple[ClassName, ...]:
        """The classes that the model can detect, cloud always among them."""
        ruled = [entry.key for entry in CLASSES if entry.rule is not None and self.of(entry.key) is not None]
        return ("cloud", *ruled)


def wanted_classes(names: str | Iterable[str]) -> tuple[ClassName, ...]:
    """The classes of these names, or of one text with commas, in order of code; UsageError for an unknown name.

    Cloud is always among them.
    """
    chosen = {name.strip().lower() for name in (names.split(",") if isinstance(names, str) else names)}
    unknown = sorted(chosen - set(CODES))
    if unknown:
        raise UsageError(f"class {unknown[0]!r} is unknown; there are {', '.join(CODES)}")
    return tuple(name for name in CODES if name in chosen | {"cloud"})


def mask_codes(classes: Iterable[ClassName]) -> tuple[int, ...]:
    """All codes that a mask of these classes holds, clear and nodata too."""
    return (CLEAR, *sorted(CODES[name] for name in classes), NODATA)


def class_codes(
    parts: Parts, cloud_threshold: np.float32, thresholds: ClassThresholds, classes: Container[ClassName]
) -> ByteArray:
    """The code of each pixel.

    What scores at or above the cloud threshold is cloud of some class, exactly as in a mask without further classes; a
    class that is not asked for falls to the one before it, in the end to cloud, and below the threshold to clear.

    Args:
        parts: maps of one shape; a score of NaN = not scored, called clear; a map that is None tells nothing.
        cloud_threshold: score from which a pixel is cloud.
        thresholds: of the rules.
        classes: that are asked for.
    """
    cloud = parts.score >= cloud_threshold
    codes: ByteArray = np.where(cloud, np.uint8(CLOUD), np.uint8(CLEAR))
    for entry in CLASSES:
        if entry.rule is None or entry.key not in classes:
            continue
        threshold, values = thresholds.of(entry.key), getattr(parts, entry.rule.map)
        if threshold is not None and values is not None:
            among = {"cloud": cloud, "ground": ~cloud, "clear": codes == CLEAR}[entry.rule.among]
            codes[among & entry.rule.compare(values, threshold)] = entry.code
    return codes


def share_out(
    cloud: FloatArray, parts: Parts | None, thresholds: ClassThresholds | None
) -> dict[ClassName, FloatArray]:
    """Probability of clear and of each class that the thresholds know, in order of code; they add up to 1.

    P(cloud) is shared out among the kinds of cloud, and the rest among kinds of ground, by the rules of `class_codes`:
    a later class takes its share of what those before it hold.

    Args:
        cloud: (...) P(cloud) of any kind; where it is NaN all are.
        parts: maps of that shape; None, or a map that is None: no class but cloud is found.
        thresholds: of the rules.
    """
    shares: dict[ClassName, FloatArray] = {"clear": 1 - cloud, "cloud": cloud}
    for entry in CLASSES:
        values = None if entry.rule is None or parts is None else getattr(parts, entry.rule.map)
        threshold = None if thresholds is None else thresholds.of(entry.key)
        if entry.rule is None or values is None or threshold is None:
            continue
        kinds = {"cloud": CLOUDS, "ground": set(shares) - {*CLOUDS}, "clear": ("clear",)}[entry.rule.among]
        chance, taken = entry.rule.share(values, threshold), np.zeros_like(cloud)
        for key in [key for key in shares if key in kinds]:
            part = shares[key] * chance
            shares[key], taken = shares[key] - part, taken + part
        shares[entry.key] = taken
    return shares


EncodingName = Literal["geocloud", "scl", "qa_pixel"]
MaskEncoding = Literal["geocloud", "scl", "qa_pixel", "binary", "omnicloudmask"]
"""Codes that masks are read in: those that are written, and those of other programs."""
OMNICLOUDMASK: Mapping[ClassName, int] = MappingProxyType({"cloud": 1, "thin": 2, "shadow": 3})
"""What OmniCloudMask writes for the classes that it has."""
TAG = "GEOCLOUD_ENCODING"
"""Tag of a mask that says which codes it holds."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a mask's codes are written."""

    codes: Mapping[int, int]
    """Our code -> the written value."""
    dtype: str
    nodata: int


ENCODINGS: Mapping[EncodingName, Encoding] = {
    "geocloud": Encoding({entry.code: entry.code for entry in CLASSES}, "uint8", NODATA),
    "scl": Encoding({entry.code: entry.scl for entry in CLASSES}, "uint8", CLASSES[-1].scl),
    "qa_pixel": Encoding({entry.code: entry.qa_pixel for entry in CLASSES}, "uint16", CLASSES[-1].qa_pixel),
}


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
    if name == "geocloud":
        return values.astype(np.uint8)
    codes = np.full(values.shape, CLEAR, dtype=np.uint8)
    if name == "binary":
        codes[values != 0] = CLOUD
        return codes
    for entry in sorted(CLASSES, key=lambda entry: entry.qa_rank):
        if name == "scl":
            codes[np.isin(values, entry.scl_values)] = entry.code
        elif name == "omnicloudmask":
            codes[values == OMNICLOUDMASK.get(entry.key, -1)] = entry.code
        else:
            for bit in entry.qa_bits:
                codes[(values >> bit & 1).astype(bool)] = entry.code
    return codes
