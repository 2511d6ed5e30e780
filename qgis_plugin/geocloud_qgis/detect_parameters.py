"""The parameters of the algorithm `detectclouds`, in the order of its dialog, each with its help."""

from __future__ import annotations

from typing import Iterator

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from .area import area_parameters
from .parameters import Entry, bands, choice, device, model, number, outline, reading, text, threads, whole
from .texts import tr
from .verbs import CLASSES, PRECISIONS

SMALLEST_CLOUD = 2500
"""Square metres, as of 50 m by 50 m: smaller ones are mostly specks along the edges of larger ones."""


def detect_parameters() -> Iterator[Entry]:
    """All of them."""
    yield from _scene()
    yield from area_parameters()
    yield from _detection()
    yield from reading()
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
        text("PRODUCT", tr("… or a file, folder or address"), "ProductWrapper"),
        tr("a product that is not on the map: a .SAFE or Landsat folder, an archive, a STAC item, a URL."),
        False,
    )


def _detection() -> Iterator[Entry]:
    """How clouds are told from the ground."""
    yield model()
    yield (
        _probability(),
        tr(
            "a pixel is cloud from this probability on, 0 to 1; more finds less cloud. Empty: the model's own "
            "threshold, 0.5."
        ),
        False,
    )
    yield bands("BandsWrapper")
    yield (
        choice("CLASSES", tr("Classes of the mask"), CLASSES, defaultValue="cloud", allowMultiple=True),
        tr("what the mask tells apart: cloud, thin cloud, haze, dust, shadow, snow."),
        False,
    )
    yield (
        number("MIN_AREA", tr("Smallest cloud (m²)"), defaultValue=SMALLEST_CLOUD, minValue=0),
        tr("smaller clouds are left out of mask and polygons; 0 keeps all, as a scene without georeference does."),
        False,
    )
    yield (
        text("THRESHOLD", tr("Threshold")),
        tr("a score in the model's own unit, or a rule of its card; empty: the model's own."),
        True,
    )
    yield outline()
    yield (
        whole("DILATE", tr("Grow clouds (pixels)"), defaultValue=0, minValue=0),
        tr("clouds of the mask are grown by this many pixels."),
        True,
    )
    yield (
        number("RESOLUTION", tr("Resolution (metres per pixel)"), optional=True, minValue=0),
        tr("score at this pixel size; coarser is faster. Empty: the coarsest that costs little accuracy."),
        True,
    )


def _running() -> Iterator[Entry]:
    """Where and how the program works."""
    yield device()
    yield (
        choice("PRECISION", tr("Precision"), PRECISIONS, defaultValue="auto"),
        tr("bf16 is quicker; auto takes it where the model and the machine allow it."),
        True,
    )
    yield threads()
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
    yield (
        QgsProcessingParameterRasterDestination(
            "CLASS_SCORES", tr("Probability of each class"), optional=True, createByDefault=False
        ),
        tr("a band for clear and for each class that the model can tell; on the map a style for each."),
        False,
    )
    yield (
        QgsProcessingParameterRasterDestination("UNCERTAINTY", tr("Uncertainty"), optional=True, createByDefault=False),
        tr("how far the probability of cloud of mirrored views lies apart, 0 to 0.5; takes four times as long."),
        False,
    )
    yield (
        QgsProcessingParameterRasterDestination(
            "CLEAR_SKY", tr("Ground without cloud"), optional=True, createByDefault=False
        ),
        tr("an estimate of the ground's reflectance under the clouds, of a model that can tell it."),
        False,
    )


def _probability() -> QgsProcessingParameterNumber:
    """A slider in the dialog."""
    parameter = number("PROBABILITY", tr("Probability"), optional=True, minValue=0.01, maxValue=0.99)
    parameter.setMetadata({"widget_wrapper": {"class": f"{__package__}.widgets.ProbabilityWrapper"}})
    return parameter
