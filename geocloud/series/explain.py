"""Which pixels of a series are cloud or shadow: each date is held against what the others agree on.

Three explanations compete for every pixel of every date:

- clear: it is the ground that the near clear dates show, within the spread that they have between them.
- cloud: it is that ground under a veil, x = (1 - a) ground + a cloud, for the opacity a and the one of several clouds
  (dark to bright; of water, or of ice that is dark in the short-wave infrared) that explain it best.
- shadow: it is that ground with a share s of its light lost, x = (1 - s) ground.

What speaks for an explanation is how much of the misfit of the first one it takes away, how much a or s is, and the
single-date score: as it is, and over what it is on the ground itself, for a detector that is sure of a date can be sure
of snow. For shadow also speaks that a cloud stands where it would be cast from, and that there are clouds at all.

What the date before or after shows as well is ground, although it differs from the rest of the series: fallen snow, a
harvest, a flood. Where the dates agree on no ground at all, the single date is believed.

The idea of a clear reference from near dates is that of MAJA (Hagolle et al. 2010) and Tmask (Zhu and Woodcock 2014);
the competing explanations are ours. The weights were fitted to simulated cloud over clear dates and rounded; no label
was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from geocloud.raster import BoolArray, FloatArray
from geocloud.series.agreement import Known, Pairs, find_agreement, find_alike, find_known, find_lasting
from geocloud.series.casts import Cast, Sky, blurred, find_darkness
from geocloud.series.ground import POOL_REACH, Ground, box_means, find_gains, find_ground, middle_of

MIN_DATES = 3
"""With two, nothing says which of them is cloudy."""
ROUNDS = 2
"""How often the clear dates are chosen anew by what was found."""
REACH = 3 * ROUNDS
"""Pixels on each side of a pixel that its answer depends on."""
CLOUD_BRIGHTNESS = 0.3, 0.45, 0.7, 1.0
"""Reflectance of the clouds that are tried."""
DARK_CLOUD = np.float32(0.45)
"""No cloud is darker than this over ground that is brighter in all bands up to the near infrared, nor than other ground
is in all of them."""
ICE = 1.0, 0.6, 0.25
"""Share of it in the short-wave infrared."""
IN_CIRRUS_BAND = 0.03
"""Share of it in the cirrus band, of a cloud under most of the air's water."""
MOST_SHADE = np.float32(0.9)
BOUND = np.float32(4.0)
"""Logit of P(cloud) of a single date beyond which it says no more."""
CLOUD_BIAS, SHADOW_BIAS = np.float32(-1.5), np.float32(-1.8)
"""Logit of cloud and shadow over clear where nothing speaks for either."""
SINGLE, OVER_GROUND, SINGLE_SHADOW = np.float32(0.4), np.float32(0.2), np.float32(0.55)
"""Weight of the single date's logit, of the same over that of the ground, and of its logit of shadow."""
PER_OPACITY, PER_SHADE = np.float32(9.5), np.float32(5.0)
"""What an opacity, and a share of light lost, of 1 counts; beyond one half it counts no more."""
FIT_CLOUD, FIT_SHADOW, SHADOW_NOT_CLOUD, SHADOW_MISFIT = (np.float32(v) for v in (0.4, 1.5, 1.3, 0.45))
"""Weights of the misfit that cloud, and shadow, take away; of the latter against cloud; of what shadow leaves."""
FROM_CLOUD, FROM_CLEAR, HALF_CAST = np.float32(4.0), np.float32(6.0), np.float32(0.3)
"""What counts for shadow where P(cloud) is 1 more, and against it where it is 1 less, than the last of these, in the
place that the shadow would be cast from."""
USUAL_CLOUD, LEAST_CLOUD = 0.1, 0.003
"""Share of cloud of a date from which shadow is as likely as it can be, and what is added to it."""
LASTING = np.float32(8.0)
"""What counts for clear, times how much better a date agrees with the one before or after than with its ground."""
SURE = np.float32(2.0)
"""Logit of a single date at which agreement counts half against cloud: clouds may look alike."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What the dates say together."""

    cloud: FloatArray
    """(date, h, w) P(cloud), 0 to 1, NaN where nodata."""
    shadow: FloatArray
    """(date, h, w) P(cloud shadow), 0 to 1, NaN where nodata."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What sets whole dates apart, whatever they show: sun, view and season; and where their shadows fall."""

    gain: FloatArray
    """(date, band) brightness of clear ground, about 1."""
    noise: FloatArray
    """(date, band) variance of clear ground over what its other dates let expect, 1 or more."""
    few_clouds: FloatArray
    """(date,) 0 or less: logarithm of how much less likely shadow is for want of clouds."""
    casts: tuple[Cast, ...]
    """Of each date; one that is not trusted where nothing tells it."""


