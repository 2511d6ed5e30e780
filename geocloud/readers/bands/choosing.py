"""Chooses which bands of a scene are read, by the user's options or by all evidence.

If blue, green and red are not known, the scene is refused with a message that gives the `--bands` option to type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from geocloud.errors import InputError, UsageError
from geocloud.readers.bands.evidence import ALPHA, BandEvidence, BandHint, read_evidence
from geocloud.readers.bands.known_products import FALSE_COLOUR
from geocloud.readers.bands.names import CENTRES, COMMON_NAMES, RANGES, SCORED, VISIBLE, band_order, wavelength_in
from geocloud.readers.bands.sensors import Sensor, lacks_blue, named_order, no_scene

OWN_NAME = re.compile(r"b\d{1,2}a?")
"""Names of bands without a common name, such as b09 and b8a, for models that use these bands."""
MAX_LISTED_BANDS = 12
"""A message names at most this many bands."""
SPECTROMETER_BANDS = 30
"""A scene of more bands is taken for that of an imaging spectrometer."""


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
"""Number of bands -> `--bands` options for products with that many bands."""
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_TOP = re.compile(r"(?:^|[^a-z0-9])(?:TOA|L1[A-Z]{0,2}|RADIANCE)(?:$|[^a-z0-9])", re.IGNORECASE)
"""Words in names of top-of-atmosphere products."""
_NANOMETRES = (350.0, 2600.0)
_FARTHER = BandHint("-")
"""Replaces the hint of a spectrometer's band that is not the nearest to the centre of any common band."""


@dataclass(frozen=True, slots=True)
class ChosenBands:
    """Which bands of a scene are read."""

    numbers: Mapping[str, int]
    """Common name -> number of the band from 1."""
    why: Mapping[str, str]
    """Common name -> evidence, in words."""
    sensor: Sensor | None = None
    guess: str = ""
    """How the bands were guessed; empty if they are stated."""
    left_out: tuple[str, ...] = ()
    """Why bands are not read: one sentence per band or run of bands."""
    unnamed: tuple[str, ...] = ()
    """The scene's own names of the bands that could not be recognised."""


def given_bands(bands: Mapping[str, int | str], labels: Sequence[str], source: str) -> ChosenBands:
    """The bands that the user gives, by number or by label; UsageError for an unknown name or a missing band.

    Args:
        bands: common name, or a name such as b8a -> number of the band from 1, or its label.
        labels: the scene's own name of each band; empty: it has none.
        source: as the user named the scene, for messages.
    """
    numbers = {name: _number_of(name, value, labels, source) for name, value in bands.items()}
    ordered = dict(sorted(numbers.items(), key=lambda item: band_order(item[0])))
    unread = {n: "not named by --bands" for n in range(1, len(labels) + 1) if n not in numbers.values()}
    return ChosenBands(ordered, dict.fromkeys(ordered, "--bands"), left_out=_sentences(unread, labels))


def _number_of(name: str, value: int | str, labels: Sequence[str], source: str) -> int:
    """The number from 1 of one band that the user gives; UsageError as `given_bands`."""
    if name not in COMMON_NAMES and not OWN_NAME.fullmatch(name):
        raise UsageError(f"band name {name!r} is unknown; there are {', '.join(COMMON_NAMES)}, and names such as b8a")
    if isinstance(value, int):
        if not 1 <= value <= len(labels):
            raise UsageError(f"band {name}={value} is not in {source}, which has bands 1 to {len(labels)}")
        return value
    wanted = value.lower()
    # the whole label, then without its file suffix, then its last part, then `B02` as `b2`, then its first word (an
    # item's asset), at last one of its words
    for key in (
        *(str.lower, lambda text: text.lower().rpartition(".")[0], lambda text: _last_part(text.lower()), _short),
        lambda text: text.lower().partition(" ")[0],
    ):
        target = _short(wanted) if key is _short else wanted
        matches = [number for number, label in enumerate(labels, start=1) if label and key(label) == target]
        if len(matches) == 1:
            return matches[0]
    words = (re.split(r"[^a-z0-9]+", label.lower()) for label in labels)
    matches = [number for number, label_words in enumerate(words, start=1) if wanted in label_words]
    if len(matches) == 1:
        return matches[0]
    raise UsageError(f"band {name}={value} is not in {source}, whose bands are {_listed(labels)}")


