"""What is known of a scene before its pixels are read, and its pixels as digital numbers (DN): windows and samples."""

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
"""A number that all bands have at the same pixels, and the share of the sampled pixels that have it."""
FILL_SHARE, BYTE_MAX, MOST_WHITE = 0.05, 255, 0.5
"""From FILL_SHARE on, such a number is reported. In an 8-bit picture, white (BYTE_MAX) in a corner, with little that is
nearly white, is padding up to MOST_WHITE: true of none of the cloud catalogue's 282 pictures, and of 2 of the 742 made
by stretching these until a twentieth or more is white."""
LEAST_FILL, APART, ALONE = 0.005, 2.0, 2.0
"""A smaller share is enough for a number that is higher than all others by the first factor (65535, 9999), and for 0 or
less in a corner, or if single bands have it at most as often again: dark ground is 0 in one band before it is in all.
Of 361 files of scenes, only padding is 0 in every band."""
SATURATED = 1.7
"""Highest reflectance that clouds can have all over a scene: Landsat Collection 2 Level 2 ends at 1.602."""
LAND_RATIO = 1.5
"""Land with any plants is brighter in near infrared than in blue and red by this factor; water, snow, clouds and sand
are not. Water is darker by it; snow, clouds and sand are not."""
Medians = tuple[float, float, float]
"""Of blue, red and near infrared."""


@dataclass(frozen=True, slots=True)
class Radiometry:
    """Reflectance = DN * scale + offset."""

    scale: float = 1.0
    offset: float = 0.0
    origin: str = "given"
    """Where scale and offset come from, in words: `given`, `the file's tags`, `8-bit values`, a metadata file."""
    guessed: bool = False
    """True if nothing states scale and offset."""
    beyond: float = 0.0
    """Reflectance added to pixels of 255: where a picture is saturated, the ground is brighter than the scale says."""

    @property
    def formula(self) -> str:
        """The formula with 6 significant digits, such as `DN * 0.0001 - 0.1`."""
        return self.written(6)

    def written(self, digits: int) -> str:
        """The formula with `digits` significant digits."""
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
    """A path that rasterio opens; for arrays, the scene's source."""
    index: int = 1
    """Band number in that file, from 1."""
    radiometry: Radiometry = field(default_factory=Radiometry)
    nodata: float | None = None
    """The DN that means no data; None: there is none. NaN always means no data."""
    masked: bool = False
    """True if the file has an internal mask of valid pixels."""
    alpha: int = 0
    """Number of the file's alpha band, in which 0 means no data; 0: the file has none."""
    label: str = ""
    """The file's own name of the band."""
    evidence: str = ""
    """Why it was taken for that band, in words."""


@dataclass(frozen=True, slots=True)
class FillSource:
    """A quality band in which one bit marks pixels without data."""

    path: str
    bit: int = 0
    """Position of the bit; if it is set, the pixel has no data (QA_PIXEL and BQA: bit 0)."""


@dataclass(frozen=True, slots=True)
class SceneInfo:
    """What is known of a scene before any pixel is read."""

    name: str
    """The stem of the outputs' file names."""
    source: str
    """The path or URL of the scene, as the user gave it."""
    georef: Georef
    sources: tuple[BandSource, ...]
    """One per recognised band."""
    file_block: tuple[int, int, int] = (1, 1, 0)
    """(height, width, bytes per pixel of all bands) of the blocks the files are stored in; (1, 1, 0): no file."""
    notes: tuple[str, ...] = ()
    """What was recognised and assumed, one sentence per entry; those that tell a guess are `Warn`."""
    fill: FillSource | None = None
    kind: str = "raster"
    """The kind of product that was recognised, in words."""
    taken: str = ""
    """Time of acquisition, ISO 8601; empty if unknown."""
    item: str = ""
    """Path or URL of the STAC item that the scene was read from; empty: it was not read from one."""
    left_out: tuple[str, ...] = ()
    """Bands of the files that are not read, and why, one sentence per entry."""
    padding: float | None = None
    """A DN that, where all bands have it, is taken to mean no data although nothing states it; None: there is none."""


