"""What the algorithms' tables of parameters are made of: an entry, its kinds, and the entries that several share."""

from __future__ import annotations

from typing import Any, Iterator

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from .texts import tr
from .verbs import DEVICES, ENCODINGS, OUTLINES

Entry = tuple[QgsProcessingParameterDefinition, str, bool]
"""A parameter, its help, and whether it is an advanced one."""


def reading() -> Iterator[Entry]:
    """How a scene's numbers are read."""
    said = tr("reflectance = value * scale + offset; empty: as the file says.")
    yield number("SCALE", tr("Scale to reflectance"), optional=True), said, True
    said = tr("added after the scale; empty: as the file says.")
    yield number("OFFSET", tr("Offset to reflectance"), optional=True), said, True
    said = tr("a value that is no data, in every band; empty: as the file says.")
    yield number("NODATA", tr("Nodata value"), optional=True), said, True
    yield (
        text("TIME", tr("Time")),
        tr("of a Zarr or netCDF of several times: a date, its beginning, or a number from 0."),
        True,
    )
    yield from limits()


def limits() -> Iterator[Entry]:
    """What a scene may ask for."""
    yield (
        whole("MAX_PIXELS", tr("Most pixels"), optional=True, minValue=1),
        tr("refuse scenes that claim more; empty: the program's limit."),
        True,
    )
    yield (
        QgsProcessingParameterBoolean("ALLOW_EXTERNAL", tr("Read files outside the scene's folder"), False),
        tr("for a STAC item or virtual raster you trust. A layer that QGIS has opened needs no leave."),
        True,
    )


def model() -> Entry:
    """Which model finds the clouds."""
    return (
        text("MODEL", tr("Model"), "ModelWrapper"),
        tr("a model's name or folder, such as one that you adapted, or an ONNX file; empty: the program's default."),
        False,
    )


def bands(widget: str = "") -> Entry:
    """Which band is which."""
    return (
        text("BANDS", tr("Bands"), widget),
        tr("which band is which, as in blue=1,green=2,red=3,nir=4; empty: as the file says."),
        False,
    )


def device() -> Entry:
    """Where the network runs."""
    return choice("DEVICE", tr("Device"), DEVICES, defaultValue="auto"), tr("where the network runs."), True


def threads() -> Entry:
    """How many work."""
    return (
        whole("THREADS", tr("Threads"), optional=True, minValue=1),
        tr("scoring threads; empty: one per core."),
        True,
    )


def encoding() -> Entry:
    """What a mask's codes mean."""
    return (
        choice("ENCODING", tr("Codes of the mask"), ENCODINGS, optional=True),
        tr(
            "geocloud's own, Sentinel-2's SCL, Landsat's QA_PIXEL, or those of other programs; empty: as the mask says."
        ),
        True,
    )


def outline() -> Entry:
    """How polygons run."""
    return (
        choice("OUTLINE", tr("Outlines of the polygons"), OUTLINES, defaultValue="pixel"),
        tr("along the pixels' edges, or smooth, between their centres; the mask stays as it is."),
        True,
    )


def scenes() -> Entry:
    """Several dates of one place."""
    return (
        QgsProcessingParameterMultipleLayers("LAYERS", tr("Scenes"), QgsProcessing.SourceType.TypeRaster),
        tr("the dates of one place, on one grid. One band of a product or folder stands for the whole."),
        False,
    )


def text(name: str, title: str, widget: str = "") -> QgsProcessingParameterString:
    """A text that may stay empty; `widget` names a class of widgets.py, which is imported with the dialog only."""
    parameter = QgsProcessingParameterString(name, title, optional=True)
    if widget:
        parameter.setMetadata({"widget_wrapper": {"class": f"{__package__}.widgets.{widget}"}})
    return parameter


def number(name: str, title: str, **given: Any) -> QgsProcessingParameterNumber:  # noqa: ANN401
    """A number with a fraction."""
    return QgsProcessingParameterNumber(name, title, type=QgsProcessingParameterNumber.Type.Double, **given)


def whole(name: str, title: str, **given: Any) -> QgsProcessingParameterNumber:  # noqa: ANN401
    """A number without a fraction."""
    return QgsProcessingParameterNumber(name, title, type=QgsProcessingParameterNumber.Type.Integer, **given)


def choice(name: str, title: str, words: Any, **given: Any) -> QgsProcessingParameterEnum:  # noqa: ANN401
    """One or several of the words, which scripts give as they stand."""
    return QgsProcessingParameterEnum(name, title, options=list(words), usesStaticStrings=True, **given)
