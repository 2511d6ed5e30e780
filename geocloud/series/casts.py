"""Where the clouds of a date cast their shadows: so far, and that way, from each cloud of it.

All clouds of a date are taken to stand at one height, so that its shadows are its clouds moved by one shift. The shift
is the one at which what is dark on the date fits best; tags of the sun are not needed. Where nothing fits well, as
where there are no clouds, or no shadows in sight, the shift says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geocloud.geometry.geodesy import scene_centre
from geocloud.raster import FloatArray, Georef, Window
from geocloud.series.ground import box_means

FARTHEST = 160
"""Pixels that a shadow lies from its cloud, at most."""
NEAREST = 2
"""The same at least: what is dark right beside a cloud may be its edge."""
SURROUNDINGS = 25
"""Pixels on each side with which a pixel is compared, to say that it is dark."""
DARKER = -0.1, 0.6
"""Share of light lost, as a logarithm, within which darkness counts."""
KNOWN = 0.3
"""Share of the clear ground for which a shift has to be within what is known of the clouds."""
FITS = 0.1, 0.3
"""Correlation of clouds and darkness from which a shift is trusted, and from which it is trusted wholly."""
STANDS_OUT = 3.0, 6.0
"""The same of how many standard deviations it is above the middle of all shifts, where it correlates at all."""
TROPICS, LEAST_POLEWARD = 30.0, 0.2
"""Degrees of latitude beyond which the sun never stands polewards of a place by day, and the least share of a shadow's
length sideways that it falls polewards then."""
BLUR = 2
"""Pixels on each side over which clouds are averaged: they stand at nearly one height."""
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (1, 1))
"""Powers of the clouds and of the darkness whose products are summed for a correlation."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The shift of one date's shadows."""

    rows: int = 0
    """Pixels that a shadow lies below its cloud."""
    cols: int = 0
    """The same to the right."""
    trust: float = 0.0
    """0 to 1."""

    def source(self, window: Window) -> Window:
        """Where the clouds stand whose shadows fall into a window."""
        return Window(window.row - self.rows, window.col - self.cols, window.height, window.width)


def padded(read: Callable[[Window], FloatArray], window: Window, limit: Window) -> FloatArray:
    """(h, w) of a window that may reach beyond a limit, NaN there; `read` gives the part within."""
    values = np.full(window.shape, np.nan, dtype=np.float32)
    row, col = max(window.row, limit.row), max(window.col, limit.col)
    height, width = min(window.stop_row, limit.stop_row) - row, min(window.stop_col, limit.stop_col) - col
    if height > 0 and width > 0:
        inner = Window(row, col, height, width)
        values[inner.slices((window.row, window.col))] = read(inner)
    return values


def find_darkness(x: FloatArray, ground: FloatArray, clearness: FloatArray, width: int) -> FloatArray:
    """(date, h, w) logarithm of how much more light a date lost to a pixel than to its surroundings.

    Args:
        x: (date, band, h, w) reflectance at a gain of 1, of samples side by side.
        ground: the same of the dates' ground.
        clearness: (date, h, w) 0 to 1.
        width: columns of one sample.
    """
    darkness = np.empty_like(clearness)
    for start in range(0, clearness.shape[2], width):
        part = slice(start, start + width)
        lost = _level(ground[..., part]) - _level(x[..., part])
        weight = clearness[..., part] + np.float32(1e-3)
        usual = box_means(weight * lost, SURROUNDINGS) / box_means(weight, SURROUNDINGS)
        darkness[..., part] = np.clip(lost - usual, *DARKER)
    return darkness


def _level(values: FloatArray) -> FloatArray:
    """(date, h, w) mean logarithm over the bands, pixels averaged with their neighbours."""
    levels: FloatArray = np.log(np.maximum(box_means(values, 1), np.float32(0.003))).mean(axis=1)
    return levels


def poleward(georef: Georef) -> int:
    """Whether shadows fall towards the first row (-1) or the last (1), as they do beyond the tropics; 0: not known."""
    turned = max(abs(georef.transform.b), abs(georef.transform.d)) > 1e-3 * max(georef.resolution)
    if not georef.located or georef.gcps or turned:
        return 0
    _, latitude = scene_centre(georef)
    if not abs(latitude) > TROPICS:
        return 0
    return int(np.sign(latitude) * np.sign(georef.transform.e))


