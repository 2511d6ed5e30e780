"""The algorithm `detectclouds`."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import GeocloudAlgorithm
from .layers import Stylist, dress, layer_source

OUTPUTS = (
    # parameter, option of the program, style, what the layer is called after the scene's name
    ("MASK", "--mask-file", "mask.qml", "cloud mask"),
    ("POLYGONS", "--polygons-file", "polygons.qml", "cloud polygons"),
    ("SCORE", "--score-file", "score.qml", "cloud score"),
)
TEXTS = (("MODEL", "--model"), ("BANDS", "--bands"), ("THRESHOLD", "--threshold"))
NUMBERS = (("SCALE", "--scale"), ("OFFSET", "--offset"))


class DetectClouds(GeocloudAlgorithm):
    """A raster layer in; mask, polygons and score out."""

    NAME = "detectclouds"
    TITLE = "Detect clouds"
    SUMMARY = "Finds the clouds of a satellite scene: mask, polygons and score."
    HELP = "Finds the clouds of a satellite scene with the installed geocloud program."
    RESULTS = (
        ("CLOUD_FRACTION", "cloud among the valid pixels, 0 to 1."),
        ("POLYGON_COUNT", "how many polygons."),
    )

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """Parameters in the order of the dialog."""
        self.add(
            QgsProcessingParameterRasterLayer("INPUT", "Scene"),
            "a raster with at least blue, green and red. One band of a Sentinel-2 or Landsat product, or of a "
            "folder of band files, stands for the whole folder.",
        )
        self.add(_text("MODEL", "Model"), "a model's name or folder; empty: the program's choice.")
        self.add(
            _text("BANDS", "Bands, as in blue=1,green=2,red=3"),
            "which band is which, as in blue=1,green=2,red=3,nir=4; empty: as the file says.",
        )
        self.add(
            _text("THRESHOLD", "Threshold"),
            "a raw score or a rule of the model's card; empty: the model's own.",
        )
        self.add(
            _number("MIN_AREA", "Smallest cloud (m²)", defaultValue=0, minValue=0),
            "clouds smaller than this many square metres are left out.",
        )
        for name, _ in NUMBERS:
            title = f"{name.capitalize()} to reflectance"
            text = "reflectance = value * scale + offset; empty: as the file says."
            self.add(_number(name, title, optional=True), text, advanced=True)
        self.add(QgsProcessingParameterRasterDestination("MASK", "Cloud mask"), "0 clear, 1 cloud, 255 no data.")
        self.add(
            QgsProcessingParameterVectorDestination(
                "POLYGONS",
                "Cloud polygons",
                QgsProcessing.SourceType.TypeVectorPolygon,
                optional=True,
                createByDefault=True,
            ),
            "one a cloud, with class, area_m2 (on the ellipsoid) and mean_score.",
        )
        self.add(
            QgsProcessingParameterRasterDestination("SCORE", "Cloud score", optional=True, createByDefault=False),
            "the probability of cloud, 0 to 1.",
        )
        self.addOutput(QgsProcessingOutputNumber("CLOUD_FRACTION", "Cloud fraction"))
        self.addOutput(QgsProcessingOutputNumber("POLYGON_COUNT", "Number of polygons"))

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud detect`; the layers' paths and the numbers."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context)
        source = layer_source(layer)
        paths = {name: self.parameterAsOutputLayer(parameters, name, context) for name, *_ in OUTPUTS}
        written = [path for path in paths.values() if path]
        result = self.run_program(["detect", source, *self._options(parameters, context, paths)], written, feedback)
        scene = PurePath(source.rstrip("/\\")).stem
        for name, _, style, title in OUTPUTS:
            dress(context, paths[name], f"{scene} {title}", Stylist(style, f"Clouds of {scene}", layer.id()))
        return {**_existing(paths, result), **_numbers(result)}

    def _options(self, parameters: dict, context: Any, paths: dict[str, str]) -> list[str]:  # noqa: ANN401
        """The options of `geocloud detect`; an empty parameter is left to the program."""
        options = []
        for name, option in TEXTS:
            text = self.parameterAsString(parameters, name, context).strip()
            options += [f"{option}={text}"] if text else []
        options.append(f"--min-area={self.parameterAsDouble(parameters, 'MIN_AREA', context):.15g}")
        for name, option in NUMBERS:
            if parameters.get(name) not in (None, ""):
                options.append(f"{option}={self.parameterAsDouble(parameters, name, context):.15g}")
        for name, option, *_ in OUTPUTS:
            options += [option, paths[name]] if paths[name] else []
        return options


def _text(name: str, title: str) -> QgsProcessingParameterString:
    """A text that may stay empty."""
    return QgsProcessingParameterString(name, title, optional=True)


def _number(name: str, title: str, **given: Any) -> QgsProcessingParameterNumber:  # noqa: ANN401
    """A number with a fraction."""
    return QgsProcessingParameterNumber(name, title, type=QgsProcessingParameterNumber.Type.Double, **given)


def _existing(paths: dict[str, str], result: dict) -> dict[str, str]:
    """Outputs that were written; a scene without georeference has no polygons."""
    keys = {"MASK": "mask", "POLYGONS": "polygons", "SCORE": "score"}
    return {name: path for name, path in paths.items() if path and result.get(keys[name])}


def _numbers(result: dict) -> dict[str, Any]:
    """Numbers for models and scripts; a scene without data has no fraction."""
    percent = result.get("cloud_percent")
    return {
        "CLOUD_FRACTION": None if percent is None else percent / 100,
        "POLYGON_COUNT": result.get("polygon_count"),
    }
