"""Some pixels of a scene's files or arrays, to tell their scale and what is nodata before the scene is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from geocloud.raster import BoolArray
from geocloud.readers.bands.spec import (
    ALONE,
    BYTE_MAX,
    FILL_SHARE,
    LEAST_FILL,
    BandSource,
    Fill,
    Samples,
    is_nodata,
    medians_of,
)
from geocloud.readers.files.opening import open_raster, read_bands, read_errors

if TYPE_CHECKING:
    import xarray

WINDOWS = 4
"""Along each side of the scene."""
WINDOW_SIDE = 128
OVERVIEW_SIDE = 1024
"""Where the windows hold no data, the whole scene is read, decimated to at most this many pixels per side."""
ARRAY_SIDE = 256
"""Of arrays every nth pixel is read, so that about this many per side are."""
LEAST_WITH_MASK = 4
"""Bands from which the last may be a mask that nothing tags."""
MASK_NAMES = ("datamask", "valid", "validity", "validmask", "validdata", "footprint")
"""What such a band may be called, letters alone (Sentinel Hub: dataMask). A `mask` may as well be of clouds."""
NO_NUMBER = 1e9
"""Floats beyond this are what fills files, whatever the scale."""
NEARLY_WHITE, NEARLY_SHARE, MOSTLY_WHITE = 230, 0.03, 0.9
"""Clouds that saturate have at least that share of their white pixels at this level and up to white; a picture that is
mostly white is overcast or snow."""
ALPHA_SHARE, OPAQUE_SHARE = 0.2, 0.2
"""Share of values other than 0 and the highest from which a band tagged alpha is none: an edge has few. A wide soft
edge has more: such a band is alpha if the pixels at 0 show nothing, and this share is at the highest and does."""


def sample_files(sources: Sequence[BandSource], *, allow_external: bool = False) -> Samples:
    """Valid values of the bands of one or more files."""
    values, dtypes, fills = [], [], []
    pixels: dict[str, NDArray[np.float64]] = {}
    for path in dict.fromkeys(source.path for source in sources):
        here = [source for source in sources if source.path == path]
        with open_raster(path, allow_external=allow_external) as dataset, read_errors(path):
            seen, fill, there = _sample(dataset, here)
            dtypes += [dataset.dtypes[source.index - 1] for source in here]
        values.append(seen)
        fills.append(fill)
        pixels |= there
    medians = medians_of(pixels)
    return Samples(np.concatenate(values), tuple(dtypes), *common_fill(fills), medians).without_fill()


def sample_arrays(arrays: Mapping[str, xarray.DataArray], nodata: Mapping[str, float | None]) -> Samples:
    """Some valid values of (y, x) arrays, a band each."""
    seen: dict[str, NDArray[np.float64]] = {}
    planes, filled = [], []
    for band, array in arrays.items():
        steps = {dim: slice(None, None, max(1, size // ARRAY_SIDE)) for dim, size in array.sizes.items()}
        values = array.isel(steps).to_numpy()
        found = values[~is_nodata(values, nodata[band])]
        planes.append(values)
        filled.append(~is_nodata(values, nodata[band]))
        if not found.size:  # little data in a large frame: look at all of it
            whole = array.to_numpy()
            found = whole[~is_nodata(whole, nodata[band])][: ARRAY_SIDE**2]
        seen[band] = found.astype(np.float64)
    dtypes = tuple(str(array.dtype) for array in arrays.values())
    alike = np.logical_and.reduce([valid & (values == planes[0]) for values, valid in zip(planes, filled, strict=True)])
    corners = planes[0][np.ix_((0, -1), (0, -1))][alike[np.ix_((0, -1), (0, -1))]]
    fill = common_fill([filling(planes[0][alike], list(seen.values()), corners, alike.size)])
    return Samples(np.concatenate(list(seen.values())), dtypes, *fill, medians_of(seen)).without_fill()


def filling(alike: NDArray[Any], every: Sequence[NDArray[Any]], cornered: NDArray[Any], looked: int) -> list[Fill]:
    """The numbers that may fill a file, each with its share of the sampled pixels, if that is at least LEAST_FILL.

    They stand in a corner, or are 0 or less and seldom in one band without the others; 0 also where it fills much.

    Args:
        alike: the valid pixels where all bands have one number.
        every: the valid numbers of each band.
        cornered: the numbers that all bands have in a corner.
        looked: the number of sampled pixels.
    """
    found = []
    for number, count in zip(*np.unique(alike, return_counts=True), strict=True):
        share = int(count) / max(looked, 1)
        if share < LEAST_FILL:
            continue
        often = sum(np.count_nonzero(values == number) for values in every)
        alone = number <= 0 and often <= ALONE * len(every) * count
        if number in cornered or alone or (number == 0 and share >= FILL_SHARE):
            found.append((float(number), share))
    return found


def common_fill(fills: Sequence[Sequence[Fill]]) -> Fill:
    """The fill of a scene of several files: the number that fills most of every file, and its least share.

    Args:
        fills: for each file, the numbers that may fill it; if none is in all files, the fill is (0, 0).
    """
    shares = [dict(each) for each in fills]
    both = set.intersection(*map(set, shares)) if shares else set()
    return max(((number, min(each[number] for each in shares)) for number in both), key=lambda f: f[1], default=(0, 0))


def mask_band(dataset: Any, users: Collection[int] = ()) -> tuple[int, bool]:  # noqa: ANN401 - rasterio is untyped
    """Number of the band that masks, 0 for none; True where that is a guess, since nothing tags it.

    A band tagged alpha that holds measurements, as GDAL tags the fourth of four bytes, is none. A last band without a
    name that holds nothing but 0 and 1, or 0 and its type's highest number, is taken for one; so is one of MASK_NAMES.

    Args:
        dataset: an open file.
        users: bands that are read, so none of them masks.
    """
    tagged = [index for index in dataset.indexes if index not in users and _is_alpha(dataset, index)]
    if tagged:
        seen = _seen(dataset, tagged[0])
        between = (seen > 0) & (seen < seen.max(initial=0))
        masks = float(between.mean()) < ALPHA_SHARE or _hides(dataset, tagged[0], seen)
        return (tagged[0] if masks else 0), False
    last = dataset.count
    dtype, name = dataset.dtypes[last - 1], (dataset.descriptions[last - 1] or "").lower()
    called = re.sub(r"[^a-z]", "", name) in MASK_NAMES
    tops = {"uint8": (1, 255), "uint16": (1, 65535), "float32": (1,), "float64": (1,)}
    nameless = not name and dataset.colorinterp[last - 1] is ColorInterp.undefined and dtype in tops
    if last < LEAST_WITH_MASK or last in users or not (called or nameless):
        return 0, False
    seen = _seen(dataset, last)
    top = seen.max(initial=0)
    two = top > 0 and bool(((seen == 0) | (seen == top)).all())
    return (last, True) if two and (called or top in tops[dtype]) else (0, False)


def _is_alpha(dataset: Any, index: int) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True for a band that is tagged or called alpha."""
    name = (dataset.descriptions[index - 1] or "").strip().lower()
    return dataset.colorinterp[index - 1] is ColorInterp.alpha or name == "alpha"


