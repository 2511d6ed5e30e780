"""Which band is which, from all evidence of a scene together.

Of one band: a stated wavelength, then words (`blue`), then the name that a sensor gives it (`B8A`), at last a colour.
Names of sensors overlap (B5 is red edge for one, near infrared for another), so they are read together:

- what file names, product ids and platforms state goes first;
- a sensor that lacks a name that is there (B8A, B12), or contradicts a word or wavelength, is ruled out;
- so is one by whose names blue, green and red are not all there, or of whose bands one stands alone (panchromatic);
- so is one whose products lack a layer that is there (QA_PIXEL is Landsat's, SCL Sentinel-2's);
- a selection that holds more than the visible bands holds the near infrared, and the second short-wave infrared band
  comes with the first: sensors by which it would not be so are ruled out where one is left.

What is left must agree; else the scene is refused with the lines to type. Nothing is decided by counting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from geocloud.readers.bands.names import (
    CENTRES,
    COMMON_NAMES,
    NARROW_WORDS,
    SCORED,
    VISIBLE,
    are_running,
    compact,
    is_quality,
    name_wavelength,
    name_word,
    product_token,
    wavelength_in,
    within,
)
from geocloud.readers.bands.sensors import SENSORS, SHARED_FAMILIES, Order, Sensor, stated_sensors

_COUNTED = re.compile(r"(.*[a-z])[ _.-](\d+)", re.IGNORECASE)
_BRACKETED = re.compile(r"(?:b|band|layer|channel|ch)?[ _#.-]*\d+ ?\((.*)\)", re.IGNORECASE)
ALPHA = "alpha"
"""Text of the hint of a band that masks instead of measuring."""


@dataclass(frozen=True, slots=True)
class BandHint:
    """What a scene says of one of its bands."""

    text: str = ""
    """Its description, name or file name; empty where it has none."""
    wavelength: float | None = None
    """Stated centre in micrometres."""
    common: str = ""
    """Common name that metadata state in a field of its own."""
    colour: str = ""
    """`red`, `green` or `blue` where the file tags the band so."""
    sure: bool = True
    """False where the common name is only an order that a file name tells."""


@dataclass(frozen=True, slots=True)
class NamedBand:
    """One band that was understood."""

    band: str
    evidence: str
    """In words."""
    rank: tuple[int, float] = (0, 0.0)
    """Of several bands with one name the lowest is read."""


@dataclass(frozen=True, slots=True)
class BandEvidence:
    """What was understood of all bands."""

    bands: tuple[NamedBand | None, ...]
    """One for each hint, with an empty name where it is none of the common bands; None where nothing says which."""
    sensor: Sensor | None = None
    guess: str = ""
    """What was decided by what users select rather than by what is stated; empty where all is stated."""
    readings: Mapping[str, Mapping[str, int]] | None = None
    """Sensor -> common name -> number of the hint from 1, of sensors that fit alike: the scene is ambiguous."""

    def numbers(self) -> dict[str, int]:
        """Common name -> number of the hint from 1, the best of each name, in the order of COMMON_NAMES."""
        return choose(self.bands)


def choose(bands: Sequence[NamedBand | None]) -> dict[str, int]:
    """Common name -> number from 1 of the band of the lowest rank."""
    found = sorted((band.rank, number, band.band) for number, band in enumerate(bands, start=1) if band and band.band)
    best: dict[str, int] = {}
    for _, number, name in found:
        best.setdefault(name, number)
    return dict(sorted(best.items(), key=lambda item: COMMON_NAMES.index(item[0])))


def read_evidence(hints: Sequence[BandHint], texts: str = "", *, numbers_mean_bands: bool = False) -> BandEvidence:
    """What the bands are.

    Args:
        hints: one per band, in order.
        texts: file name, folder, product id, platform: all that may state the sensor.
        numbers_mean_bands: False: `B1`, `B2`, `B3` in that order are running numbers unless a sensor is stated.
    """
    stated, hints = stated_sensors(texts), _without_counter(_unbracketed(hints))
    named = _own_names(hints)
    tokens = [None if is_quality(hint.text) else product_token(hint.text) for hint in hints]
    running = are_running([hint.text for hint in hints])
    if running and not numbers_mean_bands and not (stated and all(_is_plain(hint.text) for hint in hints)):
        tokens = [None] * len(hints)
    readings, by_statement = _readings(hints, tokens, named, stated)
    if not by_statement and all(_odd(sensor, bands, tokens) for sensor, bands in readings.items()):
        readings, _ = _readings(hints, tokens, named, stated, alone=True)
    chosen, guess = _likely(readings, tokens)
    if not chosen:
        return BandEvidence(_coloured(named, hints), None)
    distinct = {tuple(choose(bands).items()) for bands in chosen.values()}
    if len(distinct) > 1 and not _visible(named):
        return BandEvidence(
            _coloured(named, hints), readings={sensor.sensor: choose(bands) for sensor, bands in chosen.items()}
        )
    if len(distinct) > 1:
        return BandEvidence(_coloured(named, hints))
    sensor = next(iter(chosen))
    known_sensor = sensor if len(chosen) == 1 or sensor in stated else None
    return BandEvidence(_coloured(chosen[sensor], hints), known_sensor, "" if by_statement else guess)


Tokens = Sequence[tuple[str, str] | None]
NamedBands = tuple[NamedBand | None, ...]
Readings = Mapping[Sensor, NamedBands]


def _readings(
    hints: Sequence[BandHint],
    tokens: Tokens,
    named: Sequence[NamedBand | None],
    stated: Sequence[Sensor],
    *,
    alone: bool = False,
) -> tuple[Readings, bool]:
    """Sensor -> its reading, of those that fit and by which blue, green and red are there; True where they are stated.

    `alone` True: also of those of whose bands one usually stands alone.
    """
    layers = [hint.text for hint in hints]
    fitting = [
        sensor
        for sensor in SENSORS
        if _fits(sensor, tokens, named, stated, alone=alone) and not _foreign_signs(sensor, layers)
    ]
    by_statement = [sensor for sensor in fitting if sensor in stated]
    candidates = by_statement or [sensor for sensor in fitting if not sensor.only_stated]
    found = {sensor: _merged(sensor, tokens, named, hints) for sensor in candidates}
    return {sensor: bands for sensor, bands in found.items() if _visible(bands)}, bool(by_statement)


def named_at_all(hints: Sequence[BandHint], texts: str = "") -> set[str]:
    """Common names that are there for the sensor by which most of blue, green and red are: what lacks, may be said."""
    stated, named = stated_sensors(texts), _own_names(hints)
    tokens = [product_token(hint.text) for hint in hints]
    fitting = (_merged(sensor, tokens, named, hints) for sensor in SENSORS if _fits(sensor, tokens, named, stated))
    found = [{band.band for band in bands if band} for bands in (named, *fitting)]
    return max(found, key=lambda names: len(names & set(VISIBLE))) - {""}


def _unbracketed(hints: Sequence[BandHint]) -> Sequence[BandHint]:
    """With names in brackets behind running numbers alone: `Band 1 (B02)`, `Band 2 (B03)`."""
    found = [match[1] for hint in hints if (match := _BRACKETED.fullmatch(hint.text))]
    telling = any(product_token(text) or name_word(text) for text in found) and not are_running(found)
    if len(hints) < len(VISIBLE) or len(found) < len(hints) or not telling:
        return hints
    return [replace(hint, text=text) for hint, text in zip(hints, found, strict=True)]


def _without_counter(hints: Sequence[BandHint]) -> Sequence[BandHint]:
    """Without one number behind all names, such as that of a date: `blue_1`, `green_1`, `red_1`."""
    found = [_COUNTED.fullmatch(hint.text) for hint in hints]
    named = [match for match in found if match]
    if len(hints) < len(VISIBLE) or len(named) < len(hints) or len({match[2] for match in named}) > 1:
        return hints
    return [replace(hint, text=match[1]) for hint, match in zip(hints, named, strict=True)]


def order_hints(order: Order) -> list[BandHint]:
    """What a product's document says of bands that have no names in the file."""
    return [BandHint(common=band or "-") for band in order.bands]


