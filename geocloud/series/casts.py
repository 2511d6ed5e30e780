"""Find the shift between the clouds of a date and their shadows.

All clouds of a date are assumed to be at the same height, so that its shadows are its clouds moved by one shift. It is
the shift at which the clouds correlate best with dark pixels. The position of the sun is not needed. If no shift fits
well, for example without clouds or without visible shadows, the shift gets no trust.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.geometry.geodesy import scene_centre
from geocloud.raster import FloatArray, Georef, Window
from geocloud.series.ground import box_means

FARTHEST = 160
"""Maximum distance of a shadow from its cloud along rows or columns, in pixels."""
NEAREST = 2
"""Minimum distance in pixels: dark pixels right beside a cloud may be its edge."""
SURROUNDINGS = 25
"""Pixels on each side with which a pixel is compared to decide how dark it is."""
DARKER = -0.1, 0.6
"""Darkness (a difference of logarithms) is clipped to this range."""
KNOWN = 0.3
"""A shift must have known clouds for at least this share of the clear ground."""
FITS = 0.1, 0.3
"""Correlation of clouds and darkness at which the trust in a shift is 0, and at which it is 1."""
STANDS_OUT = 3.0, 6.0
"""The same for the correlation's distance above the median of all shifts, in standard deviations; it counts only for
correlations above the lower bound of FITS."""
TROPICS, LEAST_POLEWARD = 30.0, 0.2
"""Degrees of latitude beyond which shadows are assumed to fall polewards; and the minimum of a shadow's poleward
distance there, as a share of its sideways distance."""
BLUR = 2
"""Pixels on each side over which clouds are averaged, because their heights differ a little."""
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (1, 1))
"""Powers (of cloud, of darkness) whose products are summed to get a correlation."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The shift of one date's shadows."""

    rows: int = 0
    """Rows from a cloud down to its shadow."""
    cols: int = 0
    """Columns from a cloud to its shadow on the right."""
    trust: float = 0.0
    """0 (none) to 1."""

    def source(self, window: Window) -> Window:
        """The window of the clouds whose shadows fall into `window`."""
        return Window(window.row - self.rows, window.col - self.cols, window.height, window.width)


def padded(read: Callable[[Window], FloatArray], window: Window, limit: Window) -> FloatArray:
    """(h, w) values of a window, NaN outside `limit`; `read` is called with the part inside, if there is one."""
    values = np.full(window.shape, np.nan, dtype=np.float32)
    row, col = max(window.row, limit.row), max(window.col, limit.col)
    height, width = min(window.stop_row, limit.stop_row) - row, min(window.stop_col, limit.stop_col) - col
    if height > 0 and width > 0:
        inner = Window(row, col, height, width)
        values[inner.slices((window.row, window.col))] = read(inner)
    return values


def find_darkness(x: FloatArray, ground: FloatArray, clearness: FloatArray, width: int) -> FloatArray:
    """(date, h, w) how much darker than its surroundings each pixel became, relative to the ground, as a logarithm.

    Args:
        x: (date, band, h, w) reflectance, divided by the gain, of samples side by side along the columns.
        ground: the same for the ground of each date.
        clearness: (date, h, w) 0 to 1.
        width: columns of one sample.
    """
    darkness = np.empty_like(clearness)
    for start in range(0, clearness.shape[2], width):
        part = slice(start, start + width)
        lost = _level(ground[..., part]) - _level(x[..., part])
        weight = clearness[..., part] + np.float32(1e-3)
        surroundings = box_means(weight * lost, SURROUNDINGS) / box_means(weight, SURROUNDINGS)
        darkness[..., part] = np.clip(lost - surroundings, *DARKER)
    return darkness


def _level(values: FloatArray) -> FloatArray:
    """(date, h, w) mean logarithm over the bands, after averaging each pixel with its neighbours."""
    levels: FloatArray = np.log(np.maximum(box_means(values, 1), np.float32(0.003))).mean(axis=1)
    return levels


def poleward(georef: Georef) -> int:
    """The direction in which shadows fall: towards the first row (-1) or the last row (1); 0: not known.

    It is known only outside the tropics, for a georeferenced scene that is not rotated.
    """
    rotated = max(abs(georef.transform.b), abs(georef.transform.d)) > 1e-3 * max(georef.resolution)
    if not georef.located or georef.gcps or rotated:
        return 0
    _, latitude = scene_centre(georef)
    if not abs(latitude) > TROPICS:
        return 0
    return int(np.sign(latitude) * np.sign(georef.transform.e))