@dataclass(frozen=True, slots=True)
class DigitalNumbers:
    """A window of a scene in digital numbers (DN)."""

    values: tuple[NDArray[Any], ...]
    """One (height, width) array per band, in the type it is stored in; undefined where `valid` is False."""
    valid: BoolArray
    """(height, width); True = data, False = nodata."""
    radiometry: tuple[Radiometry, ...]
    """Scale and offset of each band."""

    def reflectance(self) -> Raster:
        """(band, height, width) float32: DN * scale + offset, and `beyond` added where a picture is saturated."""
        data: FloatArray = np.empty((len(self.values), *self.valid.shape), dtype=np.float32)
        for band, values, radiometry in zip(data, self.values, self.radiometry, strict=True):
            np.multiply(values, np.float32(radiometry.scale), out=band, dtype=np.float32, casting="unsafe")
            if radiometry.offset:
                np.add(band, np.float32(radiometry.offset), out=band)
            if radiometry.beyond:  # a mean between 254 and 255 holds some saturated pixels: it gets a part of `beyond`
                share = (values.astype(np.float32) - np.float32(254)).clip(0, 1)
                np.add(band, share * np.float32(radiometry.beyond), out=band)
        return Raster(data, self.valid)


def as_digital_numbers(raster: Raster) -> DigitalNumbers:
    """Reflectance as digital numbers with scale 1 and offset 0."""
    return DigitalNumbers(tuple(raster.data), raster.valid, (Radiometry(),) * len(raster.data))


LEAST_REFLECTANCE, MOST_REFLECTANCE = -0.5, 50.0
"""No ground or cloud has a reflectance below or above these; numbers that fill files do (-9999, 3.4e38)."""


def find_valid(
    values: Sequence[NDArray[Any]],
    nodata: Sequence[float | None],
    radiometry: Sequence[Radiometry],
    padding: float | None = None,
) -> BoolArray:
    """(height, width) bool: True if a pixel has data in every band.

    A nodata value of 0 is special, because dark ground can have it too: a pixel has no data only where all bands with
    this nodata value are 0. Numbers that give an impossible reflectance are never data, nor are pixels with the value
    `padding` in all bands.

    Args:
        values: one (height, width) array per band.
        nodata: the nodata value of each band; None: it has none.
        radiometry: scale and offset of each band.
        padding: see SceneInfo.
    """
    empty = [
        is_nodata(numbers, value) | impossible(numbers, scale)
        for numbers, value, scale in zip(values, nodata, radiometry, strict=True)
    ]
    zeros = [numbers == 0 for numbers, value in zip(values, nodata, strict=True) if value == 0]
    missing = [
        band_empty if value != 0 else band_empty & (numbers != 0)
        for band_empty, numbers, value in zip(empty, values, nodata, strict=True)
    ]
    if zeros:
        missing.append(reduce(np.logical_and, zeros))
    if padding is not None:
        missing.append(reduce(np.logical_and, [numbers == numbers.dtype.type(padding) for numbers in values]))
    valid: BoolArray = ~reduce(np.logical_or, missing)
    return valid


def is_nodata(values: NDArray[Any], nodata: float | None) -> BoolArray:
    """True if a band has its nodata value, NaN or infinity; the shape of `values`."""
    whole = values.dtype.kind in "iu"
    if nodata is None or np.isnan(nodata):
        empty: BoolArray = np.zeros(values.shape, dtype=bool)
    else:  # comparing integers with a float would convert the whole array to floats first
        empty = values == (int(nodata) if whole and float(nodata).is_integer() else nodata)
    return empty if whole else empty | ~np.isfinite(values)


def impossible(values: NDArray[Any], radiometry: Radiometry) -> BoolArray:
    """True if a number would give an impossible reflectance; the shape of `values`.

    Integers are never too high, because an integer type ends where a band saturates.
    """
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
    """Aggregate to `shape`: each pixel is the mean of the valid pixels among step x step, or fewer at the far edges."""
    missing = shape[0] * step - numbers.valid.shape[0], shape[1] * step - numbers.valid.shape[1]
    valid, *bands = (_pad(layer, missing) for layer in (numbers.valid, *numbers.values))
    if valid.all():
        means = tuple(add_squares(band, step) / np.float32(step**2) for band in bands)
        return DigitalNumbers(means, np.ones(shape, dtype=bool), numbers.radiometry)
    count = add_squares(valid, step)
    known = [np.where(valid, band, band.dtype.type(0)) for band in bands]
    means = tuple(add_squares(band, step) / count.clip(min=1) for band in known)
    return DigitalNumbers(means, count > 0, numbers.radiometry)


def _pad(layer: NDArray[Any], missing: tuple[int, int]) -> NDArray[Any]:
    """Append (rows, columns) of zeros below and on the right."""
    return np.pad(layer, ((0, missing[0]), (0, missing[1]))) if any(missing) else layer


