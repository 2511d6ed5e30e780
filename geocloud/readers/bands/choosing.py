"""From all evidence, or the user's word, to the number of each band that is read; refusals with the line to type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from geocloud.errors import InputError, UsageError
from geocloud.readers.bands.evidence import ALPHA, BandEvidence, BandHint, order_hints, read_evidence
from geocloud.readers.bands.names import CENTRES, COMMON_NAMES, RANGES, SCORED, VISIBLE, band_order, wavelength_in
from geocloud.readers.bands.sensors import FALSE_COLOUR, Sensor, lacks_blue, named_order

OWN_NAME = re.compile(r"b\d{1,2}a?")
"""A sensor's own names of bands that have no common one, for models that take them: b09, b8a."""
MAX_LISTED_BANDS = 12
"""Bands that a sentence names at most."""
SPECTROMETER_BANDS = 30
"""Bands from which a scene is taken for an imaging spectrometer's."""


_EXAMPLES = {
    3: ("--bands red=1,green=2,blue=3 (pictures)", "--bands blue=1,green=2,red=3"),
    4: (
        "--bands blue=1,green=2,red=3,nir=4 (PlanetScope)",
        "--bands red=1,green=2,blue=3,nir=4 (aerial)",
    ),
    5: ("--bands blue=1,green=2,red=3,nir=5 (RapidEye, MicaSense)", "--bands blue=1,green=2,red=3,nir=4"),
    6: ("--bands blue=1,green=2,red=3,nir=4,swir16=5,swir22=6 (Landsat, HLS)",),
    7: (
        "--bands blue=2,green=3,red=4,nir=5,swir16=6,swir22=7 (Landsat 8-9)",
        "--bands blue=1,green=2,red=3,nir=4,swir16=5,swir22=7 (Landsat 4-7)",
    ),
    8: ("--bands blue=2,green=4,red=6,nir=8 (SuperDove)", "--bands blue=2,green=3,red=5,nir=7 (WorldView)"),
    10: ("--bands blue=1,green=2,red=3,nir=7,swir16=9,swir22=10 (Sentinel-2, bands of 10 and 20 m)",),
    12: ("--bands blue=2,green=3,red=4,nir=8,swir16=11,swir22=12 (Sentinel-2 L2A, B8A after B8)",),
    13: ("--bands blue=2,green=3,red=4,nir=8,cirrus=11,swir16=12,swir22=13 (Sentinel-2 L1C, B8A after B8)",),
}
"""Number of bands -> lines of products that have so many."""
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_TOP = re.compile(r"(?:^|[^a-z0-9])(?:TOA|L1[A-Z]{0,2}|RADIANCE)(?:$|[^a-z0-9])", re.IGNORECASE)
"""Words of names that say that numbers are of the top of the atmosphere."""
_NANOMETRES = (350.0, 2600.0)
_FARTHER = BandHint("-")
"""Of a spectrometer's bands all that are not the nearest to a centre."""


@dataclass(frozen=True, slots=True)
class ChosenBands:
    """Which bands of a scene are read."""

    numbers: Mapping[str, int]
    """Common name -> number of the band from 1."""
    why: Mapping[str, str]
    """Common name -> evidence, in words."""
    sensor: Sensor | None = None
    guess: str = ""
    """How they were guessed; empty where they are stated."""
    left_out: tuple[str, ...] = ()
    """A sentence each on bands that are not read."""
    unnamed: tuple[str, ...] = ()
    """What the scene calls the bands of which nothing says which they are."""


def given_bands(bands: Mapping[str, int | str], labels: Sequence[str], source: str) -> ChosenBands:
    """The user's own bands, by number or by what the scene calls them; UsageError where there is no such band."""
    numbers = {name: _given(name, value, labels, source) for name, value in bands.items()}
    ordered = dict(sorted(numbers.items(), key=lambda item: band_order(item[0])))
    left = {n: "not named by --bands" for n in range(1, len(labels) + 1) if n not in numbers.values()}
    return ChosenBands(ordered, dict.fromkeys(ordered, "--bands"), left_out=_sentences(left, labels))


def _given(name: str, value: int | str, labels: Sequence[str], source: str) -> int:
    if name not in COMMON_NAMES and not OWN_NAME.fullmatch(name):
        raise UsageError(f"band name {name!r} is unknown; there are {', '.join(COMMON_NAMES)}, and names such as b8a")
    if isinstance(value, int):
        if not 1 <= value <= len(labels):
            raise UsageError(f"band {name}={value} is not in {source}, which has bands 1 to {len(labels)}")
        return value
    wanted = value.lower()
    for key in (str.lower, lambda text: text.lower().rpartition(".")[0], lambda text: _last_part(text.lower()), _short):
        same = _short(wanted) if key is _short else wanted
        found = [number for number, label in enumerate(labels, start=1) if label and key(label) == same]
        if len(found) == 1:
            return found[0]
    held = [number for number, label in enumerate(labels, start=1) if wanted in re.split(r"[^a-z0-9]+", label.lower())]
    if len(held) == 1:
        return held[0]
    raise UsageError(f"band {name}={value} is not in {source}, whose bands are {_listed(labels)}")


