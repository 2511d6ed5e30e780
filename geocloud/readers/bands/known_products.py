"""What is known of products, as data: orders of bands, scales, nodata, fill bits, names of files, what is no scene.

To add a product whose numbers are read otherwise, add a `Product` to PRODUCTS; to add a file whose bands have an order
but no names, an `Order` to ORDERS; to add what holds no scene, a `NoScene` to NO_SCENES. Nothing else has to change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class NoScene:
    """Files that hold no optical picture, or none that can be read as it is."""

    what: str
    """What they are, and the way out: the end of a sentence."""
    names: str
    """Regular expression, case ignored, found in the name of the file or folder, or of all files in it."""
    labels: str = ""
    """Regular expression, case ignored, that the whole name of every band fits; empty: band names do not tell."""


_OPTICAL = "give an optical scene with blue, green and red"
NO_SCENES = (
    NoScene(
        f"radar, which clouds do not show in; {_OPTICAL}",
        r"(?:^|[^a-z0-9])(?:S1[A-D][_-](?:IW|EW|SM|WV|S\d)[_-]|sentinel-?_?1(?:$|[^0-9])|(?:ICEYE|CAPELLA|UMBRA)[-_]|T[SD]X1_|RS2_"
        r"|RCM[123]_|ALOS2|ALPSR|SAOCOM|CSG_|CSKS\d|GF3_|NISAR_)",
        r"(?:[a-z0-9]*[_ -])?(?:VV|VH|HH|HV|sigma0|gamma0|beta0|angle|(?:local)?_?incidence_?(?:angle)?)"
        r"(?:[_ -](?:VV|VH|HH|HV|db|lin|asc|desc|\d+))*",
    ),
    NoScene(
        "a swath of Sentinel-3: of OLCI take the bands Oa04, Oa06, Oa08 and Oa17, turn them into reflectance and bring "
        "them to a grid, as SNAP does, and give their GeoTIFF; SLSTR and the altimeter have no blue band",
        r"S3[AB]_(?:OL|SL|SY|SR)_",
    ),
    NoScene(f"a product of gases in the air, in pixels of kilometres; {_OPTICAL}", r"(?:^|[^a-z0-9])S5P[-_]"),
    NoScene(f"of a weather satellite that has no green band; {_OPTICAL}", r"(?:^|[^a-z0-9])OR_ABI-L|GOES-?1[6-9]"),
    NoScene(
        f"a temperature, an index or a height, which is no reflectance; {_OPTICAL}",
        r"(?:^|[^a-z])(?:dem|dtm|dsm|ndsm|chm|srtm\w*|gdem\w*|elevation|height|hillshade|slope|aspect|mnt|mns|dgm\d*|lst"
        r"|M[OY]D(?:1[1345]|21|3\d)\w*|ECO[-_]?L2\w*|ndvi|evi|ndwi|ndsi|nbr|savi)(?:$|[^a-z])",
        r"(?:.*[^a-z])?(?:elevation|height|slope|aspect|hillshade|lst\w*|temperature|ndvi|evi2?|ndwi|mndwi|ndsi|ndbi|nbr"
        r"|savi|lai|fapar)(?:[^a-z].*)?",
    ),
    NoScene(
        f"a mask or a map of classes; {_OPTICAL}",
        r"(?:^|[^a-z])(?:scl|fmask|cloud_?mask|snow_?mask|udm2?|qa_?pixel|bqa|msk_\w+|class\w*|labels?|land_?cover"
        r"|worldcover\w*|corine\w*|clc\d*)(?:$|[^a-z])",
    ),
)
"""What a file or folder is whose bands are not recognised: the first that fits is told."""
THERMAL_CAMERAS = r"FLIR|Workswell|Optris|InfraTec|HIKMICRO|Seek Thermal|testo|Raytron"
"""Regular expression, case ignored, of makers in a picture's EXIF data whose cameras see heat."""
THERMAL_NAMES = r"(?:^|[/\\])DJI_\w*_T(?:_\w*)?\.R?JPE?G$"
"""Names of the thermal pictures that drones with two cameras write."""
FALSE_COLOUR = r"(?:^|[^a-z])(?:f?cir|irc|irf|irrg|irg|nrg|nir[-_]?rg|false[-_ ]?colou?r)(?:$|[^a-z0-9])"
"""Regular expression, case ignored, found in names of pictures whose three bands are near infrared, red and green."""


