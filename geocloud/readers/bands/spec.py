"""What is known of a scene's bands before pixels are read; windows and samples of them in digital numbers (DN)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geocloud.progress import Warn
from geocloud.raster import BoolArray, FloatArray, Georef, Raster

Fill = tuple[float, float]
"""A number that all bands have at once, and the share of the looked-at pixels that have it."""
FILL_SHARE, BYTE_MAX, MOST_WHITE = 0.05, 255, 0.5
"""Share from which it is spoken of. White in a corner, with little nearly white, pads a picture of bytes up to the last
share: none of the cloud catalogue's 282, and 2 of 742 that are these stretched until a twentieth or more is white."""
SATURATED = 1.7
"""Reflectance up to which clouds may fill a scene: Landsat Collection 2 Level 2 ends at 1.602."""
LAND_RATIO = 1.5
"""Land with any plants is so much brighter in near infrared than in blue and red; water, snow, clouds and sand less."""


@dataclass(frozen=True, slots=True)
class Radiometry:
    """Reflectance = DN * scale + offset."""

    scale: float = 1.0
    offset: float = 0.0
    origin: str = "given"
    """Where the two numbers come from, in words: `given`, `the file's tags`, `8-bit values`, a metadata file."""
    guessed: bool = False
    """True where nothing states them."""
    beyond: float = 0.0
    """Reflectance that is added at 255, where a picture is saturated: white in it is brighter than its scale says."""

    @property
    def formula(self) -> str:
        """Such as `DN * 0.0001 - 0.1`."""
        return self.written(6)

    def written(self, digits: int) -> str:
        """The same with that many significant digits."""
        offset = f" {'-' if self.offset < 0 else '+'} {abs(self.offset):.{digits}g}" if self.offset else ""
        return f"DN * {self.scale:.{digits}g}{offset}"

    def __str__(self) -> str:
        """The formula and where it comes from."""
        return f"{self.formula} ({self.origin})"


@dataclass(frozen=True, slots=True)
class BandSource:
    """One spectral band: where it is stored, how it is read, and why it was taken for that band."""

    band: str
    """Common name."""
    path: str
    """A path rasterio opens; for arrays the scene's source."""
    index: int = 1
    """Band number in that file, from 1."""
    radiometry: Radiometry = field(default_factory=Radiometry)
    nodata: float | None = None
    """The value that means no data; None where there is none (NaN never is data)."""
    masked: bool = False
    """True where the file carries an internal mask that says what is valid."""
    alpha: int = 0
    """Number of the file's alpha band, 0 = no data; 0 where it has none."""
    label: str = ""
    """What the file calls the band."""
    evidence: str = ""
    """Why it was taken for that band, in words."""


@dataclass(frozen=True, slots=True)
class FillSource:
    """A quality band whose bits say where there is no data at all."""

    path: str
    bit: int = 0
    """Set bit = fill (QA_PIXEL and BQA: bit 0)."""


@dataclass(frozen=True, slots=True)
class SceneInfo:
    """All that is known of a scene before a pixel is read."""

    name: str
    """The stem that outputs are named after."""
    source: str
    """As the user named it."""
    georef: Georef
    sources: tuple[BandSource, ...]
    """One per recognised band."""
    file_block: tuple[int, int, int] = (1, 1, 0)
    """(height, width, bytes per pixel of all bands) of the blocks the files are stored in; (1, 1, 0): no file."""
    notes: tuple[str, ...] = ()
    """What was understood and assumed, a sentence each: a `Warn` where it was guessed."""
    fill: FillSource | None = None
    kind: str = "raster"
    """What it was recognised as, in words."""
    taken: str = ""
    """Time of acquisition, ISO 8601; empty where unknown."""
    item: str = ""
    """Path or URL of the STAC item it was read from; empty where it was none."""
    left_out: tuple[str, ...] = ()
    """Bands of its files that are not read, and why, a sentence each."""
    padding: float | None = None
    """A number that all bands have at once where there is no data, though nothing states it; None: there is none."""


