"""The algorithms `series` and `composite`: the program's verbs for several dates of one place."""

from __future__ import annotations

from typing import Any, Iterator, Sequence

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterRasterDestination,
)

from .algorithm import GeocloudAlgorithm, fraction
from .area import Area, area_parameters
from .layers import SCENE, SCENE_ID, Source, layer_sources
from .mask_tools import load_parameter
from .parameters import Entry, bands, choice, device, model, reading, scenes, threads
from .results import Run, Stylist, dress, load
from .sources import scene_title
from .texts import tr
from .verbs import COMPOSITE, METHODS, SERIES, Verb, as_options


class DatesAlgorithm(GeocloudAlgorithm):
    """Several scenes in."""

    VERB: Verb
    TAGS = (*GeocloudAlgorithm.TAGS, "time series", "composite")

    def run_dates(self, out: str, parameters: dict, context: Any, feedback: Any) -> dict[str, Any]:  # noqa: ANN401
        """Run the verb on the layers; its result."""
        found = layer_sources(self.parameterAsLayerList(parameters, "LAYERS", context))
        # In degrees: the dates may lie in several CRSs.
        area = Area(self, parameters, context, feedback, QgsCoordinateReferenceSystem()).options
        values = {**self.values(parameters, (name for name in self.VERB.options if name not in area), context), **area}
        values["ALLOW_EXTERNAL"] = values["ALLOW_EXTERNAL"] or any(one.external for one in found)
        options = as_options(self.VERB, {**values, "OUTPUT": out})
        command = [self.VERB.name, *(one.scene for one in found), *options, "--overwrite"]
        return self.run_program(command, [out], feedback)


class Series(DatesAlgorithm):
    """Scenes in, a mask for each of them out."""

    NAME, VERB = "series", SERIES

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Clouds in a series of dates")
        self.SUMMARY = tr("Masks cloud and cloud shadow in three or more dates of one place.")
        self.HELP = tr(
            "Masks cloud and cloud shadow in three or more dates of one place. What the dates agree on is ground, also "
            "where it is as bright as cloud."
        )
        self.RESULTS = (("MASK_COUNT", tr("how many masks.")),)

    def table(self) -> Iterator[Entry]:
        """See there."""
        yield scenes()
        yield from area_parameters()
        yield model()
        yield bands()
        yield from reading()
        yield device()
        yield threads()
        yield load_parameter()
        text = tr("a mask per date: 0 clear, 1 cloud, 5 cloud shadow, 255 no data.")
        yield QgsProcessingParameterFolderDestination("OUTPUT", tr("Folder of masks")), text, False

    def numbers(self) -> Sequence[tuple[str, str]]:
        """For models and scripts."""
        return (("MASK_COUNT", tr("Number of masks")),)

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud series`."""
        folder = self.parameterAsString(parameters, "OUTPUT", context)
        dates = self.run_dates(folder, parameters, context, feedback)["dates"]
        if self.parameterAsBool(parameters, "LOAD", context):
            run = Run(Source(folder, tr("a series")), classes=("cloud", "shadow"))
            for date in dates:
                name = tr("{scene} cloud mask").format(scene=scene_title(date["scene"]))
                load(context, date["mask"], name, Stylist("mask", run, {SCENE: date["scene"], SCENE_ID: ""}))
        self.outcome = tr("{count} masks").format(count=len(dates))
        return {"OUTPUT": folder, "MASK_COUNT": len(dates)}


class Composite(DatesAlgorithm):
    """Scenes in, one cloud-free image out."""

    NAME, VERB = "composite", COMPOSITE

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Cloud-free composite")
        self.SUMMARY = tr("Makes one cloud-free image from several dates of one place.")
        self.RESULTS = (
            ("FILLED_FRACTION", tr("the pixels that were clear on some date, 0 to 1.")),
            ("DATE_COUNT", tr("how many dates.")),
        )

    def table(self) -> Iterator[Entry]:
        """See there."""
        yield scenes()
        yield from area_parameters()
        yield (
            choice("METHOD", tr("Method"), METHODS, defaultValue="median"),
            tr("median or weighted mean of the clear dates; or one date per pixel: medoid or best."),
            False,
        )
        folder = QgsProcessingParameterFile.Behavior.Folder
        yield (
            QgsProcessingParameterFile("MASKS", tr("Folder of masks"), folder, optional=True),
            tr("masks named like the scenes, as detect and series write them; what is missing is made."),
            False,
        )
        yield model()
        yield bands()
        yield from reading()
        yield device()
        yield (
            QgsProcessingParameterRasterDestination("OUTPUT", tr("Composite")),
            tr("reflectance per band, then the number of clear dates and the date shown."),
            False,
        )

    def numbers(self) -> Sequence[tuple[str, str]]:
        """For models and scripts."""
        return ("FILLED_FRACTION", tr("Fraction filled")), ("DATE_COUNT", tr("Number of dates"))

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud composite`."""
        out = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        result = self.run_dates(out, parameters, context, feedback)
        dress(context, out, tr("Composite"), Stylist("composite"))
        percent, count = result["filled_percent"], len(result["dates"])
        self.outcome = tr("{count} dates, {percent} % filled").format(count=count, percent=f"{percent:.1f}")
        return {"OUTPUT": out, "FILLED_FRACTION": fraction(percent), "DATE_COUNT": count}