def cut_out(values: FloatArray, at: Window, window: Window) -> FloatArray:
    """(h, w) the values of `window` from `values`, an array that covers the window `at`; NaN outside `at`."""
    return padded(lambda part: values[part.slices((at.row, at.col))], window, at)


@dataclass(frozen=True, slots=True)
class Sky:
    """Input for the search of shadows: samples of a scene side by side along the columns."""

    darkness: FloatArray
    """(date, h, w); see `find_darkness`."""
    open_sky: FloatArray
    """(date, h, w) 0 to 1: weight of each pixel, low where it is cloud."""
    width: int
    """Columns of one sample."""
    side: int = 0
    """The direction in which shadows fall, see `poleward`."""

    def cast(self, date: int, clouds: Sequence[FloatArray]) -> Cast:
        """The shift between clouds and shadows of a date.

        Args:
            date: index of the date.
            clouds: for each sample, (h + 2 FARTHEST, width + 2 FARTHEST) P(cloud) of the sample and its surroundings,
                NaN where unknown.
        """
        starts = range(0, self.darkness.shape[2], self.width)
        parts = [slice(start, start + self.width) for start in starts]
        darkness, open_sky = ([maps[date][:, part] for part in parts] for maps in (self.darkness, self.open_sky))
        return _best_shift(clouds, darkness, open_sky, self.side)


def _best_shift(
    clouds: Sequence[FloatArray], darkness: Sequence[FloatArray], open_sky: Sequence[FloatArray], side: int
) -> Cast:
    """The shift at which clouds correlate best with darkness over all samples, computed by Fourier transforms."""
    reach, size = 2 * FARTHEST + 1, clouds[0].shape
    spectra = np.zeros((len(_PAIRS), size[0], size[1] // 2 + 1), dtype=np.complex128)
    for cloud_map, dark, weight in zip(clouds, darkness, open_sky, strict=True):
        is_known = np.isfinite(cloud_map)
        cloud = np.where(is_known, cloud_map, np.float32(0))
        of_clouds = [np.fft.rfft2(values) for values in (is_known.astype(np.float32), cloud, cloud * cloud)]
        of_ground = [np.fft.rfft2(values, s=size).conj() for values in (weight, weight * dark, weight * dark * dark)]
        for index, (first, second) in enumerate(_PAIRS):
            spectra[index] += of_clouds[first] * of_ground[second]
    sums = np.stack([np.fft.irfft2(spectrum, s=size)[:reach, :reach] for spectrum in spectra])
    known_weight, dark, dark_squares, cloud, cloud_squares, products = sums
    all_sky = float(sum(weight.sum() for weight in open_sky))
    count = np.maximum(known_weight, 1)
    spreads = cloud_squares - cloud * cloud / count, dark_squares - dark * dark / count
    steps = np.arange(-FARTHEST, FARTHEST + 1)
    allowed = (known_weight > max(KNOWN * all_sky, 1)) & (spreads[0] > 1e-3 * count) & (spreads[1] > 1e-6 * count)
    allowed &= np.hypot(steps[:, None], steps) >= NEAREST
    if side:  # step k compares the ground with the clouds k pixels further, so that the shift is -k
        allowed &= -side * steps[:, None] >= LEAST_POLEWARD * np.abs(steps)
    if not allowed.any():
        return Cast()
    with np.errstate(invalid="ignore", divide="ignore"):
        fit = (products - cloud * dark / count) / np.sqrt(spreads[0] * spreads[1])
    fit = np.where(allowed, fit * np.sqrt(np.clip(known_weight / all_sky, 0, 1)), -1)
    row, col = np.unravel_index(int(fit.argmax()), fit.shape)
    best, all_fits = fit[row, col], fit[allowed]
    prominence = (best - np.median(all_fits)) / max(float(all_fits.std()), 1e-6)
    shares = [(value - low) / (high - low) for value, (low, high) in ((best, FITS), (prominence, STANDS_OUT))]
    trust = float(np.clip(max(shares), 0, 1)) if best > FITS[0] else 0.0
    return Cast(FARTHEST - int(row), FARTHEST - int(col), trust)


def blurred(clouds: FloatArray) -> FloatArray:
    """(h, w) P(cloud) averaged over squares of 2 BLUR + 1 pixels, NaN where unknown."""
    known = np.isfinite(clouds)
    return np.where(known, box_means(np.where(known, clouds, np.float32(0)), BLUR), np.float32(np.nan))