def add_squares(values: NDArray[Any], step: int) -> FloatArray:
    """(h, w) to (h/step, w/step) float32: sums of step x step pixels. Rows are added first, which is the faster way."""

    def add(first: NDArray[Any], second: NDArray[Any]) -> FloatArray:
        total: FloatArray = np.add(first, second, dtype=np.float32, casting="unsafe")
        return total

    rows = reduce(add, [values[row::step] for row in range(step)])
    return reduce(add, [rows[:, column::step] for column in range(step)])


@dataclass(frozen=True, slots=True)
class Samples:
    """A sample of a scene's pixels, all bands together."""

    values: NDArray[np.float64]
    """(n,) valid DN of all bands."""
    dtypes: tuple[str, ...]
    """Types that the bands are stored in."""
    fill: float = 0.0
    """DN that may be padding: the most common of those that all bands have at the same valid pixels."""
    fill_share: float = 0.0
    """Share of the sampled pixels that have it."""
    medians: Medians = (0.0, 0.0, 0.0)
    """Median DN of blue, red and near infrared; 0 without that band, and where bands differ in scale."""

    @property
    def land(self) -> float:
        """Brightness (DN) of land in near infrared; NaN if the scene shows hardly any."""
        return land_of(self.medians)

    @property
    def water(self) -> float:
        """Brightness (DN) of water in blue or red; NaN if the scene shows hardly any."""
        return water_of(self.medians)

    def percentile(self, q: float) -> float:
        """The q-th percentile of `values`, which must not be empty."""
        return float(np.percentile(self.values, q))

    @property
    def is_filled(self) -> bool:
        """True if enough of the scene has the number `fill`; or some of it, and no reflectance is as low or high."""
        if self.fill_share >= FILL_SHARE or (self.fill <= 0 and self.fill_share and "uint8" not in self.dtypes):
            return True
        rest = self.values[self.values != self.fill]
        apart = bool(rest.size) and self.fill > APART * max(float(rest.max()), 0)
        return apart and self.fill_share >= LEAST_FILL and "uint8" not in self.dtypes

    def without_fill(self) -> Samples:
        """Leave out padding, which says nothing of the scale; zeros are kept, since dark ground has them too."""
        rest = self.values[self.values != self.fill]
        return replace(self, values=rest) if self.fill and self.is_filled and rest.any() else self

    def padding(self, radiometry: Collection[Radiometry]) -> tuple[float | None, str]:
        """The DN that pads the scene although nothing states it, or None; and a note on it, empty if there is none.

        The number that fills a scene is padding if it is 0 or gives an impossible reflectance in every band. In 8-bit
        pictures 0 can be dark ground: there white is padding, with a warning, if it covers at most half of the scene,
        and every other number is only reported.
        """
        if not self.is_filled:
            return None, ""
        share_text = f"{100 * self.fill_share:.0f} % of it is {self.fill:g} in every band"
        note = f"{share_text} and is read as nodata; --nodata nan if it is data"
        levels = [self.fill * scale.scale + scale.offset for scale in radiometry]
        no_reflectance = self.fill == 0 or all(not 0 < level <= SATURATED for level in levels)
        if no_reflectance and "uint8" not in self.dtypes:
            return self.fill, note
        if self.fill == BYTE_MAX and set(self.dtypes) == {"uint8"} and self.fill_share <= MOST_WHITE:
            return self.fill, Warn(note)
        white = ", and if it is saturated, snow and cloud look alike there" if self.fill > 0 else ""
        return None, Warn(f"{share_text}: if that is nodata, give --nodata {self.fill:g}{white}")


def medians_of(numbers: Mapping[str, NDArray[Any]]) -> Medians:
    """The medians of blue, red and near infrared; 0 for a band that is not there.

    Args:
        numbers: band -> numbers that are proportional to reflectance.
    """
    blue, red, nir = (numbers.get(band, np.empty(0)) for band in ("blue", "red", "nir"))
    return _median(blue), _median(red), _median(nir)


def _median(values: NDArray[Any]) -> float:
    return float(np.median(values)) if values.size else 0.0


def land_of(medians: Medians) -> float:
    """Near infrared, if it is far above blue and red; else NaN."""
    blue, red, nir = medians
    return nir if min(medians) > 0 and nir > LAND_RATIO * max(blue, red) else np.nan


def water_of(medians: Medians) -> float:
    """The brighter of blue and red, if it is far above near infrared; else NaN."""
    blue, red, nir = medians
    return max(blue, red) if min(medians) > 0 and max(blue, red) > LAND_RATIO * nir else np.nan