def cut_out(values: FloatArray, at: Window, window: Window) -> FloatArray:
    """(h, w) of a window out of values (h, w) that lie at another, NaN beyond them."""
    return padded(lambda part: values[part.slices((at.row, at.col))], window, at)


@dataclass(frozen=True, slots=True)
class Sky:
    """What shadows are looked for in: samples of a scene side by side."""

    darkness: FloatArray
    """(date, h, w); see `find_darkness`."""
    open_sky: FloatArray
    """(date, h, w) 0 to 1 how far each pixel counts: not where there is cloud."""
    width: int
    """Columns of one sample."""
    side: int = 0
    """Where the sun cannot stand: see `poleward`."""

    def cast(self, date: int, clouds: Sequence[FloatArray]) -> Cast:
        """The shift of a date.

        Args:
            date: its number.
            clouds: (h + 2 FARTHEST, width + 2 FARTHEST) P(cloud) of each sample with its surroundings, NaN where not
                known.
        """
        starts = range(0, self.darkness.shape[2], self.width)
        parts = [slice(start, start + self.width) for start in starts]
        darkness, open_sky = ([maps[date][:, part] for part in parts] for maps in (self.darkness, self.open_sky))
        return _best_shift(clouds, darkness, open_sky, self.side)


def _best_shift(
    clouds: Sequence[FloatArray], darkness: Sequence[FloatArray], open_sky: Sequence[FloatArray], side: int
) -> Cast:
    """The shift at which clouds correlate best with darkness, over all samples; by Fourier transforms."""
    reach, size = 2 * FARTHEST + 1, clouds[0].shape
    spectra = np.zeros((len(_PAIRS), size[0], size[1] // 2 + 1), dtype=np.complex128)
    for around, dark, weight in zip(clouds, darkness, open_sky, strict=True):
        known = np.isfinite(around)
        cloud = np.where(known, around, np.float32(0))
        of_clouds = [np.fft.rfft2(values) for values in (known.astype(np.float32), cloud, cloud * cloud)]
        of_ground = [np.fft.rfft2(values, s=size).conj() for values in (weight, weight * dark, weight * dark * dark)]
        for place, (first, second) in enumerate(_PAIRS):
            spectra[place] += of_clouds[first] * of_ground[second]
    sums = np.stack([np.fft.irfft2(spectrum, s=size)[:reach, :reach] for spectrum in spectra])
    counted, dark, dark_squares, cloud, cloud_squares, both = sums
    all_sky = float(sum(weight.sum() for weight in open_sky))
    count = np.maximum(counted, 1)
    spreads = cloud_squares - cloud * cloud / count, dark_squares - dark * dark / count
    steps = np.arange(-FARTHEST, FARTHEST + 1)
    able = (counted > max(KNOWN * all_sky, 1)) & (spreads[0] > 1e-3 * count) & (spreads[1] > 1e-6 * count)
    able &= np.hypot(steps[:, None], steps) >= NEAREST
    if side:  # step k compares with the clouds k pixels on, so that the shift is -k
        able &= -side * steps[:, None] >= LEAST_POLEWARD * np.abs(steps)
    if not able.any():
        return Cast()
    with np.errstate(invalid="ignore", divide="ignore"):
        fit = (both - cloud * dark / count) / np.sqrt(spreads[0] * spreads[1])
    fit = np.where(able, fit * np.sqrt(np.clip(counted / all_sky, 0, 1)), -1)
    row, col = np.unravel_index(int(fit.argmax()), fit.shape)
    best, others = fit[row, col], fit[able]
    height = (best - np.median(others)) / max(float(others.std()), 1e-6)
    shares = [(value - low) / (high - low) for value, (low, high) in ((best, FITS), (height, STANDS_OUT))]
    trust = float(np.clip(max(shares), 0, 1)) if best > FITS[0] else 0.0
    return Cast(FARTHEST - int(row), FARTHEST - int(col), trust)


def blurred(clouds: FloatArray) -> FloatArray:
    """(h, w) clouds averaged over their near surroundings, NaN where not known."""
    known = np.isfinite(clouds)
    return np.where(known, box_means(np.where(known, clouds, np.float32(0)), BLUR), np.float32(np.nan))
