"""Which part of a scene is looked at: a rectangle, such as the visible part of the map, or polygons."""

from __future__ import annotations

from typing import Any, Iterator

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
)

from .parameters import Entry
from .texts import tr


def area_parameters() -> Iterator[Entry]:
    """Both may stay empty."""
    yield (
        QgsProcessingParameterExtent("EXTENT", tr("Area: a part of the scene"), optional=True),
        tr("only this rectangle, such as the visible part of the map; empty: the whole scene."),
        False,
    )
    kind = QgsProcessing.SourceType.TypeVectorPolygon
    yield (
        QgsProcessingParameterFeatureSource("AREA", tr("Area: polygons of a layer"), [kind], optional=True),
        tr("only inside these polygons, also only the selected ones; empty: the whole scene."),
        False,
    )


class Area:
    """The area of one run, for the program and to fill the dialog with again."""

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: dict,
        context: Any,  # noqa: ANN401
        feedback: Any,  # noqa: ANN401
        crs: QgsCoordinateReferenceSystem,
    ) -> None:
        """`crs` is the scene's where it is known; in it a rectangle is exact, else it goes in degrees."""
        self.options: dict[str, str] = {"EXTENT": "", "AREA": ""}
        self.given: dict[str, str] = {}
        if parameters.get("EXTENT"):
            known = crs if crs.isValid() else QgsCoordinateReferenceSystem("EPSG:4326")
            box = algorithm.parameterAsExtent(parameters, "EXTENT", context, known)
            sides = box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()
            self.options["EXTENT" if crs.isValid() else "AREA"] = ",".join(f"{side:.15g}" for side in sides)
            x, y = f"{sides[0]:.15g},{sides[2]:.15g}", f"{sides[1]:.15g},{sides[3]:.15g}"
            self.given["EXTENT"] = f"{x},{y} [{known.authid()}]"
        if parameters.get("AREA"):
            self.options["AREA"] = self.given["AREA"] = polygons_file(algorithm, parameters, "AREA", context, feedback)


def polygons_file(algorithm: QgsProcessingAlgorithm, parameters: dict, name: str, context: Any, feedback: Any) -> str:  # noqa: ANN401
    """A copy of a layer's polygons, or of its selected ones; QgsProcessingException where there is nothing to copy.

    They are always copied: a layer may be filtered, in QGIS's memory, or one of many in a file.
    """
    source = algorithm.parameterAsSource(parameters, name, context)
    if source is None:
        raise QgsProcessingException(algorithm.invalidSourceError(parameters, name))
    if source.featureCount() == 0:
        text = tr("The layer {name} has no polygons, or none of them is selected.")
        raise QgsProcessingException(text.format(name=source.sourceName()))
    if not source.sourceCrs().isValid():
        text = tr("The layer {name} has no CRS; choose it in the layer's properties.")
        raise QgsProcessingException(text.format(name=source.sourceName()))
    return algorithm.parameterAsCompatibleSourceLayerPath(parameters, name, context, [], "gpkg", feedback)
