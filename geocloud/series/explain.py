"""Find the cloud and shadow pixels of a time series by comparing each date with its neighbours in time.

Three explanations compete for every pixel of every date:

- clear: the pixel shows the ground that the neighbouring clear dates show, within the spread between those dates.
- cloud: it shows that ground through a cloud, x = (1 - a) ground + a cloud. The opacity a and the cloud are those that
  fit best; the clouds tried are dark to bright, of water, or of ice, which is dark in the short-wave infrared.
- shadow: it shows that ground with a share s of its light lost, x = (1 - s) ground.

The evidence for cloud and for shadow is the reduction of the misfit of `clear`, the size of a or s, and the single-date
score. The score counts as it is, and also relative to the score of the ground: a detector that is certain of cloud may
be certain of snow too. Shadow gains evidence from a cloud at the place that would cast it, and from a cloudy date.

If the date before or after shows the same, the pixel is ground, even if it differs from the rest of the series: fallen
snow, a harvest, a flood. Where the dates do not agree on any ground, the single-date score decides.

The idea of a clear reference from neighbouring dates is that of MAJA (Hagolle et al. 2010) and Tmask (Zhu and Woodcock
2014); the competing explanations are ours. The weights were fitted to simulated clouds over clear dates and rounded; no
labels were used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from geocloud.raster import BoolArray, FloatArray
from geocloud.series.agreement import Agreement, find_agreement, find_alike, find_lasting
from geocloud.series.casts import Cast, Sky, blurred, find_darkness
from geocloud.series.ground import POOL_REACH, Ground, box_means, find_gains, find_ground, middle_of

MIN_DATES = 3
"""Two dates do not show which of them is cloudy."""
ROUNDS = 2
"""Number of iterations; each one weighs the dates by how clear the one before found them."""
REACH = 3 * ROUNDS
"""A pixel's result depends on pixels up to this many rows and columns away."""
CLOUD_BRIGHTNESS = 0.3, 0.45, 0.7, 1.0
"""Reflectances of the clouds that are tried."""
DARK_CLOUD = np.float32(0.45)
"""Every cloud reaches this reflectance, or that of the ground's darkest band up to the near infrared if it is less."""
ICE = 1.0, 0.6, 0.25
"""Reflectance of clouds in the short-wave infrared, as a share of CLOUD_BRIGHTNESS: water first, then ice."""
IN_CIRRUS_BAND = 0.03
"""The same in the cirrus band, for a cloud below most of the air's water vapour."""
MOST_SHADE = np.float32(0.9)
"""Largest share of light that a shadow takes away."""
BOUND = np.float32(4.0)
"""Logits of a single date are clipped to this size."""
CLOUD_BIAS, SHADOW_BIAS = np.float32(-1.5), np.float32(-1.8)
"""Logits of cloud and of shadow, each against clear, without any evidence."""
SINGLE, OVER_GROUND, SINGLE_SHADOW = np.float32(0.4), np.float32(0.2), np.float32(0.55)
"""Weights of the single date's logit of cloud, of that logit less the ground's, and of its logit of shadow."""
PER_OPACITY, PER_SHADE = np.float32(9.5), np.float32(5.0)
"""Weights of the opacity and of the share of light lost, both of which are clipped at 0.5."""
FIT_CLOUD, FIT_SHADOW, SHADOW_NOT_CLOUD, SHADOW_MISFIT = (np.float32(v) for v in (0.4, 1.5, 1.3, 0.45))
"""Weights of the reduction of the misfit by cloud (for cloud) and by shadow (for shadow, and against cloud), and of the
misfit that shadow leaves (against shadow)."""
FROM_CLOUD, FROM_CLEAR, HALF_CAST = np.float32(4.0), np.float32(6.0), np.float32(0.3)
"""Weights of P(cloud) at the place that would cast the shadow, relative to HALF_CAST: for shadow if P(cloud) is higher,
against it if P(cloud) is lower."""
USUAL_CLOUD, LEAST_CLOUD = 0.1, 0.003
"""Cloud cover of a date (0 to 1) from which shadow gets no penalty; and what is added to the cover before the log."""
LASTING = np.float32(8.0)
"""Weight, against cloud and shadow, of how much better a date agrees with an adjacent date than with its ground."""
SURE = np.float32(2.0)
"""Logit of a single date at which LASTING counts half against cloud: two clouds may look alike."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Result of the comparison of the dates."""

    cloud: FloatArray
    """(date, h, w) P(cloud), 0 to 1, NaN where nodata."""
    shadow: FloatArray
    """(date, h, w) P(cloud shadow), 0 to 1, NaN where nodata."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Properties of whole dates, due to sun, view and season, and where their shadows fall."""

    gain: FloatArray
    """(date, band) brightness of clear ground relative to the median of all dates, about 1."""
    noise: FloatArray
    """(date, band) variance of clear ground divided by the variance expected from the other dates, at least 1."""
    few_clouds: FloatArray
    """(date,) 0 or less: added to the logit of shadow, for dates with few clouds."""
    casts: tuple[Cast, ...]
    """Shift of the shadows of each date; its trust is 0 if it could not be found."""


