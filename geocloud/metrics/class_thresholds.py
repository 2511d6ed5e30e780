"""Thresholds of the mask's further classes, chosen on simulated veils and shadows, whose truth is known per pixel.

Each class has one threshold: thin cloud scores below a second score threshold, haze is bluer than clouds, dust is
browner, and shadow has a high logit of its network. Thin and thick cloud are two groups of one kind, so the threshold
with the best balanced accuracy separates them. The other classes are rare compared with what they are mistaken for, so
their threshold is a quantile of that: it fixes the share of false positives, and the recall follows. A class whose
recall, or separation, is too low gets no threshold, and masks cannot have it.

Plumes are for tests of the classes. They are generated in another way than training data: training lays octaves of
value noise with slopes of -1.8 to -0.5 and 0.5 to 1.3 over whole crops, plumes are sums of Gaussian puffs along a wind
direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geocloud.classes import ClassThresholds
from geocloud.metrics.confusion import auroc, best_threshold
from geocloud.metrics.histogram import histogram
from geocloud.raster import BoolArray, FloatArray
from geocloud.readers.bands.names import CENTRES

SNOW_EVIDENCE = 0.5
"""Evidence from which ground is snow: one half, since the evidence comes from published limits, not from data."""
THICK = 0.5
"""Opacity from which a simulated cloud is thick."""
FLAT, COLOURED = 0.3, 0.4
"""Absolute slope up to which a veil is cloud, and from which it is haze, smoke or dust."""
MAX_COLOUR_FALSE_POSITIVES = 0.02
"""Share of cloud that may be called haze or smoke; the same share may be called dust."""
MAX_SHADOW_FALSE_POSITIVES = 0.05
"""Share of lit ground that may be called shadow; higher, since users of shadow rather lose ground than keep shadow."""
MIN_RECALL = 0.25
"""Share of a class that must be found at the threshold; otherwise the class gets none."""
MIN_SEPARATION = 0.75
"""AUROC with which scores must separate thin from thick cloud; otherwise thin cloud gets no threshold."""
MIN_CLASS_PIXELS = 200
"""Pixels of each side below which no threshold is chosen."""


@dataclass(frozen=True, slots=True)
class ColourSamples:
    """Simulated pixels under veils, (n,) each."""

    score: FloatArray
    slope: FloatArray
    """Slope of the veil's brightness over wavelength, as the model estimates it."""
    opacity: FloatArray
    """True opacity."""
    colour: FloatArray
    """True slope of the veil's brightness over wavelength."""


@dataclass(frozen=True, slots=True)
class ShadowSamples:
    """Pixels of simulated scenes that the model calls clear, (n,) each."""

    predicted: FloatArray
    """Logit of lying in cloud shadow."""
    shaded: BoolArray
    """Whether it truly lies in cloud shadow."""


def choose_class_thresholds(
    samples: ColourSamples, shadows: ShadowSamples | None, score_threshold: np.float32
) -> ClassThresholds:
    """The thresholds of a model; None for each class that it cannot detect.

    Args:
        samples: pixels under veils.
        shadows: pixels in and out of shadow; None where the model has no network for it.
        score_threshold: score from which a pixel is cloud.
    """
    cloud = samples.score >= score_threshold
    thick = samples.opacity >= THICK
    flat = cloud & (np.abs(samples.colour) <= FLAT)
    thin, thin_figure = _best(samples.score[flat], thick[flat])
    haze, haze_figure = _coloured(samples, cloud, sign=-1)
    dust, dust_figure = _coloured(samples, cloud, sign=1)
    figures = f"thick {thin_figure}; haze {haze_figure}; dust {dust_figure}"
    shadow = None
    if shadows is not None:
        lit, shaded = (shadows.predicted[shadows.shaded == side] for side in (False, True))
        shadow, shadow_figure = _beyond(lit, shaded, MAX_SHADOW_FALSE_POSITIVES, "lit ground")
        figures += f"; shadow {shadow_figure}"
    return ClassThresholds(
        thin, haze, dust, shadow, SNOW_EVIDENCE, f"on simulated veils over training scenes: {figures}"
    )


def _best(values: FloatArray, truth: BoolArray) -> tuple[float | None, str]:
    """The threshold with the best balanced accuracy, and its figures in words; None if the values hardly differ."""
    if min(truth.sum(), (~truth).sum()) < MIN_CLASS_PIXELS:
        return None, "too few"
    counted = histogram(values, truth)
    area = auroc(counted)
    where, reached = best_threshold(counted, "balanced_accuracy")
    return (where if area >= MIN_SEPARATION else None), f"AUROC {area:.2f}, balanced accuracy {reached:.2f}"


def _coloured(samples: ColourSamples, cloud: BoolArray, *, sign: int) -> tuple[float | None, str]:
    """The slope that hardly any white cloud exceeds, and its figures in words; `sign` is -1 for haze, 1 for dust."""
    slope, colour = sign * samples.slope[cloud], sign * samples.colour[cloud]
    white, coloured = slope[np.abs(colour) <= FLAT], slope[colour >= COLOURED]
    edge, figure = _beyond(white, coloured, MAX_COLOUR_FALSE_POSITIVES, "cloud")
    return (None if edge is None else sign * edge), figure


def _beyond(others: FloatArray, wanted: FloatArray, mistaken: float, name: str) -> tuple[float | None, str]:
    """Threshold with a false-positive rate of `mistaken` on `others`, and a sentence with its recall on `wanted`.

    None for the threshold where the recall is below MIN_RECALL; `name` says what the others are.
    """
    if min(len(others), len(wanted)) < MIN_CLASS_PIXELS:
        return None, "too few"
    edge = float(np.quantile(others.astype(np.float64), 1 - mistaken))
    recall = float((wanted >= edge).mean())
    return (edge if recall >= MIN_RECALL else None), f"{100 * recall:.0f} % found at {100 * mistaken:.0f} % of {name}"


PLUMES = {"flat cloud": (0.0, 0.7), "haze": (-0.7, 0.45), "smoke": (-1.3, 0.35), "dust": (0.9, 0.4)}
"""Kind -> slope of the brightness over wavelength, and reflectance at 0.56 micrometres."""


def plume(
    kind: str, shape: tuple[int, ...], bands: tuple[str, ...], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Opacity (h, w) 0..0.9 and colour (band, 1, 1) of a plume of a kind in PLUMES; cirrus shows no plume."""
    slope, bright = PLUMES[kind]
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, start = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8, 2) * (height, width)
    opacity: FloatArray = np.zeros((height, width), dtype=np.float32)
    for step in range(24):
        reach = 0.01 * min(shape) * step
        row, col = start + reach * np.array([np.sin(angle), np.cos(angle)]) + rng.normal(0, 3 + 0.2 * step, 2)
        size = (0.05 + 0.006 * step) * min(shape)
        opacity += np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * size**2)) * np.float32(rng.uniform(0.1, 0.5))
    colour = [0.003 if band == "cirrus" else bright * (CENTRES[band] / 0.56) ** slope for band in bands]
    return np.minimum(opacity, 0.9), np.array(colour, dtype=np.float32)[:, None, None]
