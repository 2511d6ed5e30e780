"""Has the model seen ground like this? A scene's pixels against those of its training.

What a model has seen is kept as prototypes: the centres of k-means over log reflectances, whitened so that distances
are Mahalanobis distances and a band ratio out of the ordinary weighs as much as a brightness out of the ordinary. A
pixel farther from every prototype than nearly all training pixels were is *unfamiliar*. Clear and cloudy pixels have
prototypes of their own: a scene at ten times its scale is all cloud to a model, but no cloud has such colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import BoolArray, FloatArray

DoubleArray = NDArray[np.float64]
BAND_SETS = (("blue", "green", "red"), ("blue", "green", "red", "nir"), ("green", "red", "nir", "swir16", "swir22"))
"""Sets of bands that are looked at together, where a scene has them all."""
DARKEST = 0.005
"""Reflectance added before the logarithm: noise on dark water must not look like a change of colour."""
PROTOTYPES = 48
QUANTILE = 0.998
"""Share of the training pixels that count as familiar."""


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Pixels of one kind in one set of bands."""

    bands: tuple[str, ...]
    middle: tuple[float, ...]
    """(d,) mean of the log reflectances."""
    whitening: tuple[tuple[float, ...], ...]
    """(d, d) takes what differs from the middle to unit covariance."""
    centres: tuple[tuple[float, ...], ...]
    """(k, d) whitened."""
    radius: float
    """Distance to the nearest centre beyond which a pixel is unfamiliar."""

    def __post_init__(self) -> None:
        """Shapes must agree; later code trusts it."""
        d = len(self.bands)
        if len(self.middle) != d or np.shape(self.whitening) != (d, d) or np.shape(self.centres)[1:] != (d,):
            raise ValueError(f"prototypes of {d} bands need a middle, a whitening and centres of {d} numbers")

    def unfamiliar(self, values: FloatArray) -> BoolArray:
        """(n,) of pixels (n, d) of reflectance in `bands`."""
        points = (_logs(values) - np.array(self.middle)) @ np.array(self.whitening).T
        return _distances(points, np.array(self.centres)) > self.radius


@dataclass(frozen=True, slots=True)
class TrainingDomain:
    """What a model has seen, and how far from it a scene may be."""

    clear: tuple[Prototypes, ...]
    """Of pixels that the model calls clear."""
    cloudy: tuple[Prototypes, ...]
    """Of pixels that it calls cloud."""
    median: float
    """Least median of a scene's mean visible reflectance."""
    brightest: float
    """Least 99 % quantile of the same."""
    contrast: float
    """Largest spread of log blue over that of log red on dark clear ground: air veils blue, so red varies more."""
    share: float = 0.5
    """Largest share of unfamiliar pixels among clear or cloudy ones."""
    gaps: float = 25.0
    """Most edges between data and nodata for every 1000 pixels along rows and columns."""


def fit_prototypes(values: FloatArray, bands: Sequence[str], seed: int = 0) -> Prototypes:
    """Prototypes of training pixels (n, d), n at least a few hundred."""
    # Whitening turns the cloud of log reflectances into a round one: rotate it onto its main axes, then divide each by
    # its spread. Distances in it are Mahalanobis distances, so an odd ratio of two bands that always go together weighs
    # as much as an odd brightness. A little is added to every variance, for bands that hardly vary.
    logs = _logs(values)
    middle = logs.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(logs.T) + 1e-4 * np.eye(len(bands)))
    whitening = (axes / np.sqrt(spread)).T
    points = (logs - middle) @ whitening.T
    centres = _kmeans(points, np.random.default_rng(seed))
    radius = float(np.quantile(_distances(points, centres), QUANTILE))
    return Prototypes(tuple(bands), _plain(middle), tuple(map(_plain, whitening)), tuple(map(_plain, centres)), radius)


def unfamiliar(values: FloatArray, bands: Sequence[str], kinds: Sequence[Prototypes]) -> BoolArray:
    """(n,) True where a pixel of (n, band) reflectance is unfamiliar in any set of bands that are all there."""
    found = np.zeros(len(values), dtype=bool)
    for kind in kinds:
        if set(kind.bands) <= set(bands):
            found |= kind.unfamiliar(values[:, [list(bands).index(band) for band in kind.bands]])
    return found


def _logs(values: FloatArray) -> DoubleArray:
    return np.log(np.maximum(values, 0).astype(np.float64) + DARKEST)


def _plain(row: DoubleArray) -> tuple[float, ...]:
    """Numbers as a card keeps them."""
    return tuple(float(f"{value:.5g}") for value in row)


def _distances(points: DoubleArray, centres: DoubleArray) -> DoubleArray:
    """(n,) distance of each point to the nearest centre."""
    squares = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    nearest: DoubleArray = np.sqrt(np.maximum(squares.min(axis=1), 0))
    return nearest


def _kmeans(points: DoubleArray, rng: np.random.Generator) -> DoubleArray:
    """(PROTOTYPES, d) centres by Lloyd's algorithm, each begun on the farthest of a few random points."""
    centres = points[rng.integers(len(points), size=1)]
    while len(centres) < min(PROTOTYPES, len(points)):
        some = points[rng.integers(len(points), size=64)]
        centres = np.concatenate([centres, some[[_distances(some, centres).argmax()]]])
    for _ in range(12):
        nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        counts = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, column, len(centres)) for column in points.T], axis=1)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return centres
