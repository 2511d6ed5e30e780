"""Styles result layers and puts them into one group per run, beside the scene and never inside another run's group."""

from __future__ import annotations

from typing import Any, Iterable, Optional, Sequence

from qgis.core import QgsLayerTreeGroup, QgsProcessingContext, QgsProcessingLayerPostProcessorInterface, QgsProject
from qgis.PyQt.QtCore import QTimer

from .layers import SCENE, SCENE_ID, Source
from .styling import KIND, apply_style
from .texts import tr
from .window import main_window

RUN = "geocloud/run"
"""Custom property of a group of results: the number of the run."""
_alive: list = []
"""Post-processors, one per layer: QGIS keeps no reference, and without one the style would be lost (QGIS #47533)."""


class Run:
    """What the layers of one run share: the scene, and their group, which the first layer makes."""

    def __init__(
        self,
        source: Source,
        scene_id: str = "",
        classes: Sequence[str] = ("cloud",),
        properties: Optional[dict[str, str]] = None,
    ) -> None:
        """Keep what all layers need.

        Args:
            source: the scene.
            scene_id: id of the scene's layer; empty if it is no layer.
            classes: of the mask.
            properties: custom properties that each result gets.
        """
        self.source, self.scene_id, self.classes = source, scene_id, classes
        self.properties = {SCENE: source.scene, SCENE_ID: scene_id, **(properties or {})}
        self.number, self._name = 1, ""

    def group(self, root: QgsLayerTreeGroup) -> QgsLayerTreeGroup:
        """The group of this run; the first call makes it."""
        existing = root.findGroup(self._name) if self._name else None
        if existing is not None:
            return existing
        parent, at = self._place(root)
        self._name, self.number = _free_name(root, tr("Clouds of {scene}").format(scene=self.source.title))
        group = parent.insertGroup(at, self._name)
        group.setCustomProperty(RUN, self.number)
        return group

    def _place(self, root: QgsLayerTreeGroup) -> tuple[QgsLayerTreeGroup, int]:
        """(parent, index) of the group: above the scene, or above the group of results that the scene is in."""
        node = root.findLayer(self.scene_id) if self.scene_id else None
        if node is None:
            return root, 0
        above = node.parent()
        while above is not None and above.parent() is not None:
            if above.customProperty(RUN) is not None:
                node = above
            above = above.parent()
        return node.parent(), node.parent().children().index(node)


class Stylist(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded result its style and its place among the layers."""

    def __init__(self, kind: str, run: Optional[Run] = None, properties: Optional[dict[str, str]] = None) -> None:
        """Keep what the layer will need.

        Args:
            kind: as in styling.py; empty: no style.
            run: whose group the layer joins; None: it stays where QGIS puts it.
            properties: custom properties instead of the run's, whose layers may come from several scenes.
        """
        super().__init__()
        self._kind, self._run, self._properties = kind, run, properties

    def postProcessLayer(self, layer, context, feedback):  # noqa: ANN001, ANN201, ARG002, N802 - QGIS's names
        """Called by QGIS on the main thread once the layer is in the project."""
        project = context.project()
        if project is not None and self._run is not None:
            for name, value in (self._properties or self._run.properties).items():
                layer.setCustomProperty(name, value)  # before the style: each of several styles keeps them
        if self._kind:
            apply_style(layer, self._kind, self._run.classes if self._run is not None else ("cloud",))
        if project is not None and self._run is not None:
            into_group(project.layerTreeRoot(), layer.id(), self._run)
            QTimer.singleShot(0, lambda scene=self._run.scene_id: _activate(scene))


def into_group(root: QgsLayerTreeGroup, layer_id: str, run: Run) -> None:
    """Move a layer into the group of its run."""
    node = root.findLayer(layer_id)
    if node is None or node.parent().name() == _results_group():
        return  # not in the project, or where QGIS's own options put results
    group = run.group(root)
    if run.number > 1:
        node.layer().setName(f"{node.layer().name()} ({run.number})")
    # The copy first: a layer that is nowhere in the tree would leave the project.
    moved = node.clone()
    group.insertChildNode(_place(group, node), moved)
    moved.setExpanded(node.layer().customProperty(KIND) in ("mask", "polygons"))
    node.parent().removeChildNode(node)


def dress(context: QgsProcessingContext, destination: str, name: str, stylist: Stylist) -> None:
    """Name and style the layer that QGIS will load from `destination`, where it will load it at all."""
    if not destination or not context.willLoadLayerOnCompletion(destination):
        return
    details = context.layerToLoadOnCompletionDetails(destination)
    details.name = name
    details.forceName = True
    _alive.append(stylist)
    details.setPostProcessor(stylist)


def load(context: QgsProcessingContext, path: str, name: str, stylist: Stylist) -> None:
    """Have QGIS load a file that is no output of its own: one of several in a folder."""
    project = context.project()
    if project is not None:
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project, name))
        dress(context, path, name, stylist)


def load_only(context: QgsProcessingContext, written: Iterable[str], outputs: Iterable[str]) -> None:
    """Take from what QGIS will load those `outputs` that were not written, the empty path of a batch row among them.

    QGIS would report each as a failure.
    """
    layers, kept = context.layersToLoadOnCompletion(), set(written)
    for path in ({*outputs, ""} - kept) & set(layers):
        del layers[path]
    context.setLayersToLoadOnCompletion(layers)


def _free_name(root: QgsLayerTreeGroup, name: str) -> tuple[str, int]:
    """The name, or with the first number that no group has, and the number."""
    number, free = 1, name
    while root.findGroup(free) is not None:
        number += 1
        free = f"{name} ({number})"
    return free, number


def _activate(layer_id: str) -> None:
    """Make the scene the active layer again, so that what comes next is not put into the results' group."""
    iface = main_window()
    if iface is not None:
        iface.layerTreeView().setCurrentLayer(QgsProject.instance().mapLayer(layer_id))


def _results_group() -> str:
    """The group that the user has chosen for all results in Processing's options, or a name that no group has."""
    from processing.core.ProcessingConfig import ProcessingConfig

    return ProcessingConfig.getSetting(ProcessingConfig.RESULTS_GROUP_NAME) or "\0"


def _place(group: QgsLayerTreeGroup, node: Any) -> int:  # noqa: ANN401
    """Where a layer goes in its group: polygons above the mask above the score; -1 is the end."""
    children = group.children()
    below = [i for i, child in enumerate(children) if child != node and _rank(child) > _rank(node)]
    return below[0] if below else -1


def _rank(node: Any) -> int:  # noqa: ANN401
    """Vectors first, then rasters by the order in which they are best seen."""
    order = ("polygons", "mask", "score", "class_scores", "uncertainty")
    kind = node.layer().customProperty(KIND, "") if hasattr(node, "layer") and node.layer() is not None else ""
    return order.index(kind) if kind in order else len(order)