def _foreign_signs(sensor: Sensor, layers: Sequence[str]) -> bool:
    """True where a layer beside the bands belongs to the products of other sensors and not to this one's."""
    others = [other.signs for other in SENSORS if other.signs]
    return any(
        any(_is_sign(signs, layer) for signs in others) and not (sensor.signs and _is_sign(sensor.signs, layer))
        for layer in layers
    )


def _is_layer(text: str) -> bool:
    """True for a layer that products have beside their bands, such as SCL."""
    return any(sensor.signs and _is_sign(sensor.signs, text) for sensor in SENSORS)


def _is_sign(signs: str, layer: str) -> bool:
    return re.search(rf"(?:^|[^a-z0-9])(?:{signs})(?:$|[^a-z0-9])", layer, re.IGNORECASE) is not None


def _own_names(hints: Sequence[BandHint]) -> list[NamedBand | None]:
    """What each band says without its sensor.

    Short-wave infrared bands with numbers beyond 2 are of sensors that count them otherwise: where there is a third and
    no first, as of Digital Earth Australia's Sentinel-2, the second is at 1.6 micrometres; else numbers tell nothing.
    """
    named = [_own(hint) for hint in hints]
    words = [name_word(hint.text) for hint in hints]
    counted = ["".join(compact(hint.text)) for hint in hints]
    if not any(word.endswith("swir3") for word in counted):
        return named
    shifted = not any(word.endswith("swir1") for word in counted)
    for index, (word, known) in enumerate(zip(counted, words, strict=True)):
        if not word.endswith(("swir1", "swir2", "swir3")) or (named[index] and known is None and not shifted):
            continue
        band = {"swir2": "swir16", "swir3": "swir22"}.get(word[-5:], "") if shifted else ""
        named[index] = NamedBand(band, f"word in {hints[index].text!r}, numbered from 2")
    return named


