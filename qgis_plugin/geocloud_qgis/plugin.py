"""The plugin: registers the provider, and actions that open the dialog with a scene, and the settings."""

from __future__ import annotations

from html import escape
from typing import Any, Optional

from qgis.core import Qgis, QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction

from . import settings
from .algorithm import ICON
from .exporting import offer_export
from .layers import is_file, is_result
from .provider import GeocloudProvider
from .recent import scene_for
from .runner import ProgramError
from .texts import tr
from .threshold_dock import ThresholdDock
from .translation import install_translator

MENU = "&Geocloud"


class GeocloudPlugin:
    """What QGIS loads."""

    def __init__(self, iface: Any) -> None:  # noqa: ANN401 - None under qgis_process
        """Nothing is shown yet."""
        install_translator()
        self.iface = iface
        self.provider = None
        self.actions: list[QAction] = []
        self.dialog = None
        self.dock: Optional[ThresholdDock] = None

    def initProcessing(self) -> None:  # noqa: N802 - QGIS's name
        """All that qgis_process needs."""
        self.provider = GeocloudProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:  # noqa: N802 - QGIS's name
        """Provider, toolbar button, entries of the Raster menu."""
        self.initProcessing()
        detect = self._action(tr("Detect clouds…"), self.open_dialog, "geocloudDetect")
        self._action(tr("Cloud threshold"), self.open_threshold, "geocloudOpenThreshold")
        self._action(tr("Settings…"), self.open_settings, "geocloudSettings")
        self.iface.addToolBarIcon(detect)

    def unload(self) -> None:
        """Take all of it away."""
        for action in self.actions:
            self.iface.removePluginRasterMenu(MENU, action)
            self.iface.removeToolBarIcon(action)
            action.deleteLater()
        self.actions = []
        if self.dock is not None:
            self.dock.detach()
            self.iface.removeDockWidget(self.dock)
            self.dock.deleteLater()
            self.dock = None
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
        """The dialog with the scene that suggests itself; first the settings where the program is missing."""
        import processing

        if not self._found() and not (self.open_settings() and self._found()):
            return
        active = self.iface.activeLayer()
        if isinstance(active, QgsRasterLayer) and not active.isValid():
            text = tr("The layer {name} cannot be read: its file is not where it was.").format(name=active.name())
            self.iface.messageBar().pushMessage("Geocloud", escape(text, quote=False), Qgis.MessageLevel.Warning)
            return
        if isinstance(active, QgsRasterLayer) and not is_file(active) and not is_result(active):
            offer_export(self.iface, active, self.open_dialog)
            return
        self.dialog = processing.createAlgorithmDialog(
            "geocloud:detectclouds", scene_for(active, QgsProject.instance())
        )
        self.dialog.show()

    def open_threshold(self) -> None:
        """The dock that cuts a score layer while the user looks."""
        if self.dock is None:
            self.dock = ThresholdDock(self.iface)
            self.iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        self.dock.show()

    def open_settings(self) -> bool:
        """The settings; True where they were accepted."""
        from .settings_dialog import SettingsDialog

        return SettingsDialog(self.iface.mainWindow()).exec() == SettingsDialog.DialogCode.Accepted

    @staticmethod
    def _found() -> bool:
        try:
            settings.program(settings.environment())
        except ProgramError:
            return False
        return True
