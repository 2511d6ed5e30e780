"""The algorithms `polygonize` and `applymask`: the program's verbs of those names."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import GeocloudAlgorithm
from .layers import layer_source
from .results import Stylist, dress
from .texts import tr


class Polygonize(GeocloudAlgorithm):
    """A mask in, polygons out."""

    NAME = "polygonize"

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Cloud mask to polygons")
        self.SUMMARY = tr("Turns a cloud mask into polygons with areas on the ellipsoid.")
        self.HELP = tr("Turns a cloud mask, also an edited one, into polygons.")
        self.RESULTS = (("POLYGON_COUNT", tr("how many polygons.")),)

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """Parameters in the order of the dialog."""
        self.add(QgsProcessingParameterRasterLayer("INPUT", tr("Cloud mask")), _codes())
        kind = QgsProcessingParameterNumber.Type.Double
        self.add(
            QgsProcessingParameterNumber("MIN_AREA", tr("Smallest cloud (m²)"), type=kind, defaultValue=0, minValue=0),
            tr("clouds smaller than this many square metres are left out."),
        )
        self.add(
            QgsProcessingParameterVectorDestination(
                "POLYGONS", tr("Cloud polygons"), QgsProcessing.SourceType.TypeVectorPolygon
            ),
            tr("one per cloud, with class and area_m2 (on the ellipsoid)."),
        )
        self.addOutput(QgsProcessingOutputNumber("POLYGON_COUNT", tr("Number of polygons")))

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud polygonize`."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        source = layer_source(layer)
        out = self.parameterAsOutputLayer(parameters, "POLYGONS", context)
        area = self.parameterAsDouble(parameters, "MIN_AREA", context)
        smallest = [f"--min-area={area:.15g}"] if area else []
        arguments = ["polygonize", source.scene, "--out", out, "--overwrite", *smallest]
        result = self.run_program(arguments, [out], feedback)
        dress(context, out, tr("{scene} polygons").format(scene=source.title), Stylist("polygons.qml"))
        return {"POLYGONS": out, "POLYGON_COUNT": result.get("polygon_count")}


class ApplyMask(GeocloudAlgorithm):
    """A scene and its mask in, the scene without its clouds out."""

    NAME = "applymask"

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Apply cloud mask")
        self.SUMMARY = tr("Writes a scene with its clouds as no data.")
        self.RESULTS = (("REMOVED_FRACTION", tr("the pixels that became no data, among all, 0 to 1.")),)

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """Parameters in the order of the dialog."""
        self.add(QgsProcessingParameterRasterLayer("INPUT", tr("Scene")), tr("the raster that the mask was made from."))
        self.add(QgsProcessingParameterRasterLayer("MASK", tr("Cloud mask")), _codes())
        self.add(
            QgsProcessingParameterRasterDestination("OUTPUT", tr("Scene without clouds")),
            tr("a GeoTIFF with the scene's bands."),
        )
        self.addOutput(QgsProcessingOutputNumber("REMOVED_FRACTION", tr("Fraction removed")))

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud apply-mask`."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        scene, mask = layer_source(layer), layer_source(self.parameterAsRasterLayer(parameters, "MASK", context))
        out = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        arguments = ["apply-mask", *scene.arguments, mask.scene, "--out", out, "--overwrite"]
        result = self.run_program(arguments, [out], feedback)
        dress(context, out, tr("{scene} without clouds").format(scene=scene.title), Stylist(""))
        return {"OUTPUT": out, "REMOVED_FRACTION": result.get("removed_percent", 0) / 100}


def _codes() -> str:
    """What a mask's numbers mean."""
    return tr("0 clear, 1 cloud, 2 thin cloud, 3 haze, 4 dust, 5 cloud shadow, 255 no data.")
