"""Some pixels of a scene's files, to tell their scale and what is nodata before the scene is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from geocloud.raster import BoolArray
from geocloud.readers.bands.radiometry import Samples
from geocloud.readers.bands.spec import BandSource
from geocloud.readers.files.opening import open_raster, read_bands, read_errors

WINDOWS = 4
"""Along each side of the scene."""
WINDOW_SIDE = 128
OVERVIEW_SIDE = 1024
"""Where the windows hold no data, the whole scene is looked at, decimated to at most this many pixels a side."""
ALPHA_SHARE = 0.2
"""Share of values other than 0 and the highest from which a band tagged alpha is none: an edge has few."""


def sample_files(sources: Sequence[BandSource], *, allow_external: bool = False) -> Samples:
    """Valid values of the bands of one or more files."""
    values, dtypes, zeros = [], [], []
    for path in dict.fromkeys(source.path for source in sources):
        here = [source for source in sources if source.path == path]
        with open_raster(path, allow_external=allow_external) as dataset, read_errors(path):
            seen, share = _sample(dataset, here)
            dtypes += [dataset.dtypes[source.index - 1] for source in here]
        values.append(seen)
        zeros.append(share)
    return Samples(np.concatenate(values), tuple(dtypes), min(zeros))


def is_real_alpha(dataset: Any, index: int) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True for a band tagged alpha that masks; False for measurements, which GDAL tags so in files of 4 bytes."""
    seen = np.concatenate([dataset.read(index, window=window).ravel() for window in _windows(dataset)])
    between = (seen > 0) & (seen < seen.max(initial=0))
    return float(between.mean()) < ALPHA_SHARE


def has_data(dataset: Any, index: int) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True where any of the looked-at pixels of a band is finite, not nodata and not 0."""
    for window in _windows(dataset):
        seen = dataset.read(index, window=window, masked=True).compressed()
        if (np.isfinite(seen) & (seen != 0)).any():
            return True
    return False


def _sample(dataset: Any, sources: Sequence[BandSource]) -> tuple[NDArray[np.float64], float]:  # noqa: ANN401
    """Valid values of some bands of one file, and the share of looked-at pixels that are 0 in all of them."""
    parts = [_part(dataset, sources, window) for window in _windows(dataset)]
    if not any(valid.any() for _, valid in parts):
        side = max(dataset.height, dataset.width)
        shape = tuple(max(1, size * min(OVERVIEW_SIDE, side) // side) for size in (dataset.height, dataset.width))
        parts = [_part(dataset, sources, None, shape)]
    if not parts[-1][1].any() and not any(valid.any() for _, valid in parts):
        parts = [_first_with_data(dataset, sources)]
    kept = [values[valid] for values, valid in parts]
    looked = sum(valid[0].size for _, valid in parts)
    zero = sum(int(((values == 0) & valid).all(axis=0).sum()) for values, valid in parts)
    return np.concatenate(kept).astype(np.float64), zero / max(looked, 1)


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
    """Small windows spread over a file."""
    size = min(WINDOW_SIDE, dataset.width), min(WINDOW_SIDE, dataset.height)
    for row in np.unique(np.linspace(0, max(dataset.height - WINDOW_SIDE, 0), WINDOWS).astype(int)):
        for col in np.unique(np.linspace(0, max(dataset.width - WINDOW_SIDE, 0), WINDOWS).astype(int)):
            yield Window(int(col), int(row), *size)
