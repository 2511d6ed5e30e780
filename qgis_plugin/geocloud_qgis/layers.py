"""Layers in and out: which scene a layer is, and how results look in the project."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingLayerPostProcessorInterface,
    QgsProviderRegistry,
    QgsRasterLayer,
)

from .sources import scene_source

STYLES = Path(__file__).parent / "styles"
_alive: list = []
"""Post-processors, one a layer: QGIS keeps no reference, and a collected one would lose the style (QGIS #47533)."""


def layer_source(layer: Optional[QgsRasterLayer]) -> str:
    """What to give to the program for this layer; QgsProcessingException where it is no file."""
    if layer is None:
        raise QgsProcessingException("The input is not a raster layer that QGIS can open.")
    if layer.dataProvider().name() != "gdal":
        raise QgsProcessingException(f"The layer {layer.name()} is not a raster file; export it as a GeoTIFF first.")
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = f"{parts.get('vsiPrefix') or ''}{parts.get('path') or layer.source()}{parts.get('vsiSuffix') or ''}"
    return scene_source(path, layer.bandCount())


class Stylist(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded result its style and its place: in the scene's group, above the scene."""

    def __init__(self, style: str, group: str, scene_id: str) -> None:
        """`style` is a file of `styles/`, `group` a name, `scene_id` the input layer's id."""
        super().__init__()
        self._style, self._group, self._scene_id = style, group, scene_id

    def postProcessLayer(self, layer, context, feedback):  # noqa: ANN001, ANN201, ARG002, N802 - QGIS's names
        """Called by QGIS on the main thread once the layer is in the project."""
        if self._style:
            layer.loadNamedStyle(str(STYLES / self._style))
            layer.triggerRepaint()
            layer.emitStyleChanged()
        project = context.project()
        if project is not None and self._group:
            into_group(project.layerTreeRoot(), layer.id(), self._group, self._scene_id)


def into_group(root, layer_id: str, name: str, scene_id: str) -> None:  # noqa: ANN001
    """Move a layer into the group `name`, made just above the scene's layer where there is none."""
    node = root.findLayer(layer_id)
    if node is None or node.parent().name() == _results_group():
        return  # not in the project, or where QGIS's own options put results
    group = root.findGroup(name)
    if group is None:
        scene = root.findLayer(scene_id)
        parent = scene.parent() if scene is not None else root
        at = parent.children().index(scene) if scene is not None else 0
        group = parent.insertGroup(at, name)
    # The copy first: a layer that is nowhere in the tree would leave the project.
    group.insertChildNode(_place(group, node), node.clone())
    node.parent().removeChildNode(node)


def _results_group() -> str:
    """The group that the user has chosen for all results in Processing's options, or a name that no group has."""
    from processing.core.ProcessingConfig import ProcessingConfig

    return ProcessingConfig.getSetting(ProcessingConfig.RESULTS_GROUP_NAME) or "\0"


def _place(group, node) -> int:  # noqa: ANN001
    """Where a layer goes in its group: polygons above the mask above the score; -1 is the end."""
    children = group.children()
    below = [i for i, child in enumerate(children) if child != node and _rank(child.name()) > _rank(node.name())]
    return below[0] if below else -1


def _rank(name: str) -> int:
    return next((rank for rank, word in enumerate(("polygons", "mask", "score")) if word in name), 3)


def dress(context: QgsProcessingContext, destination: str, name: str, stylist: Stylist) -> None:
    """Name and style the layer that QGIS will load from `destination`, where it will load it at all."""
    if not destination or not context.willLoadLayerOnCompletion(destination):
        return
    details = context.layerToLoadOnCompletionDetails(destination)
    details.name = name
    details.forceName = True
    _alive.append(stylist)
    details.setPostProcessor(stylist)