def _short(label: str) -> str:
    """`B02` as `b2`: products name one band in both ways."""
    return re.sub(r"^b0(?=\d)", "b", label.lower())


def _last_part(label: str) -> str:
    return re.split(r"[/\\ :]", label)[-1]


def choose_bands(
    hints: Sequence[BandHint],
    labels: Sequence[str],
    source: str,
    texts: str = "",
    *,
    file_name: str = "",
    once: bool = True,
) -> ChosenBands:
    """The bands by all evidence.

    Raises:
        InputError: blue, green and red are not known, or one is there twice; with the line to type.

    Args:
        hints: what the scene says of each band.
        labels: what a user may call each band, beside its number.
        source: as the user named the scene.
        texts: all that may state the sensor: file name, folder, product id, platform.
        file_name: name of a single raster, whose product may tell an order of bands.
        once: whether two bands alike are refused; files may be of two resolutions.
    """
    check_blue(source, texts)
    if len(hints) == len(VISIBLE) and not any(hint.text for hint in hints):
        _check_picture(source, file_name)
    found = read_evidence(hints, texts)
    numbers, guess = found.numbers(), found.guess
    order = named_order(file_name, sum(hint.text != ALPHA for hint in hints))
    if order is not None and not found.readings and not _covers(numbers, order.bands):
        by_order = read_evidence([*order_hints(order), *hints[len(order.bands) :]])
        evidence = f"order of {order.product} files"
        found = BandEvidence(tuple(band and replace(band, evidence=evidence) for band in by_order.bands), found.sensor)
        numbers, guess = found.numbers(), f"order of {order.product} files, by the file's name"
    if not set(VISIBLE) <= set(numbers):
        raise InputError(_refusal(found, hints, labels, source, texts))
    if once and order is None:
        _check_once(found, numbers, labels, source)
    why = {name: band.evidence for name, number in numbers.items() if (band := found.bands[number - 1])}
    named = zip(found.bands, labels, strict=True)
    unnamed = tuple(label or f"{n}" for n, (band, label) in enumerate(named, start=1) if band is None)
    return ChosenBands(numbers, why, found.sensor, guess, _left_out(found, numbers, labels, hints), unnamed)


def nearest_hints(hints: Sequence[BandHint], texts: str, has_data: Callable[[int], bool]) -> list[BandHint]:
    """The hints as they are for few bands; for many with wavelengths, one is kept for each common name.

    Around 1.375 micrometres, surface reflectance is interpolated or empty: it counts where the scene says that it is of
    the top of the atmosphere.

    Args:
        hints: one per band, in order.
        texts: names of files, folders and products.
        has_data: whether the band of a number from 1 holds any; asked of few.
    """
    if len(hints) <= SPECTROMETER_BANDS:
        return list(hints)
    waves = [hint.wavelength or wavelength_in(hint.text) for hint in hints]
    if sum(wave is not None for wave in waves) <= SPECTROMETER_BANDS:
        waves = _counted_up(hints)
    if sum(wave is not None for wave in waves) <= SPECTROMETER_BANDS:
        return list(hints)
    top = _TOP.search(texts) is not None
    kept = set()
    for name in SCORED:
        low, high = RANGES[name]
        near = [(abs(wave - CENTRES[name]), n) for n, wave in enumerate(waves, start=1) if wave and low <= wave < high]
        if name != "cirrus" or top:
            kept |= {next((n for _, n in sorted(near) if has_data(n)), 0)}
    return [
        replace(hint, wavelength=wave) if n in kept else _FARTHER
        for n, (hint, wave) in enumerate(zip(hints, waves, strict=True), start=1)
    ]


def _counted_up(hints: Sequence[BandHint]) -> list[float | None]:
    """Micrometres where the last numbers of all names rise as nanometres would: `Band 1 (420.0)`, `Band 2 (424.6)`."""
    last = [float(found[-1]) if (found := _NUMBERS.findall(hint.text)) else 0.0 for hint in hints]
    rising = all(one < other for one, other in pairwise(last))
    within = _NANOMETRES[0] <= last[0] and last[-1] <= _NANOMETRES[1]
    return [wave / 1000 for wave in last] if rising and within else [None] * len(hints)


def _check_picture(source: str, file_name: str) -> None:
    """InputError for a picture without names of bands whose own name says that it is in false colour."""
    if re.search(FALSE_COLOUR, file_name, re.IGNORECASE):
        raise InputError(
            f"{source} is in false colour by its name: near infrared, red and green, and no blue; give the picture in "
            "natural colour, or --bands red=1,green=2,blue=3 if it is one"
        )


