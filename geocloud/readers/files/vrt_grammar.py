"""What a virtual raster may hold: elements and attributes that name no file, or whose files are checked.

A list of what is harmless, since GDAL knows many ways of naming a file and learns more. It tells neither letter case
nor an attribute from an element of its name; so both are compared as they are spelt by GDAL itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geocloud.errors import InputError
from geocloud.readers.files.tree import local_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NO_TEXT_BETWEEN = (b"<!--", b"<![", b"<!D", b"<!d", b"&#")
"""Comments, CDATA, document types and numbered characters: parsers differ in what text remains of them."""
_DECLARATION = re.compile(rb"""<\?(?!xml\s[^>]*\?>)|<\?xml[^>]*encoding\s*=\s*["'](?!utf-8["'])""", re.IGNORECASE)
_NUMBERS = re.compile(r"[-+0-9.eEinfaINFA,;\s]*")
_REFERENCE = re.compile(r"(?:[A-Za-z_]+\[.*|EPSG:\d+)?", re.DOTALL)
"""A reference system in WKT or by its EPSG number; other texts may be files or URLs to GDAL."""

_PLAIN = (
    # bands
    *("Description", "UnitType", "Offset", "Scale", "NoDataValue", "HideNoDataValue", "ColorInterp", "CategoryNames"),
    *("Category", "ColorTable", "BlockXSize", "BlockYSize", "MaskBand", "Histograms", "HistItem", "HistMin", "HistMax"),
    *("BucketCount", "IncludeOutOfRange", "Approximate", "HistCounts", "OverviewList", "Overview"),
    # attribute tables
    *("Name", "Type", "Usage", "F"),
    # sources
    *("SourceBand", "NODATA", "UseMaskBand", "ScaleOffset", "ScaleRatio", "ColorTableComponent", "Exponent", "SrcMin"),
    *(
        "SrcMax",
        "DstMin",
        "DstMax",
        "Clamp",
        "LUT",
        "Kernel",
        "Size",
        "Coefs",
        "PixelFunctionType",
        "SourceTransferType",
    ),
    *("SkipNonContributingSources",),
    # warping
    *("GDALWarpOptions", "WarpMemoryLimit", "ResampleAlg", "WorkingDataType", "BandList", "SrcNoDataReal"),
    *("SrcNoDataImag", "DstNoDataReal", "DstNoDataImag", "SrcAlphaBand", "DstAlphaBand", "Transformer"),
    *("ApproxTransformer", "MaxError", "BaseTransformer", "GenImgProjTransformer", "SrcGeoTransform"),
    *("SrcInvGeoTransform", "DstGeoTransform", "DstInvGeoTransform", "ReprojectTransformer", "ReprojectionTransformer"),
    *("GeoTransform", "Options"),
)
"""Elements without attributes, whose text is a number, a word or a name for people."""
_REFERENCES = ("SRS", "SourceSRS", "TargetSRS")
_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_PLAIN, ()),
    **dict.fromkeys(_REFERENCES, ("dataAxisToSRSAxisMapping", "coordinateEpoch")),
    "VRTDataset": ("rasterXSize", "rasterYSize", "subClass"),
    "VRTRasterBand": ("dataType", "band", "subClass", "blockXSize", "blockYSize"),
    "Metadata": ("domain",),
    "MDI": ("key",),
    "GCPList": ("Projection", "dataAxisToSRSAxisMapping"),
    "GCP": ("Id", "Info", "Pixel", "Line", "X", "Y", "Z"),
    "Entry": ("c1", "c2", "c3", "c4"),
    "GDALRasterAttributeTable": ("tableType", "Row0Min", "BinSize"),
    "FieldDefn": ("index",),
    "Row": ("index",),
    "OverviewList": ("resampling",),
    **dict.fromkeys(
        ("SimpleSource", "ComplexSource", "AveragedSource", "KernelFilteredSource", "NoDataFromMaskSource"),
        ("resampling", "name"),
    ),
    "Kernel": ("normalized",),
    "SourceFilename": ("relativeToVRT", "shared"),
    "SourceDataset": ("relativeToVRT", "shared"),
    "SourceProperties": ("RasterXSize", "RasterYSize", "DataType", "BlockXSize", "BlockYSize"),
    "SrcRect": ("xOff", "yOff", "xSize", "ySize"),
    "DstRect": ("xOff", "yOff", "xSize", "ySize"),
    "BandMapping": ("src", "dst"),
    "Option": ("name", "key"),
}
"""Element -> its attributes."""
_VALUES: dict[str, tuple[str, ...]] = {
    "relativeToVRT": ("0", "1"),
    "shared": ("0", "1"),
    "subClass": (*("VRTSourcedRasterBand", "VRTDerivedRasterBand", "VRTWarpedRasterBand", "VRTWarpedDataset", ""),),
    "domain": ("", "IMAGERY", "IMAGE_STRUCTURE", "RPC", "COLOR_PROFILE", "TIFF", "EXIF"),
}
"""Attribute -> its values, where they decide what GDAL does."""
_WARP_OPTIONS = (
    *("INIT_DEST", "NUM_THREADS", "UNIFIED_SRC_NODATA", "SAMPLE_GRID", "SAMPLE_STEPS", "SOURCE_EXTRA"),
    *("ERROR_THRESHOLD", "ERROR_OUT_IF_EMPTY_SOURCE_WINDOW", "AREA_OF_INTEREST"),
    *("XSCALE", "YSCALE", "OPTIMIZE_SIZE", "SKIP_NOSOURCE", "WRITE_FLUSH", "STREAMABLE_OUTPUT", "APPLY_VERTICAL_SHIFT"),
)


