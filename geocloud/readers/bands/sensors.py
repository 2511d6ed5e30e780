"""What is known of sensors, as data: the names of their bands, and how names of files, ids and platforms state them.

To add a sensor, add a `Sensor` to SENSORS. Nothing else has to change. The functions at the end recognise sensors, and
the products whose data are in `known_products.py`, by names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from geocloud.readers.bands.known_products import (
    NO_SCENES,
    ORDERS,
    PRODUCTS,
    TRUE_COLOUR,
    WITHOUT_BLUE,
    NoScene,
    Order,
    Product,
)
from geocloud.readers.bands.spec import Radiometry

_TCI_NAME = re.compile(r"(?:^|[/\\_\s])TCI(?P<metres>_[126]0m)?\.[^/\\]*$", re.IGNORECASE)
FAMILIES = {
    "dea": r"(?:^|[^a-z0-9])(?:nbart?|oa)_([a-z_]+(?:_\d)?)$",
    "modis": r"(?:sur_refl_b0?|nadir_reflectance_band|brdf\w*_band_?|\d ?m surface reflectance band )(\d)(?:$|[^0-9])",
    "olci": r"(?:^|[^a-z0-9])oa(\d\d)(?:_reflectance|_radiance|$)",
    "viirs": r"(?:^|surfreflect_)([mi]\d{1,2})(?:_\d)?$",
    "landsat sr": r"(?:^|[^a-z0-9])(sr|st)_?(b\d{1,2})(?:$|[^a-z0-9])",
    "landsat ta": r"(?:^|[^a-z0-9])ta(b\d{1,2})(?:$|[^a-z0-9])",
    "numbers": r"(?:^|[^a-z0-9])(?:toa_)?(b)(?:and)?[ _-]?0?(\d{1,2}|8a)(?:$|[^a-z0-9])",
}
"""Ways to name bands -> regular expression, case ignored, whose groups are the name; the first that fits a text counts.

