"""Finds scale and offset from digital numbers (DN) to reflectance, for a whole scene.

The sources, in order: the user's options; what files and metadata state; the names of products; at last a guess from
the values of all bands together. A guess is checked: if it gives an impossible reflectance, the scene is refused with
a message that says which options to give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
from numpy.typing import NDArray

from geocloud.errors import InputError
from geocloud.progress import Warn
from geocloud.readers.bands.known_products import (
    DETECTOR_BITS_MAX,
    DETECTOR_NUMBERS,
    LANDSAT_C2_L2,
    SENTINEL2_BEFORE_04,
    SENTINEL2_FROM_04,
    WHITE,
    Product,
)
from geocloud.readers.bands.sensors import SENTINEL2, SENTINEL2_OFFSET_FROM, Sensor, named_product, true_colour
from geocloud.readers.bands.spec import LEAST_REFLECTANCE, Radiometry, Samples

EIGHT_BIT = Radiometry(WHITE / 255, 0.0, f"8-bit values, 255 read as reflectance {WHITE}", guessed=True)
DARKEST_SCALED, BRIGHTEST_SCALED = 0.05, 2.0
"""Bounds of the 99th percentile of reflectance, all bands together; clouds reach 1.2, snow under a low sun 1.6."""
OFTEN_DARKEST, OFTEN_BRIGHTEST = 0.15, 1.2
"""The 99th percentile is rarely below or above these: in 14 % and 1.4 % of 287 scenes. DN that are reflectance x 1000,
or x 32768, look so if they are read as reflectance x 10000."""
OFFSET_LOW, NEVER_LOWEST = 0.08, 0.6
"""If the lowest reflectance is above the first, an offset may be missing (true of 6 % of these scenes); above the
second, one is missing (true of none), since shadows and water are darker. Landsat Collection 2 stores 0 as 7273, which
would be 0.73."""
LEAST_STATED, MOST_STATED = 0.01, 5.0
"""Bounds of the 99th percentile if the scale is stated; outside them the scale is doubted, because tags are often kept
when the numbers of a file are rescaled."""
EVEN = 1.1
"""If the 99th percentile is at most this many times the lowest number, the scene has one brightness, which tells
nothing about an offset."""
NEGATIVE, NEGATIVE_SHARE = -0.05, 0.05
"""Correction of the air leaves water and shadow a little below 0; no scene has a larger share of lower values."""
PERCENT = 0.01
PERCENT_MAX, PERCENT_TOP = 130.0, 160.0
"""Numbers with fractions are percent if their 99th percentile and their highest are at most these (bytes reach 255)."""
PERCENT_BYTES, PERCENT_LOW = 100, 5
"""Bytes can be percent if none is above the first: true of 12 % of the cloud catalogue's 282 pictures. If some are also
as low as the second, the user is asked: true of none of these pictures, and of 77 % of scenes in percent."""
LAND_NIR = 0.1, 0.55
"""Bounds of land's reflectance in near infrared (`land_of`): it is 0.12 to 0.44 in the 182 of 287 scenes that show
land."""
OFTEN_LAND, WATER = 0.4, 0.25
"""Land is rarely brighter in near infrared: in 1 of these 182 scenes. Water (`water_of`) is never brighter in blue or
red: it reaches 0.19 in the 53 scenes that show it."""
EQUALISED = 0.06
"""Of floats, the distance of their cumulative distribution from a straight line, which none of 569 scenes has within
0.1."""
_BASELINE = re.compile(r"_N(\d{2})\d{2}_", re.IGNORECASE)
_DATE = re.compile(r"(?:S2[A-D]_|T\d{2}[A-Z]{3}_|S2[A-D]_\d{2}[A-Z]{3}_|MSIL[12][AC]_)(20\d{6})", re.IGNORECASE)
_WAYS_OUT = (
    "say how reflectance = DN * scale + offset, such as --scale 0.0001 (reflectance x 10000), --scale 0.01 (percent), "
    "--scale 0.00314 (8-bit values), --scale 0.0000305 (x 32768), --scale 0.0000153 (x 65535) or --scale 0.0000275 "
    "--offset -0.2 (Landsat Collection 2 Level 2)"
)


@dataclass(frozen=True, slots=True)
class ScaleEvidence:
    """What can tell a scene's scale, apart from its pixels."""

    source: str
    """The scene's path or URL as the user gave it, for messages."""
    texts: str = ""
    """Names of files, folders and products, joined."""
    sensor: Sensor | None = None
    labels: Sequence[str] = ()
    """The scene's own names of its bands."""
    baseline: str = ""
    """Sentinel-2's processing baseline, such as `05.09`; empty if the metadata do not state it."""
    offset: float | None = None
    """The user's offset, if an offset but no scale is given; else None."""
    taken: str = ""
    """Day of acquisition, ISO 8601; empty if unknown."""

    @property
    def names(self) -> str:
        """All names: those of files, folders and products, then those of the bands."""
        return " ".join((self.texts, *self.labels))


