"""The scene with which the dialog opens: the active layer, the scene of an active result, or the last scene."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsMapLayer, QgsProject, QgsRasterLayer

from .layers import SCENE, SCENE_ID, is_result

_last: dict[str, str] = {}


def remember(scene: dict[str, str]) -> None:
    """Remember the scene of a run: {"INPUT": layer id} or {"PRODUCT": path}."""
    _last.clear()
    _last.update(scene)


def scene_for(active: Optional[QgsMapLayer], project: QgsProject) -> dict[str, str]:
    """The dialog's parameter INPUT or PRODUCT, as in `remember`; empty if there is no obvious scene."""
    if active is not None and is_result(active):
        scene = _scene_of(active, project)
        if scene:
            return scene
    elif isinstance(active, QgsRasterLayer):
        return {"INPUT": active.id()}
    if "PRODUCT" in _last or project.mapLayer(_last.get("INPUT", "")) is not None:
        return dict(_last)
    rasters = [layer for layer in project.mapLayers().values() if isinstance(layer, QgsRasterLayer)]
    scenes = [layer for layer in rasters if not is_result(layer)]
    return {"INPUT": scenes[0].id()} if len(scenes) == 1 else {}


def _scene_of(result: QgsMapLayer, project: QgsProject) -> dict[str, Any]:
    """The scene that a result was made from, as in `remember`; empty if it is unknown."""
    layer_id, scene = result.customProperty(SCENE_ID, ""), result.customProperty(SCENE, "")
    if project.mapLayer(layer_id) is not None:
        return {"INPUT": layer_id}
    return {"PRODUCT": scene} if scene and not layer_id else {}