The last is shared by many sensors: which one is meant, all names of a scene tell together.
"""
SHARED_FAMILIES = ("numbers", "landsat sr", "landsat ta")


@dataclass(frozen=True, slots=True, eq=False)
class Sensor:
    """One family of sensors whose products name their bands alike."""

    sensor: str
    bands: Mapping[str, str]
    """Every band by its name in products -> common name; empty for bands that models do not take."""
    stated: str
    """Regular expression, case ignored, found in file names, product ids and platforms of it."""
    families: tuple[str, ...] = ("numbers",)
    narrow: tuple[str, ...] = ()
    """Bands that stand in only where a wide one of the same name is absent."""
    alone: tuple[str, ...] = ()
    """Bands of another pixel size, which are not stacked with the others: panchromatic ones."""
    comes_with: Mapping[str, str] = field(default_factory=dict)
    """Band -> another that is there wherever it is."""
    nodata: float | None = None
    """What whole numbers without a tag have where there is no data; None: nothing is known."""
    only_stated: bool = False
    """True where its names say too little: it must be stated."""
    signs: str = ""
    """Regular expression, case ignored, of other layers that its products have: they rule out sensors without them."""
    odd_without: Mapping[str, str] = field(default_factory=dict)
    """Band -> another that hardly anyone leaves out beside it."""


def _named(text: str) -> dict[str, str]:
    """`B1=coastal B6` as {"B1": "coastal", "B6": ""}."""
    return {name: common for name, _, common in (part.partition("=") for part in text.split())}


LANDSAT_FAMILIES = ("numbers", "landsat sr", "landsat ta")
SENTINEL2 = Sensor(
    "Sentinel-2",
    _named("B1=coastal B2=blue B3=green B4=red B5=rededge B6 B7 B8=nir B8A=nir B9 B10=cirrus B11=swir16 B12=swir22"),
    r"(?:^|[^a-z0-9])S2[A-D]?(?:[_-]|MSI|$)|(?:^|[/\\_])T\d{2}[A-Z]{3}_\d{8}T\d{6}|sentinel-?_?2|HLS\.S30|HLSS30"
    r"|SEN2[A-D]",
    narrow=("B8A",),
    nodata=0,
    signs=r"SCL|QA[126]0|AOT|WVP|TCI_[RGB]|MSK_\w+|B0?8A",
    odd_without={"B7": "B6", "B11": "B12"},
)
_LANDSAT_SIGNS = r"QA_PIXEL|QA_RADSAT|BQA|PIXEL_QA|RADSAT_QA|ST_[A-Z]\w*"
LANDSAT_8_9 = Sensor(
    "Landsat 8-9",
    _named(
        "B1=coastal B2=blue B3=green B4=red B5=nir B6=swir16 B7=swir22 B8 B9=cirrus B10 B11 SRB1=coastal SRB2=blue "
        "SRB3=green SRB4=red SRB5=nir SRB6=swir16 SRB7=swir22 STB10"
    ),
    r"L[COT]0[89]_|landsat[-_ ]?[89]|HLS\.L30|HLSL30|LND0[89]|ls[89]c",
    LANDSAT_FAMILIES,
    alone=("B8",),
    comes_with={"B11": "B10"},
    nodata=0,
    signs=rf"{_LANDSAT_SIGNS}|SR_QA_AEROSOL|SR_AEROSOL",
)
LANDSAT_4_7 = Sensor(
    "Landsat 4-7",
    _named(
        "B1=blue B2=green B3=red B4=nir B5=swir16 B6 B7=swir22 B8 SRB1=blue SRB2=green SRB3=red SRB4=nir "
        "SRB5=swir16 SRB7=swir22 STB6"
    ),
    r"L[ET]0[4-7]_|landsat[-_ ]?[457]|LND0[457]|ls[57][et]",
    LANDSAT_FAMILIES,
    alone=("B8",),
    nodata=0,
    signs=rf"{_LANDSAT_SIGNS}|SR_ATMOS_OPACITY|SR_CLOUD_QA|B6_VCID_\d",
)
CBERS_MUX = Sensor("CBERS-4 MUX", _named("B5=blue B6=green B7=red B8=nir"), r"CBERS[-_]?4A?[-_]?MUX", nodata=0)
CBERS_WFI = Sensor("CBERS-4 WFI", _named("B13=blue B14=green B15=red B16=nir"), r"CBERS[-_]?4A?[-_]?WFI", nodata=0)
_FIRST_FOUR = _named("B0 B1=blue B2=green B3=red B4=nir")
CBERS_WPM = Sensor("CBERS-4A WPM", _FIRST_FOUR, r"CBERS[-_]?4A[-_]?WPM", nodata=0, only_stated=True)
AMAZONIA_WFI = Sensor(
    "Amazonia-1 WFI",
    _named("B1=blue B2=green B3=red B4=nir B13=blue B14=green B15=red B16=nir"),
    r"AMAZONIA[-_]?1[-_]?WFI",
    nodata=0,
    only_stated=True,
)
"""Files are numbered from 1; the charter's catalogue numbers the same bands 13 to 16."""
PLEIADES = Sensor(
    "Pléiades, SPOT 6 and 7",
    _named("P B0=blue B1=green B2=red B3=nir"),
    r"(?:^|[/\\_])(?:IMG_|DIM_)?(?:PHR1[AB]|SPOT[67])",
    nodata=0,
    only_stated=True,
)
"""Airbus, Pléiades Imagery User Guide: bands by the BAND_ID of the product's DIMAP document."""
VENUS = Sensor(
    "VENµS",
    _named("B1 B2=coastal B3=blue B4=green B5 B6 B7=red B8=rededge B9 B10 B11=nir B12"),
    r"(?:^|[^a-z0-9])VENUS(?:-XS)?_",
    only_stated=True,
)
"""eoPortal, VENµS, VSSC: B3 at 490 nm, B4 at 555, B7 at 667, B8 at 702, B11 at 865; B5 and B6 at 620."""
ALI = Sensor(
    "EO-1 ALI",
    _named("B1 B2=coastal B3=blue B4=green B5=red B6 B7=nir B8 B9=swir16 B10=swir22"),
    r"(?:^|[^a-z0-9])EO1A\d",
    alone=("B1",),
    only_stated=True,
)
"""USGS, EO-1 User Guide: B1 is panchromatic, B2 at 443 nm, B6 at 790, B7 at 868."""
OLCI = Sensor(
    "Sentinel-3 OLCI",
    _named("01 02 03=coastal 04=blue 05 06=green 07 08=red 09 10 11=rededge 12 13 14 15 16 17=nir 18 19 20 21"),
    r"(?:^|[^a-z0-9])S3[AB]_OL_|OLCI",
    ("olci",),
)
"""ESA, Sentinel-3 OLCI User Guide: Oa04 at 490 nm, Oa06 at 560, Oa08 at 665, Oa11 at 709, Oa17 at 865."""
MODIS = Sensor("MODIS", _named("1=red 2=nir 3=blue 4=green 5 6=swir16 7=swir22"), r"M[OYC]D(?:09|43)|MODIS", ("modis",))
VIIRS = Sensor(
    "VIIRS",
    _named("M1 M2 M3=blue M4=green M5=red M6 M7=nir M8 M9=cirrus M10=swir16 M11=swir22 M12 M13 M14 M15 M16 I1 I2 I3"),
    r"V[NJ][P1]09|VIIRS",
    ("viirs",),
)
DEA_SENTINEL2 = Sensor(
    "Sentinel-2 of Digital Earth Australia",
    _named(
        "COASTAL_AEROSOL=coastal BLUE=blue GREEN=green RED=red RED_EDGE_1=rededge RED_EDGE_2 RED_EDGE_3 NIR_1=nir "
        "NIR_2=nir SWIR_2=swir16 SWIR_3=swir22"
    ),
    r"ga_s2[abc]m?_",
    ("dea",),
    narrow=("NIR_2",),
)
DEA_LANDSAT = Sensor(
    "Landsat of Digital Earth Australia",
    _named("COASTAL_AEROSOL=coastal BLUE=blue GREEN=green RED=red NIR=nir SWIR_1=swir16 SWIR_2=swir22 PANCHROMATIC"),
    r"ga_ls[5-9][tec]_",
    ("dea",),
)
SENSORS = (
    *(SENTINEL2, LANDSAT_8_9, LANDSAT_4_7, CBERS_MUX, CBERS_WFI, CBERS_WPM, AMAZONIA_WFI, PLEIADES, VENUS, ALI),
    *(OLCI, MODIS, VIIRS, DEA_SENTINEL2, DEA_LANDSAT),
)
SENTINEL2_BANDS = tuple(SENTINEL2.bands)
"""Sentinel-2's bands by the number that product metadata give them, from 0."""
SENTINEL2_BASELINES = range(6)
"""Major numbers of the processing baselines known so far (01 to 05; 00 in trials)."""
SENTINEL2_OFFSET_FROM = "20220125"
"""Day from which products are made with baseline 04.00, whose numbers are 1000 higher."""
OFFSET_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied", "sentinel2:boa_offset_applied")
"""Properties of STAC items that say that the offset is in the files already."""
BASELINE_KEYS = (
    *("s2:processing_baseline", "sentinel:processing_baseline", "sentinel2:processing_baseline"),
    "processing:version",
)
"""Properties of STAC items that hold Sentinel-2's processing baseline; the last is of other sensors too."""
QUALITY = r"(?:.*_)?(?:QA_PIXEL|BQA|PIXELQA)(?:\.tiff?)?"
"""Regular expression, case ignored, of names of Landsat's quality band."""


