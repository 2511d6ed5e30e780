"""What the text of one band says: its words, its wavelength, and the name that a sensor gives the band."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import dropwhile

from geocloud.readers.bands.sensors import FAMILIES

CENTRES = {
    "coastal": 0.443,
    "blue": 0.49,
    "green": 0.56,
    "red": 0.665,
    "rededge": 0.705,
    "nir": 0.842,
    "swir16": 1.61,
    "swir22": 2.2,
    "cirrus": 1.375,
}
"""Common name (as in STAC) of each band that geocloud distinguishes -> central wavelength in micrometres, that of
Sentinel-2."""
COMMON_NAMES = tuple(CENTRES)
SCORED = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
"""Bands that a scorer can use, in the order in which they are listed for users."""
VISIBLE = ("blue", "green", "red")
"""Bands that every scene must have."""


def band_order(band: str) -> tuple[int, str]:
    """Sort key of bands: common names first, in the order of COMMON_NAMES, then a sensor's own names."""
    return COMMON_NAMES.index(band) if band in COMMON_NAMES else len(COMMON_NAMES), band


RANGES = {
    "coastal": (0.40, 0.455),
    "blue": (0.455, 0.53),
    "green": (0.53, 0.60),
    "red": (0.62, 0.69),
    "nir": (0.77, 0.90),
    "rededge": (0.69, 0.79),
    "cirrus": (1.35, 1.40),
    "swir16": (1.55, 1.75),
    "swir22": (2.05, 2.35),
}
"""Common name -> (from, below) central wavelength in micrometres. Where two overlap, the band's name decides; without a
name, the first entry does."""
NARROW_WORDS = ("nir08", "narrownir", "nirnarrow", "nir2", "broadnir")

_WORDS = {
    "coastal": "coastal coastalblue coastalaerosol aerosol deepblue ultrablue costalblue violet",
    "blue": "blue b blu blau blauer blaue bleu bleue azul blauw blauwe blå",
    "green": "green xs1 g grn greenii grün grüner grüne gruen gruener vert verte verde groen groene grön grøn",
    "red": "red xs2 r rot roter rote rouge rojo roja vermelho vermelha rosso rossa rood rode röd rød",
    "rededge": "rededge rededge1 vegetationrededge vegetationrededge1 re re1",
    "nir": "nir broadnir xs3 n nir1 nir08 nearinfrared nearinfrared1 infrared nearir nearir1 nir08m widenir nirwide "
    "narrownir nirnarrow vnir nearinfra nearinfrarouge infrarouge procheinfrarouge infrarougeproche pir infrarrojo "
    "infrarrojocercano infrarosso infrarossovicino vicinoinfrarosso infravermelho infravermelhopróximo "
    "infravermelhoproximo infrarot nahesinfrarot nahinfrarot infrarood nabijinfrarood närainfraröd nærinfrarød",
    "swir16": "swir16 swir1 shortwaveinfrared1 shortwaveinfrared16 swirone shortinfrared1 shortwaveir1 swiri mir1 "
    "kurzwelligesinfrarot1 infrarougeàondescourtes1 infrarougeaondescourtes1 infrarrojodeondacorta1 "
    "infravermelhodeondascurtas1 infrarossoaondecorte1",
    "swir22": "swir22 swir2 shortwaveinfrared2 shortwaveinfrared22 swirtwo shortinfrared2 shortwaveir2 swirii mir2 "
    "kurzwelligesinfrarot2 infrarougeàondescourtes2 infrarougeaondescourtes2 infrarrojodeondacorta2 "
    "infravermelhodeondascurtas2 infrarossoaondecorte2",
    "cirrus": "cirrus cirrusband",
    "": "yellow greeni green1 farred nir2 nearinfrared2 nearir2 nir09 watervapour watervapor rededge2 rededge3 "
    "rededge4 vegetationrededge2 vegetationrededge3 re2 re3 thermalinfrared thermal infra "
    "alpha thermalir midinfrared cloudmask mask notred lwir pan panchromatic",
}
WORDS = {word: common for common, words in _WORDS.items() for word in words.split()}
"""Word in a description, without spaces -> common name; empty for a band that is none of the common ones."""
_NOISE = {
    *("band", "reflectance", "surface", "sr", "toa", "boa", "mean", "median", "mosaic", "first", "min", "max", "m"),
    *("channel", "layer", "refl", "rho", "the", "value", "values", "nm", "um", "date", "float", "raw"),
    *("kanal", "banda", "bande", "canal", "kanaal", "couche", "capa"),
}
_BARE = {"infrared", "infra", "infrarot", "infrarouge", "infrarrojo", "infrarosso", "infravermelho", "infrarood"}
"""Words that mean near infrared on their own, but not after other words: medium infrared, mittleres Infrarot."""
_NANOMETRES = re.compile(
    r"(?:^|[^0-9.])(?:(\d{3,4})\s*[-–]\s*)?(\d{3,4}(?:\.\d+)?)\s*(?:nm|nanomet\w*)\b"  # noqa: RUF001
    r"|(?:rho[stw]|rrs|refl)_(\d{3,4})(?!\d)"
)
_AFTER_WORD = re.compile(r"([a-z][a-z ]*)[ _-](\d{3,4})")
"""`blue-444`, `red edge-705`, `swir_1600`: a number after a word; it is nanometres if that word can have them."""
_NEAR = 0.06
_MICROMETRES = re.compile(r"(?:(\d?\.\d+)\s*[-–]\s*)?(\d?\.\d+)\s*(?:um|µm|μm|micromet\w*|microns?)\b")  # noqa: RUF001
_QUALITY = re.compile(
    r"(?:^|[^a-z])(?:msk_\w+|masks?|qa\d*|fmask|prob(?:ability)?|conf(?:idence)?|flags?|quality)(?:$|[^a-z])",
    re.IGNORECASE,
)
"""Names of masks and quality layers, which are no spectral bands: `MSK_CLASSI_CIRRUS` is no cirrus band."""
_RUNNING = re.compile(r"(?:b|band|bands|layer|channel|ch|raster|raster band|grey|gray)?[ _#.-]*0*(\d+)(?: ?\(.*\))?")
_COUNTER = re.compile(r"(?:band|layer|channel)[ _#.-]+(\d+)")
"""Names with a number; if each number is the band's position, the names say nothing else."""
_UNBRACKETED = re.compile(r"^[(\[](.*)[)\]]$")
_IN_ONE_WORD = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ][a-zà-ÿ])")
_PRODUCT_STYLE = re.compile(r"b(?:0[1-9]|1\d)")