def choose_radiometry(
    stated: Mapping[str, Radiometry | None], evidence: ScaleEvidence, sample: Callable[[], Samples]
) -> dict[str, Radiometry]:
    """Band -> scale and offset. Bands for which nothing is stated share one scale: the stated one, or an assumed one.

    Args:
        stated: band -> scale and offset that files or metadata state; None: they state nothing.
        evidence: what else can tell the scale.
        sample: reads some pixels; it is called only if a scale has to be assumed.

    Raises:
        InputError: no scale is stated, and no guess gives plausible reflectance; the message says what to give.
    """
    known = {radiometry for radiometry in stated.values() if radiometry is not None}
    if None not in stated.values():
        return {band: radiometry for band, radiometry in stated.items() if radiometry is not None}
    common = next(iter(known)) if len(known) == 1 else assume(evidence, sample)
    return {band: radiometry or common for band, radiometry in stated.items()}


def assume(evidence: ScaleEvidence, sample: Callable[[], Samples]) -> Radiometry:
    """One scale for a scene whose files state none; raises the same errors as `choose_radiometry`."""
    samples = sample()
    if not samples.values.size:  # the sampling looked at every pixel: all are nodata, so that any scale will do
        return Radiometry(SENTINEL2_BEFORE_04.scale, 0.0, "no pixel has data")
    product = named_product(evidence.names)
    if product is not None and set(samples.dtypes) & set(product.dtypes):
        return _of_product(product, evidence)
    if set(samples.dtypes) == {"uint8"}:
        return true_colour(evidence.texts) or _of_bytes(samples, evidence)
    if _is_landsat_sr(evidence, samples):
        origin = f"{LANDSAT_C2_L2.product}, by names and values; --scale and --offset if not"
        return Radiometry(LANDSAT_C2_L2.scale, LANDSAT_C2_L2.offset, origin)
    _check_detector_numbers(samples, evidence)
    guess = from_values(samples, evidence)
    sentinel2 = _sentinel2(samples, evidence) if guess.scale == SENTINEL2_BEFORE_04.scale else None
    if sentinel2 is None and evidence.offset is None and not _has_usual_land(samples, guess.scale):
        level = samples.land * guess.scale
        raise InputError(
            f"{evidence.source} does not state its scale, and {guess.origin.rpartition(', ')[2]} its land would "
            f"be {level:.2g} in near infrared, where {LAND_NIR[0]} to {LAND_NIR[1]} is usual; {_WAYS_OUT}"
        )
    return sentinel2 or _with_doubt(guess, samples, evidence)


def _of_bytes(samples: Samples, evidence: ScaleEvidence) -> Radiometry:
    """The scale of an 8-bit picture; InputError if it would be too dark, or if the bytes are likely to be percent."""
    high, top, low = samples.percentile(99), samples.values.max(), _lowest(samples)
    _check_level(EIGHT_BIT, high, "8-bit values", evidence.source)
    may_be_percent = top <= PERCENT_BYTES and _has_usual_land(samples, PERCENT)
    if may_be_percent and (low <= PERCENT_LOW or not _has_usual_land(samples, EIGHT_BIT.scale)):
        raise InputError(
            f"{evidence.source} does not state its scale, and its bytes go from {low:g} to {top:g}: give --scale 0.01 "
            "if they are percent, --scale 0.00314 if it is a dark picture of 8 bits"
        )
    percent = f"; none is above {top:g}, so they may be percent (--scale 0.01)" if may_be_percent else ""
    return replace(EIGHT_BIT, origin=f"{EIGHT_BIT.origin}{percent}")


def _has_usual_land(samples: Samples, scale: float) -> bool:
    """False if the scene shows land whose reflectance in near infrared would be impossible with this scale."""
    level = samples.land * scale
    return isnan(level) or LAND_NIR[0] <= level <= LAND_NIR[1]


def _with_doubt(guess: Radiometry, samples: Samples, evidence: ScaleEvidence) -> Radiometry:
    """The guess, with another possible meaning of the numbers in its origin; without one, not marked as guessed."""
    other = other_reading(samples, guess, evidence)
    if not other:
        return replace(guess, origin=f"{guess.origin}; if it is wrong, give --scale and --offset", guessed=False)
    return replace(guess, origin=f"{guess.origin}; {other}")