def stated_sensors(texts: str) -> tuple[Sensor, ...]:
    """The sensors that file names, ids and platforms speak of."""
    return tuple(sensor for sensor in SENSORS if re.search(sensor.stated, texts, re.IGNORECASE))


def lacks_blue(texts: str) -> str:
    """The sensor that file names or ids speak of and that has no blue band; empty if they speak of none."""
    found = (name for name, known in WITHOUT_BLUE.items() if re.search(known, texts, re.IGNORECASE))
    return next(found, "")


def no_scene(name: str, labels: Sequence[str] = (), files: Sequence[str] = ()) -> str:
    """What a file or folder is that holds no optical scene, and the way out; empty if its names do not tell.

    Args:
        name: of the file or folder, without the folders above it.
        labels: the names of its bands.
        files: the names of its files.
    """

    def fits(known: NoScene) -> bool:
        by_name, *by_files = (re.search(known.names, text, re.IGNORECASE) is not None for text in (name, *files))
        by_labels = [re.fullmatch(known.labels, label, re.IGNORECASE) is not None for label in labels if known.labels]
        return by_name or any(bool(each) and all(each) for each in (by_files, by_labels))

    return next((known.what for known in NO_SCENES if fits(known)), "")


def named_product(texts: str) -> Product | None:
    """The product that the names of its files tell, or None."""
    return next((known for known in PRODUCTS if re.search(known.file_name, texts, re.IGNORECASE)), None)


def named_order(file_name: str, count: int) -> Order | None:
    """The order of `count` bands that a file's name tells, or None."""
    fitting = (order for order in ORDERS if len(order.bands.split()) == count)
    return next((order for order in fitting if re.search(order.file_name, file_name, re.IGNORECASE)), None)


def true_colour(name: str) -> Radiometry | None:
    """The scale of a Sentinel-2 true-colour image, recognised by the path of its file; None for any other file.

    File names of Level 2A hold the pixel size. Without it, the last level in the path counts, or else it is Level 1C.
    """
    match = _TCI_NAME.search(name)
    if not match:
        return None
    levels = re.findall("L1C|L2A", name.upper())
    level = "L2A" if match["metres"] else (levels or ["L1C"])[-1]
    top, white = TRUE_COLOUR[level]
    origin = f"a true-colour image of Sentinel-2 {level}, 255 read as reflectance {white}; --scale if not"
    return Radiometry(top / 255, 0.0, origin, beyond=white - top)