def check_blue(source: str, texts: str) -> None:
    """InputError where names speak of a sensor that has no blue band."""
    blind = lacks_blue(texts)
    if blind:
        raise InputError(
            f"{source} is of {blind}, which has no blue band, and a scene needs blue, green and red: "
            "give a scene of another sensor"
        )


def _check_once(found: BandEvidence, numbers: Mapping[str, int], labels: Sequence[str], source: str) -> None:
    """InputError where two bands have one name alike, as in stacks of several dates; wavelengths may tie."""
    for name in (name for name in numbers if name in SCORED):
        read = found.bands[numbers[name] - 1]
        alike = [
            labels[n]
            for n, band in enumerate(found.bands)
            if read and band and (band.band, band.rank) == (name, read.rank) and not band.evidence.startswith("wave")
        ]
        if len(alike) > 1:
            raise InputError(
                f"{source} holds {name} {len(alike)} times ({_listed(alike)}), as of several dates or products; name "
                f"the bands of one, as the first: {line(numbers)}"
            )


def _covers(numbers: Mapping[str, int], bands: Sequence[str]) -> bool:
    """True where names tell all that an order would."""
    return {band for band in bands if band in SCORED} <= set(numbers)


def line(numbers: Mapping[str, int | str]) -> str:
    """`--bands` as it is to be typed."""
    return "--bands " + ",".join(f"{name}={number}" for name, number in numbers.items() if name in SCORED)


def _refusal(found: BandEvidence, hints: Sequence[BandHint], labels: Sequence[str], source: str, texts: str) -> str:
    """Why the bands are not known, and the lines of what they may be."""
    seen = _listed([f"{number}={label!r}" if label else f"{number}" for number, label in enumerate(labels, start=1)])
    head = f"{source} does not say which of its bands are blue, green and red ({seen}); "
    if len(hints) > SPECTROMETER_BANDS:
        return (
            f"{head}give the file that holds their wavelengths beside it (ENVI header, EnMAP's METADATA.XML), or name "
            "the bands nearest 490, 560, 665, 842, 1610 and 2200 nm: --bands blue=N,green=N,red=N,nir=N,swir16=N,"
            "swir22=N"
        )
    by_number = read_evidence(hints, texts, numbers_mean_bands=True)
    readings = found.readings or by_number.readings or {}
    if not readings and by_number.sensor and set(VISIBLE) <= set(by_number.numbers()):
        readings = {by_number.sensor.sensor: by_number.numbers()}
    if readings:
        lines = "; ".join(f"if they are {sensor}'s, {line(numbers)}" for sensor, numbers in readings.items())
        return f"{head}name them: {lines}"
    known = [name for name in SCORED if name in found.numbers()]
    if known:
        absent = " and no ".join(name for name in VISIBLE if name not in known)
        return (
            f"{source} has {', '.join(known)}, but no {absent} ({seen}); a scene needs blue, green and red: if it has "
            "them, --bands blue=N,green=N,red=N"
        )
    examples = _EXAMPLES.get(sum(hint.text != ALPHA for hint in hints), _EXAMPLES[4])
    return f"{head}name them by your product's document: {', '.join(examples)}"


def _left_out(
    found: BandEvidence, numbers: Mapping[str, int], labels: Sequence[str], hints: Sequence[BandHint]
) -> tuple[str, ...]:
    """Bands that are not read, and why."""
    read = set(numbers.values())
    reasons = {}
    for number, (band, hint) in enumerate(zip(found.bands, hints, strict=True), start=1):
        if number in read:
            continue
        if hint.text == _FARTHER.text:
            reasons[number] = "others are nearer to the wavelengths that models take"
        elif band is None:
            reasons[number] = "nothing says which it is"
        elif not band.band:
            reasons[number] = "none that models take"
        else:
            reasons[number] = f"{band.band}, of which band {numbers[band.band]} is read"
    return _sentences(reasons, labels)


def _sentences(reasons: Mapping[int, str], labels: Sequence[str]) -> tuple[str, ...]:
    """One for each band by its number; where they are many, one for neighbours of one reason."""
    runs: list[tuple[int, int]] = []
    for number, reason in reasons.items():
        joined = runs and runs[-1][1] == number - 1 and reasons[number - 1] == reason
        if joined and len(reasons) > MAX_LISTED_BANDS:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))

    def called(number: int) -> str:
        return f"{number}{f' {labels[number - 1]!r}' if labels[number - 1] else ''}"

    return tuple(
        f"band {called(first)}: {reasons[first]}"
        if first == last
        else f"bands {called(first)} to {called(last)}: {reasons[first]}"
        for first, last in runs
    )


def _listed(texts: Sequence[str]) -> str:
    """Not more of them than a sentence holds."""
    named = ", ".join(text or "?" for text in texts[:MAX_LISTED_BANDS])
    return named if len(texts) <= MAX_LISTED_BANDS else f"{named} and {len(texts) - MAX_LISTED_BANDS} more"