def other_reading(samples: Samples, guess: Radiometry, evidence: ScaleEvidence) -> str:
    """Another possible meaning of the numbers, in words; empty if the guess is the only usual one."""
    positive = samples.values[samples.values > 0]
    high, top = (float(np.percentile(positive, q)) for q in (99, 99.9))
    low = _lowest(samples)
    x10000 = guess.scale == SENTINEL2_BEFORE_04.scale
    land = samples.land * guess.scale > OFTEN_LAND and evidence.sensor is None
    bright = high * guess.scale > OFTEN_BRIGHTEST or samples.water * guess.scale > WATER or land
    doubts = (  # (doubt, whether it applies, the scale it would mean)
        ("they may be bytes or radiance", guess.scale == PERCENT, guess.scale),
        (
            "so bright, they may be over 20000, 32768 or 65535 instead",
            x10000 and bright,
            1 / 32768,
        ),
        (
            f"none is below {OFFSET_LOW / guess.scale:g}, so an offset may be missing",
            evidence.offset is None and low * guess.scale > OFFSET_LOW,
            guess.scale,
        ),
        ("they may be stretched from 0 to 1", guess.scale == 1 and _fills_0_to_1(samples.values), guess.scale),
        (
            "so dark, they may be over 1000, 2047 or 4095 instead",
            x10000 and high * guess.scale < OFTEN_DARKEST,
            1 / DETECTOR_BITS_MAX,
        ),
        (
            f"none is above {DETECTOR_BITS_MAX}, so they may be a detector's numbers",
            x10000 and evidence.sensor is None and top < DETECTOR_BITS_MAX,
            1 / DETECTOR_BITS_MAX,
        ),
    )
    return next((text for text, applies, scale in doubts if applies and _has_usual_land(samples, scale)), "")


def _fills_0_to_1(values: NDArray[np.float64]) -> bool:
    """True if floats end at exactly 1 or are all as common, as after a stretch or an equalised histogram."""
    positive = np.sort(values[values > 0])
    if float(np.percentile(positive, 99.9)) == 1 or (positive[-1] == 1 and values.min() == 0):
        return True
    return float(np.abs(positive.clip(0, 1) - np.linspace(0, 1, positive.size)).max()) < EQUALISED


def from_values(samples: Samples, evidence: ScaleEvidence) -> Radiometry:
    """The scale (1, 0.01 or 0.0001) that fits the highest values; InputError if it gives impossible reflectance."""
    source, high = evidence.source, samples.percentile(99)
    floats = all(dtype.startswith("float") for dtype in samples.dtypes)
    if floats and high <= BRIGHTEST_SCALED:
        guess = Radiometry(1.0, 0.0, f"values up to {high:.3g}, already reflectance", guessed=True)
    elif floats and high <= PERCENT_MAX and samples.values.max() <= PERCENT_TOP and (samples.values % 1 != 0).any():
        guess = Radiometry(PERCENT, 0.0, f"values up to {high:.4g} with fractions, read as percent", guessed=True)
    else:
        guess = Radiometry(1e-4, 0.0, f"values up to {high:g}, read as reflectance x 10000", guessed=True)
    _check_level(guess, high, "reflectance x 10000" if guess.scale != 1 else "", source)
    _check_negative(samples, guess, source)
    if guess.scale == SENTINEL2_BEFORE_04.scale and evidence.sensor is not SENTINEL2:
        _check_levels(samples, guess, evidence)
    return guess


def _check_level(guess: Radiometry, high: float, read: str, source: str) -> None:
    """InputError if the guess makes the 99th percentile an impossible reflectance; `read` says what it was read as."""
    top = high * guess.scale
    if not DARKEST_SCALED <= top <= BRIGHTEST_SCALED:
        reason = f"read as {read} they would be {top:.3g}" if read else "that is no scene"
        raise InputError(f"{source} does not state its scale, and its values go up to {high:g} ({reason}); {_WAYS_OUT}")


def _check_negative(samples: Samples, guess: Radiometry, source: str) -> None:
    """InputError if much of the scene would be darker than nothing, as after standardising or a stretch to -1 to 1."""
    levels = samples.values * guess.scale
    dark = (levels < NEGATIVE) & (levels >= LEAST_REFLECTANCE)
    if dark.mean() > NEGATIVE_SHARE:
        raise InputError(
            f"{source} does not state its scale, and {100 * dark.mean():.0f} % of its values would be a reflectance "
            f"below {NEGATIVE} with {guess.formula}, which no ground has; undo the stretch, or {_WAYS_OUT}"
        )


def _check_levels(samples: Samples, guess: Radiometry, evidence: ScaleEvidence) -> None:
    """InputError if a scene read as reflectance x 10000 would have nothing dark: the numbers have an unknown offset."""
    low, high = _lowest(samples), samples.percentile(99)
    if evidence.offset is None and low * guess.scale > NEVER_LOWEST and high > EVEN * low:
        raise InputError(
            f"{evidence.source} does not state its scale, and its values go from {low:g} to {high:g} (read as "
            f"reflectance x 10000 they would be {low * guess.scale:.2g} to {high * guess.scale:.3g}); {_WAYS_OUT}"
        )


