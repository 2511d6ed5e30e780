"""Which scene the dialog opens with: the active layer, the scene of an active result, or the last one."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsMapLayer, QgsProject, QgsRasterLayer

from .layers import SCENE, SCENE_ID, is_result

_last: dict[str, str] = {}


def remember(given: dict[str, str]) -> None:
    """Keep a run's scene: {"INPUT": layer id} or {"PRODUCT": path}."""
    _last.clear()
    _last.update(given)


def scene_for(active: Optional[QgsMapLayer], project: QgsProject) -> dict[str, str]:
    """The dialog's parameters INPUT or PRODUCT; empty where no scene suggests itself."""
    if active is not None and is_result(active):
        found = _scene_of(active, project)
        if found:
            return found
    elif isinstance(active, QgsRasterLayer):
        return {"INPUT": active.id()}
    if "PRODUCT" in _last or project.mapLayer(_last.get("INPUT", "")) is not None:
        return dict(_last)
    rasters = [layer for layer in project.mapLayers().values() if isinstance(layer, QgsRasterLayer)]
    scenes = [layer for layer in rasters if not is_result(layer)]
    return {"INPUT": scenes[0].id()} if len(scenes) == 1 else {}


def _scene_of(result: QgsMapLayer, project: QgsProject) -> dict[str, Any]:
    """The scene that a result was made from."""
    layer_id, scene = result.customProperty(SCENE_ID, ""), result.customProperty(SCENE, "")
    if project.mapLayer(layer_id) is not None:
        return {"INPUT": layer_id}
    return {"PRODUCT": scene} if scene and not layer_id else {}