@dataclass(frozen=True, slots=True)
class DigitalNumbers:
    """A window of a scene in digital numbers (DN)."""

    values: tuple[NDArray[Any], ...]
    """(height, width) per band, each in the type it is stored in; anything where `valid` is False."""
    valid: BoolArray
    """(height, width); True = data, False = nodata."""
    radiometry: tuple[Radiometry, ...]
    """Of each band."""

    def reflectance(self) -> Raster:
        """Reflectance = DN * scale + offset, in float32; and what lies beyond white where a picture is saturated."""
        data: FloatArray = np.empty((len(self.values), *self.valid.shape), dtype=np.float32)
        for band, values, radiometry in zip(data, self.values, self.radiometry, strict=True):
            np.multiply(values, np.float32(radiometry.scale), out=band, dtype=np.float32, casting="unsafe")
            if radiometry.offset:
                np.add(band, np.float32(radiometry.offset), out=band)
            if radiometry.beyond:  # means of pixels of which some are saturated lie between
                share = (values.astype(np.float32) - np.float32(254)).clip(0, 1)
                np.add(band, share * np.float32(radiometry.beyond), out=band)
        return Raster(data, self.valid)


def as_digital_numbers(raster: Raster) -> DigitalNumbers:
    """Reflectance as its own DN."""
    return DigitalNumbers(tuple(raster.data), raster.valid, (Radiometry(),) * len(raster.data))


LEAST_REFLECTANCE, MOST_REFLECTANCE = -0.5, 50.0
"""Reflectance that no ground or cloud has: what fills files is lower or higher (-9999, 3.4e38)."""


def find_valid(
    values: Sequence[NDArray[Any]],
    nodata: Sequence[float | None],
    radiometry: Sequence[Radiometry],
    padding: float | None = None,
) -> BoolArray:
    """(height, width) which pixels hold data, of a (height, width) array, a nodata value and a scale per band.

    A nodata of 0 is special: dark ground takes that value too, so it counts only where all bands that have it are 0.
    Values that no reflectance can have are never data, nor is what has the `padding` in all bands.
    """
    empty = [
        is_nodata(numbers, none) | impossible(numbers, scale)
        for numbers, none, scale in zip(values, nodata, radiometry, strict=True)
    ]
    zeros = [numbers == 0 for numbers, none in zip(values, nodata, strict=True) if none == 0]
    missing = [
        here if none != 0 else here & (numbers != 0) for here, numbers, none in zip(empty, values, nodata, strict=True)
    ]
    if zeros:
        missing.append(reduce(np.logical_and, zeros))
    if padding is not None:
        missing.append(reduce(np.logical_and, [numbers == numbers.dtype.type(padding) for numbers in values]))
    valid: BoolArray = ~reduce(np.logical_or, missing)
    return valid


def is_nodata(values: NDArray[Any], nodata: float | None) -> BoolArray:
    """True where a band holds its nodata value, NaN or infinity."""
    whole = values.dtype.kind in "iu"
    if nodata is None or np.isnan(nodata):
        empty: BoolArray = np.zeros(values.shape, dtype=bool)
    else:  # comparing integers to a float turns them to floats first
        empty = values == (int(nodata) if whole and float(nodata).is_integer() else nodata)
    return empty if whole else empty | ~np.isfinite(values)


def impossible(values: NDArray[Any], radiometry: Radiometry) -> BoolArray:
    """True where a number would be a reflectance that nothing has; whole numbers may saturate, so only floats above."""
    low, high = sorted(
        (limit - radiometry.offset) / radiometry.scale for limit in (LEAST_REFLECTANCE, MOST_REFLECTANCE)
    )
    if values.dtype.kind == "f":
        beyond: BoolArray = (values < low) | (values > high)
        return beyond
    if values.dtype.kind == "u" or radiometry.scale < 0 or np.iinfo(values.dtype).min >= low:
        return np.zeros(values.shape, dtype=bool)
    below: BoolArray = values < values.dtype.type(np.ceil(low))
    return below


def average(numbers: DigitalNumbers, shape: tuple[int, int], step: int) -> DigitalNumbers:
    """Numbers of `shape`, each pixel the mean of the valid ones among step x step; the last may be of fewer."""
    short = shape[0] * step - numbers.valid.shape[0], shape[1] * step - numbers.valid.shape[1]
    valid, *bands = (_lengthen(layer, short) for layer in (numbers.valid, *numbers.values))
    if valid.all():
        means = tuple(add_squares(band, step) / np.float32(step**2) for band in bands)
        return DigitalNumbers(means, np.ones(shape, dtype=bool), numbers.radiometry)
    count = add_squares(valid, step)
    known = [np.where(valid, band, band.dtype.type(0)) for band in bands]
    means = tuple(add_squares(band, step) / count.clip(min=1) for band in known)
    return DigitalNumbers(means, count > 0, numbers.radiometry)


