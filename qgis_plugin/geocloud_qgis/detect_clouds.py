"""The algorithm `detectclouds`."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputNumber,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
)

from . import notify, recent, settings
from .algorithm import GeocloudAlgorithm
from .ask import ask
from .detect_options import OPTIONS, OUTPUTS, as_options
from .detect_parameters import SMALLEST_CLOUD, detect_parameters
from .layers import PARAMETERS, Source, layer_source
from .results import Run, Stylist, dress, load_only
from .runner import ProgramError
from .sources import scene_title
from .texts import tr

KINDS = {"MASK": "mask", "POLYGONS": "polygons", "SCORE": "score"}
"""Output -> its style, and its name in the program's result."""


class DetectClouds(GeocloudAlgorithm):
    """A scene in; mask, polygons and score out."""

    NAME = "detectclouds"

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Detect clouds")
        self.SUMMARY = tr("Finds the clouds of a satellite scene: mask, polygons and score.")
        self.RESULTS = (
            ("CLOUD_FRACTION", tr("cloud among the valid pixels, 0 to 1.")),
            ("POLYGON_COUNT", tr("how many polygons.")),
        )
        self._told = None

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """Parameters in the order of the dialog."""
        for parameter, text, advanced in detect_parameters():
            self.add(parameter, text, advanced=advanced)
        self.addOutput(QgsProcessingOutputNumber("CLOUD_FRACTION", tr("Cloud fraction")))
        self.addOutput(QgsProcessingOutputNumber("POLYGON_COUNT", tr("Number of polygons")))

    def checkParameterValues(self, parameters: dict, context: Any) -> tuple[bool, str]:  # noqa: ANN401, N802
        """One scene, not two and not none."""
        layer, product = parameters.get("INPUT"), str(parameters.get("PRODUCT") or "").strip()
        if not layer and not product:
            return False, tr("Choose a scene: a layer, or a file, folder or address below it.")
        if layer and product:
            return False, tr("Give a layer or a product as the scene, not both.")
        return super().checkParameterValues(parameters, context)

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud detect`; the layers' paths and the numbers."""
        source, scene_id = self._scene(parameters, context)
        values = {name: self._value(parameters, name, context) for name in OPTIONS}
        values["ALLOW_EXTERNAL"] = values["ALLOW_EXTERNAL"] or source.external
        if values["MIN_AREA"] == SMALLEST_CLOUD and not self._is_located(parameters, context, source):
            values["MIN_AREA"] = None  # square metres are unknown there, and the program would refuse
        paths = {name: self.parameterAsOutputLayer(parameters, name, context) for name in OUTPUTS}
        files = [text for name, path in paths.items() if path for text in (OUTPUTS[name], path)]
        command = ["detect", source.scene, *as_options(values), *files]
        result = self.run_program(command, [path for path in paths.values() if path], feedback)
        recent.remember({"INPUT": scene_id} if scene_id else {"PRODUCT": source.scene})
        written = {name: path for name, path in paths.items() if path and result.get(KINDS[name])}
        load_only(context, written.values(), paths.values())
        run = Run(source, scene_id, values["CLASSES"] or ("cloud",), {PARAMETERS: json.dumps(values)})
        for name, path in written.items():
            dress(context, path, _layer_name(name, source), Stylist(f"{KINDS[name]}.qml", run))
        self._told = (self.displayName(), f"{source.title}: {notify.result_text(result, self.heard.warnings)}")
        return {**written, **_numbers(result)}

    def postProcessAlgorithm(self, context: Any, feedback: Any) -> dict:  # noqa: ANN401, ARG002, N802
        """On the main thread: the result in the message bar."""
        if self._told is not None:
            notify.tell(*self._told, self.heard.warnings, self.heard.lines, feedback)
        return {}

    def _scene(self, parameters: dict, context: Any) -> tuple[Source, str]:  # noqa: ANN401
        """The scene, and the id of its layer where it is one."""
        product = self.parameterAsString(parameters, "PRODUCT", context).strip()
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context) if parameters.get("INPUT") else None
        if product:
            if layer is not None:
                raise QgsProcessingException(tr("Give a layer or a product as the scene, not both."))
            return Source(product, scene_title(product)), ""
        source = layer_source(layer)
        return source, layer.id()

    def _is_located(self, parameters: dict, context: Any, source: Source) -> bool:  # noqa: ANN401
        """False for a scene without georeference; a product is asked the program about."""
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context) if parameters.get("INPUT") else None
        if layer is not None:
            return layer.crs().isValid()
        try:
            described = ask(settings.program(), settings.environment(), ["info", *source.arguments, "--json"])
        except ProgramError:
            return True  # the run says what is wrong
        return bool(described.get("crs") or described.get("gcps"))

    def _value(self, parameters: dict, name: str, context: Any) -> Any:  # noqa: ANN401
        """A parameter as the program takes it; None where it is empty."""
        definition = self.parameterDefinition(name)
        if parameters.get(name, definition.defaultValue()) in (None, "", []):
            return None
        if isinstance(definition, QgsProcessingParameterEnum):
            many = definition.allowMultiple()
            read = self.parameterAsEnumStrings if many else self.parameterAsEnumString
            return read(parameters, name, context)
        if isinstance(definition, QgsProcessingParameterNumber):
            whole = definition.dataType() == QgsProcessingParameterNumber.Type.Integer
            return (self.parameterAsInt if whole else self.parameterAsDouble)(parameters, name, context)
        if definition.type() == "boolean":
            return self.parameterAsBool(parameters, name, context)
        return self.parameterAsString(parameters, name, context).strip()


def _layer_name(output: str, source: Source) -> str:
    """What a result is called."""
    names = {
        "MASK": tr("{scene} cloud mask"),
        "POLYGONS": tr("{scene} cloud polygons"),
        "SCORE": tr("{scene} cloud score"),
    }
    return names[output].format(scene=source.title)


def _numbers(result: dict) -> dict[str, Any]:
    """Numbers for models and scripts; a scene without data has no fraction."""
    percent = result.get("cloud_percent")
    return {
        "CLOUD_FRACTION": None if percent is None else percent / 100,
        "POLYGON_COUNT": result.get("polygon_count"),
    }