@dataclass(frozen=True, slots=True)
class Dates:
    """The input for one window of a series."""

    data: FloatArray
    """(date, band, h, w) reflectance, dates in order of time, the same bands on each date; 0 where not seen."""
    seen: BoolArray
    """(date, h, w) True where the pixel has data and was scored."""
    cloud: FloatArray
    """(date, h, w) logit of the single-date P(cloud), 0 where not seen."""
    shadow: FloatArray
    """(date, h, w) logit of the single-date P(shadow), given that the pixel is not cloud."""
    cast: FloatArray
    """(date, h, w) single-date P(cloud) at the place that would cast a shadow on the pixel; NaN if unknown."""
    bands: tuple[str, ...]
    """Names of the bands."""


def take_dates(
    data: FloatArray,
    valid: BoolArray,
    cloud: FloatArray,
    shadow: FloatArray,
    bands: Sequence[str],
    cast: FloatArray | None = None,
) -> Dates:
    """Prepare the input of `explain` and `learn_usual` for a window.

    Args:
        data: (date, band, h, w) reflectance, dates in order of time.
        valid: (date, h, w) True = data.
        cloud: (date, h, w) single-date P(cloud), NaN where a date was not scored.
        shadow: (date, h, w) single-date P(shadow), given that the pixel is not cloud.
        bands: names of the bands.
        cast: (date, h, w) single-date P(cloud) shifted by `Usual.casts`, NaN where unknown; None: all unknown.
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
    """P(cloud) and P(shadow) of all dates in a window.

    Args:
        dates: at least two.
        usual: of the whole scene, so that the results of adjacent windows agree.
    """
    levelled = dates.data / usual.gain[..., None, None]
    agreement = find_agreement(levelled, dates.seen)
    clearness = _single_clearness(dates)
    for _ in range(ROUNDS):
        cloud, shadow = _weigh(levelled, dates, usual, agreement, clearness)
        clearness = (1 - cloud) * (1 - shadow) * dates.seen
    nodata = np.float32(np.nan)
    return Explained(np.where(dates.seen, cloud, nodata), np.where(dates.seen, shadow, nodata))


def learn_usual(dates: Dates, width: int | None = None, side: int = 0) -> tuple[Usual, Sky]:
    """Properties of whole dates, measured on samples of the scene; and the input for the search of their shadows.

    Args:
        dates: all samples, side by side along the columns.
        width: columns of one sample; None: there is only one.
        side: the direction in which shadows fall, see `poleward`.

    Returns:
        The properties, without `casts`; and the Sky that finds these.
    """
    shape = dates.data.shape[:2]
    ones = np.ones(shape, dtype=np.float32)
    usual = Usual(ones, ones, np.zeros(shape[0], dtype=np.float32), (Cast(),) * shape[0])
    clearness = _single_clearness(dates)
    for _ in range(ROUNDS):
        gain = find_gains(dates.data, clearness)
        levelled = dates.data / gain[..., None, None]
        noise, grounds = np.ones(shape, dtype=np.float32), []
        for date, clear in enumerate(clearness):
            ground = find_ground(date, levelled, dates.cloud, clearness, dates.seen)
            grounds.append(ground.data)
            if clear.sum() >= 50:
                deviation = (levelled[date] - ground.data) ** 2 / ground.variance
                # 0.455 is the median of the chi-squared distribution with one degree of freedom
                noise[date] = [np.clip(middle_of(band.ravel(), clear.ravel()) / 0.455, 1, 25) for band in deviation]
        usual = replace(usual, gain=gain, noise=noise)
        cloud, shadow = _weigh_once(levelled, dates, usual, clearness)
        clearness = (1 - cloud) * (1 - shadow) * dates.seen
    share = ((cloud >= 0.5) & dates.seen).sum(axis=(1, 2)) / np.maximum(dates.seen.sum(axis=(1, 2)), 1)
    few_clouds = np.minimum(np.log((share + LEAST_CLOUD) / USUAL_CLOUD), 0).astype(np.float32)
    width = width or dates.data.shape[-1]
    darkness = find_darkness(levelled, np.stack(grounds), clearness, width)
    return replace(usual, few_clouds=few_clouds), Sky(darkness, (1 - cloud) * dates.seen, width, side)


def _single_clearness(dates: Dates) -> FloatArray:
    """(date, h, w) 0 to 1: probability of clear by the single-date scores, 0 where not seen."""
    clearness: FloatArray = _probability(-dates.cloud) * _probability(-dates.shadow) * dates.seen
    return clearness


def _weigh(
    levelled: FloatArray, dates: Dates, usual: Usual, agreement: Agreement, clearness: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """P(cloud) and P(shadow), (date, h, w) each, by one iteration.

    Args:
        levelled: (date, band, h, w) reflectance divided by the gain.
        dates: the input.
        usual: of the whole scene.
        agreement: of the dates with each other.
        clearness: (date, h, w) 0 to 1, by the iteration before.
    """
    cloud, shadow = np.empty_like(dates.cloud), np.empty_like(dates.cloud)
    clouds = _clouds(dates.bands)
    for date in range(len(levelled)):
        ground = find_ground(date, levelled, dates.cloud, clearness, dates.seen)
        expected = find_alike(levelled[date], ground.data, dates.seen[date])
        lasting = np.maximum(find_lasting(date, len(levelled), agreement.pairs) - expected, 0)
        by_itself, known_here = dates.cloud[date].clip(-BOUND, BOUND), agreement.known[date]
        fit = _fit(levelled[date], ground, usual.noise[date], dates.seen[date], clouds)
        over_ground = (dates.cloud[date] - ground.logit).clip(-BOUND, BOUND)
        ground_score = ground.logit.clip(0, BOUND)  # false alarm of the detector on clear ground
        for_cloud = (
            CLOUD_BIAS + SINGLE * (by_itself - ground_score) + OVER_GROUND * over_ground
            + PER_OPACITY * np.minimum(fit.opacity, 0.5) + FIT_CLOUD * fit.by_cloud - SHADOW_NOT_CLOUD * fit.by_shadow
            - LASTING * lasting * _probability(SURE - by_itself)
        )  # fmt: skip
        for_shadow = (
            SHADOW_BIAS + SINGLE_SHADOW * dates.shadow[date].clip(-BOUND, BOUND) + FIT_SHADOW * fit.by_shadow
            + PER_SHADE * np.minimum(fit.shade, 0.5) - SHADOW_MISFIT * fit.left_by_shadow - LASTING * lasting
        )  # fmt: skip
        shadow_by_itself = dates.shadow[date].clip(-BOUND, BOUND)
        from_clouds = usual.few_clouds[date] + _for_cast(dates.cast[date], usual.casts[date])
        # where the other dates are all cloudy, their ground shows clouds, beside which a clear pixel is dark unshaded
        lit_known = known_here * np.maximum(np.minimum(ground.clear_dates, 1), agreement.among_others[date])
        odds = [
            np.exp((share * combined + (1 - share) * single + extra).clip(-30, 30))
            for share, combined, single, extra in (
                (known_here, for_cloud, by_itself, 0),
                (lit_known, for_shadow, shadow_by_itself, from_clouds),
            )
        ]
        total = 1 + odds[0] + odds[1]
        cloud[date], shadow[date] = odds[0] / total, odds[1] / total
    return cloud, shadow


def _weigh_once(
    levelled: FloatArray, dates: Dates, usual: Usual, clearness: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """`_weigh` for a `levelled` that is used once; the maps of agreement are freed on return."""
    return _weigh(levelled, dates, usual, find_agreement(levelled, dates.seen), clearness)


def _for_cast(clouds: FloatArray, cast: Cast) -> FloatArray:
    """(h, w) evidence for shadow (a logit), from P(cloud) at the place that would cast it; 0 where that is NaN."""
    excess = np.where(np.isfinite(clouds), clouds - HALF_CAST, np.float32(0))
    evidence: FloatArray = np.float32(cast.trust) * np.where(excess > 0, FROM_CLOUD, FROM_CLEAR) * excess
    return evidence


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well cloud and shadow fit a date, (h, w) each."""

    opacity: FloatArray
    """Of the best cloud, 0 to 1."""
    shade: FloatArray
    """Share of light lost, 0 to MOST_SHADE."""
    by_cloud: FloatArray
    """Reduction of log(1 + misfit) by cloud."""
    by_shadow: FloatArray
    """Reduction of log(1 + misfit) by shadow."""
    left_by_shadow: FloatArray
    """log(1 + misfit) of ground in shadow."""


