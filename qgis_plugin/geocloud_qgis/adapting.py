"""The algorithm `adapt`: a model of one's own from layers of which it is known what is clear and what is cloud."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator, Sequence

from qgis.core import (
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingUtils,
)

from .algorithm import GeocloudAlgorithm
from .area import polygons_file
from .layers import Source, layer_sources
from .parameters import Entry, bands, model, reading, threads, whole
from .texts import tr
from .verbs import ADAPT, as_options

GROUPS = ("LAYERS", "CLEAR", "CLOUDY")


class Adapt(GeocloudAlgorithm):
    """Scenes and what is known of them in, a model out."""

    NAME = "adapt"
    TAGS = (*GeocloudAlgorithm.TAGS, "training", "model")

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Adapt the model to your scenes")
        self.SUMMARY = tr("Makes a model of your own from the default, with scenes of which you know what is clear.")
        self.HELP = tr(
            "Makes a model of your own from the default, in minutes, and measures it on scenes that it did not see. "
            "Three clear scenes are a start. A model that is worse is not written. Choose its folder in Detect clouds."
        )

    def table(self) -> Iterator[Entry]:
        """See there."""
        layers, raster = QgsProcessingParameterMultipleLayers, QgsProcessing.SourceType.TypeRaster
        yield (
            layers("CLEAR", tr("Scenes that are wholly clear"), raster, optional=True),
            tr("what the model calls cloud there was wrong."),
            False,
        )
        yield (
            layers("CLOUDY", tr("Scenes that are wholly cloud"), raster, optional=True),
            tr("what it calls clear there was wrong."),
            False,
        )
        yield (
            layers("LAYERS", tr("Other scenes"), raster, optional=True),
            tr("those of the masks or polygons below; with nothing known of them the threshold alone adapts."),
            False,
        )
        kind = QgsProcessing.SourceType.TypeVectorPolygon
        yield (
            QgsProcessingParameterFeatureSource("POLYGONS", tr("Corrected clouds"), [kind], optional=True),
            tr("polygons of a run that you corrected; their column scene says of which scenes they tell all."),
            False,
        )
        folder = QgsProcessingParameterFile.Behavior.Folder
        yield (
            QgsProcessingParameterFile("MASKS", tr("Folder of corrected masks"), folder, optional=True),
            tr("masks named like the scenes."),
            False,
        )
        yield model()
        yield bands()
        yield from reading()
        yield whole("STEPS", tr("Steps"), defaultValue=400, minValue=1), tr("more learn longer."), True
        yield whole("SEED", tr("Seed"), defaultValue=0), tr("of all random numbers."), True
        yield threads()
        yield (
            QgsProcessingParameterBoolean("ALLOW_WORSE", tr("Write a worse model too"), False),
            tr("otherwise nothing is written where it is worse on the scenes held out."),
            True,
        )
        yield (
            QgsProcessingParameterBoolean("OVERWRITE", tr("Replace files that exist"), False),
            tr("otherwise a model that exists stays as it is."),
            True,
        )
        yield QgsProcessingParameterFolderDestination("OUTPUT", tr("Model")), tr("the model's folder."), False

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud adapt`."""
        found = {name: layer_sources(self.parameterAsLayerList(parameters, name, context) or []) for name in GROUPS}
        scenes = {one.scene: one for sources in found.values() for one in sources}
        if not scenes:
            raise QgsProcessingException(tr("Choose at least one scene."))
        out = self.parameterAsString(parameters, "OUTPUT", context)
        values = self.values(parameters, (name for name in ADAPT.options if name not in ("POLYGONS", *GROUPS)), context)
        values["ALLOW_EXTERNAL"] = values["ALLOW_EXTERNAL"] or any(one.external for one in scenes.values())
        values.update({name: _names_file(found[name]) for name in ("CLEAR", "CLOUDY") if found[name]})
        if parameters.get("POLYGONS"):
            values["POLYGONS"] = polygons_file(self, parameters, "POLYGONS", context, feedback)
        command = [ADAPT.name, *scenes, *as_options(ADAPT, {**values, "OUTPUT": out})]
        result = self.run_program(command, [out], feedback)
        for figure, value in result.get("figures", {}).items():
            line = f"{figure}: {100 * value['before']:.1f} % → {100 * value['after']:.1f} %"
            self.listener.info(line)
        self.outcome = tr("the model is in {folder}").format(folder=out)
        return {"OUTPUT": out}


def _names_file(sources: Sequence[Source]) -> str:
    """A list of the scenes' names, as the program reads it."""
    path = Path(QgsProcessingUtils.generateTempFilename("names.txt"))
    last = (re.split(r"[/\\]", one.scene.rstrip("/\\"))[-1] for one in sources)
    names = (re.sub(r"\.(?:SAFE|zarr)$", "", name, flags=re.IGNORECASE) for name in last)
    path.write_text("\n".join(names), encoding="utf-8")
    return str(path)