@dataclass(frozen=True, slots=True)
class Dates:
    """A window of a series, as the explanations need it."""

    data: FloatArray
    """(date, band, h, w) reflectance in the order of time, the same bands on each date; 0 where not seen."""
    seen: BoolArray
    """(date, h, w) True = data."""
    cloud: FloatArray
    """(date, h, w) logit of P(cloud) of each date by itself, 0 where not seen."""
    shadow: FloatArray
    """(date, h, w) logit of P(shadow) of ground that is not cloud, of each date by itself."""
    cast: FloatArray
    """(date, h, w) P(cloud) of each date by itself where a shadow would be cast from; NaN where that is not known."""
    bands: tuple[str, ...]


def take_dates(
    data: FloatArray,
    valid: BoolArray,
    cloud: FloatArray,
    shadow: FloatArray,
    bands: Sequence[str],
    cast: FloatArray | None = None,
) -> Dates:
    """Reflectance (date, band, h, w), its validity, and P(cloud) and P(shadow) of each date by itself (date, h, w).

    P(cloud) is NaN where a date was not scored. `cast` is P(cloud) as moved by `Usual.casts`; None: not known.
    """
    seen = valid & np.isfinite(cloud)
    return Dates(
        np.where(seen[:, None], data, np.float32(0)),
        seen,
        _logits(np.where(seen, cloud, np.float32(0.5))),
        _logits(np.where(seen, shadow, np.float32(0))),
        np.full_like(cloud, np.nan) if cast is None else np.stack([blurred(date) for date in cast]),
        tuple(bands),
    )


def explain(dates: Dates, usual: Usual) -> Explained:
    """Weigh the three explanations for a window; `usual` is of the whole scene, so that windows fit together."""
    even = dates.data / usual.gain[..., None, None]
    alike = find_agreement(even, dates.seen)
    known = find_known(len(even), alike)
    clearness = _single_clearness(dates)
    for _ in range(ROUNDS):
        cloud, shadow = _weigh(even, dates, usual, alike, known, clearness)
        clearness = (1 - cloud) * (1 - shadow) * dates.seen
    gone = np.float32(np.nan)
    return Explained(np.where(dates.seen, cloud, gone), np.where(dates.seen, shadow, gone))