def _fit(x: FloatArray, ground: Ground, noise: FloatArray, seen: BoolArray, clouds: FloatArray) -> _Fit:
    """Weighted least squares over the bands, averaged over neighbouring pixels.

    A misfit is the mean over the bands of squared differences divided by their variance. With r = x - g, g being the
    ground, a cloud c changes a pixel by a (c - g), so that misfit(a) = misfit(0) - 2 a <r, c - g> + a² <c - g, c - g>.

    Args:
        x: (band, h, w) reflectance of the date, divided by its gain.
        ground: of the date.
        noise: (band,) factors on the variance of the ground.
        seen: (h, w) True = data.
        clouds: (n, band) reflectances of the clouds that are tried.
    """
    difference = np.where(seen, x - ground.data, np.float32(0))
    limit = np.float32(0.5) * np.sqrt(ground.variance)
    # the mean is kept near the pixel's own value, so that a neighbour's cloud does not spread
    r = np.clip(box_means(difference, POOL_REACH), difference - limit, difference + limit)
    precision = 1 / (box_means(ground.variance, POOL_REACH) * noise[:, None, None] * np.float32(len(x)))
    g = ground.data
    clear_misfit = (r * r * precision).sum(axis=0)
    r_g, g_g = (r * g * precision).sum(axis=0), (g * g * precision).sum(axis=0) + np.float32(1e-6)
    best_misfit, opacity = np.full_like(clear_misfit, np.inf), np.zeros_like(clear_misfit)
    weighted_r, weighted_g = r * precision, g * precision
    full_bands = clouds[-1] == clouds[-1].max()  # all but short-wave infrared and cirrus
    min_cloud = np.minimum(g[full_bands].min(axis=0), DARK_CLOUD)
    for c in clouds:
        r_c = np.tensordot(c, weighted_r, 1) - r_g  # <r, c - g>, and <c - g, c - g> below
        c_c = np.tensordot(c * c, precision, 1) - 2 * np.tensordot(c, weighted_g, 1) + g_g
        a = (r_c / (c_c + 1)).clip(0, 1)  # + 1: no opacity from a cloud that looks like the ground
        misfit = clear_misfit - 2 * a * r_c + a * a * c_c
        better = (misfit < best_misfit) & (c.max() >= min_cloud)
        best_misfit, opacity = np.where(better, misfit, best_misfit), np.where(better, a, opacity)
    shade = (-r_g / g_g).clip(0, MOST_SHADE)
    shadow_misfit = clear_misfit + 2 * shade * r_g + shade * shade * g_g
    clear, cloud, shadow = (np.log1p(np.maximum(m, 0)) for m in (clear_misfit, best_misfit, shadow_misfit))
    return _Fit(opacity, shade, clear - cloud, clear - shadow, shadow)


def _clouds(bands: Sequence[str]) -> FloatArray:
    """(n, band) reflectances of the clouds that are tried."""
    infrared = [band.startswith("swir") for band in bands]
    phases = ICE if any(infrared) else ICE[:1]
    rows = [
        [
            bright * (phase if in_swir else IN_CIRRUS_BAND if band == "cirrus" else 1.0)
            for band, in_swir in zip(bands, infrared, strict=True)
        ]
        for bright in CLOUD_BRIGHTNESS
        for phase in phases
    ]
    return np.array(rows, dtype=np.float32)


def _logits(p: FloatArray) -> FloatArray:
    """Logits of probabilities, which are first clipped to 0.002 to 0.998."""
    clipped = np.clip(p, np.float32(0.002), np.float32(0.998))
    logits: FloatArray = np.log(clipped / (1 - clipped)).astype(np.float32)
    return logits


def _probability(logits: FloatArray) -> FloatArray:
    """Probabilities of logits, float32."""
    p: FloatArray = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return p