def implausible(scales: Collection[Radiometry], samples: Samples) -> str:
    """A warning if the bands' one stated scale gives impossible reflectance; else empty."""
    distinct = set(scales)
    scale = next(iter(distinct))
    if len(distinct) > 1 or scale.guessed or scale.origin == "given" or not samples.values.size:
        return ""
    top = samples.percentile(99) * scale.scale + scale.offset
    if LEAST_STATED <= top <= MOST_STATED:
        return ""
    return Warn(f"reflectance = {scale.formula} ({scale.origin}) goes up to {top:.3g} here: --scale, --offset if not")


def _lowest(samples: Samples) -> float:
    """The 0.1st percentile of the values above 0; 0 if there are none."""
    return float(np.percentile(positive, 0.1)) if (positive := samples.values[samples.values > 0]).size else 0.0


def known_nodata(evidence: ScaleEvidence, dtype: str) -> float | None:
    """The nodata value of a file without a nodata tag, by its product or sensor; None if they tell none."""
    if dtype in ("uint8", "int8"):
        return None
    if not dtype.startswith(("int", "uint")):
        return 0.0 if evidence.sensor and evidence.sensor.nodata == 0 else None
    product = named_product(evidence.names)
    if product is not None and dtype in product.dtypes:
        return product.nodata
    return evidence.sensor.nodata if evidence.sensor else None


def _of_product(product: Product, evidence: ScaleEvidence) -> Radiometry:
    if isnan(product.scale):
        raise InputError(
            f"{evidence.source} is {product.product}, whose scale its file does not hold; {product.way_out}"
        )
    advice = "; --scale and --offset if not" if product.sure else ""  # the note on a guess names the options anyway
    return Radiometry(product.scale, product.offset, f"{product.product}{advice}", guessed=not product.sure)


def _is_landsat_sr(evidence: ScaleEvidence, samples: Samples) -> bool:
    """True if bands are named SR_B... and their values are as USGS stores them: reflectance 0 is DN 7273."""
    named = any(re.search(r"(?:^|[^a-z0-9])SR_B\d", label, re.IGNORECASE) for label in evidence.labels)
    zero = -LANDSAT_C2_L2.offset / LANDSAT_C2_L2.scale
    positive = samples.values[samples.values > 0]
    return named and positive.size > 0 and float(np.percentile(positive, 25)) > 0.9 * zero and positive.max() < 65536


def _check_detector_numbers(samples: Samples, evidence: ScaleEvidence) -> None:
    """InputError for a product that can hold reflectance or a detector's numbers, if its values do not tell which."""
    integers = all(dtype.startswith(("int", "uint")) for dtype in samples.dtypes)
    named = re.search(DETECTOR_NUMBERS, evidence.texts, re.IGNORECASE)
    if integers and named and samples.percentile(99.9) < DETECTOR_BITS_MAX:
        raise InputError(
            f"{evidence.source} may hold a detector's numbers instead of reflectance x 10000, since none is above "
            f"{DETECTOR_BITS_MAX}; give --scale, 0.0001 where it is reflectance"
        )


def _sentinel2(samples: Samples, evidence: ScaleEvidence) -> Radiometry | None:
    """Sentinel-2's scale and offset without metadata, by baseline or date and by the lowest value; None if unknown."""
    if evidence.sensor is not SENTINEL2 or evidence.offset is not None:
        return None
    named_baseline = _BASELINE.search(evidence.names)
    baseline = evidence.baseline or (named_baseline[1] if named_baseline else "")
    named_date = _DATE.search(evidence.names)
    date = named_date[1] if named_date else evidence.taken[:10].replace("-", "")
    low = _lowest(samples)
    bright = low > OFFSET_LOW / SENTINEL2_FROM_04.scale
    late = baseline >= "04" if baseline else date >= SENTINEL2_OFFSET_FROM
    new, old = SENTINEL2_FROM_04, SENTINEL2_BEFORE_04
    if late and bright:
        clue = "baseline" if baseline else "date"
        origin = f"{new.product}, by its {clue} and lowest value {low:g}; --offset 0 if it is not"
        return Radiometry(new.scale, new.offset, origin, guessed=True)
    if late:
        origin = f"values as low as {low:g}, so without the offset of baseline 04.00; --offset -0.1 if they have it"
        return Radiometry(old.scale, 0.0, origin)
    if not baseline and not date and bright:
        origin = f"values from {low:g} on, read as reflectance x 10000; --offset -0.1 if of baseline 04.00 or later"
        return Radiometry(old.scale, 0.0, origin, guessed=True)
    return None
