"""Thresholds of the mask's further classes, chosen on simulated veils and shadows that are known at each pixel.

Each class has one number that a pixel must pass: thin cloud is what scores below a second threshold, haze what is
bluer than clouds are, dust what is browner, shadow what its network gives a high logit. Thin and thick are two groups
of one kind, so the threshold with the best balanced accuracy parts them. The others are rare beside what they are
mistaken for, so theirs is a quantile of the others: it fixes the share of false positives, and the recall follows.
A class whose recall, or separation, is too low gets no threshold: the mask then does not offer it.

Plumes are for tests of the classes, of another generator than that of training: training lays octaves of value noise
with slopes of -1.8 to -0.5 and 0.5 to 1.3 over whole crops; plumes are sums of Gaussian puffs along a wind direction.
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
"""Evidence from which ground is snow: half-way, for it stems from published limits of reflectance, not from data."""
THICK = 0.5
"""Opacity from which a simulated cloud is thick."""
FLAT, COLOURED = 0.3, 0.4
"""Slopes up to which a veil is cloud, and from which it is haze, smoke or dust."""
MAX_FALSE_POSITIVE_RATE = 0.02
"""Share of cloud that may be called haze or smoke, and as much again dust."""
MAX_CLOUD_LOST = 0.05
"""Share of lit ground that may be called shadow: who asks for shadow would rather lose ground than keep shade."""
MIN_RECALL = 0.25
"""Share of a class that must be found, at the threshold, for the class to be offered."""
MIN_SEPARATION = 0.75
"""AUROC that the opacity must reach for thin and thick cloud to be separated."""
MIN_CLASS_PIXELS = 200


@dataclass(frozen=True, slots=True)
class ColourSamples:
    """Simulated pixels, (n,) each."""

    score: FloatArray
    slope: FloatArray
    """As the model estimates it."""
    opacity: FloatArray
    """True opacity."""
    colour: FloatArray
    """True slope of the veil's brightness over wavelength."""


@dataclass(frozen=True, slots=True)
class ShadowSamples:
    """Pixels of simulated scenes that the model calls no cloud, (n,) each."""

    predicted: FloatArray
    """Logit of lying in cloud shadow."""
    shaded: BoolArray
    """Whether it does."""


def choose_class_thresholds(
    samples: ColourSamples, shadows: ShadowSamples | None, score_threshold: np.float32
) -> ClassThresholds:
    """The thresholds of a model; None for each class that it cannot tell.

    Args:
        samples: pixels under veils.
        shadows: pixels in and out of shadow; None where the model has no network for it.
        score_threshold: score from which a pixel is cloud.
    """
    found = samples.score >= score_threshold
    thick = samples.opacity >= THICK
    flat = found & (np.abs(samples.colour) <= FLAT)
    thin, thin_figure = _best(samples.score[flat], thick[flat])
    haze, haze_figure = _coloured(samples, found, sign=-1)
    dust, dust_figure = _coloured(samples, found, sign=1)
    figures = f"thick {thin_figure}; haze {haze_figure}; dust {dust_figure}"
    shadow = None
    if shadows is not None:
        lit, shaded = (shadows.predicted[shadows.shaded == side] for side in (False, True))
        shadow, shadow_figure = _beyond(lit, shaded, MAX_CLOUD_LOST, "lit ground")
        figures += f"; shadow {shadow_figure}"
    return ClassThresholds(
        thin, haze, dust, shadow, SNOW_EVIDENCE, f"on simulated veils over training scenes: {figures}"
    )


def _best(values: FloatArray, truth: BoolArray) -> tuple[float | None, str]:
    """The threshold of best balanced accuracy, and that figure; None where the values hardly differ."""
    if min(truth.sum(), (~truth).sum()) < MIN_CLASS_PIXELS:
        return None, "too few"
    counted = histogram(values, truth)
    area = auroc(counted)
    where, reached = best_threshold(counted, "balanced_accuracy")
    return (where if area >= MIN_SEPARATION else None), f"AUROC {area:.2f}, balanced accuracy {reached:.2f}"


def _coloured(samples: ColourSamples, found: BoolArray, *, sign: int) -> tuple[float | None, str]:
    """The slope that hardly any found cloud exceeds, and the share of coloured veils that does."""
    slope, colour = sign * samples.slope[found], sign * samples.colour[found]
    edge, figure = _beyond(slope[np.abs(colour) <= FLAT], slope[colour >= COLOURED], MAX_FALSE_POSITIVE_RATE, "cloud")
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
    """Opacity (h, w) 0..0.9 and colour (band, 1, 1) of a plume of a kind in PLUMES; no plume is seen in cirrus."""
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