def learn_usual(dates: Dates, width: int | None = None, side: int = 0) -> tuple[Usual, Sky]:
    """What sets the dates apart, from samples of the scene side by side; and what their shadows are looked for in.

    Args:
        dates: the samples.
        width: columns of one of them; None: there is one.
        side: where shadows fall, see `poleward`.
    """
    shape = dates.data.shape[:2]
    ones = np.ones(shape, dtype=np.float32)
    usual = Usual(ones, ones, np.zeros(shape[0], dtype=np.float32), (Cast(),) * shape[0])
    clearness = _single_clearness(dates)
    for _ in range(ROUNDS):
        gain = find_gains(dates.data, clearness)
        even = dates.data / gain[..., None, None]
        noise, grounds = np.ones(shape, dtype=np.float32), []
        for date, clear in enumerate(clearness):
            ground = find_ground(date, even, dates.cloud, clearness, dates.seen)
            grounds.append(ground.data)
            if clear.sum() >= 50:
                off = (even[date] - ground.data) ** 2 / ground.variance
                # the median of chi squared of one degree of freedom is 0.455
                noise[date] = [np.clip(middle_of(band.ravel(), clear.ravel()) / 0.455, 1, 25) for band in off]
        usual = replace(usual, gain=gain, noise=noise)
        cloud, shadow = _weigh_once(even, dates, usual, clearness)
        clearness = (1 - cloud) * (1 - shadow) * dates.seen
    share = ((cloud >= 0.5) & dates.seen).sum(axis=(1, 2)) / np.maximum(dates.seen.sum(axis=(1, 2)), 1)
    few = np.minimum(np.log((share + LEAST_CLOUD) / USUAL_CLOUD), 0).astype(np.float32)
    width = width or dates.data.shape[-1]
    darkness = find_darkness(even, np.stack(grounds), clearness, width)
    return replace(usual, few_clouds=few), Sky(darkness, (1 - cloud) * dates.seen, width, side)


def _single_clearness(dates: Dates) -> FloatArray:
    """(date, h, w) how clear each date calls itself."""
    clearness: FloatArray = _probability(-dates.cloud) * _probability(-dates.shadow) * dates.seen
    return clearness


