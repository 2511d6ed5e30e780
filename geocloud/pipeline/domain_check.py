"""Has the model seen ground like this? A scene's pixels against those of its training, counted while it is scored.

What a model has seen is kept as prototypes: the centres of k-means over log reflectances, whitened so that distances
are Mahalanobis distances and a band ratio out of the ordinary weighs as much as a brightness out of the ordinary. A
pixel farther from every prototype than nearly all training pixels were is *unfamiliar*. Clear and cloudy pixels have
prototypes of their own: a scene at ten times its scale is all cloud to a model, but no cloud has such colours.

A wrong scale or order of bands moves all colours alike, and the prototypes tell where to: a scene is also tested as
it would be in other readings, and where one of them is much nearer to what the model has seen, that is said.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geocloud.progress import Warn
from geocloud.raster import BoolArray, FloatArray
from geocloud.readers.bands.radiometry import LAND_NIR, WATER
from geocloud.readers.bands.spec import Medians, land_of, water_of
from geocloud.scorers.card import Prototypes, TrainingDomain

LEVEL_STEP = 16
"""One of so many pixels along rows and columns is read."""
LEVELS = np.geomspace(1e-3, 30, 241)
"""Edges of the histograms of reflectance."""
LEAST_PIXELS = 100
"""Looked-at pixels below which nothing is said."""
MEDIAN_LIMIT, BRIGHTEST_LIMIT = 0.015, 0.035
"""A card's limits are not taken to be narrower than these: of ordinary scenes, 1 in 7 crossed the shipped card's, most
of them open sea and haze (docs/classes-measured.md)."""
TOO_BRIGHT = 1.1, 1.5
"""Median and 99 % quantile of the visible reflectance that no scene has; ordinary ones reach 1.02 and 1.41."""
EXCHANGE = {False: ((7.4, 6.1, 2.6, 0.0), 2.2), True: ((6.2, 2.0, 5.9, 4.6), 1.65)}
"""Whether near infrared is there -> weights of the spread of blue over that of red, in log reflectance and in
reflectance, of the distance as read over that with the two exchanged, and of blue over red on plants, as logarithms: a
logistic regression of ordinary scenes and the same exchanged, most of whose places the prototypes did not know; and
their sum from which the two are exchanged."""
PLANTS, PLANT_SHARE = 0.4, 0.05
"""Difference of near infrared and green over their sum from which a pixel is of plants, which air makes blue and soil
red; and the share of such pixels that tells."""
LEAST_SPREAD = 0.04, 0.005
"""Added to each spread, of logarithms and of reflectance: a bin of the histograms, since less is their noise."""
LEAST_DISTANCE, MOST_NEARER = 0.02, 2.7
"""Added to each distance, in radii; and what their ratio counts at most: ground of one colour alone must not decide."""
DISTANCE = 1.0
"""Mean distance of a scene's pixels to the nearest prototype, in radii, from which its colours are strange if the share
of unfamiliar ones is high too: of scenes whose places the prototypes do not know, either alone is too often so."""
LevelCounts = NDArray[np.int64]
DoubleArray = NDArray[np.float64]
BAND_SETS = (("blue", "green", "red"), ("blue", "green", "red", "nir"), ("green", "red", "nir", "swir16", "swir22"))
"""Sets of bands that are compared together, where a scene has them all."""
LOG_FLOOR = 0.005
"""Reflectance added before the logarithm: noise on dark water must not look like a change of colour."""
RISING, SHOWN = 0.2, 0.03
"""Share of pixels that grow brighter from near infrared to 1.6 and on to 2.2 micrometres from which bands are wrong,
and the reflectance at 1.6 from which a pixel counts: of ordinary scenes at most 4 % do, of red edge bands most."""


@dataclass(frozen=True, slots=True)
class OtherReading:
    """What a scene's pixels would be if it were read otherwise, and when that is believed."""

    text: str
    option: str
    gain: float = np.inf
    """Least log of the mean distance as read over that in this reading."""
    distance: float = 0.0
    """Least mean distance as read, in radii: what is near needs no other reading."""
    factor: float = 1.0
    """On all reflectance."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Band -> the one whose pixels it would have."""


