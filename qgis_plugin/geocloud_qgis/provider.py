"""The Processing provider `geocloud`."""

from __future__ import annotations

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .adapting import Adapt
from .algorithm import ICON
from .check_installation import CheckInstallation
from .dates import Composite, Series
from .detect_clouds import DetectClouds
from .mask_tools import ApplyMask, ApplyMaskToLayers, Polygonize
from .zones import CloudCover

ALGORITHMS = (
    DetectClouds,
    Polygonize,
    ApplyMask,
    ApplyMaskToLayers,
    CloudCover,
    Series,
    Composite,
    Adapt,
    CheckInstallation,
)


class GeocloudProvider(QgsProcessingProvider):
    """Progress, cancel, batch, models, history and qgis_process come with it."""

    def id(self) -> str:
        """The first half of `geocloud:detectclouds`."""
        return "geocloud"

    def name(self) -> str:
        """For the toolbox."""
        return "Geocloud"

    def icon(self) -> QIcon:
        """The plugin's icon."""
        return QIcon(str(ICON))

    def loadAlgorithms(self) -> None:  # noqa: N802 - QGIS's name
        """All of them."""
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())

    def supportedOutputRasterLayerExtensions(self) -> list[str]:  # noqa: N802 - QGIS's name
        """Masks and scores are COGs."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:  # noqa: N802 - QGIS's name
        """What the program writes and every QGIS reads; the first is the default."""
        return ["gpkg", "geojson", "fgb"]