def _own(hint: BandHint) -> NamedBand | None:
    """What a band says without its sensor: by metadata, wavelength or words; names of a family of its own say more."""
    token = product_token(hint.text)
    if not hint.common and (is_quality(hint.text) or (token is None and _is_layer(hint.text))):
        return NamedBand("", "")
    wavelength = hint.wavelength if hint.wavelength is not None else wavelength_in(hint.text)
    word = None if token and token[0] not in SHARED_FAMILIES else name_word(hint.text)
    common = name_word(hint.common) if hint.common else None
    said = (common or word or ("", 0))[0]
    if wavelength is not None:
        name = said if said and within(said, wavelength) else name_wavelength(wavelength)
        narrow = _narrow(hint)
        far = round(abs(wavelength - CENTRES[name]), 6) if name else 0.0
        return NamedBand(name, f"wavelength {wavelength:.4g} µm", (narrow, far)) if name else NamedBand("", "")
    if hint.common:
        band = common[0] if common else ""
        return NamedBand(band, f"common name {hint.common}", (_narrow(hint), 0.0)) if band else NamedBand("", "")
    if word is None:
        return None
    rank = max(word[1], _narrow(hint)), 0.0
    return NamedBand(word[0], f"word in {hint.text!r}", rank) if word[0] else NamedBand("", "")


def _narrow(hint: BandHint) -> int:
    words = {"".join(compact(text)) for text in (hint.common, hint.text)}
    token = product_token(hint.text)
    return int(bool(words & set(NARROW_WORDS)) or (token is not None and token[1] == "B8A"))


def _is_plain(text: str) -> bool:
    """True for `B1`, as sensors name bands; False for `Band 1`."""
    return text.strip().upper().startswith("B") and text.strip()[1:].isdigit()


