"""The algorithms `polygonize` and `applymask`: the program's verbs of those names."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import GeocloudAlgorithm, help_text
from .layers import Stylist, dress, layer_source


class Polygonize(GeocloudAlgorithm):
    """A mask in, polygons out."""

    NAME = "polygonize"
    TITLE = "Cloud mask to polygons"
    SUMMARY = "Turns a cloud mask into polygons with areas on the ellipsoid."
    HELP = help_text(
        "Turns a cloud mask, also an edited one, into polygons.",
        {"Cloud mask": "0 clear, 1 cloud, 255 no data.", "Smallest cloud": "smaller ones are left out (m²)."},
        {"Cloud polygons": "one a cloud, with class and area_m2 (on the ellipsoid)."},
    )

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """Parameters in the order of the dialog."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Cloud mask"))
        self.addParameter(
            QgsProcessingParameterNumber(
                "MIN_AREA",
                "Smallest cloud (m²)",
                type=QgsProcessingParameterNumber.Double,
                defaultValue=0,
                minValue=0,
            )
        )
        self.addParameter(
            QgsProcessingParameterVectorDestination("POLYGONS", "Cloud polygons", QgsProcessing.TypeVectorPolygon)
        )

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud polygonize`."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        source = layer_source(layer)
        out = self.parameterAsOutputLayer(parameters, "POLYGONS", context)
        area = self.parameterAsDouble(parameters, "MIN_AREA", context)
        arguments = ["polygonize", source, "--out", out, *([f"--min-area={area:.15g}"] if area else [])]
        self.run_program([*arguments, "--overwrite"], feedback, needs_result=False)
        name = PurePath(source).stem
        dress(context, out, f"{name} polygons", Stylist("polygons.qml", "", layer.id()))
        return {"POLYGONS": out}


class ApplyMask(GeocloudAlgorithm):
    """A scene and its mask in, the scene without its clouds out."""

    NAME = "applymask"
    TITLE = "Apply cloud mask"
    SUMMARY = "Writes a scene with its clouds as no data."
    HELP = help_text(
        "Writes a scene with its clouds as no data.",
        {"Scene": "the raster that the mask was made from.", "Cloud mask": "0 clear, 1 cloud, 255 no data."},
        {"Scene without clouds": "a GeoTIFF with the scene's bands."},
    )

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """Parameters in the order of the dialog."""
        self.addParameter(QgsProcessingParameterRasterLayer("INPUT", "Scene"))
        self.addParameter(QgsProcessingParameterRasterLayer("MASK", "Cloud mask"))
        self.addParameter(QgsProcessingParameterRasterDestination("OUTPUT", "Scene without clouds"))

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud apply-mask`."""
        scene, mask = (
            layer_source(self.parameterAsRasterLayer(parameters, name, context)) for name in ("INPUT", "MASK")
        )
        out = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        self.run_program(["apply-mask", scene, mask, "--out", out, "--overwrite"], feedback, needs_result=False)
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        dress(context, out, f"{PurePath(scene).stem} without clouds", Stylist("", "", layer.id()))
        return {"OUTPUT": out}
