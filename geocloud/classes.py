"""The classes of a mask: their codes, names, colours and encodings, and the rules by which pixels get a class.

To add a class, add an entry to CLASSES, a threshold named by its key to ClassThresholds, and the measurement of that
threshold to `metrics/class_thresholds.py`. Options, files, styles and statistics follow.
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
"""Key of an entry of CLASSES that a user can ask for: not clear or nodata."""


@dataclass(frozen=True, slots=True)
class ClassRule:
    """Which pixels belong to a class: those whose value in a map passes the model's threshold of the class."""

    among: Literal["cloud", "ground", "clear"]
    """`cloud`: pixels at or above the model's cloud threshold; `ground`: those below it; `clear`: those of the ground
    that no earlier rule has given a class."""
    map: str
    """Name of the map, a field of Parts."""
    compare: Callable[[Any, Any], Any]
    """True where compare(map, threshold) means the class."""
    spread: float
    """Distance from the threshold, in units of the map, at which the odds of the class are e to 1."""

    def share(self, values: FloatArray, threshold: float) -> FloatArray:
        """Probability of the class among the pixels that the rule considers: logistic, one half at the threshold."""
        side = 1.0 if self.compare(1, 0) else -1.0
        logit = (values - np.float32(threshold)) * np.float32(side / self.spread)
        share: FloatArray = 1 / (1 + np.exp(-logit.clip(-30, 30)))
        return share


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
    """Value that is written for it as Sentinel-2's SCL."""
    qa_pixel: int
    """Value that is written for it as Landsat's QA_PIXEL."""
    scl_values: tuple[int, ...] = ()
    """Values of the sensor's own SCL files that are read as this class; values of no class are read as clear."""
    qa_bits: tuple[int, ...] = ()
    """Bits of the sensor's own QA_PIXEL files that are read as this class."""
    qa_rank: int = 0
    """If bits of several classes are set, the class with the highest rank wins."""
    counted: bool = False
    """Whether it counts towards the cloud cover."""
    rule: ClassRule | None = None
    """None for clear, cloud and nodata, which need no map but the score."""


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
"""All codes that a mask can hold; only clear, cloud and nodata unless more classes are asked for. If several rules hold
for a pixel, the later entry wins. The spreads: the maps of thin cloud and shadow are logits; the spread of the slope is
that of two classes whose means are as far apart as those of simulated dust and cloud; snow's evidence is 0 to 1.

The colours are visible on a white canvas and on ground, sand, snow and cloud, and let the scene show through; the QGIS
plugin has the same.

SCL: ESA, Sentinel-2 L2A Product Definition: 0 no data, 3 shadow, 5 not vegetated, 8-9 cloud, 10 thin cirrus, 11 snow.
All clear ground is written as 5, which other programs keep as clear; whether it is vegetation is not known.
QA_PIXEL: USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide, table 6-3: the values of clear land, of cloud
with high confidence, cirrus, cloud shadow, snow or ice with high confidence, and fill; bits 0 fill, 1 dilated cloud,
2 cirrus, 3 cloud, 4 cloud shadow, 5 snow.
"""
CODES: Mapping[ClassName, int] = {entry.key: entry.code for entry in CLASSES if entry.key not in ("clear", "nodata")}
"""Key -> code of the classes that a user can ask for."""
SHADOW = CODES["shadow"]
COUNTED = tuple(entry.code for entry in CLASSES if entry.counted)
"""Codes that count towards the cloud cover."""
GROUND = (CLEAR, *(entry.code for entry in CLASSES if entry.rule is not None and entry.rule.among == "clear"))
"""Codes of sunlit ground: neither cloud nor cloud shadow."""
CLOUDS = ("cloud", *(entry.key for entry in CLASSES if entry.rule is not None and entry.rule.among == "cloud"))
"""Keys of the classes that are some kind of cloud."""
NO_CLOUD = (*(entry.code for entry in CLASSES if entry.rule is not None and entry.rule.among != "cloud"),)
"""Codes of the further classes that are no kind of cloud."""


def classes_of(codes: tuple[int, ...]) -> tuple[MaskClass, ...]:
    """The classes of these codes, in order of code."""
    return tuple(entry for entry in CLASSES if entry.code in codes)


def written_classes(codes: tuple[int, ...], values: Mapping[int, int]) -> tuple[MaskClass, ...]:
    """The classes of these codes, with the code that another encoding writes (`values`: code -> value)."""
    return tuple(replace(entry, code=values.get(entry.code, entry.code)) for entry in classes_of(codes))


PERCENT_TAG = "_PERCENT"
"""End of the names of a mask's tags that give shares of its pixels."""


def cover_tags(counts: Mapping[int, int], pixels: int) -> dict[str, str]:
    """Tags of a mask: percent of its valid pixels in each class but clear, and percent of its pixels that are valid.

    Args:
        counts: code -> number of pixels, for each code that the mask may hold except nodata.
        pixels: number of pixels of the mask.
    """
    valid = sum(counts.values())
    per_class = {name: counts[code] for name, code in CODES.items() if code in counts}
    per_class["cloud"] = sum(counts.get(code, 0) for code in COUNTED)
    shares = {name: count / valid for name, count in per_class.items()} if valid else {}
    return {
        f"GEOCLOUD_{name.upper()}{PERCENT_TAG}": f"{100 * share:.3f}"
        for name, share in (*shares.items(), ("valid", valid / pixels))
    }