def compact(text: str) -> list[str]:
    """The words of a text in lower case; digits right after letters belong to the word. `BlueMean` is two words."""
    lower = _IN_ONE_WORD.sub(" ", text).lower()
    return re.findall(r"[a-zà-ÿ]+\d*|\d+", lower.replace("infra-red", "infrared").replace("infra red", "infrared"))


def is_quality(text: str) -> bool:
    """True for the name of a mask, a probability or a quality layer."""
    return _QUALITY.search(text) is not None


def name_word(text: str) -> tuple[str, int] | None:
    """(common name, rank) by the words of a text; None if no word is known.

    The rank is 0 if the whole text means this band, and 1 if only its last words do. The name is empty if the words
    mean a band that is none of the common ones.
    """
    words = [word for word in compact(text) if word not in _NOISE and not word.isdigit()]
    digits = [word for word in compact(text) if word not in _NOISE]
    numbered = list(dropwhile(str.isdigit, digits))  # `6 SWIR 1`: band number 6, whose name is SWIR 1
    for tokens in (digits, numbered, words):
        whole = "".join(tokens)
        if whole in WORDS and whole:
            return WORDS[whole], 0
    for tokens in (digits, words):
        for start in range(1, len(tokens)):
            last = "".join(tokens[start:])
            if len(last) > 2 and last in WORDS and last not in _BARE:
                return WORDS[last], 1
    return None


def name_wavelength(micrometres: float) -> str:
    """The common name for a central wavelength; empty if it is in none of the RANGES."""
    return next((name for name, (low, high) in RANGES.items() if low <= micrometres < high), "")


def within(name: str, micrometres: float) -> bool:
    """True if a band of this common name can have this central wavelength."""
    low, high = RANGES[name]
    return low <= micrometres < high


def wavelength_in(text: str) -> float | None:
    """The central wavelength in micrometres that a text such as `443 nm` or `rhos_492` states; None if it states none.

    Of a range such as `450-520 nm` it is the middle.
    """
    lower = text.lower()
    nanometres = _NANOMETRES.search(lower)
    if nanometres:
        high = float(nanometres[2] or nanometres[3])
        return (float(nanometres[1] or high) + high) / 2000
    micrometres = _MICROMETRES.search(lower)
    if micrometres is None:
        return _wavelength_after_word(lower)
    high = float(micrometres[2])
    return (float(micrometres[1]) + high) / 2 if micrometres[1] else high


def _wavelength_after_word(text: str) -> float | None:
    match = _AFTER_WORD.fullmatch(text)
    word = name_word(match[1]) if match else None
    if match is None:
        return None
    micrometres = int(match[2]) / 1000
    if match[1].strip() in ("swir", "mir") and name_wavelength(micrometres) in ("swir16", "swir22"):
        return micrometres
    if not word or not word[0]:
        return None
    return micrometres if abs(micrometres - CENTRES[word[0]]) < _NEAR else None


def to_micrometres(value: object, unit: str = "") -> float | None:
    """A stated wavelength in micrometres; None if it is none. Without a unit, numbers above 100 are nanometres."""
    try:
        number = float(str(value).split()[0])
    except (ValueError, IndexError):
        return None
    if unit.lower().startswith("nano") or unit.lower() == "nm" or number > 100:
        number /= 1000
    return number if 0.2 < number < 50 else None


def product_token(text: str) -> tuple[str, str] | None:
    """(family, name) of a band as sensors name it, such as ("numbers", "B2") for `T33_B02_60m`; else None.

    FAMILIES lists the families of names.
    """
    for family, pattern in FAMILIES.items():
        match = re.search(pattern, text, re.IGNORECASE)
        if match:
            return family, "".join(part or "" for part in match.groups()).upper()
    return None


def product_band(text: str) -> str:
    """The numbered band in a text, such as `B2` for `S2A_..._B02_60m`; empty if there is none."""
    token = product_token(text)
    return token[1] if token and token[0] == "numbers" else ""


def are_running(texts: Sequence[str]) -> bool:
    """True for names such as `Band 1`, `Band 2` or `1`, `2`, whose numbers say nothing but the order.

    Names with a leading zero, such as `B01`, `B02`, are those that products give their bands.
    """
    lower = [_UNBRACKETED.sub(r"\1", text.strip().lower()) for text in texts]
    if any(_PRODUCT_STYLE.fullmatch(text) for text in lower):
        return False
    counted = {n: int(match[1]) for n, text in enumerate(lower, start=1) if (match := _COUNTER.fullmatch(text))}
    if len(counted) > 1 and all(n == number for n, number in counted.items()):  # `Gray Index`, `Band 2`, `Band 3`
        return True
    matches = [_RUNNING.fullmatch(text) for text in lower]
    first = next((match for match in matches if match), None)
    start = int(first[1]) if first else 1
    return start in (0, 1) and all(match and int(match[1]) == n for n, match in enumerate(matches, start=start))
