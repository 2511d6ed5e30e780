"""What is known of sensors and their products, as data: names of bands, scales, nodata, fill bits, file names.

To add a sensor, add a `Sensor` to SENSORS; to add a product whose numbers are read otherwise, a `Product` to PRODUCTS;
to add a file whose bands have an order but no names, an `Order` to ORDERS. Nothing else has to change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

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
WITHOUT_BLUE = {
    "Landsat's Multispectral Scanner (MSS)": r"(?:^|[^a-z0-9])LM0[1-5]_",
    "ASTER": r"(?:^|[^a-z0-9])AST_(?:L1|0[79])",
    "Resourcesat's LISS or AWiFS": r"(?:^|[^a-z0-9])(?:LISS[-_ ]?(?:[34]|III|IV)|AWIFS|BAND_META\.txt)(?:$|[^a-z0-9])",
    "SPOT 1 to 5": r"(?:^|[^a-z0-9])SPOT[-_ ]?[1-5](?:$|[-_ ])",
    "Pléiades Neo's file of near infrared, red edge and deep blue": r"PNEO\d_.*_NED(?:$|[^a-z])",
    "LandsatLook's natural colour (both infrareds and red)": r"L[COTE]0[4-9]_L1\w\w_\d{6}_.*_refl\.",
    "CBERS's PAN10M": r"CBERS_4A?_PAN10M",
}
"""Sensors that have no blue band -> regular expression, case ignored, found in names of their products."""
FALSE_COLOUR = r"(?:^|[^a-z])(?:f?cir|irc|irf|irrg|irg|nrg|nir[-_]?rg|false[-_ ]?colou?r)(?:$|[^a-z0-9])"
"""Regular expression, case ignored, found in names of pictures whose three bands are near infrared, red and green."""


@dataclass(frozen=True, slots=True)
class Order:
    """A product whose bands have no names in the file but an order in its document."""

    product: str
    file_name: str
    """Regular expression, case ignored, found in the file's name."""
    bands: tuple[str, ...]
    """Common name by band number from 1; empty for bands that models do not take."""


_SEN2R = r"(?:^|[/\\])S2[A-D][12][AC]_\d{8}_\d{3}_[^_]*_(?=[BT]OA_)"  # S2A2A_20190723_022_Place_BOA_10.tif


def _in_order(text: str) -> tuple[str, ...]:
    """`blue green . nir` as an order of bands."""
    return tuple(text.replace(".", "").split(" "))


ORDERS = (
    Order("PlanetScope, 8 bands", r"_AnalyticMS(?:_SR|_DN)?_8b", _in_order("coastal blue . green . red rededge nir")),
    Order("PlanetScope, 4 bands", r"_[13][AB]_AnalyticMS", _in_order("blue green red nir")),
    Order("PlanetScope, 3 bands", r"_[13][AB]_Analytic(?:_|\.|$)", _in_order("red green blue")),
    Order("RapidEye", r"_3A_Analytic(?:_SR)?(?:_|\.|$)", _in_order("blue green red rededge nir")),
    Order("SkySat", r"_ssc?\d?.*_analytic|ssc\d+d\d.*analytic", _in_order("blue green red nir")),
    Order("Planet's normalised mosaics", r"_normalized_analytic_", _in_order("blue green red nir")),
    Order("NAIP", r"(?:^|[^a-z0-9])m_\d{7}_(?:ne|nw|se|sw)_\d{2}_", _in_order("red green blue nir")),
    Order("sen2r", _SEN2R, _in_order("coastal blue green red rededge . . nir . swir16 swir22")),
    Order("sen2r", f"{_SEN2R}B", _in_order("coastal blue green red rededge . . nir . . swir16 swir22")),
    Order("sen2r", f"{_SEN2R}T", _in_order("coastal blue green red rededge . . nir . cirrus swir16 swir22")),
)
"""A file must have that number of bands."""