def _short(label: str) -> str:
    """The label in lower case, `B02` as `b2`: products write one band in both ways."""
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
    """Recognise the bands of a scene by all evidence.

    Args:
        hints: what the scene says of each band, one per band.
        labels: the name by which a user can give each band, apart from its number; one per band.
        source: as the user named the scene, for messages.
        texts: all that can state the sensor: file name, folder, product id, platform.
        file_name: name of a single raster; it can name a product with a known order of bands.
        once: refuse scenes that hold a band twice. False for band files, which can hold a band in two resolutions.

    Raises:
        InputError: blue, green and red are not all known, or one is there twice; the message gives the option to type.
    """
    check_blue(source, texts)
    if len(hints) == len(VISIBLE) and not any(hint.text for hint in hints):
        _check_picture(source, file_name)
    known = read_evidence(hints, texts)
    numbers, guess = known.numbers(), known.guess
    order = named_order(file_name, sum(hint.text != ALPHA for hint in hints))
    if order is not None and not known.readings and not _covers(numbers, order.bands.split()):
        ordered = [BandHint(common=band) for band in order.bands.split()]
        by_order = read_evidence([*ordered, *hints[len(ordered) :]])
        evidence = f"order of {order.product} files"
        known = BandEvidence(tuple(band and replace(band, evidence=evidence) for band in by_order.bands), known.sensor)
        numbers, guess = known.numbers(), f"order of {order.product} files, by the file's name"
    if not set(VISIBLE) <= set(numbers):
        raise InputError(_refusal(known, hints, labels, source, texts))
    if once and order is None:
        _check_once(known, numbers, labels, source)
    why = {name: band.evidence for name, number in numbers.items() if (band := known.bands[number - 1])}
    labelled = zip(known.bands, labels, strict=True)
    unnamed = tuple(label or f"{n}" for n, (band, label) in enumerate(labelled, start=1) if band is None)
    return ChosenBands(numbers, why, known.sensor, guess, _left_out(known, numbers, labels, hints), unnamed)


def nearest_hints(hints: Sequence[BandHint], texts: str, has_data: Callable[[int], bool]) -> list[BandHint]:
    """Reduce the hints of an imaging spectrometer to the nearest band for each common name; other hints are unchanged.

    The hints of all other bands are replaced by one that no name matches. A cirrus band (1.375 micrometres) is kept
    only for top-of-atmosphere products, because surface reflectance is interpolated or empty there.

    Args:
        hints: one per band, in order.
        texts: names of files, folders and products.
        has_data: whether a band, by its number from 1, has any data; it is called for few bands.
    """
    if len(hints) <= SPECTROMETER_BANDS:
        return list(hints)
    waves = [hint.wavelength or wavelength_in(hint.text) for hint in hints]
    if sum(wave is not None for wave in waves) <= SPECTROMETER_BANDS:
        waves = _rising_nanometres(hints)
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


def _rising_nanometres(hints: Sequence[BandHint]) -> list[float | None]:
    """Micrometres per band if the last numbers of all names rise like nanometres: `Band 1 (420.0)`, `Band 2 (424.6)`.

    Otherwise None for each band.
    """
    last = [float(numbers[-1]) if (numbers := _NUMBERS.findall(hint.text)) else 0.0 for hint in hints]
    rising = all(before < after for before, after in pairwise(last))
    within = _NANOMETRES[0] <= last[0] and last[-1] <= _NANOMETRES[1]
    return [wave / 1000 for wave in last] if rising and within else [None] * len(hints)


def _check_picture(source: str, file_name: str) -> None:
    """InputError for a picture without band names whose file name says that it is in false colour."""
    if re.search(FALSE_COLOUR, file_name, re.IGNORECASE):
        raise InputError(
            f"{source} is in false colour by its name: near infrared, red and green, and no blue; give the picture in "
            "natural colour, or --bands red=1,green=2,blue=3 if it is one"
        )


def check_blue(source: str, texts: str) -> None:
    """InputError if the names of files and products state a sensor that has no blue band."""
    sensor = lacks_blue(texts)
    if sensor:
        raise InputError(
            f"{source} is of {sensor}, which has no blue band, and a scene needs blue, green and red: "
            "give a scene of another sensor"
        )


