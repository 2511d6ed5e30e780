"""Layers in: which scene a layer is, whether it is a result, and copies of what the program cannot open itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Optional

from qgis.core import QgsMapLayer, QgsProcessingException, QgsProcessingUtils, QgsProviderRegistry, QgsRasterLayer

from .sources import DRIVER_URI, names_other_files, scene_source, scene_title
from .texts import tr

SCENE_ID, SCENE, PARAMETERS = "geocloud/scene_id", "geocloud/scene", "geocloud/parameters"
"""Custom properties of a result: its scene's layer id, its scene as the program got it, and the run's parameters."""


@dataclass(frozen=True)
class Source:
    """A scene for the program."""

    scene: str
    """A path or URL."""
    title: str
    """A short name for groups and layers."""
    external: bool = False
    """True where the program needs leave to read the files that it names."""

    @property
    def arguments(self) -> list[str]:
        """As the program takes it."""
        return [self.scene, *(["--allow-external"] if self.external else [])]


def layer_source(layer: Optional[QgsRasterLayer], *, whole: bool = True) -> Source:
    """What to give to the program for this layer; QgsProcessingException where it is no file.

    One band of a product stands for the product, but with `whole` False for itself.
    """
    if layer is None:
        raise QgsProcessingException(tr("The input is not a raster layer that QGIS can open."))
    if not is_file(layer):
        raise QgsProcessingException(
            tr("The layer {name} is not a raster file. Export it as a GeoTIFF and take that.").format(name=layer.name())
        )
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = f"{parts.get('vsiPrefix') or ''}{parts.get('path') or layer.source()}{parts.get('vsiSuffix') or ''}"
    if parts.get("layerName") and path.lower().endswith(".gpkg"):
        path = f"GPKG:{path}:{parts['layerName']}"
    source = scene_source(path, layer.bandCount()) if whole else path
    if DRIVER_URI.match(source) or source.lower().endswith(".gpkg"):
        return Source(_copied(source), scene_title(source))
    return Source(source, scene_title(source), names_other_files(source))


def layer_sources(layers: Iterable[QgsMapLayer], *, whole: bool = True) -> list[Source]:
    """One source a scene: two bands of one product are the same scene. With `whole` False each layer is itself."""
    found = {}
    for layer in layers:
        source = layer_source(layer, whole=whole)
        found.setdefault(source.scene, source)
    return list(found.values())


def is_file(layer: Any) -> bool:  # noqa: ANN401 - any layer
    """True for a raster layer that GDAL reads from a file."""
    return isinstance(layer, QgsRasterLayer) and layer.isValid() and layer.dataProvider().name() == "gdal"


def is_result(layer: QgsMapLayer) -> bool:
    """True for a mask, score or other output of the program, also one that was opened by hand."""
    if layer.customProperty(SCENE) is not None:
        return True
    return is_file(layer) and "GEOCLOUD_" in layer.dataProvider().htmlMetadata()


def _copied(source: str) -> str:
    """A temporary GeoTIFF of a raster in a database, with its band names, colours, nodata and scale.

    The program opens files, not tables.
    """
    from osgeo import gdal

    target = QgsProcessingUtils.generateTempFilename("scene.tif")
    if gdal.Translate(target, source, creationOptions=["COMPRESS=DEFLATE", "BIGTIFF=IF_SAFER"]) is None:
        raise QgsProcessingException(
            tr("{source} cannot be copied to a GeoTIFF ({reason}).").format(
                source=source, reason=gdal.GetLastErrorMsg() or "GDAL"
            )
        )
    return target