def _lengthen(layer: NDArray[Any], more: tuple[int, int]) -> NDArray[Any]:
    """With more rows below and columns to the right, of zeros."""
    return np.pad(layer, ((0, more[0]), (0, more[1]))) if any(more) else layer


def add_squares(values: NDArray[Any], step: int) -> FloatArray:
    """(h, w) to (h/step, w/step) float32: sums of step x step pixels, along columns first, which is the quick way."""

    def add(one: NDArray[Any], other: NDArray[Any]) -> FloatArray:
        total: FloatArray = np.add(one, other, dtype=np.float32, casting="unsafe")
        return total

    rows = reduce(add, [values[row::step] for row in range(step)])
    return reduce(add, [rows[:, column::step] for column in range(step)])


@dataclass(frozen=True, slots=True)
class Samples:
    """Some numbers of all bands of a scene."""

    values: NDArray[np.float64]
    """(n,) valid ones of all bands together."""
    dtypes: tuple[str, ...]
    """Types that the bands are stored in."""
    fill: float = 0.0
    """Number that may fill the scene, since every band has it in some pixels that count as data."""
    fill_share: float = 0.0
    """Share of the looked-at pixels that have it."""
    land: float = float("nan")
    """How bright land is in near infrared; NaN where the scene hardly shows any, see `land_level`."""

    def percentile(self, q: float) -> float:
        """Of the values, of which there are some."""
        return float(np.percentile(self.values, q))

    def without_fill(self) -> Samples:
        """Without padding among the values, which says nothing of their scale; dark ground has 0 too."""
        rest = self.values[self.values != self.fill]
        return replace(self, values=rest) if self.fill and self.fill_share >= FILL_SHARE and rest.any() else self

    def padding(self, radiometry: Collection[Radiometry]) -> tuple[float | None, str]:
        """The number that pads a scene which does not say so, or None; and what to say of it, empty where nothing.

        What fills a scene is padding where it is 0, or a reflectance that nothing has in every band. Of bytes, white
        up to half of a scene is, with a warning; anything else is only spoken of: there 0 is dark.
        """
        if self.fill_share < FILL_SHARE:
            return None, ""
        said = f"{100 * self.fill_share:.0f} % of it is {self.fill:g} in every band"
        taken = f"{said} and is read as nodata; --nodata nan if it is data"
        levels = [self.fill * scale.scale + scale.offset for scale in radiometry]
        strange = self.fill == 0 or all(not 0 < level <= SATURATED for level in levels)
        if strange and "uint8" not in self.dtypes:
            return self.fill, taken
        if self.fill == BYTE_MAX and set(self.dtypes) == {"uint8"} and self.fill_share <= MOST_WHITE:
            return self.fill, Warn(taken)
        white = ", and if it is saturated, snow and cloud look alike there" if self.fill > 0 else ""
        return None, Warn(f"{said}: if that is nodata, give --nodata {self.fill:g}{white}")


def most_common(values: NDArray[Any], looked: int) -> Fill:
    """The number that occurs most, and its share of so many looked-at pixels."""
    if not values.size:
        return 0.0, 0.0
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]), float(counts.max()) / max(looked, 1)


def common_fill(fills: Sequence[Fill]) -> Fill:
    """That of a scene of several files: what fills every one of them."""
    numbers = {number for number, _ in fills}
    return (fills[0][0], min(share for _, share in fills)) if len(numbers) == 1 else (0.0, 0.0)


def land_level(numbers: Mapping[str, NDArray[Any]]) -> float:
    """The median of near infrared where it is far above those of blue and red; else NaN.

    Args:
        numbers: band -> numbers that are proportional to reflectance.
    """
    seen = (numbers.get(band, np.empty(0)) for band in ("blue", "red", "nir"))
    return land_of([float(np.median(values)) if values.size else 0.0 for values in seen])


def land_of(medians: Sequence[float]) -> float:
    """The last of the medians of blue, red and near infrared where it is far above the others; else NaN."""
    return medians[-1] if min(medians) > 0 and medians[-1] > LAND_RATIO * max(medians[:-1]) else float("nan")