def _fits(
    sensor: Sensor,
    tokens: Tokens,
    named: Sequence[NamedBand | None],
    stated: Sequence[Sensor],
    *,
    alone: bool = False,
) -> bool:
    """True for a sensor that has all names that are there and contradicts nothing that is said of a band."""
    if not any(tokens) or (sensor.only_stated and sensor not in stated):
        return False
    there = [(token, own) for token, own in zip(tokens, named, strict=True) if token is not None]
    return all(
        family in sensor.families
        and name in sensor.bands
        and (alone or name not in sensor.alone or sensor in stated)
        and (name not in sensor.comes_with or (family, sensor.comes_with[name]) in tokens)
        and _agree(sensor.bands[name], own)
        for (family, name), own in there
    )


def _agree(by_sensor: str, own: NamedBand | None) -> bool:
    """True where what a sensor calls a band does not contradict what is said of it; bands that no model takes may."""
    return own is None or own.band == by_sensor or not {own.band, by_sensor} & set(SCORED)


def _merged(
    sensor: Sensor,
    tokens: Tokens,
    named: Sequence[NamedBand | None],
    hints: Sequence[BandHint],
) -> NamedBands:
    """What each band is by its own evidence, else by the sensor's names."""
    merged: list[NamedBand | None] = []
    for token, own, hint in zip(tokens, named, hints, strict=True):
        narrow = int(token is not None and token[1] in sensor.narrow)
        if own is not None and own.band:
            merged.append(NamedBand(own.band, own.evidence, (max(own.rank[0], narrow), own.rank[1])))
        elif token:
            merged.append(NamedBand(sensor.bands[token[1]], f"{sensor.sensor}'s {hint.text}", (narrow, 0.0)))
        else:
            merged.append(own)
    return tuple(merged)


def _visible(bands: Sequence[NamedBand | None]) -> bool:
    """True where blue, green and red are all there."""
    return set(VISIBLE) <= {band.band for band in bands if band}


def _likely(readings: Readings, tokens: Tokens) -> tuple[Readings, str]:
    """Without sensors by which the selection would be odd, where one is left; and what was so decided."""
    if len({tuple(choose(bands).items()) for bands in readings.values()}) < 2:
        return readings, ""
    usual = {sensor: bands for sensor, bands in readings.items() if not _odd(sensor, bands, tokens)}
    if not usual or len(usual) == len(readings):
        return readings, ""
    others = ", ".join(sensor.sensor for sensor in readings if sensor not in usual)
    return usual, f"names of {' or '.join(sensor.sensor for sensor in usual)}, not {others}, by what is there"


def _odd(sensor: Sensor, bands: NamedBands, tokens: Tokens) -> bool:
    """True for more than the visible bands without near infrared, swir22 without swir16, or half of a pair."""
    names = {band.band for band in bands if band and band.band}
    more = sum(band is None or band.band not in ("coastal", *VISIBLE) for band in bands)
    there = {token[1] for token in tokens if token}
    halves = any(one in there and other not in there for one, other in sensor.odd_without.items())
    return halves or (more > 0 and "nir" not in names) or ("swir22" in names and "swir16" not in names)


def _coloured(bands: Sequence[NamedBand | None], hints: Sequence[BandHint]) -> NamedBands:
    """With colour tags where names do not give blue, green and red, nor contradict them as in false-colour pictures."""
    known = list(bands)
    stated_colour = any(
        band and band.band and hint.colour not in ("", band.band) for hint, band in zip(hints, bands, strict=True)
    )
    if not stated_colour and not _visible(bands) and set(VISIBLE) <= {hint.colour for hint in hints}:
        for index, (hint, band) in enumerate(zip(hints, bands, strict=True)):
            if hint.colour:
                known[index] = NamedBand(hint.colour, "colour tag")
            elif band is not None and band.band in VISIBLE:
                known[index] = None
    return tuple(known)
