"""A layer that is no file: a message with a button that exports it, then goes on with the file."""

from __future__ import annotations

import time
from html import escape
from pathlib import Path
from typing import Any, Callable

from qgis.core import Qgis, QgsApplication, QgsMapLayer, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QPushButton

from .layers import is_file, is_result
from .texts import tr


def offer_export(iface: Any, layer: QgsRasterLayer, go_on: Callable[[], None]) -> None:  # noqa: ANN401
    """Say that the layer is no file; the button opens QGIS's own export, and `go_on` is called with its result."""
    text = tr("The layer {name} is not a raster file, which the program needs.").format(name=layer.name())
    item = iface.messageBar().createMessage("Geocloud", escape(text, quote=False))
    button = QPushButton(tr("Export…"))
    button.setObjectName("geocloudExport")
    button.clicked.connect(lambda *_: _Export(iface, layer, go_on).start())
    item.layout().addWidget(button)
    iface.messageBar().pushWidget(item, Qgis.MessageLevel.Warning)


_waiting: list[_Export] = []
"""The export that goes on: Qt keeps no reference to the object of a slot."""


class _Export:
    """Waits for the layer that QGIS adds once it has written the file."""

    def __init__(self, iface: Any, layer: QgsRasterLayer, go_on: Callable[[], None]) -> None:  # noqa: ANN401
        self._iface, self._layer, self._go_on = iface, layer, go_on
        self._since = time.time()

    def start(self) -> None:
        """QGIS's own dialog: the part, the resolution and the file are the user's to choose."""
        while _waiting:
            _waiting[0].forget()
        _waiting.append(self)
        self._iface.setActiveLayer(self._layer)
        QgsProject.instance().layersAdded.connect(self.added)
        before = _tasks()
        self._iface.actionLayerSaveAs().trigger()  # comes back when QGIS's dialog is closed
        if not _tasks() - before:
            self.forget()  # cancelled: no file is being written

    def forget(self) -> None:
        """Wait no longer."""
        if self in _waiting:
            _waiting.remove(self)
            QgsProject.instance().layersAdded.disconnect(self.added)

    def added(self, layers: list[QgsMapLayer]) -> None:
        """Go on with the file that was just written; another layer is none of ours."""
        for layer in layers:
            if is_file(layer) and not is_result(layer) and self._is_new(layer.source()):
                self.forget()
                QTimer.singleShot(0, lambda found=layer: (self._iface.setActiveLayer(found), self._go_on()))
                return

    def _is_new(self, source: str) -> bool:
        path = Path(source.split("|", maxsplit=1)[0])
        return path.is_file() and path.stat().st_mtime >= self._since - 1


def _tasks() -> set[int]:
    """What QGIS works on."""
    manager = QgsApplication.taskManager()
    return {manager.taskId(task) for task in manager.tasks()}