OTHER_READINGS = (
    OtherReading("with red and blue exchanged", "--bands", moved={"red": "blue", "blue": "red"}),  # see EXCHANGE
    OtherReading(
        *("with green, red and near infrared each one band further", "--bands", 0.7, 0.3),
        moved={"green": "blue", "red": "green", "nir": "red"},
    ),
    OtherReading("if it were 5.6 times as bright", "--scale, --offset", 0.15, 0.0, 5.6),
    OtherReading("if it were 3.2 times as bright", "--scale, --offset", 0.5, 0.25, 3.2),
    OtherReading("if it were a third as bright", "--scale, --offset", 0.75, 0.3, 0.32),
)
"""Limits by 569 ordinary scenes and the same read wrongly, so that fewer than 1 % of the ordinary ones have a warning
where the prototypes know other places only: `python tests/benchmarks/unlike.py --parts 2` and `--parts 8`. In no limit
is half as bright worth its false warnings."""
TESTED_PIXELS = 256
"""Pixels per block that are tested in other readings."""
PARTS = 1000
"""Distances are added up in whole thousandths of a radius."""


@dataclass(frozen=True, slots=True)
class DomainStats:
    """A scene's figures, NaN where too few pixels tell."""

    share: float
    """Share of unfamiliar pixels among the clear or the cloudy ones, whichever is higher."""
    median: float
    brightest: float
    exchanged: float
    """How much red and blue look exchanged: the sum of EXCHANGE above its limit."""
    gaps: float
    distance: float
    """Mean distance to the nearest prototype of either kind, in radii."""
    readings: tuple[float, ...]
    """The same in each of OTHER_READINGS."""
    rising: float = np.nan
    """Share of pixels that grow brighter through the infrared."""
    land: float = np.nan
    """Median of near infrared where it is far above those of blue and red, so that much of the scene is land."""
    water: float = np.nan
    """Median of blue or red where it is far above that of near infrared, so that much of the scene is water."""

    @property
    def percent(self) -> float | None:
        """`share` as percent; None where too few pixels tell."""
        return None if np.isnan(self.share) else round(100 * self.share, 2)

    def warnings(self, seen: TrainingDomain) -> tuple[str, ...]:
        """What is unlike the training data, a sentence each."""
        scale, order = "is its scale (--scale, --offset) right?", "is the order of its bands (--bands) right?"
        dark = self.median < min(seen.median, MEDIAN_LIMIT) or self.brightest < min(seen.brightest, BRIGHTEST_LIMIT)
        bright = self.median > TOO_BRIGHT[0] or self.brightest > TOO_BRIGHT[1]
        found = {
            f"{100 * self.share:.0f} % of its clear or cloudy pixels have unknown colours: {scale} And {order}": (
                self.share > seen.share and self.distance > DISTANCE
            ),
            f"it is darker than any scene there (median {self.median:.3f}, 99 % {self.brightest:.3f}): {scale}": dark,
            f"it is brighter than any scene (median {self.median:.2f}, 99 % {self.brightest:.2f}): {scale}": bright,
            f"its colours would be more like those {OTHER_READINGS[0].text}: {order}": self.exchanged > 0,
            f"{100 * self.rising:.0f} % of it grows brighter through the infrared: {order}": self.rising > RISING,
            f"its land is {self.land:.2f} in near infrared, and {LAND_NIR[0]} to {LAND_NIR[1]} elsewhere: {scale}": (
                self.land < LAND_NIR[0] or self.land > LAND_NIR[1]
            ),
            f"its water is {self.water:.2f} in blue or red, and at most {WATER} elsewhere: {scale}": self.water > WATER,
            **{
                f"its colours would be more like those {other.text}: {scale if other.factor != 1 else order}": (
                    self.distance > other.distance and self.distance > mean * np.exp(other.gain)
                )
                for other, mean in zip(OTHER_READINGS[1:], self.readings[1:], strict=True)
            },
            f"nodata cuts it into strips ({self.gaps:.0f} edges in 1000 pixels)": self.gaps > seen.gaps,
        }
        return tuple(Warn(f"the scene is unlike the training data, {text}") for text, true in found.items() if true)