@dataclass(frozen=True, slots=True)
class Order:
    """A product whose bands have no names in the file but an order in its document."""

    product: str
    file_name: str
    """Regular expression, case ignored, found in the file's name."""
    bands: str
    """Common names in the order of the bands, separated by spaces; `-`: a band that models do not take."""


_SEN2R = r"(?:^|[/\\])S2[A-D][12][AC]_\d{8}_\d{3}_[^_]*_(?=[BT]OA_)"  # S2A2A_20190723_022_Place_BOA_10.tif
_MAXAR = r"(?:^|[/\\])(?:\w+_)?\d\d[A-Z]{3}\d{8}-M\d[A-Z]{2}[-_]"  # 20JUN01101010-M2AS-010203040_01_P001.TIF
MAXAR = r"\d\d[A-Z]{3}\d{8}-[MS]\d[A-Z]{2}[-_]"
"""Regular expression, case ignored, found in names of files of Maxar's satellites, sharpened ones too."""
MAXAR_BANDS = {
    "C": "coastal",
    "B": "blue",
    "G": "green",
    "Y": "yellow",
    "R": "red",
    "RE": "red edge",
    "N": "nir",
    "N2": "nir 2",
}
"""How an IMD file calls the bands of Maxar's satellites -> the words for them."""
ORDERS = (
    Order(
        "PlanetScope, 8 bands",
        r"_AnalyticMS(?:_SR|_DN)?_8b|_analytic_8b",
        "coastal blue - green - red rededge nir",
    ),
    Order("PlanetScope, 4 bands", r"_[13][AB]_AnalyticMS|_analytic_4b", "blue green red nir"),
    Order("PlanetScope, 3 bands", r"_[13][AB]_Analytic(?:_|\.|$)", "red green blue"),
    Order("RapidEye", r"_3A_Analytic(?:_SR)?(?:_|\.|$)", "blue green red rededge nir"),
    Order("SkySat", r"_ssc?\d?.*_analytic|ssc\d+d\d.*analytic", "blue green red nir"),
    Order("Planet's normalised mosaics", r"_normalized_analytic_", "blue green red nir"),
    Order("NAIP", r"(?:^|[^a-z0-9])m_\d{7}_(?:ne|nw|se|sw)_\d{2}_", "red green blue nir"),
    Order("sen2r", _SEN2R, "coastal blue green red rededge - - nir - swir16 swir22"),
    Order("sen2r", f"{_SEN2R}B", "coastal blue green red rededge - - nir - - swir16 swir22"),
    Order("sen2r", f"{_SEN2R}T", "coastal blue green red rededge - - nir - cirrus swir16 swir22"),
    Order("Sentinel-2's true colour", r"(?:^|[/\\_])TCI(?:_[126]0m)?\.\w+$", "red green blue"),
    Order(
        "Gaofen and Ziyuan",
        r"(?:^|[/\\])(?:GF[1246][A-D]?_(?:PMS|WFV|PMI)|ZY30?[123]?_(?:MUX|TMS))",
        "blue green red nir",
    ),
    Order("Gaofen-6 WFV", r"(?:^|[/\\])GF6_WFV", "blue green red nir rededge - coastal -"),
    Order("Maxar's 4 bands", _MAXAR, "blue green red nir"),
    Order("Maxar's 8 bands", _MAXAR, "coastal blue green - red rededge nir -"),
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
    Product("PlanetScope reflectance", 1e-4, 0.0, 0, file_name=r"_Analytic(?:MS)?(?:_SR|.*_toar|_\db_sr)"),
    Product(
        *("PlanetScope radiance", float("nan"), 0.0, 0),
        file_name=r"_Analytic(?:MS)?(?:_[48]b|_DN)?(?:_harmonized|_clip|_file_format)*\.",
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
    rf"|{MAXAR})"
)
"""Names of products that come as reflectance or as detector numbers (12 bits or fewer), with the same names."""
DETECTOR_BITS_MAX = 4096
WHITE = 0.8
"""Reflectance that 255 of an 8-bit picture is read as: where forests and oceans of the Sentinel-2 Cloud Mask Catalogue
agree with the top of the atmosphere, and where its clouds are detected best (docs/ablation.md)."""
TRUE_COLOUR = {"L1C": (0.3558, 0.3558), "L2A": (0.2, 0.3)}
"""Of a Sentinel-2 true-colour image: reflectance that 255 stands for (Copernicus, Sentinel-2 definitions, "TCI"), and
what saturated pixels are read as: cut off at 0.2, clouds would pass for bright ground (docs/ablation.md)."""