@dataclass(frozen=True, slots=True)
class Product:
    """How the numbers in one kind of product are to be read."""

    product: str
    scale: float
    """Reflectance = DN * scale + offset; NaN: it stands in a metadata file, as `way_out` says."""
    offset: float
    nodata: float | None
    """DN that means no data."""
    fill_bit: int | None = None
    """Bit of the quality band that is set where there is no data."""
    file_name: str = ""
    """Regular expression, case ignored, found in names of its files; empty: known otherwise."""
    dtypes: tuple[str, ...] = field(default=("uint16", "int16", "int32", "uint32"))
    """Types that it is stored in; floats are scaled already."""
    way_out: str = ""
    sure: bool = True
    """False if no public document states the scale: it is told as a guess."""


SENTINEL2_BEFORE_04 = Product("Sentinel-2 before baseline 04.00", 1e-4, 0.0, 0)
SENTINEL2_FROM_04 = Product("Sentinel-2 from baseline 04.00 on", 1e-4, -0.1, 0)
"""ESA, Sentinel-2 Products Specification Document 14.9: reflectance = (DN + ADD_OFFSET) / QUANTIFICATION_VALUE."""
LANDSAT_C2_L2 = Product(
    *("Landsat Collection 2 Level 2", 2.75e-5, -0.2, 0, 0),
    r"L[COTE]0[4-9]_L2S[PR]_\d{6}_\d{8}(?:_\d{8})?_02|L[COTE]0[4-9]_(?:CU|AK|HI)_\d{6}_\d{8}_\d{8}_02_SR"
    r"|L[COTE]0[4-9]_L1\w\w_\d{6}_\d{8}_\d{8}_02_\w\w_(?:sr|toa)_band\d",
)
"""USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide (LSDS-1619), section 6; ARD and on demand the same."""
LANDSAT_L1 = Product(
    *("Landsat Level 1", float("nan"), float("nan"), 0, 0),
    r"L[COTE]0[4-9]_L1\w\w_\d{6}_\d{8}_\d{8}_\d\d_\w\w_b\d",
    ("uint8", "uint16", "int16"),
    "its gains stand in its MTL file: fetch that, or give --scale and --offset",
)
"""USGS, Landsat Collection 1 and 2 Level 1 Data Format Control Books: gains differ by scene and stand in the MTL."""
PRODUCTS = (
    *(LANDSAT_C2_L2, LANDSAT_L1),
    Product(
        *("Landsat Collection 2 ARD, top of atmosphere", 2.75e-5, -0.2, 0),
        file_name=r"L[COTE]0[4-9]_(?:CU|AK|HI)_\d{6}_\d{8}_\d{8}_02_TOA?",
        sure=False,  # USGS's LaSRC code writes both reflectances so; their format book (LSDS-1435) was not to be had
    ),
    Product(
        *("Landsat Collection 1 ARD", 1e-4, 0.0, -9999),
        file_name=r"L[COTE]0[4-9]_(?:CU|AK|HI)_\d{6}_\d{8}_\d{8}_C01_V\d\d_(?:SR|TA)",
    ),
    Product(
        *("Landsat Collection 1 reflectance on demand", 1e-4, 0.0, -9999),
        file_name=r"L[COTE]0[4-9]_L1\w\w_\d{6}_\d{8}_\d{8}_01_\w\w_(?:sr|toa)_band\d",
    ),  # USGS, Landsat 8 Collection 1 LaSRC Product Guide (LSDS-1368), surface and top of atmosphere alike
    Product("Planet's normalised mosaics", 1e-4, 0.0, 0, file_name=r"_normalized_analytic_"),
    Product("Harmonized Landsat Sentinel-2", 1e-4, 0.0, -9999, file_name=r"HLS\.[LS]30\."),
    Product("Copernicus Browser, raw values", 1 / 65535, 0.0, 0, file_name=r"_\(Raw\)", dtypes=("uint16",)),
    Product("PlanetScope reflectance", 1e-4, 0.0, 0, file_name=r"_Analytic(?:MS)?(?:_SR|.*_toar)"),
    Product(
        *("PlanetScope radiance", float("nan"), 0.0, 0),
        file_name=r"_Analytic(?:MS)?(?:_8b|_DN)?(?:_harmonized|_clip|_file_format)*\.",
        way_out="put its ..._metadata.xml, which holds the reflectance coefficients, beside it, or give --scale",
    ),
    Product(
        *("radiance of OLCI or ALI", float("nan"), 0.0, 0),
        file_name=r"Oa\d\d_radiance|(?:^|[^a-z0-9])EO1A\d",
        dtypes=("uint16", "int16", "float32", "float64"),
        way_out="turn it into reflectance first, as SNAP's Rad2Refl does for OLCI, or give --scale and --offset",
    ),
    Product(
        *("radiance of EnMAP or DESIS", float("nan"), 0.0, None),
        file_name=r"(?:ENMAP|DESIS).*[-_]L1[ABC]",
        way_out="take its Level 2A, or turn it into reflectance first, or give --scale and --offset",
    ),
    Product("Digital Earth Australia", 1e-4, 0.0, -999, file_name=r"ga_(?:ls[5-9][tec]|s2[abc]m?)_"),
    Product(
        "MODIS surface reflectance", 1e-4, 0.0, -28672, file_name=r"M[OYC]D(?:09|43)|sur_refl_b|Nadir_Reflectance_Band"
    ),
    Product("FORCE", 1e-4, 0.0, -9999, file_name=r"_LEVEL2_(?:SEN2|LND0)\w*_(?:BOA|TOA)"),
    Product(
        *("Theia MAJA", 1e-4, 0.0, -10000),
        file_name=r"(?:SENTINEL2[A-DX]|LANDSAT\d\S*)_\d{8}-.*_L[23]A_.*_(?:FRE|SRE|FRC)_B",
    ),
    Product(
        *("VENµS of Theia", float("nan"), 0.0, -10000),
        file_name=r"VENUS(?:-XS)?_\d{8}-.*_L[23]A_.*_(?:FRE|SRE|FRC)_B",
        way_out="put its ..._MTD_ALL.xml, which holds it, beside the bands, or give --scale",
    ),
)
"""Products that are known by the names of their files or folders; the first that fits counts."""
DETECTOR_NUMBERS = (
    r"(?:^|[/\\_])(?:(?:IMG_|DIM_)?(?:PHR1[AB]|PNEO\d|SPOT[67])|GF[-_]?\d(?=[-_])|CBERS|AMAZONIA_1|WV0[1-4]|QB02|GE01"
    r"|\d\d[A-Z]{3}\d{8}-[MS]\d[A-Z]{2}[-_])"
)
"""Names of products that come as reflectance or as detector numbers (12 bits or fewer), with the same names."""
DETECTOR_BITS_MAX = 4096
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
WHITE = 0.8
"""Reflectance that 255 of an 8-bit picture is read as: where forests and oceans of the Sentinel-2 Cloud Mask Catalogue
agree with the top of the atmosphere, and where its clouds are detected best (docs/ablation.md)."""
TRUE_COLOUR = {"L1C": (0.3558, 0.3558), "L2A": (0.2, 0.3)}
"""Of a Sentinel-2 true-colour image: reflectance that 255 stands for (Copernicus, Sentinel-2 definitions, "TCI"), and
what saturated pixels are read as: cut off at 0.2, clouds would pass for bright ground (docs/ablation.md)."""


def stated_sensors(texts: str) -> tuple[Sensor, ...]:
    """The sensors that file names, ids and platforms speak of."""
    return tuple(sensor for sensor in SENSORS if re.search(sensor.stated, texts, re.IGNORECASE))


def lacks_blue(texts: str) -> str:
    """The sensor that file names or ids speak of and that has no blue band; empty if they speak of none."""
    found = (name for name, known in WITHOUT_BLUE.items() if re.search(known, texts, re.IGNORECASE))
    return next(found, "")


def named_product(texts: str) -> Product | None:
    """The product that the names of its files tell, or None."""
    return next((known for known in PRODUCTS if re.search(known.file_name, texts, re.IGNORECASE)), None)


def named_order(file_name: str, count: int) -> Order | None:
    """The order of `count` bands that a file's name tells, or None."""
    fitting = (order for order in ORDERS if len(order.bands) == count)
    return next((order for order in fitting if re.search(order.file_name, file_name, re.IGNORECASE)), None)
