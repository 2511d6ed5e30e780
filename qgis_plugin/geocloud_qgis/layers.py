"""Layers in: which scene a layer is, whether it is a result, and copies of what the program cannot open itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Optional

from qgis.core import (
    QgsMapLayer,
    QgsProcessingException,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterLayer,
)

from .sources import is_inside_qgis, may_name_files, scene_source, scene_title, shortened
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
    """True where the program gets leave to read the files that it names: QGIS has read them already."""
    located: Optional[bool] = True
    """Whether it has a georeference; None where that is not known."""

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
    path = layer_path(layer)
    source = scene_source(path, layer.bandCount()) if whole else path
    located = layer.dataProvider().crs().isValid()
    if source != path:
        return Source(source, scene_title(source), located=located)
    scene = _copied(source) if is_inside_qgis(source) else source
    placed = _placed(scene, layer)
    title = shortened(layer.name()) or scene_title(source)
    return Source(placed or scene, title, bool(placed) or may_name_files(scene), located or bool(placed))


def layer_path(layer: QgsRasterLayer) -> str:
    """GDAL's name of what the layer shows, without the layer's own options."""
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = f"{parts.get('vsiPrefix') or ''}{parts.get('path') or layer.source()}{parts.get('vsiSuffix') or ''}"
    if parts.get("layerName") and path.lower().endswith(".gpkg"):
        path = f"GPKG:{path}:{parts['layerName']}"
    return path


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


def _placed(path: str, layer: QgsRasterLayer) -> str:
    """A virtual raster of the file in the CRS that the user gave to the layer; empty where the file's own holds."""
    if not layer.crs().isValid() or layer.crs() == layer.dataProvider().crs():
        return ""
    from osgeo import gdal

    opened = gdal.Open(path)
    if opened is None or opened.GetGeoTransform(can_return_null=True) is None:
        return ""  # a picture: a CRS alone does not say where it is
    target = QgsProcessingUtils.generateTempFilename("scene.vrt")
    made = gdal.Translate(target, opened, format="VRT", outputSRS=layer.crs().toWkt())
    return target if made is not None else ""


def _copied(source: str) -> str:
    """A temporary GeoTIFF of a raster in a database or in QGIS's memory, with band names, colours, nodata and scale.

    The program opens files.
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
