"""The algorithm `cover`: how cloudy zones are, by the program's verb of that name."""

from __future__ import annotations

from typing import Any, Iterator, Sequence

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterVectorDestination,
)

from .algorithm import GeocloudAlgorithm, fraction
from .area import polygons_file
from .layers import layer_sources
from .parameters import Entry, encoding
from .results import Stylist, dress
from .texts import tr
from .verbs import COVER, as_options


class CloudCover(GeocloudAlgorithm):
    """Masks and zones in, a row for each zone and mask out."""

    NAME = "cover"
    TAGS = (*GeocloudAlgorithm.TAGS, "zonal statistics")

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Cloud cover of zones")
        self.SUMMARY = tr("Measures the cloud cover of fields or other zones in one or more masks.")
        self.HELP = tr(
            "Measures the cloud cover of fields or other zones in one or more masks. A pixel on a zone's border counts "
            "by its share inside the zone."
        )
        self.RESULTS = (
            ("CLOUD_FRACTION", tr("the mean over the zones of one mask, 0 to 1; of several masks the table says it.")),
        )

    def table(self) -> Iterator[Entry]:
        """See there."""
        yield (
            QgsProcessingParameterMultipleLayers("MASKS", tr("Cloud masks"), QgsProcessing.SourceType.TypeRaster),
            tr("one or more masks, such as the dates of a place."),
            False,
        )
        yield (
            QgsProcessingParameterFeatureSource("ZONES", tr("Zones"), [QgsProcessing.SourceType.TypeVectorPolygon]),
            tr("polygons in any CRS, also only the selected ones."),
            False,
        )
        yield encoding()
        yield (
            QgsProcessingParameterVectorDestination(
                "OUTPUT", tr("Cloud cover of zones"), QgsProcessing.SourceType.TypeVectorPolygon
            ),
            tr("a GeoPackage: each zone per mask, with date, cloud_percent, shadow_percent and valid_percent."),
            False,
        )

    def numbers(self) -> Sequence[tuple[str, str]]:
        """For models and scripts."""
        return (("CLOUD_FRACTION", tr("Cloud fraction")),)

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, N802
        """Run `geocloud cover`."""
        masks = layer_sources(self.parameterAsLayerList(parameters, "MASKS", context), whole=False)
        zones = polygons_file(self, parameters, "ZONES", context, feedback)
        out = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        values = {**self.values(parameters, ["ENCODING"], context), "ZONES": zones, "OUTPUT": out}
        command = [COVER.name, *(mask.scene for mask in masks), *as_options(COVER, values), "--overwrite"]
        result = self.run_program(command, [out], feedback)
        dress(context, out, tr("Cloud cover of zones"), Stylist(""))
        percents = [mask.get("mean_cloud_percent") for mask in result["masks"]]
        percent = percents[0] if len(percents) == 1 else None  # of several dates a mean says nothing
        self.outcome = tr("{zones} zones in {masks} masks").format(
            zones=result["zone_count"], masks=result["mask_count"]
        )
        return {"OUTPUT": out, "CLOUD_FRACTION": fraction(percent)}
