"""The algorithms `polygonize` and `applymask`, also for several layers: the program's verbs of those names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

from qgis.core import (
    QgsProcessing,
    QgsProcessingMultiStepFeedback,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import GeocloudAlgorithm, fraction
from .layers import Source, layer_source, layer_sources
from .parameters import Entry, encoding, limits, number, outline, text
from .results import Stylist, dress, load
from .sources import free_names
from .texts import tr
from .verbs import APPLY_MASK, POLYGONIZE, as_options


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

    def table(self) -> Iterator[Entry]:
        """See there."""
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Cloud mask")), _codes(), False
        yield (
            number("MIN_AREA", tr("Smallest cloud (m²)"), defaultValue=0, minValue=0),
            tr("clouds smaller than this many square metres are left out."),
            False,
        )
        yield (
            QgsProcessingParameterRasterLayer("SCORE", tr("Cloud score"), optional=True),
            tr("the score of the same run, for mean_score; smooth outlines need it."),
            True,
        )
        yield outline()
        yield encoding()
        yield (
            QgsProcessingParameterVectorDestination(
                "POLYGONS", tr("Cloud polygons"), QgsProcessing.SourceType.TypeVectorPolygon
            ),
            tr("one per cloud, with class and area_m2 (on the ellipsoid)."),
            False,
        )

    def numbers(self) -> Sequence[tuple[str, str]]:
        """For models and scripts."""
        return (("POLYGON_COUNT", tr("Number of polygons")),)

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud polygonize`."""
        source = layer_source(self.parameterAsRasterLayer(parameters, "INPUT", context), whole=False)
        values = self.values(parameters, POLYGONIZE.options, context)
        if values["SCORE"]:
            values["SCORE"] = layer_source(self.parameterAsRasterLayer(parameters, "SCORE", context), whole=False).scene
        out = self.parameterAsOutputLayer(parameters, "POLYGONS", context)
        options = as_options(POLYGONIZE, {**values, "POLYGONS": out})
        result = self.run_program([POLYGONIZE.name, source.scene, *options, "--overwrite"], [out], feedback)
        dress(context, out, tr("{scene} polygons").format(scene=source.title), Stylist("polygons"))
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

    def table(self) -> Iterator[Entry]:
        """See there."""
        help_text = tr("the raster that the mask was made from.")
        yield QgsProcessingParameterRasterLayer("INPUT", tr("Scene")), help_text, False
        yield from _mask()
        yield (
            QgsProcessingParameterRasterDestination("OUTPUT", tr("Scene without clouds")),
            tr("a GeoTIFF with the scene's bands."),
            False,
        )

    def numbers(self) -> Sequence[tuple[str, str]]:
        """For models and scripts."""
        return (("REMOVED_FRACTION", tr("Fraction removed")),)

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud apply-mask`."""
        scene = layer_source(self.parameterAsRasterLayer(parameters, "INPUT", context))
        out = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        removed = self.apply(scene, out, parameters, context, feedback)
        dress(context, out, _name(scene), Stylist(""))
        return {"OUTPUT": out, "REMOVED_FRACTION": removed}

    def apply(self, scene: Source, out: str, parameters: dict, context: Any, feedback: Any) -> float:  # noqa: ANN401
        """Write one scene without its clouds; the fraction that was removed."""
        mask = layer_source(self.parameterAsRasterLayer(parameters, "MASK", context), whole=False)
        values = self.values(parameters, APPLY_MASK.options, context)
        values["ALLOW_EXTERNAL"] = values["ALLOW_EXTERNAL"] or scene.external
        options = as_options(APPLY_MASK, {**values, "OUTPUT": out})
        command = [APPLY_MASK.name, scene.scene, mask.scene, *options, "--overwrite"]
        return fraction(self.run_program(command, [out], feedback).get("removed_percent", 0))


class ApplyMaskToLayers(ApplyMask):
    """Several scenes of one grid and one mask in, a folder of scenes without clouds out."""

    NAME = "applymasktolayers"

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Apply cloud mask to several layers")
        self.SUMMARY = tr("Writes several layers of one grid with the clouds of one mask as no data.")
        self.RESULTS = ()

    def table(self) -> Iterator[Entry]:
        """See there."""
        yield (
            QgsProcessingParameterMultipleLayers("LAYERS", tr("Layers"), QgsProcessing.SourceType.TypeRaster),
            tr("rasters on the mask's grid, such as bands, indices or products of one date."),
            False,
        )
        yield from _mask()
        yield load_parameter()
        yield (
            QgsProcessingParameterFolderDestination("OUTPUT", tr("Folder")),
            tr("a GeoTIFF per layer, named like the layer's file."),
            False,
        )

    def numbers(self) -> Sequence[tuple[str, str]]:
        """None: each layer has its own."""
        return ()

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud apply-mask` for each layer."""
        layers = layer_sources(self.parameterAsLayerList(parameters, "LAYERS", context), whole=False)
        folder = self.parameterAsString(parameters, "OUTPUT", context)
        loads = self.parameterAsBool(parameters, "LOAD", context)
        steps = QgsProcessingMultiStepFeedback(len(layers), feedback)
        for step, (layer, name) in enumerate(zip(layers, free_names(one.scene for one in layers))):
            steps.setCurrentStep(step)
            out = str(Path(folder) / f"{name}_clear.tif")
            self.apply(layer, out, parameters, context, steps)
            if loads:
                load(context, out, _name(layer), Stylist(""))
        return {"OUTPUT": folder}


def load_parameter() -> Entry:
    """Whether what lies in the folder comes onto the map."""
    return (
        QgsProcessingParameterBoolean("LOAD", tr("Add the files to the map"), True),
        tr("otherwise they are written only."),
        False,
    )


def _mask() -> Iterable[Entry]:
    """The mask, and what is done with it."""
    yield QgsProcessingParameterRasterLayer("MASK", tr("Cloud mask")), _codes(), False
    yield (
        text("CODES", tr("Codes to remove")),
        tr("numbers of the mask, as in 1,2,5; empty: all but clear."),
        True,
    )
    yield encoding()
    yield (
        number("NODATA", tr("Nodata value"), optional=True),
        tr("the value that clouds get; empty: the scene's own, else one that no pixel has."),
        True,
    )
    yield from limits()


def _name(scene: Source) -> str:
    """What the result is called."""
    return tr("{scene} without clouds").format(scene=scene.title)


def _codes() -> str:
    """What a mask's numbers mean."""
    return tr("0 clear, 1 cloud, 2 thin cloud, 3 haze, 4 dust, 5 cloud shadow, 6 snow, 255 no data.")
