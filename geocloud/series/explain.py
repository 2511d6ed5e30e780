"""Which pixels of a series are cloud or shadow: each date is held against what the others agree on.

Three explanations compete for every pixel of every date, each with a likelihood relative to the others:

- clear: other dates show the same. Dates that are clear themselves count, near ones also for themselves alone, so that
  what lasts (snow, a harvest, a flood) is clear although it differs from the rest of the series.
- cloud: the ground that the near clear dates show, with white light added: x = u * ground + v, u and v from the
  mixing formula x = (1 - a)(1 - s) ground + a cloud of a cloud of one brightness in all bands.
- shadow: the same ground, darker in all bands alike.

The prior is the single-date score, held within bounds: a detector that is sure of a date by itself can be sure of snow.
The idea of a clear reference from near dates is that of MAJA (Hagolle et al. 2010) and Tmask (Zhu and Woodcock 2014);
the competing explanations and their figures are ours. No figure was chosen on labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geocloud.raster import BoolArray, FloatArray

Pairs = dict[tuple[int, int], FloatArray]
"""Maps of pairs of dates, the earlier one first."""
MIN_DATES = 3
"""With two, nothing says which of them is cloudy."""
NEAR = 8
"""Dates before and after that a date is held against."""
GROUND_DATES = 4
"""Dates before and after of which the ground is the weighted median."""
NOISE = np.float32(0.012), np.float32(0.07)
"""Spread of one clear pixel between dates: reflectance, and share of its reflectance."""
SURROUNDINGS = 2
"""Pixels on each side that must agree as well: two clouds seldom look alike over many pixels."""
PRIOR_BOUND = np.float32(4.0)
"""Logit of P(cloud) of a single date beyond which it says no more."""
PRIOR_WEIGHT = np.float32(1.5)
"""What that logit counts where the single-date detector calls the ground itself clear; less where it does not."""
NEW_GROUND = np.float32(0.2)
"""Likelihood of clear ground that no other date shows."""
AGREEMENT = np.float32(30.0)
"""Likelihood of clear ground that all other dates show."""
LASTING = np.float32(0.25)
"""Share of AGREEMENT that the next or the last date alone is worth."""
NO_MIXTURE = np.float32(0.1)
"""Likelihood of cloud where no mixture of ground and white explains the pixel."""
FEW = np.float32(0.5)
"""Weight of clear dates below which what they show is trusted less."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What the dates say together."""

    cloud: FloatArray
    """(date, h, w) P(cloud), 0 to 1, NaN where nodata."""
    shadow: FloatArray
    """(date, h, w) P(cloud shadow), 0 to 1, NaN where nodata."""


def explain(data: FloatArray, valid: BoolArray, cloud: FloatArray, shadow: FloatArray, *, rounds: int = 2) -> Explained:
    """Weigh the three explanations for a window of a series.

    Args:
        data: (date, band, h, w) reflectance in the order of time, the same bands on each date.
        valid: (date, h, w) True = data.
        cloud: (date, h, w) P(cloud) of each date by itself; NaN where not scored.
        shadow: (date, h, w) P(shadow) of ground that is not cloud, of each date by itself.
        rounds: how often the clear dates are chosen anew by what was found.
    """
    seen = valid & np.isfinite(cloud)
    prior = _bounded(np.where(seen, cloud, np.float32(0.5)))
    dark = _bounded(np.where(seen, shadow, np.float32(0)))
    found = Explained(prior, dark)
    alike = _agreement(data, seen)
    for _ in range(rounds):
        clearness = np.where(seen, (1 - found.cloud) * (1 - found.shadow), np.float32(0))
        found = _weigh(data, prior, dark, alike, clearness)
    gone = np.float32(np.nan)
    return Explained(np.where(seen, found.cloud, gone), np.where(seen, found.shadow, gone))


def _weigh(data: FloatArray, prior: FloatArray, dark: FloatArray, alike: Pairs, clearness: FloatArray) -> Explained:
    """One round: the shares of the three explanations, given how clear each date is."""
    cloud, shadow = np.empty_like(prior), np.empty_like(prior)
    for date in range(len(data)):
        clear = _clear_likelihood(date, len(data), alike, clearness)
        ground, mistaken = _ground(date, data, prior, clearness)
        veiled, shaded = _mixtures(data[date], ground)
        known = _known_ground(date, len(data), alike)
        p, s = _trusted(prior[date], mistaken * known), dark[date]
        weights = p * veiled, (1 - p) * s * shaded, (1 - p) * (1 - s) * clear
        total = weights[0] + weights[1] + weights[2]
        cloud[date], shadow[date] = weights[0] / total, weights[1] / total
    return Explained(cloud, shadow)


def _agreement(data: FloatArray, seen: BoolArray) -> Pairs:
    """(h, w) 0 to 1 for each pair of dates at most NEAR apart: how well their pixels and surroundings agree."""
    alike = {}
    for first in range(len(data)):
        for second in range(first + 1, min(first + NEAR + 1, len(data))):
            level = np.minimum(data[first], data[second]).clip(min=0)
            spread = NOISE[0] + NOISE[1] * level
            distance = (((data[first] - data[second]) / spread) ** 2).mean(axis=0)
            both = seen[first] & seen[second]
            same = np.where(both, np.exp(-distance / 2), np.float32(0))
            alike[first, second] = np.minimum(same, box_means(same, SURROUNDINGS))
    return alike