class DomainCheck:
    """Adds up whole numbers only, so the order in which threads come changes nothing."""

    def __init__(self, seen: TrainingDomain | None) -> None:
        """`seen` None: only the figures that need no prototypes."""
        self._seen, self._lock = seen, threading.Lock()
        self._sides: LevelCounts = np.zeros((3, 2), dtype=np.int64)  # clear, cloudy x all, unfamiliar; shown, rising
        self._levels: LevelCounts = np.zeros((4, len(LEVELS) + 1), dtype=np.int64)  # visible, blue, red, near infrared
        self._plants: LevelCounts = np.zeros(2, dtype=np.int64)  # pixels, thousandths of blue over red added up
        self._edges: LevelCounts = np.zeros(2, dtype=np.int64)  # edges, pairs of neighbours
        self._far: LevelCounts = np.zeros(2 + len(OTHER_READINGS), dtype=np.int64)  # pixels, then sums of distances

    def add(self, data: FloatArray, valid: BoolArray, cloudy: BoolArray, bands: Sequence[str]) -> None:
        """A block: data (band, h, w) reflectance, valid and cloudy (h, w)."""
        part = (slice(LEVEL_STEP // 2, None, LEVEL_STEP),) * 2
        looked = valid[part]
        self.add_pixels(data[:, *part][:, looked].T, cloudy[part][looked], bands)
        edges = _edges(valid)
        with self._lock:
            self._edges += edges

    def add_pixels(self, pixels: FloatArray, cloud: BoolArray, bands: Sequence[str]) -> None:
        """The pixels that are compared: (n, band) reflectance, (n,) cloudy."""
        sides = np.zeros_like(self._sides)
        sides[2] = _rising(pixels, bands)
        for side, here in enumerate((~cloud, cloud)):
            strange = 0
            if self._seen is not None and here.any():
                kinds = self._seen.cloudy if side else self._seen.clear
                strange = int(unfamiliar(pixels[here], bands, kinds).sum())
            sides[side] = int(here.sum()), strange
        levels = _levels(pixels, bands)
        few = pixels[:: max(1, len(pixels) // TESTED_PIXELS)]
        far = np.zeros_like(self._far) if self._seen is None or not len(few) else _far(few, bands, self._seen)
        with self._lock:
            self._sides += sides
            self._levels += levels
            self._plants += _plants(pixels, bands)
            self._far += far

    def warnings(self) -> tuple[str, ...]:
        """What is unlike the training data, a sentence each."""
        return () if self._seen is None else self.stats().warnings(self._seen)

    def stats(self) -> DomainStats:
        """The scene's figures."""
        *sides, (shown, rising) = self._sides.tolist()
        shares = [strange / every for every, strange in sides if every >= LEAST_PIXELS]
        edges, pairs = self._edges.tolist()
        count, *sums = self._far.tolist()
        means = [one / (PARTS * count) if count >= LEAST_PIXELS else float("nan") for one in sums]
        infrared = bool(self._levels[3].any())
        count, hue = self._plants.tolist()
        plants = hue / (PARTS * count) if count >= PLANT_SHARE * max(self._levels[0].sum(), 1) and count else 0.0
        medians: Medians = tuple(_quantile(row, 0.5) for row in self._levels[1:])  # type: ignore[assignment]
        return DomainStats(
            max(shares) if shares and self._seen is not None else float("nan"),
            _quantile(self._levels[0], 0.5),
            _quantile(self._levels[0], 0.99),
            _exchanged(self._levels, means, plants, infrared=infrared),
            1000 * edges / pairs if pairs else 0.0,
            means[0],
            tuple(means[1:]),
            rising / shown if shown >= LEAST_PIXELS else np.nan,
            land_of(medians),
            water_of(medians),
        )


def _far(pixels: FloatArray, bands: Sequence[str], seen: TrainingDomain) -> LevelCounts:
    """The number of pixels (n, band), and their distances in thousandths added up: as read, and in other readings."""
    names = list(bands)
    sums = [_distance_sum(pixels, names, seen)]
    for other in OTHER_READINGS:
        if set(other.moved) <= set(names):
            taken = [names.index(other.moved.get(name, name)) for name in names]
            sums.append(_distance_sum(pixels[:, taken] * np.float32(other.factor), names, seen))
        else:
            sums.append(sums[0])
    return np.array([len(pixels), *sums], dtype=np.int64)


def _distance_sum(pixels: FloatArray, bands: list[str], seen: TrainingDomain) -> int:
    """Thousandths of a radius to the nearest prototype, clear or cloudy, in that set of bands where it is farthest."""
    nearest = [
        np.max([_radii(pixels, bands, kind) for kind in usable], axis=0)
        for kinds in (seen.clear, seen.cloudy)
        if (usable := [kind for kind in kinds if set(kind.bands) <= set(bands)])
    ]
    return int(np.rint(PARTS * np.minimum.reduce(nearest).clip(max=1000)).sum()) if nearest else 0


def _rising(pixels: FloatArray, bands: Sequence[str]) -> tuple[int, int]:
    """The number of pixels (n, band) that are no water or snow at 1.6 micrometres, and of those that grow brighter."""
    infrared = ("nir", "swir16", "swir22")
    if not set(infrared) <= set(bands):
        return 0, 0
    near, one, two = (pixels[:, list(bands).index(band)] for band in infrared)
    shown = one > SHOWN
    return int(shown.sum()), int((shown & (near < one) & (one < two)).sum())


def _levels(pixels: FloatArray, bands: Sequence[str]) -> LevelCounts:
    """(4, bins) histograms of pixels (n, band): visible mean, blue, red, near infrared; 0 without these."""
    counts: LevelCounts = np.zeros((4, len(LEVELS) + 1), dtype=np.int64)
    if not {"blue", "green", "red"} <= set(bands):
        return counts
    blue, green, red = (pixels[:, list(bands).index(band)] for band in ("blue", "green", "red"))
    visible = (blue + green + red) / 3
    infrared = pixels[:, list(bands).index("nir")] if "nir" in bands else pixels[:0, 0]
    shown: tuple[NDArray[Any], ...] = (visible, blue, red, infrared)
    for row, values in enumerate(shown):
        counts[row] = np.bincount(np.digitize(values, LEVELS), minlength=counts.shape[1])
    return counts


def _edges(valid: BoolArray) -> LevelCounts:
    """Edges between data and nodata along rows and columns, and the pairs of neighbours with any data."""
    edges = pairs = 0
    for one, other in ((valid[1:], valid[:-1]), (valid[:, 1:], valid[:, :-1])):
        edges += int((one != other).sum())
        pairs += int((one | other).sum())
    return np.array([edges, pairs], dtype=np.int64)


def _quantile(counts: LevelCounts, share: float) -> float:
    """The level below which that share lies."""
    total = int(counts.sum())
    if total < LEAST_PIXELS:
        return float("nan")
    reached = counts.cumsum() >= share * total
    return float(LEVELS[min(int(reached.argmax()), len(LEVELS) - 1)])


def _spread(counts: LevelCounts, values: DoubleArray) -> float:
    """Standard deviation of a histogram whose bins have these values."""
    total = int(counts.sum())
    if total < LEAST_PIXELS:
        return float("nan")
    mean = float((counts * values).sum() / total)
    return float(np.sqrt((counts * (values - mean) ** 2).sum() / total))


_TOPS: DoubleArray = np.append(LEVELS, LEVELS[-1])
"""Reflectance of each bin of a histogram."""


def _exchanged(levels: LevelCounts, means: Sequence[float], plants: float, *, infrared: bool) -> float:
    """How much red and blue look exchanged, by histograms, distances as read and exchanged, and the hue of plants."""
    units = np.log(_TOPS + LOG_FLOOR), _TOPS
    spreads = np.array([[_spread(counts, unit) for counts in levels[1:3]] for unit in units])
    blues, reds = (spreads + np.array(LEAST_SPREAD)[:, None]).T
    nearer = min((means[0] + LEAST_DISTANCE) / (means[1] + LEAST_DISTANCE), MOST_NEARER)
    weights, limit = EXCHANGE[infrared]
    return float(np.array(weights) @ [*np.log([*(blues / reds), nearer]), plants]) - limit


def _plants(pixels: FloatArray, bands: Sequence[str]) -> LevelCounts:
    """The number of plants' pixels, and thousandths of the logarithm of blue over red on them added up."""
    if not set(names := ("blue", "green", "red", "nir")) <= set(bands):
        return np.zeros(2, dtype=np.int64)
    blue, green, red, nir = (pixels[:, list(bands).index(name)] for name in names)
    here = nir - green > PLANTS * (nir + green + 2 * LOG_FLOOR)
    hue = log_reflectance(blue[here]) - log_reflectance(red[here])
    return np.array([here.sum(), np.rint(PARTS * hue).sum()], dtype=np.int64)


def unfamiliar(values: FloatArray, bands: Sequence[str], kinds: Sequence[Prototypes]) -> BoolArray:
    """(n,) True where a pixel of (n, band) reflectance is unfamiliar in any set of bands that are all there."""
    found = np.zeros(len(values), dtype=bool)
    for kind in kinds:
        if set(kind.bands) <= set(bands):
            found |= _radii(values, bands, kind) > 1
    return found


def _radii(values: FloatArray, bands: Sequence[str], kind: Prototypes) -> DoubleArray:
    """(n,) distance of (n, band) reflectance to the nearest prototype, in radii."""
    logs = log_reflectance(values[:, [list(bands).index(band) for band in kind.bands]])
    points = (logs - np.array(kind.middle)) @ np.array(kind.whitening).T
    return distances(points, np.array(kind.centres)) / kind.radius


def log_reflectance(values: FloatArray) -> DoubleArray:
    """Of any shape; the noise of dark pixels is held down."""
    return np.log(np.maximum(values, 0).astype(np.float64) + LOG_FLOOR)


def distances(points: DoubleArray, centres: DoubleArray) -> DoubleArray:
    """(n,) distance of each point to the nearest centre."""
    squares = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    nearest: DoubleArray = np.sqrt(np.maximum(squares.min(axis=1), 0))
    return nearest
