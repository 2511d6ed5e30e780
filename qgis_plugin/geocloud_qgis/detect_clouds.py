"""The algorithm `detectclouds`."""

from __future__ import annotations

import json
from typing import Any, Iterable, Optional, Sequence

from qgis.core import QgsCoordinateReferenceSystem, QgsProcessingException, QgsRasterLayer

from . import notify, recent, settings
from .algorithm import GeocloudAlgorithm, fraction
from .area import Area
from .ask import ask
from .detect_parameters import SMALLEST_CLOUD, detect_parameters
from .layers import PARAMETERS, Source, layer_source
from .parameters import Entry
from .results import Run, Stylist, dress, load_only
from .runner import ProgramError
from .sources import scene_title, typed_path
from .texts import tr
from .verbs import DETECT, as_options

KINDS = {
    "MASK": "mask",
    "POLYGONS": "polygons",
    "SCORE": "score",
    "CLASS_SCORES": "class_scores",
    "UNCERTAINTY": "uncertainty",
    "CLEAR_SKY": "clear_sky",
}
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

    def table(self) -> Iterable[Entry]:
        """See there."""
        return detect_parameters()

    def numbers(self) -> Sequence[tuple[str, str]]:
        """For models and scripts."""
        return ("CLOUD_FRACTION", tr("Cloud fraction")), ("POLYGON_COUNT", tr("Number of polygons"))

    def checkParameterValues(self, parameters: dict, context: Any) -> tuple[bool, str]:  # noqa: ANN401, N802
        """One scene, not two and not none."""
        layer, product = parameters.get("INPUT"), str(parameters.get("PRODUCT") or "").strip()
        if not layer and not product:
            return False, tr("Choose a scene: a layer, or a file, folder or address below it.")
        if layer and product:
            return False, tr("Give a layer or a product as the scene, not both.")
        if parameters.get("EXTENT") and parameters.get("AREA"):
            return False, tr("Give a rectangle or polygons as the area, not both.")
        return super().checkParameterValues(parameters, context)

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud detect`; the layers' paths and the numbers."""
        source, layer = self._scene(parameters, context)
        scene_id, crs = (layer.id(), layer.crs()) if layer is not None else ("", QgsCoordinateReferenceSystem())
        area = Area(self, parameters, context, feedback, crs)
        values = self.values(parameters, (name for name in DETECT.options if name not in area.options), context)
        values["ALLOW_EXTERNAL"] = values["ALLOW_EXTERNAL"] or source.external
        if values["MIN_AREA"] == SMALLEST_CLOUD and not self._is_located(source):
            values["MIN_AREA"] = None  # square metres are unknown there, and the program would refuse
        paths = {name: self.parameterAsOutputLayer(parameters, name, context) for name in DETECT.outputs}
        command = [DETECT.name, source.scene, *as_options(DETECT, {**values, **area.options, **paths})]
        result = self.run_program(command, [path for path in paths.values() if path], feedback)
        recent.remember({"INPUT": scene_id} if scene_id else {"PRODUCT": source.scene})
        written = {name: path for name, path in paths.items() if path and result.get(KINDS[name])}
        load_only(context, written.values(), paths.values())
        run = Run(source, scene_id, values["CLASSES"] or ("cloud",), {PARAMETERS: json.dumps({**values, **area.given})})
        for name, path in written.items():
            dress(context, path, _layer_name(name, source), Stylist(KINDS[name], run))
        self.outcome = f"{source.title}: {notify.result_text(result, self.listener.warnings)}"
        return {**written, **_numbers(result)}

    def _scene(self, parameters: dict, context: Any) -> tuple[Source, Optional[QgsRasterLayer]]:  # noqa: ANN401
        """The scene, and its layer where it is one."""
        product = typed_path(self.parameterAsString(parameters, "PRODUCT", context))
        layer = self.parameterAsRasterLayer(parameters, "INPUT", context) if parameters.get("INPUT") else None
        if product:
            if layer is not None:
                raise QgsProcessingException(tr("Give a layer or a product as the scene, not both."))
            return Source(product, scene_title(product), located=None), None
        return layer_source(layer), layer

    def _is_located(self, source: Source) -> bool:
        """False for a scene without georeference; a product is asked the program about."""
        if source.located is not None:
            return source.located
        try:
            described = ask(settings.program(self.environ), self.environ, ["info", *source.arguments, "--json"])
        except ProgramError:
            return True  # the run says what is wrong
        return bool(described.get("crs") or described.get("gcps"))


def _layer_name(output: str, source: Source) -> str:
    """What a result is called."""
    names = {
        "MASK": tr("{scene} cloud mask"),
        "POLYGONS": tr("{scene} cloud polygons"),
        "SCORE": tr("{scene} cloud score"),
        "CLASS_SCORES": tr("{scene} probability of each class"),
        "UNCERTAINTY": tr("{scene} uncertainty"),
        "CLEAR_SKY": tr("{scene} ground without cloud"),
    }
    return names[output].format(scene=source.title)


def _numbers(result: dict) -> dict[str, Any]:
    """Numbers for models and scripts; a scene without data has no fraction."""
    return {"CLOUD_FRACTION": fraction(result.get("cloud_percent")), "POLYGON_COUNT": result.get("polygon_count")}
