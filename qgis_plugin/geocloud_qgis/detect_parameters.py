"""The parameters of the algorithm `detectclouds`, in the order of its dialog, each with its help."""

from __future__ import annotations

from typing import Any, Iterator

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from .detect_options import CLASSES, DEVICES, PRECISIONS
from .texts import tr

SMALLEST_CLOUD = 2500
"""Square metres, as of 50 m by 50 m: smaller ones are mostly specks along the edges of larger ones."""
Entry = tuple[QgsProcessingParameterDefinition, str, bool]
"""A parameter, its help, and whether it is an advanced one."""


def detect_parameters() -> Iterator[Entry]:
    """All of them."""
    yield from _scene()
    yield from _detection()
    yield from _reading()
    yield from _running()
    yield from _outputs()


def _scene() -> Iterator[Entry]:
    """What is looked at."""
    yield (
        QgsProcessingParameterRasterLayer("INPUT", tr("Scene: a layer"), optional=True),
        tr(
            "a raster with at least blue, green and red. One band of a Sentinel-2 or Landsat product, of a folder of "
            "band files or of an archive stands for the whole."
        ),
        False,
    )
    yield (
        _text("PRODUCT", tr("… or a file, folder or address"), "ProductWrapper"),
        tr("a product that is not on the map: a .SAFE or Landsat folder, an archive, a STAC item, a URL."),
        False,
    )


def _detection() -> Iterator[Entry]:
    """How clouds are told from the ground."""
    yield (
        _text("MODEL", tr("Model"), "ModelWrapper"),
        tr("a model's name or folder; empty: the program's default."),
        False,
    )
    yield (
        _probability(),
        tr(
            "a pixel is cloud from this probability on, 0 to 1; more finds less cloud. Empty: the model's own "
            "threshold, 0.5."
        ),
        False,
    )
    yield (
        _text("BANDS", tr("Bands"), "BandsWrapper"),
        tr("which band is which, as in blue=1,green=2,red=3,nir=4; empty: as the file says."),
        False,
    )
    yield (
        _choice("CLASSES", tr("Classes of the mask"), CLASSES, "cloud", allowMultiple=True),
        tr("what the mask tells apart: cloud, thin cloud, haze, dust, shadow, snow."),
        False,
    )
    yield (
        _number("MIN_AREA", tr("Smallest cloud (m²)"), defaultValue=SMALLEST_CLOUD, minValue=0),
        tr("smaller clouds are left out of mask and polygons; 0 keeps all, as a scene without georeference does."),
        False,
    )
    yield (
        _text("THRESHOLD", tr("Threshold")),
        tr("a score in the model's own unit, or a rule of its card; empty: the model's own."),
        True,
    )
    yield (
        _whole("DILATE", tr("Grow clouds (pixels)"), defaultValue=0, minValue=0),
        tr("clouds of the mask are grown by this many pixels."),
        True,
    )
    yield (
        _number("RESOLUTION", tr("Resolution (metres per pixel)"), optional=True, minValue=0),
        tr("score at this pixel size; coarser is faster. Empty: as coarse as the model loses little by."),
        True,
    )


def _reading() -> Iterator[Entry]:
    """How the scene's numbers are read."""
    text = tr("reflectance = value * scale + offset; empty: as the file says.")
    yield _number("SCALE", tr("Scale to reflectance"), optional=True), text, True
    text = tr("added after the scale; empty: as the file says.")
    yield _number("OFFSET", tr("Offset to reflectance"), optional=True), text, True
    text = tr("a value that is no data, in every band; empty: as the file says.")
    yield _number("NODATA", tr("Nodata value"), optional=True), text, True
    yield (
        _whole("MAX_PIXELS", tr("Most pixels"), optional=True, minValue=1),
        tr("refuse scenes that claim more; empty: the program's limit."),
        True,
    )
    yield (
        QgsProcessingParameterBoolean("ALLOW_EXTERNAL", tr("Read files outside the scene's folder"), False),
        tr("for a STAC item or virtual raster you trust. A layer that QGIS has opened needs no leave."),
        True,
    )


def _running() -> Iterator[Entry]:
    """Where and how the program works."""
    yield _choice("DEVICE", tr("Device"), DEVICES, "auto"), tr("where the network runs."), True
    yield (
        _choice("PRECISION", tr("Precision"), PRECISIONS, "auto"),
        tr("bf16 is quicker; auto takes it where the model and the machine allow it."),
        True,
    )
    yield (
        _whole("THREADS", tr("Threads"), optional=True, minValue=1),
        tr("scoring threads; empty: one per core."),
        True,
    )
    yield (
        QgsProcessingParameterBoolean("OVERWRITE", tr("Replace files that exist"), True),
        tr("otherwise results that exist stay as they are."),
        True,
    )


def _outputs() -> Iterator[Entry]:
    """What is written."""
    yield (
        QgsProcessingParameterRasterDestination("MASK", tr("Cloud mask")),
        tr("0 clear, 1 cloud, 2 thin cloud, 3 haze, 4 dust, 5 cloud shadow, 6 snow, 255 no data."),
        False,
    )
    yield (
        QgsProcessingParameterVectorDestination(
            "POLYGONS",
            tr("Cloud polygons"),
            QgsProcessing.SourceType.TypeVectorPolygon,
            optional=True,
            createByDefault=True,
        ),
        tr("one per cloud, with class, area_m2 (on the ellipsoid) and mean_score."),
        False,
    )
    yield (
        QgsProcessingParameterRasterDestination("SCORE", tr("Cloud score"), optional=True, createByDefault=False),
        tr("the probability of cloud, 0 to 1."),
        False,
    )


def _probability() -> QgsProcessingParameterNumber:
    """A slider in the dialog."""
    parameter = _number("PROBABILITY", tr("Probability"), optional=True, minValue=0.01, maxValue=0.99)
    parameter.setMetadata({"widget_wrapper": {"class": f"{__package__}.widgets.ProbabilityWrapper"}})
    return parameter


def _text(name: str, title: str, widget: str = "") -> QgsProcessingParameterString:
    """A text that may stay empty; `widget` names a class of widgets.py, which is imported with the dialog only."""
    parameter = QgsProcessingParameterString(name, title, optional=True)
    if widget:
        parameter.setMetadata({"widget_wrapper": {"class": f"{__package__}.widgets.{widget}"}})
    return parameter


def _number(name: str, title: str, **given: Any) -> QgsProcessingParameterNumber:  # noqa: ANN401
    """A number with a fraction."""
    return QgsProcessingParameterNumber(name, title, type=QgsProcessingParameterNumber.Type.Double, **given)


def _whole(name: str, title: str, **given: Any) -> QgsProcessingParameterNumber:  # noqa: ANN401
    """A number without a fraction."""
    return QgsProcessingParameterNumber(name, title, type=QgsProcessingParameterNumber.Type.Integer, **given)


def _choice(name: str, title: str, words: Any, default: str, **given: Any) -> QgsProcessingParameterEnum:  # noqa: ANN401
    """One or several of the words, which scripts give as they stand."""
    return QgsProcessingParameterEnum(
        name, title, options=list(words), defaultValue=default, usesStaticStrings=True, **given
    )