def _check_once(known: BandEvidence, numbers: Mapping[str, int], labels: Sequence[str], source: str) -> None:
    """InputError if two bands are equally good for one name, as in stacks of several dates; wavelengths can tie."""
    for name in (name for name in numbers if name in SCORED):
        read = known.bands[numbers[name] - 1]
        alike = [
            labels[n]
            for n, band in enumerate(known.bands)
            if read and band and (band.band, band.rank) == (name, read.rank) and not band.evidence.startswith("wave")
        ]
        if len(alike) > 1:
            raise InputError(
                f"{source} holds {name} {len(alike)} times ({_listed(alike)}), as of several dates or products; name "
                f"the bands of one, as the first: {line(numbers)}"
            )


def _covers(numbers: Mapping[str, int], bands: Sequence[str]) -> bool:
    """True if the recognised bands include all scored bands of an order of bands."""
    return {band for band in bands if band in SCORED} <= set(numbers)


def line(numbers: Mapping[str, int | str]) -> str:
    """The `--bands` option to type for these bands."""
    return "--bands " + ",".join(f"{name}={number}" for name, number in numbers.items() if name in SCORED)


def _refusal(known: BandEvidence, hints: Sequence[BandHint], labels: Sequence[str], source: str, texts: str) -> str:
    """The message that says why the bands are not known, with the `--bands` options that may fit."""
    seen = _listed([f"{number}={label!r}" if label else f"{number}" for number, label in enumerate(labels, start=1)])
    head = f"{source} does not say which of its bands are blue, green and red ({seen}); "
    examples = ", ".join(_EXAMPLES.get(sum(hint.text != ALPHA for hint in hints), _EXAMPLES[4]))
    what = no_scene(last_name(source), labels)
    if what:
        return f"by its names, {source} is {what}; if it has these bands, name them: {examples}"
    if len(hints) > SPECTROMETER_BANDS:
        return (
            f"{head}give the file that holds their wavelengths beside it (ENVI header, EnMAP's METADATA.XML), or name "
            "the bands nearest 490, 560, 665, 842, 1610 and 2200 nm: --bands blue=N,green=N,red=N,nir=N,swir16=N,"
            "swir22=N"
        )
    by_number = read_evidence(hints, texts, numbers_mean_bands=True, alone=True)
    readings = known.readings or by_number.readings or {}
    if not readings and by_number.sensor and set(VISIBLE) <= set(by_number.numbers()):
        readings = {by_number.sensor.sensor: by_number.numbers()}
    if readings:
        lines = "; ".join(f"if they are {sensor}'s, {line(numbers)}" for sensor, numbers in readings.items())
        return f"{head}name them: {lines}"
    present = [name for name in SCORED if name in known.numbers()]
    if present:
        absent = " and no ".join(name for name in VISIBLE if name not in present)
        return (
            f"{source} has {', '.join(present)}, but no {absent} ({seen}); a scene needs blue, green and red: if it "
            "has them, --bands blue=N,green=N,red=N"
        )
    return f"{head}name them by your product's document: {examples}"


def last_name(source: str) -> str:
    """The name of a file or folder without those above it."""
    return re.split(r"[/\\]", source.rstrip("/\\"))[-1]


def _left_out(
    known: BandEvidence, numbers: Mapping[str, int], labels: Sequence[str], hints: Sequence[BandHint]
) -> tuple[str, ...]:
    """Sentences on the bands that are not read, and why."""
    read = set(numbers.values())
    reasons = {}
    for number, (band, hint) in enumerate(zip(known.bands, hints, strict=True), start=1):
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
    """One sentence per band; if there are many bands, one per run of neighbours with the same reason.

    Args:
        reasons: number of the band from 1 -> reason.
        labels: the scene's own name of each band.
    """
    runs: list[tuple[int, int]] = []
    for number, reason in reasons.items():
        continues = runs and runs[-1][1] == number - 1 and reasons[number - 1] == reason
        if continues and len(reasons) > MAX_LISTED_BANDS:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))

    def numbered(number: int) -> str:
        return f"{number}{f' {labels[number - 1]!r}' if labels[number - 1] else ''}"

    return tuple(
        f"band {numbered(first)}: {reasons[first]}"
        if first == last
        else f"bands {numbered(first)} to {numbered(last)}: {reasons[first]}"
        for first, last in runs
    )


def _listed(texts: Sequence[str]) -> str:
    """The texts joined by commas; at most MAX_LISTED_BANDS of them, and how many more there are."""
    listed = ", ".join(text or "?" for text in texts[:MAX_LISTED_BANDS])
    return listed if len(texts) <= MAX_LISTED_BANDS else f"{listed} and {len(texts) - MAX_LISTED_BANDS} more"
