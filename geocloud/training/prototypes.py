"""Fits prototypes to training pixels, with which the colours of a scene are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geocloud.pipeline.domain_check import DoubleArray, distances, log_reflectance
from geocloud.raster import FloatArray
from geocloud.scorers.card import Prototypes

PROTOTYPES = 48
"""Number of prototypes."""
QUANTILE = 0.998
"""Share of the training pixels that count as familiar."""


def fit_prototypes(values: FloatArray, bands: Sequence[str], seed: int = 0) -> Prototypes:
    """Prototypes of training pixels, (n, d) reflectance in the d `bands`; n is at least a few hundred."""
    # Whitening turns the cloud of log reflectances into a round one: rotate it onto its main axes, then divide each by
    # its spread. Distances in it are Mahalanobis distances, so an odd ratio of two bands that always go together weighs
    # as much as an odd brightness. A little is added to every variance, for bands that hardly vary.
    logs = log_reflectance(values)
    middle = logs.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(logs.T) + 1e-4 * np.eye(len(bands)))
    whitening = (axes / np.sqrt(spread)).T
    points = (logs - middle) @ whitening.T
    centres = _kmeans(points, np.random.default_rng(seed))
    radius = float(np.quantile(distances(points, centres), QUANTILE))
    return Prototypes(tuple(bands), _plain(middle), tuple(map(_plain, whitening)), tuple(map(_plain, centres)), radius)


def _plain(row: DoubleArray) -> tuple[float, ...]:
    """The numbers, rounded as a card keeps them."""
    return tuple(float(f"{value:.5g}") for value in row)


def _kmeans(points: DoubleArray, rng: np.random.Generator) -> DoubleArray:
    """(PROTOTYPES, d) centres by Lloyd's algorithm, each started at the farthest of a few random points."""
    centres = points[rng.integers(len(points), size=1)]
    while len(centres) < min(PROTOTYPES, len(points)):
        some = points[rng.integers(len(points), size=64)]
        centres = np.concatenate([centres, some[[distances(some, centres).argmax()]]])
    for _ in range(12):
        nearest = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        counts = np.bincount(nearest, minlength=len(centres))
        sums = np.stack([np.bincount(nearest, column, len(centres)) for column in points.T], axis=1)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return centres
