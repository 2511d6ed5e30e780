"""The plugin: registers the provider, and an action that opens the dialog with the active layer."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication, QgsRasterLayer
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction

from . import settings
from .algorithm import ICON
from .provider import GeocloudProvider
from .runner import ProgramError

MENU = "&Geocloud"


class GeocloudPlugin:
    """What QGIS loads."""

    def __init__(self, iface: Any) -> None:  # noqa: ANN401 - None under qgis_process
        """Nothing is shown yet."""
        self.iface = iface
        self.provider = None
        self.actions: list[QAction] = []
        self.dialog = None

    def initProcessing(self) -> None:  # noqa: N802 - QGIS's name
        """All that qgis_process needs."""
        self.provider = GeocloudProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:  # noqa: N802 - QGIS's name
        """Provider, toolbar button, entries of the Raster menu."""
        self.initProcessing()
        detect = self._action("Detect clouds…", self.open_dialog, "geocloudDetect")
        self._action("Settings…", self.open_settings, "geocloudSettings")
        self.iface.addToolBarIcon(detect)

    def unload(self) -> None:
        """Take all of it away."""
        for action in self.actions:
            self.iface.removePluginRasterMenu(MENU, action)
            self.iface.removeToolBarIcon(action)
            action.deleteLater()
        self.actions = []
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None

    def _action(self, text: str, slot: Any, name: str) -> QAction:  # noqa: ANN401
        """An entry of the Raster menu."""
        action = QAction(QIcon(str(ICON)), text, self.iface.mainWindow())
        action.setObjectName(name)
        action.triggered.connect(lambda *_: slot())
        self.iface.addPluginToRasterMenu(MENU, action)
        self.actions.append(action)
        return action

    def open_dialog(self) -> None:
        """The dialog with the active layer; first the settings where the program is missing."""
        import processing

        if not self._found() and not (self.open_settings() and self._found()):
            return
        layer = self.iface.activeLayer()
        given = {"INPUT": layer.id()} if isinstance(layer, QgsRasterLayer) else {}
        self.dialog = processing.createAlgorithmDialog("geocloud:detectclouds", given)
        self.dialog.show()

    def open_settings(self) -> bool:
        """The settings; True where they were accepted."""
        from .settings_dialog import SettingsDialog

        return SettingsDialog(self.iface.mainWindow()).exec() == SettingsDialog.DialogCode.Accepted

    @staticmethod
    def _found() -> bool:
        try:
            settings.program()
        except ProgramError:
            return False
        return True