def check_grammar(document: str, text: bytes, root: Element) -> None:
    """InputError if a virtual raster holds anything that is not on the list."""
    if any(sign in text for sign in _NO_TEXT_BETWEEN) or _DECLARATION.search(text):
        raise _refusal(document, "a comment, CDATA, a numbered character, a document type or another encoding")
    if local_name(root) != "VRTDataset":
        raise _refusal(document, f"a {local_name(root)} as a whole")
    for element in root.iter():
        _check_element(document, element)


def _check_element(document: str, element: Element) -> None:
    name = str(element.tag)
    if name == "PixelFunctionArguments":
        if len(element) or not all(
            _NUMBERS.fullmatch(value) for value in (*element.attrib.values(), element.text or "")
        ):
            raise _refusal(document, "arguments of a pixel function that are no numbers")
        return
    if name not in _ATTRIBUTES:
        raise _refusal(document, f"an element {name[:40]!r}")
    for attribute, value in element.attrib.items():
        if attribute not in _ATTRIBUTES[name]:
            raise _refusal(document, f"an attribute {attribute[:40]!r} of {name}")
        if attribute in _VALUES and value not in _VALUES[attribute]:
            raise _refusal(document, f"{attribute} {value[:40]!r}")
    _check_content(document, element, name)


def _check_content(document: str, element: Element, name: str) -> None:
    """The text of a reference system, and the options of warping and transformation."""
    content = element.text or ""
    if name in _REFERENCES and not _is_reference(content.strip()):
        raise _refusal(document, f"a reference system {content[:40]!r}, which is neither WKT nor an EPSG number,")
    if name == "GCPList" and not _is_reference(element.get("Projection", "")):
        raise _refusal(document, "a reference system that is neither WKT nor an EPSG number")
    if name == "Option":  # of the warping by `name`, of the transformation by `key`
        options = list(element.attrib.values())
        if len(options) != 1 or options[0] not in _WARP_OPTIONS:
            raise _refusal(document, f"an option {', '.join(options)[:40]!r}")


def _is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None and "grids" not in text.lower()


def _refusal(document: str, what: str) -> InputError:
    return InputError(
        f"{document} holds {what}, which is not known to name no other files; convert it to a GeoTIFF, as with "
        "gdal_translate, or pass --allow-external if you trust it"
    )
