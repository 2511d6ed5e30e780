"""Recognises the bands of a scene from all evidence together.

The evidence on one band, the strongest first: a stated wavelength, words (`blue`), the name that a sensor gives the
band (`B8A`), a colour tag. Sensors share names (B5 is red edge for one, near infrared for another), so all names are
interpreted together, by one sensor:

- a sensor that file names, product ids or platforms state is preferred;
- a sensor is ruled out if it has no band of a name that occurs (B8A, B12), or contradicts a word or wavelength;
- so it is if its names do not give blue, green and red, or if one means a band that is used alone (panchromatic);
- so it is if a layer occurs that its products do not have (QA_PIXEL is Landsat's, SCL Sentinel-2's);
- a selection of more than the visible bands usually has near infrared, and has the second short-wave infrared band only
  with the first: sensors that contradict this are ruled out, unless no sensor would be left.

The sensors that are left must agree; else the scene is refused with the options to type. There is no majority vote.
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
from geocloud.readers.bands.sensors import SENSORS, SHARED_FAMILIES, Sensor, stated_sensors

_COUNTED = re.compile(r"(.*[a-z])[ _.-](\d+)", re.IGNORECASE)
_BRACKETED = re.compile(r"(?:b|band|layer|channel|ch)?[ _#.-]*\d+ ?\((.*)\)", re.IGNORECASE)
ALPHA = "alpha"
"""Text of the hint of an alpha or mask band."""


@dataclass(frozen=True, slots=True)
class BandHint:
    """What a scene says of one of its bands."""

    text: str = ""
    """Its description, name or file name; empty if it has none."""
    wavelength: float | None = None
    """Stated central wavelength in micrometres."""
    common: str = ""
    """Common name, if the metadata have a field for it; `-`: none of the common bands."""
    colour: str = ""
    """`red`, `green` or `blue` if the file tags the band so; else empty."""


@dataclass(frozen=True, slots=True)
class NamedBand:
    """One band that was recognised."""

    band: str
    """Common name; empty if it is none of the common bands."""
    evidence: str
    """Why, in words."""
    rank: tuple[int, float] = (0, 0.0)
    """If several bands have one name, the band of the lowest rank is read."""


@dataclass(frozen=True, slots=True)
class BandEvidence:
    """What was recognised of all bands."""

    bands: tuple[NamedBand | None, ...]
    """One per hint; None: nothing says which band it is."""
    sensor: Sensor | None = None
    guess: str = ""
    """What was inferred from which bands users usually select; empty: everything is stated."""
    readings: Mapping[str, Mapping[str, int]] | None = None
    """Sensor -> common name -> number of the hint from 1, if several sensors fit and differ: the scene is ambiguous."""

    def numbers(self) -> dict[str, int]:
        """Common name -> number from 1 of the best hint for it, in the order of COMMON_NAMES."""
        return choose(self.bands)


def choose(bands: Sequence[NamedBand | None]) -> dict[str, int]:
    """Common name -> number from 1 of its band with the lowest rank, in the order of COMMON_NAMES."""
    ranked = sorted((band.rank, number, band.band) for number, band in enumerate(bands, start=1) if band and band.band)
    best: dict[str, int] = {}
    for _, number, name in ranked:
        best.setdefault(name, number)
    return dict(sorted(best.items(), key=lambda item: COMMON_NAMES.index(item[0])))


def read_evidence(
    hints: Sequence[BandHint], texts: str = "", *, numbers_mean_bands: bool = False, alone: bool = False
) -> BandEvidence:
    """Recognise the bands.

    Args:
        hints: one per band, in order.
        texts: file name, folder, product id, platform: all that can state the sensor.
        numbers_mean_bands: True: `B1`, `B2`, `B3` in this order are a sensor's names even if no sensor is stated;
            False: they are then only running numbers.
        alone: names of bands that are usually used alone (panchromatic) do not rule a sensor out.
    """
    stated, hints = stated_sensors(texts), _without_counter(_unbracketed(hints))
    named = _own_names(hints)
    tokens = [None if is_quality(hint.text) else product_token(hint.text) for hint in hints]
    running = are_running([hint.text for hint in hints])
    if running and not numbers_mean_bands and not (stated and all(_is_plain(hint.text) for hint in hints)):
        tokens = [None] * len(hints)
    readings, by_statement = _readings(hints, tokens, named, stated, alone=alone)
    if not by_statement and all(_is_odd(sensor, bands, tokens) for sensor, bands in readings.items()):
        readings, _ = _readings(hints, tokens, named, stated, alone=True)
    chosen, guess = _without_odd(readings, tokens)
    if not chosen:
        return BandEvidence(_with_colours(named, hints), None)
    distinct = {tuple(choose(bands).items()) for bands in chosen.values()}
    if len(distinct) > 1 and not _has_visible(named):
        return BandEvidence(
            _with_colours(named, hints), readings={sensor.sensor: choose(bands) for sensor, bands in chosen.items()}
        )
    if len(distinct) > 1:
        return BandEvidence(_with_colours(named, hints))
    sensor = next(iter(chosen))
    known_sensor = sensor if len(chosen) == 1 or sensor in stated else None
    return BandEvidence(_with_colours(chosen[sensor], hints), known_sensor, "" if by_statement else guess)


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
    """Sensor -> the bands by its names, of the sensors that fit and give blue, green and red; True if they are stated.

    Stated sensors go before all others. With `alone`, names of bands that are usually used alone do not rule out.
    """
    layers = [hint.text for hint in hints]
    fitting = [
        sensor
        for sensor in SENSORS
        if _fits(sensor, tokens, named, stated, alone=alone) and not _foreign_signs(sensor, layers)
    ]
    by_statement = [sensor for sensor in fitting if sensor in stated]
    candidates = by_statement or [sensor for sensor in fitting if not sensor.only_stated]
    by_sensor = {sensor: _merged(sensor, tokens, named, hints) for sensor in candidates}
    return {sensor: bands for sensor, bands in by_sensor.items() if _has_visible(bands)}, bool(by_statement)


def named_at_all(hints: Sequence[BandHint], texts: str = "") -> set[str]:
    """The common names by the sensor that gives most of blue, green and red: a message can say which is missing."""
    stated, named = stated_sensors(texts), _own_names(hints)
    tokens = [product_token(hint.text) for hint in hints]
    fitting = (_merged(sensor, tokens, named, hints) for sensor in SENSORS if _fits(sensor, tokens, named, stated))
    name_sets = [{band.band for band in bands if band} for bands in (named, *fitting)]
    return max(name_sets, key=lambda names: len(names & set(VISIBLE))) - {""}


def _unbracketed(hints: Sequence[BandHint]) -> Sequence[BandHint]:
    """Keep only the names in brackets if they follow running numbers: `Band 1 (B02)`, `Band 2 (B03)`."""
    inner = [match[1] for hint in hints if (match := _BRACKETED.fullmatch(hint.text))]
    are_names = any(product_token(text) or name_word(text) for text in inner) and not are_running(inner)
    if len(hints) < len(VISIBLE) or len(inner) < len(hints) or not are_names:
        return hints
    return [replace(hint, text=text) for hint, text in zip(hints, inner, strict=True)]


def _without_counter(hints: Sequence[BandHint]) -> Sequence[BandHint]:
    """Drop the number at the end of all names if it is the same, as that of a date: `blue_1`, `green_1`, `red_1`."""
    matches = [match for hint in hints if (match := _COUNTED.fullmatch(hint.text))]
    if len(hints) < len(VISIBLE) or len(matches) < len(hints) or len({match[2] for match in matches}) > 1:
        return hints
    return [replace(hint, text=match[1]) for hint, match in zip(hints, matches, strict=True)]


def _foreign_signs(sensor: Sensor, layers: Sequence[str]) -> bool:
    """True if there is a layer such as SCL that products of other sensors have, and those of this sensor have not."""
    return any(_is_layer(layer) and not (sensor.signs and _is_sign(sensor.signs, layer)) for layer in layers)


def _is_layer(text: str) -> bool:
    """True for a layer that products have beside their bands, such as SCL."""
    return any(sensor.signs and _is_sign(sensor.signs, text) for sensor in SENSORS)


def _is_sign(signs: str, layer: str) -> bool:
    """True if one of a sensor's `signs`, a regular expression, is a word of the layer's name."""
    return re.search(rf"(?:^|[^a-z0-9])(?:{signs})(?:$|[^a-z0-9])", layer, re.IGNORECASE) is not None


def _own_names(hints: Sequence[BandHint]) -> list[NamedBand | None]:
    """What each band's own hint says, without a sensor.

    If there is a `swir3`, the numbers of the short-wave infrared bands differ from the common ones. Without a `swir1`,
    as in Digital Earth Australia's Sentinel-2, `swir2` is at 1.6 micrometres; otherwise the numbers say nothing.
    Beside `swir2` alone, `swir` is at 1.6.
    """
    named = [_own_name(hint) for hint in hints]
    words = [name_word(hint.text) for hint in hints]
    compacted = ["".join(compact(hint.text)) for hint in hints]
    ends = {text[-5:] for text in compacted}
    if "swir2" in ends and not ends & {"swir1", "swir3"}:
        plain = [n for n, text in enumerate(compacted) if text.endswith("swir") and named[n] is None]
        if len(plain) == 1:
            named[plain[0]] = NamedBand("swir16", f"word in {hints[plain[0]].text!r}, beside swir2")
    if "swir3" not in ends:
        return named
    shifted = "swir1" not in ends
    for index, (text, word) in enumerate(zip(compacted, words, strict=True)):
        if not text.endswith(("swir1", "swir2", "swir3")) or (named[index] and word is None and not shifted):
            continue
        band = {"swir2": "swir16", "swir3": "swir22"}.get(text[-5:], "") if shifted else ""
        named[index] = NamedBand(band, f"word in {hints[index].text!r}, numbered from 2")
    return named


def _own_name(hint: BandHint) -> NamedBand | None:
    """The band by its own metadata, wavelength or words (but not those of one family's names); None if by none."""
    token = product_token(hint.text)
    if not hint.common and (is_quality(hint.text) or (token is None and _is_layer(hint.text))):
        return NamedBand("", "")
    wavelength = hint.wavelength if hint.wavelength is not None else wavelength_in(hint.text)
    word = None if token and token[0] not in SHARED_FAMILIES else name_word(hint.text)
    common = name_word(hint.common) if hint.common else None
    stated_name = (common or word or ("", 0))[0]
    if wavelength is not None:
        name = stated_name if stated_name and within(stated_name, wavelength) else name_wavelength(wavelength)
        narrow = _is_narrow(hint)
        distance = round(abs(wavelength - CENTRES[name]), 6) if name else 0.0
        return NamedBand(name, f"wavelength {wavelength:.4g} µm", (narrow, distance)) if name else NamedBand("", "")
    if hint.common:
        band = common[0] if common else ""
        return NamedBand(band, f"common name {hint.common}", (_is_narrow(hint), 0.0)) if band else NamedBand("", "")
    if word is None:
        return None
    rank = max(word[1], _is_narrow(hint)), 0.0
    return NamedBand(word[0], f"word in {hint.text!r}", rank) if word[0] else NamedBand("", "")


def _is_narrow(hint: BandHint) -> int:
    """1 for a narrow near-infrared band such as B8A, 0 otherwise: the broad band is read first."""
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
    """True if the sensor has a band for every name that occurs and contradicts no other evidence on a band."""
    if not any(tokens) or (sensor.only_stated and sensor not in stated):
        return False
    present = [(token, own) for token, own in zip(tokens, named, strict=True) if token is not None]
    return all(
        family in sensor.families
        and name in sensor.bands
        and (alone or name not in sensor.alone or sensor in stated)
        and (name not in sensor.comes_with or (family, sensor.comes_with[name]) in tokens)
        and _agree(sensor.bands[name], own)
        for (family, name), own in present
    )


def _agree(by_sensor: str, own: NamedBand | None) -> bool:
    """True unless the band by a sensor's name contradicts the band's own evidence; only scored bands can contradict."""
    return own is None or own.band == by_sensor or not {own.band, by_sensor} & set(SCORED)


def _merged(
    sensor: Sensor,
    tokens: Tokens,
    named: Sequence[NamedBand | None],
    hints: Sequence[BandHint],
) -> NamedBands:
    """The bands by their own evidence, or else by the sensor's names."""
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


def _has_visible(bands: Sequence[NamedBand | None]) -> bool:
    """True if blue, green and red are all there."""
    return set(VISIBLE) <= {band.band for band in bands if band}


def _without_odd(readings: Readings, tokens: Tokens) -> tuple[Readings, str]:
    """The readings of sensors with a usual selection of bands, if there are any, and what was decided so, in words."""
    if len({tuple(choose(bands).items()) for bands in readings.values()}) < 2:
        return readings, ""
    usual = {sensor: bands for sensor, bands in readings.items() if not _is_odd(sensor, bands, tokens)}
    if not usual or len(usual) == len(readings):
        return readings, ""
    others = ", ".join(sensor.sensor for sensor in readings if sensor not in usual)
    return usual, f"names of {' or '.join(sensor.sensor for sensor in usual)}, not {others}, by what is there"


def _is_odd(sensor: Sensor, bands: NamedBands, tokens: Tokens) -> bool:
    """True for further bands than the visible without near infrared, swir22 without swir16, or a name unpaired."""
    names = {band.band for band in bands if band and band.band}
    further = sum(band is None or band.band not in ("coastal", *VISIBLE) for band in bands)
    present = {token[1] for token in tokens if token}
    unpaired = any(name in present and partner not in present for name, partner in sensor.odd_without.items())
    return unpaired or (further > 0 and "nir" not in names) or ("swir22" in names and "swir16" not in names)


def _with_colours(bands: Sequence[NamedBand | None], hints: Sequence[BandHint]) -> NamedBands:
    """Use colour tags if names do not give blue, green and red, nor contradict a tag, as in false-colour pictures."""
    named = list(bands)
    contradicted = any(
        band and band.band and hint.colour not in ("", band.band) for hint, band in zip(hints, bands, strict=True)
    )
    if not contradicted and not _has_visible(bands) and set(VISIBLE) <= {hint.colour for hint in hints}:
        for index, (hint, band) in enumerate(zip(hints, bands, strict=True)):
            if hint.colour:
                named[index] = NamedBand(hint.colour, "colour tag")
            elif band is not None and band.band in VISIBLE:
                named[index] = None
    return tuple(named)