@dataclass(frozen=True, slots=True)
class ClassThresholds:
    """The thresholds of the classes' rules, measured once for a model's weights and kept in its card.

    There is one per class with a rule, named by its key; None: the model cannot detect the class.
    """

    thin: float | None = None
    """Score below which cloud is thin."""
    haze: float | None = None
    """Slope of a cloud's brightness over wavelength up to which it is haze or smoke."""
    dust: float | None = None
    """Slope of a cloud's brightness over wavelength from which it is dust."""
    shadow: float | None = None
    """Logit from which ground lies in cloud shadow."""
    snow: float | None = None
    """Evidence, 0 to 1, from which ground is snow."""
    rule: str = ""
    """How they were chosen, in words."""

    def of(self, name: ClassName) -> float | None:
        """The threshold of a class; None if it has no rule or the model cannot detect it."""
        value: float | None = getattr(self, name, None)
        return value

    def known(self) -> tuple[ClassName, ...]:
        """The classes that the model can detect; cloud is always among them."""
        ruled = [entry.key for entry in CLASSES if entry.rule is not None and self.of(entry.key) is not None]
        return ("cloud", *ruled)


def wanted_classes(names: str | Iterable[str]) -> tuple[ClassName, ...]:
    """The classes that a user asks for, in order of code, and always cloud; UsageError for an unknown name.

    Args:
        names: keys of classes, or one text such as "cloud,thin".
    """
    chosen = {name.strip().lower() for name in (names.split(",") if isinstance(names, str) else names)}
    unknown = sorted(chosen - set(CODES))
    if unknown:
        raise UsageError(f"class {unknown[0]!r} is unknown; there are {', '.join(CODES)}")
    return tuple(name for name in CODES if name in chosen | {"cloud"})


def mask_codes(classes: Iterable[ClassName]) -> tuple[int, ...]:
    """All codes that a mask of these classes can hold, clear and nodata among them."""
    return (CLEAR, *sorted(CODES[name] for name in classes), NODATA)


def class_codes(
    parts: Parts, cloud_threshold: np.float32, thresholds: ClassThresholds, classes: Container[ClassName]
) -> ByteArray:
    """The code of each pixel, uint8 in the shape of the maps.

    A pixel is some kind of cloud exactly where a mask without further classes has cloud. Pixels of a class that is not
    asked for get the class of an earlier rule, or else are plain cloud, or clear below the cloud threshold.

    Args:
        parts: maps of one shape. Where the score is NaN (not scored), the code is clear. A map that is None finds
            nothing.
        cloud_threshold: score from which a pixel is cloud.
        thresholds: of the rules.
        classes: those that are asked for.
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
    """Probability of clear and of each class that has a threshold, in order of code; together they are 1.

    P(cloud) is divided among the kinds of cloud, and the rest among the kinds of ground, by the rules of `class_codes`:
    each class takes its share of what the classes before it hold.

    Args:
        cloud: (...) P(cloud), of any kind of cloud; where it is NaN, all probabilities are.
        parts: maps of that shape. Without a map, its classes are not found; None: there are no maps.
        thresholds: of the rules; None: there are none.
    """
    shares: dict[ClassName, FloatArray] = {"clear": 1 - cloud, "cloud": cloud}
    for entry in CLASSES:
        values = None if entry.rule is None or parts is None else getattr(parts, entry.rule.map)
        threshold = None if thresholds is None else thresholds.of(entry.key)
        if entry.rule is None or values is None or threshold is None:
            continue
        kinds = {"cloud": CLOUDS, "ground": set(shares) - {*CLOUDS}, "clear": ("clear",)}[entry.rule.among]
        share, taken = entry.rule.share(values, threshold), np.zeros_like(cloud)
        for key in [key for key in shares if key in kinds]:
            part = shares[key] * share
            shares[key], taken = shares[key] - part, taken + part
        shares[entry.key] = taken
    return shares


EncodingName = Literal["geocloud", "scl", "qa_pixel"]
MaskEncoding = Literal["geocloud", "scl", "qa_pixel", "binary", "omnicloudmask"]
"""Encodings of masks that can be read: those that geocloud writes, and those of other programs."""
OMNICLOUDMASK: Mapping[ClassName, int] = MappingProxyType({"cloud": 1, "thin": 2, "shadow": 3})
"""Values that OmniCloudMask writes for its classes."""
TAG = "GEOCLOUD_ENCODING"
"""Tag of a mask that names its encoding."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the codes of a mask are written."""

    codes: Mapping[int, int]
    """geocloud's code -> the written value."""
    dtype: str
    nodata: int
    """The written value of nodata."""


ENCODINGS: Mapping[EncodingName, Encoding] = {
    "geocloud": Encoding({entry.code: entry.code for entry in CLASSES}, "uint8", NODATA),
    "scl": Encoding({entry.code: entry.scl for entry in CLASSES}, "uint8", CLASSES[-1].scl),
    "qa_pixel": Encoding({entry.code: entry.qa_pixel for entry in CLASSES}, "uint16", CLASSES[-1].qa_pixel),
}


def encode(codes: ByteArray, name: EncodingName) -> NDArray[Any]:
    """The codes of geocloud in another encoding, the same shape."""
    if name == "geocloud":
        return codes
    encoding = ENCODINGS[name]
    table = np.full(256, encoding.nodata, dtype=encoding.dtype)
    table[list(encoding.codes)] = list(encoding.codes.values())
    encoded: NDArray[Any] = table[codes]
    return encoded


def decode(values: NDArray[Any], name: MaskEncoding) -> ByteArray:
    """The codes of geocloud, in the same shape, for values in any encoding.

    It reads the sensors' own SCL and QA_PIXEL files too.
    Values that are neither cloud, cloud shadow, snow nor nodata, such as vegetation and water, become clear. In
    `binary`, every value but 0 is cloud.
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