def _hides(dataset: Any, index: int, seen: NDArray[Any]) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True if all other bands have one number where this one is 0, and one varies where this is highest, in much."""
    others = [_seen(dataset, other) for other in dataset.indexes if other != index]
    hidden, opaque = seen == 0, seen == seen.max(initial=0)
    if not hidden.any() or float(opaque.mean()) < OPAQUE_SHARE:
        return False
    one = all(bool((values[hidden] == values[hidden][0]).all()) for values in others)
    return one and any(len(np.unique(values[opaque])) > 2 for values in others)


def _seen(dataset: Any, index: int) -> NDArray[Any]:  # noqa: ANN401 - rasterio is untyped
    return np.concatenate([dataset.read(index, window=window).ravel() for window in _windows(dataset)])


def has_data(dataset: Any, index: int) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True if any of the looked-at pixels of a band is finite, not nodata and not 0."""
    for window in _windows(dataset):
        seen = dataset.read(index, window=window, masked=True).compressed()
        if (np.isfinite(seen) & (seen != 0)).any():
            return True
    return False


def _sample(
    dataset: Any,  # noqa: ANN401 - rasterio is untyped
    sources: Sequence[BandSource],
) -> tuple[NDArray[np.float64], list[Fill], dict[str, NDArray[np.float64]]]:
    """Valid values of some bands of one file; what may fill it: 0, or a number of a corner; the values of each band."""
    parts = [_part(dataset, sources, window) for window in _windows(dataset)]
    if not any(valid.any() for _, valid in parts):
        side = max(dataset.height, dataset.width)
        shape = tuple(max(1, size * min(OVERVIEW_SIDE, side) // side) for size in (dataset.height, dataset.width))
        parts = [_part(dataset, sources, None, shape)]
    if not parts[-1][1].any() and not any(valid.any() for _, valid in parts):
        parts = [_first_with_data(dataset, sources)]
    kept = [values[valid] for values, valid in parts]
    looked = sum(valid[0].size for _, valid in parts)
    alike = np.concatenate(
        [values[0][(values == values[0]).all(axis=0) & valid.all(axis=0)] for values, valid in parts]
    )
    pixels = {
        source.band: np.concatenate([values[n][valid[n]] for values, valid in parts])
        for n, source in enumerate(sources)
    }
    corners = _corners(dataset, sources)
    cornered = corners[(corners == corners[:, :1]).all(axis=1), 0]
    fills = filling(alike, list(pixels.values()), cornered, looked)
    fills = [(number, share) for number, share in fills if number == 0 or not _saturates(parts, number, share)]
    return np.concatenate(kept).astype(np.float64), fills, pixels


def _saturates(parts: Sequence[tuple[NDArray[Any], BoolArray]], number: float, share: float) -> bool:
    """True for the white of clouds in a picture of bytes: much is nearly white there, while padding ends at once."""
    if number != BYTE_MAX or parts[0][0].dtype != np.uint8:
        return False
    looked = sum(valid[0].size for _, valid in parts)
    nearly = sum(
        int(((values >= NEARLY_WHITE).all(axis=0) & (values < BYTE_MAX).any(axis=0)).sum()) for values, _ in parts
    )
    return share > MOSTLY_WHITE or nearly > NEARLY_SHARE * share * looked


def _corners(dataset: Any, sources: Sequence[BandSource]) -> NDArray[Any]:  # noqa: ANN401 - rasterio is untyped
    """(4, band) the pixels in the corners of the file, which padding fills and saturated clouds seldom do."""
    indexes = [source.index for source in sources]
    places = [(row, col) for row in (0, dataset.height - 1) for col in (0, dataset.width - 1)]
    return np.stack([read_bands(dataset, indexes, Window(col, row, 1, 1))[:, 0, 0] for row, col in places])


def _first_with_data(
    dataset: Any,  # noqa: ANN401 - rasterio is untyped
    sources: Sequence[BandSource],
) -> tuple[NDArray[Any], BoolArray]:
    """The first rows that hold any data, as of `_part`; those at the bottom where none do."""
    for row in range(0, dataset.height, WINDOW_SIDE):
        part = _part(dataset, sources, Window(0, row, dataset.width, min(WINDOW_SIDE, dataset.height - row)))
        if part[1].any():
            break
    return part


def _part(
    dataset: Any,  # noqa: ANN401 - rasterio is untyped
    sources: Sequence[BandSource],
    window: Window | None,
    shape: tuple[int, ...] | None = None,
) -> tuple[NDArray[Any], BoolArray]:
    """(band, h, w) values, and which of them are data: no nodata, finite, not masked."""
    indexes = [source.index for source in sources]
    values = read_bands(dataset, indexes, window, shape)
    valid: BoolArray = np.isfinite(values)
    if values.dtype.kind == "f":
        valid &= np.abs(values) < NO_NUMBER
    for band, source in enumerate(sources):
        if source.nodata is not None:
            valid[band] &= values[band] != source.nodata
    place = {"window": window} if shape is None else {"out_shape": shape}
    if sources[0].alpha:
        valid &= dataset.read(sources[0].alpha, **place) != 0
    elif sources[0].masked:
        valid &= dataset.read_masks(indexes[0], **place) != 0
    return values, valid


def _windows(dataset: Any) -> Iterator[Window]:  # noqa: ANN401 - rasterio is untyped
    """Small windows spread over a file; all of a small file, each pixel once, so that shares are those of the file."""
    for row, height in _spans(dataset.height):
        for col, width in _spans(dataset.width):
            yield Window(col, row, width, height)


def _spans(size: int) -> list[tuple[int, int]]:
    """(start, length) of the windows along a side of so many pixels."""
    if size <= WINDOWS * WINDOW_SIDE:
        return [(start, min(WINDOW_SIDE, size - start)) for start in range(0, size, WINDOW_SIDE)]
    return [(int(start), WINDOW_SIDE) for start in np.linspace(0, size - WINDOW_SIDE, WINDOWS)]