def _weigh(
    even: FloatArray, dates: Dates, usual: Usual, alike: Pairs, grounds: Known, clearness: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """One round: P(cloud) and P(shadow), (date, h, w) each, given how clear each date is; `even` has a gain of 1."""
    cloud, shadow = np.empty_like(dates.cloud), np.empty_like(dates.cloud)
    clouds = _clouds(dates.bands)
    for date in range(len(even)):
        ground = find_ground(date, even, dates.cloud, clearness, dates.seen)
        expected = find_alike(even[date], ground.data, dates.seen[date])
        lasting = np.maximum(find_lasting(date, len(even), alike) - expected, 0)
        own, known = dates.cloud[date].clip(-BOUND, BOUND), grounds[date]
        fit = _fit(even[date], ground, usual.noise[date], dates.seen[date], clouds)
        over = (dates.cloud[date] - ground.logit).clip(-BOUND, BOUND)
        mistaken = ground.logit.clip(0, BOUND)
        for_cloud = (
            CLOUD_BIAS + SINGLE * (own - mistaken) + OVER_GROUND * over + PER_OPACITY * np.minimum(fit.opacity, 0.5)
            + FIT_CLOUD * fit.by_cloud - SHADOW_NOT_CLOUD * fit.by_shadow
            - LASTING * lasting * _probability(SURE - own)
        )  # fmt: skip
        for_shadow = (
            SHADOW_BIAS + SINGLE_SHADOW * dates.shadow[date].clip(-BOUND, BOUND) + FIT_SHADOW * fit.by_shadow
            + PER_SHADE * np.minimum(fit.shade, 0.5) - SHADOW_MISFIT * fit.left_by_shadow - LASTING * lasting
        )  # fmt: skip
        alone = dates.shadow[date].clip(-BOUND, BOUND)
        by_clouds = usual.few_clouds[date] + _for_cast(dates.cast[date], usual.casts[date])
        odds = [
            np.exp((known * together + (1 - known) * single + other).clip(-30, 30))
            for together, single, other in ((for_cloud, own, 0), (for_shadow, alone, by_clouds))
        ]
        total = 1 + odds[0] + odds[1]
        cloud[date], shadow[date] = odds[0] / total, odds[1] / total
    return cloud, shadow


def _weigh_once(even: FloatArray, dates: Dates, usual: Usual, clearness: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same where `even` is of this round alone; what it is compared by does not outlive it."""
    alike = find_agreement(even, dates.seen)
    return _weigh(even, dates, usual, alike, find_known(len(even), alike), clearness)


def _for_cast(clouds: FloatArray, cast: Cast) -> FloatArray:
    """(h, w) what counts for shadow, by P(cloud) where it would be cast from; 0 where that is not known."""
    more = np.where(np.isfinite(clouds), clouds - HALF_CAST, np.float32(0))
    counts: FloatArray = np.float32(cast.trust) * np.where(more > 0, FROM_CLOUD, FROM_CLEAR) * more
    return counts


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well cloud and shadow explain a date, (h, w) each."""

    opacity: FloatArray
    shade: FloatArray
    by_cloud: FloatArray
    """Logarithm of the misfit of clear ground over that of ground under cloud."""
    by_shadow: FloatArray
    left_by_shadow: FloatArray
    """Logarithm of 1 + the misfit of ground in shadow."""


def _fit(x: FloatArray, ground: Ground, noise: FloatArray, seen: BoolArray, clouds: FloatArray) -> _Fit:
    """Least squares over the bands, pixels pooled with their neighbours.

    Misfits are means over the bands of squares in units of the variance. With r = x - ground, cloud changes a pixel by
    a (c - ground), so that misfit(a) = misfit(0) - 2 a <r, c - g> + a² <c - g, c - g>.
    """
    own = np.where(seen, x - ground.data, np.float32(0))
    spread = np.float32(0.5) * np.sqrt(ground.variance)
    r = np.clip(box_means(own, POOL_REACH), own - spread, own + spread)  # beyond that it is another's cloud
    precise = 1 / (box_means(ground.variance, POOL_REACH) * noise[:, None, None] * np.float32(len(x)))
    g = ground.data
    clear = (r * r * precise).sum(axis=0)
    along_g, g_g = (r * g * precise).sum(axis=0), (g * g * precise).sum(axis=0) + np.float32(1e-6)
    best, opacity = np.full_like(clear, np.inf), np.zeros_like(clear)
    projected, grounded = r * precise, g * precise
    plain = clouds[-1] == clouds[-1].max()  # neither short-wave infrared nor cirrus
    least = np.minimum(g[plain].min(axis=0), DARK_CLOUD)
    for c in clouds:
        along = np.tensordot(c, projected, 1) - along_g
        across = np.tensordot(c * c, precise, 1) - 2 * np.tensordot(c, grounded, 1) + g_g
        a = (along / (across + 1)).clip(0, 1)  # a cloud like the ground tells no opacity
        left = clear - 2 * a * along + a * a * across
        better = (left < best) & (c.max() >= least)
        best, opacity = np.where(better, left, best), np.where(better, a, opacity)
    shade = (-along_g / g_g).clip(0, MOST_SHADE)
    shaded = clear + 2 * shade * along_g + shade * shade * g_g
    left_clear, left_cloud, left_shadow = (np.log1p(np.maximum(part, 0)) for part in (clear, best, shaded))
    return _Fit(opacity, shade, left_clear - left_cloud, left_clear - left_shadow, left_shadow)


def _clouds(bands: Sequence[str]) -> FloatArray:
    """(n, band) reflectance of the clouds that are tried."""
    infrared = [band.startswith("swir") for band in bands]
    phases = ICE if any(infrared) else ICE[:1]
    rows = [
        [
            bright * (phase if dim else IN_CIRRUS_BAND if band == "cirrus" else 1.0)
            for band, dim in zip(bands, infrared, strict=True)
        ]
        for bright in CLOUD_BRIGHTNESS
        for phase in phases
    ]
    return np.array(rows, dtype=np.float32)


def _logits(p: FloatArray) -> FloatArray:
    """Logits of probabilities held within 0.002 and 0.998."""
    held = np.clip(p, np.float32(0.002), np.float32(0.998))
    logits: FloatArray = np.log(held / (1 - held)).astype(np.float32)
    return logits


def _probability(logits: FloatArray) -> FloatArray:
    p: FloatArray = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return p