def _clear_likelihood(date: int, dates: int, alike: Pairs, clearness: FloatArray) -> FloatArray:
    """(h, w) likelihood that a date shows clear ground, by how many clear dates show the same; 1 where there are none.

    A neighbour in time that shows the same counts even if it was taken for cloud: what lasts is ground.
    """
    others = [other for other in range(max(0, date - NEAR), min(dates, date + NEAR + 1)) if other != date]
    weight, same = np.zeros_like(clearness[0]), np.zeros_like(clearness[0])
    for other in others:
        weight += clearness[other]
        same += clearness[other] * alike[min(date, other), max(date, other)]
    support = same / (weight + FEW)
    for other in (date - 1, date + 1):
        if 0 <= other < dates:
            support = np.maximum(support, LASTING * alike[min(date, other), max(date, other)] ** 2)
    unknown = FEW / (weight + FEW)
    likelihood: FloatArray = unknown + (1 - unknown) * NEW_GROUND + AGREEMENT * support
    return likelihood


def _known_ground(date: int, dates: int, alike: Pairs) -> FloatArray:
    """(h, w) 0 to 1: whether some of the near dates show the same, so that there is a ground to speak of.

    One of them has to agree with a third of all. Dates that are all cloudy agree by chance only: then nothing says that
    the detector is wrong, and it is believed.
    """
    near = range(max(0, date - GROUND_DATES), min(dates, date + GROUND_DATES + 1))
    best = np.zeros_like(next(iter(alike.values())))
    for one in near:
        others = np.stack([alike[min(one, other), max(one, other)] for other in near if other != one])
        best = np.maximum(best, np.sort(others, axis=0)[-max(1, len(near) // 3)])
    return np.minimum(2 * best, np.float32(1))  # noise keeps clear pairs near one half


def _trusted(p: FloatArray, mistaken: FloatArray) -> FloatArray:
    """P(cloud) of a date, trusted the less the cloudier the detector finds the ground itself."""
    logit = np.log(p / (1 - p)) * PRIOR_WEIGHT * (1 - mistaken)
    trusted: FloatArray = 1 / (1 + np.exp(-logit))
    return trusted


def _ground(date: int, data: FloatArray, prior: FloatArray, clearness: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(band, h, w) median of the near dates, weighted by how clear they are, and (h, w) that of their P(cloud)."""
    near = [o for o in range(max(0, date - GROUND_DATES), min(len(data), date + GROUND_DATES + 1)) if o != date]
    values = np.concatenate([data[near], prior[near][:, None]], axis=1)
    weights = clearness[near][:, None] + np.float32(1e-3)
    order = np.argsort(values, axis=0)
    ranked = np.take_along_axis(np.broadcast_to(weights, values.shape), order, axis=0).cumsum(axis=0)
    middle = (ranked >= ranked[-1:] / 2).argmax(axis=0)[None]
    ground: FloatArray = np.take_along_axis(np.take_along_axis(values, order, axis=0), middle, axis=0)[0]
    return ground[:-1], ground[-1]


def _mixtures(x: FloatArray, ground: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(h, w) likelihoods that a pixel is its ground under cloud, and its ground in shadow.

    x = u * ground + v by least squares over the bands; cloud adds light (v > 0), shadow takes it away (u < 1, v = 0).
    """
    spread = NOISE[0] + NOISE[1] * np.maximum(x, ground).clip(min=0)
    mean_x, mean_g = x.mean(axis=0), ground.mean(axis=0)
    inner = ((ground - mean_g) ** 2).mean(axis=0) + NOISE[0] ** 2
    u = (((x - mean_x) * (ground - mean_g)).mean(axis=0) / inner).clip(0, 1)
    v = np.maximum(mean_x - u * mean_g, 0)
    off = (((x - u * ground - v) / spread) ** 2).mean(axis=0)
    brighter = np.clip(v / (2 * NOISE[0]), 0, 1)
    veiled = NO_MIXTURE + (1 - NO_MIXTURE) * np.exp(-off / 8) * brighter
    left = ((x * ground).mean(axis=0) / ((ground**2).mean(axis=0) + NOISE[0] ** 2)).clip(0, 1)
    off = (((x - left * ground) / spread) ** 2).mean(axis=0)
    lost = (mean_g - mean_x) / (2 * NOISE[0])
    shaded = 4 * np.exp(-off / 8) * np.clip((0.9 - left) / 0.2, 0, 1) * np.clip(lost, 0, 1)
    return veiled, shaded


def _bounded(p: FloatArray) -> FloatArray:
    """Probabilities held within PRIOR_BOUND."""
    edge = 1 / (1 + np.exp(-PRIOR_BOUND))
    return np.clip(p, 1 - edge, edge).astype(np.float32)


def box_means(values: FloatArray, reach: int) -> FloatArray:
    """(h, w) means over squares of 2 * reach + 1 pixels, the raster's edges repeated."""
    size = 2 * reach + 1
    wide = np.pad(values, reach, mode="edge").astype(np.float64)
    for axis in (0, 1):
        table = np.concatenate([np.zeros_like(wide.take([0], axis)), wide.cumsum(axis)], axis)
        count = table.shape[axis]
        wide = (table.take(range(size, count), axis) - table.take(range(count - size), axis)) / size
    return wide.astype(np.float32)
