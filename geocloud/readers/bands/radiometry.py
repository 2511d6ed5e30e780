"""From digital numbers to reflectance when the file itself does not say how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.raster import BoolArray, FloatArray, Raster
from geocloud.readers.bands.sensors import LANDSAT_C2_L2
from geocloud.readers.bands.spec import Radiometry


@dataclass(frozen=True, slots=True)
class DigitalNumbers:
    """A window of a scene in digital numbers (DN)."""

    values: tuple[NDArray[Any], ...]
    """(height, width) a band, each in the type it is stored in; anything where `valid` is False."""
    valid: BoolArray
    """(height, width); True = data, False = nodata."""
    radiometry: tuple[Radiometry, ...]
    """Of each band."""

    def reflectance(self) -> Raster:
        """Reflectance = DN * scale + offset, in float32."""
        data: FloatArray = np.empty((len(self.values), *self.valid.shape), dtype=np.float32)
        for band, values, radiometry in zip(data, self.values, self.radiometry, strict=True):
            np.multiply(values, np.float32(radiometry.scale), out=band, dtype=np.float32, casting="unsafe")
            if radiometry.offset:
                np.add(band, np.float32(radiometry.offset), out=band)
        return Raster(data, self.valid)


def as_digital_numbers(raster: Raster) -> DigitalNumbers:
    """Reflectance as its own DN."""
    return DigitalNumbers(tuple(raster.data), raster.valid, (Radiometry(),) * len(raster.data))


def find_valid(values: Sequence[NDArray[Any]], nodata: Sequence[float | None]) -> BoolArray:
    """(height, width) which pixels hold data, of a (height, width) array and a nodata value a band.

    A nodata of 0 is special: dark ground takes that value too, so it counts only where all bands that have it are 0.
    """
    empty = [is_nodata(numbers, none) for numbers, none in zip(values, nodata, strict=True)]
    zeros = [here for here, none in zip(empty, nodata, strict=True) if none == 0]
    missing = [here for here, none in zip(empty, nodata, strict=True) if none != 0]
    if zeros:
        missing.append(reduce(np.logical_and, zeros))
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


def average(counts: DigitalNumbers, shape: tuple[int, int], step: int) -> DigitalNumbers:
    """Counts of `shape`, each pixel the mean of the valid ones among step x step; the last may be of fewer."""
    short = shape[0] * step - counts.valid.shape[0], shape[1] * step - counts.valid.shape[1]
    valid, *bands = (_lengthen(layer, short) for layer in (counts.valid, *counts.values))
    if valid.all():
        means = tuple(add_squares(band, step) / np.float32(step**2) for band in bands)
        return DigitalNumbers(means, np.ones(shape, dtype=bool), counts.radiometry)
    path_exists = add_squares(valid, step)
    known = [np.where(valid, band, band.dtype.type(0)) for band in bands]
    means = tuple(add_squares(band, step) / path_exists.clip(min=1) for band in known)
    return DigitalNumbers(means, path_exists > 0, counts.radiometry)


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


WHITE = 0.8
"""Reflectance that 255 of an 8-bit picture is read as: where forests and oceans of the Sentinel-2 Cloud Mask Catalogue
agree with the top of the atmosphere, and where its clouds are told best (docs/ablation.md)."""
EIGHT_BIT = Radiometry(WHITE / 255, 0.0, f"8-bit values, 255 read as reflectance {WHITE}")
TRUE_COLOUR = {"L1C": 0.3558, "L2A": 0.2}
"""Reflectance that 255 of a Sentinel-2 true-colour image stands for (Copernicus, Sentinel-2 definitions, "TCI")."""
_TCI_NAME = re.compile(r"(?:^|[/\\_])TCI(?P<metres>_[126]0m)?\.[^/\\]*$", re.IGNORECASE)
_LANDSAT_C2_L2_NAME = re.compile(r"L[COTE]0[4-9]_L2S[PR]_\d{6}_\d{8}_\d{8}_02", re.IGNORECASE)
SAMPLES = 4
SAMPLE_SIDE = 128


def tagged_radiometry(dataset: Any, index: int) -> Radiometry | None:  # noqa: ANN401 - rasterio is untyped
    """Scale and offset of one band as its tags give them; None where they say nothing."""
    scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
    return None if (scale, offset) == (1.0, 0.0) else Radiometry(scale, offset, "the file's tags")


def assume_radiometry(dataset: Any, indexes: Sequence[int]) -> Radiometry:  # noqa: ANN401 - rasterio is untyped
    """One scale for a file that gives none: from its name, its type, and at last from some of its values."""
    if _LANDSAT_C2_L2_NAME.search(dataset.name):
        return Radiometry(LANDSAT_C2_L2.scale, LANDSAT_C2_L2.offset, LANDSAT_C2_L2.product)
    dtype = dataset.dtypes[indexes[0] - 1]
    if dtype == "uint8":
        return true_colour(dataset.name) or EIGHT_BIT
    return _from_values(_high_value(dataset, indexes), dtype)


def true_colour(name: str) -> Radiometry | None:
    """That of a Sentinel-2 true-colour image by the path of its file; None where it is another.

    Level 2A says its pixel size in the name; else the level that the path names last counts, and Level 1C without any.
    """
    found = _TCI_NAME.search(name)
    if not found:
        return None
    named = re.findall("L1C|L2A", name.upper())
    level = "L2A" if found["metres"] else (named or ["L1C"])[-1]
    top = TRUE_COLOUR[level]
    return Radiometry(top / 255, 0.0, f"a true-colour image of Sentinel-2 {level}, 255 read as reflectance {top}")


def radiometry_of_values(values: NDArray[np.float64], dtype: str) -> Radiometry:
    """One scale for numbers that come without one, from some valid values and their type."""
    if dtype == "uint8":
        return EIGHT_BIT
    return _from_values(float(np.percentile(values, 99)) if values.size else 0.0, dtype)


def _from_values(high: float, dtype: str) -> Radiometry:
    """The usual scales by how high values go; `high` is their 99th percentile."""
    if dtype.startswith("float") and high <= 5:
        return Radiometry(1.0, 0.0, "values, already reflectance")
    if high <= 255:
        return replace(EIGHT_BIT, origin=f"values up to {high:g}, read as 8-bit")
    return Radiometry(1e-4, 0.0, f"values up to {high:g}, read as reflectance x 10000")


def _high_value(dataset: Any, indexes: Sequence[int]) -> float:  # noqa: ANN401 - rasterio is untyped
    """99th percentile of a few small windows spread over the scene, nodata left out; 0 where all is nodata."""
    rows = np.linspace(0, max(dataset.height - SAMPLE_SIDE, 0), SAMPLES).astype(int)
    cols = np.linspace(0, max(dataset.width - SAMPLE_SIDE, 0), SAMPLES).astype(int)
    size = min(SAMPLE_SIDE, dataset.width), min(SAMPLE_SIDE, dataset.height)
    seen = []
    for row in np.unique(rows):
        for col in np.unique(cols):
            window = RasterioWindow(int(col), int(row), *size)
            for index in indexes:
                finite = dataset.read(index, window=window, masked=True).compressed().astype(np.float64)
                seen.append(finite[np.isfinite(finite)])
    values = np.concatenate(seen)
    return float(np.percentile(values, 99)) if values.size else 0.0
