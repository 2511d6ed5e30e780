"""Imports the plugin with PyQt6 behind a stub of qgis, and opens its settings dialog."""

import importlib
import os
import sys
import types
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from PyQt6 import QtCore, QtGui, QtNetwork, QtWidgets  # noqa: E402


class Core(types.ModuleType):
    """Any name is a class that takes anything."""

    def __getattr__(self, name):
        made = type(name, (), {"__init__": lambda self, *a, **k: None})
        setattr(self, name, made)
        return made


QtWidgets.QAction = QtGui.QAction  # as QGIS's own qgis.PyQt does
core, pyqt = Core("qgis.core"), types.ModuleType("qgis.PyQt")
sys.modules.update({
    "qgis": types.ModuleType("qgis"), "qgis.core": core, "qgis.PyQt": pyqt, "qgis.PyQt.QtCore": QtCore,
    "qgis.PyQt.QtGui": QtGui, "qgis.PyQt.QtWidgets": QtWidgets,
})  # fmt: skip
wrappers = Core("processing.gui.wrappers")
wrappers.DIALOG_STANDARD = 0
sys.modules.update({"processing.gui.wrappers": wrappers})
for name in ("processing", "processing.gui"):
    sys.modules[name] = types.ModuleType(name)
core.QgsSettings.value = lambda self, key, default: default
core.QgsApplication.prefixPath = staticmethod(lambda: "/usr")
core.QgsApplication.qgisSettingsDirPath = staticmethod(lambda: "/nonexistent/profile")
core.Qgis.QGIS_VERSION = "4.0"
core.QgsNetworkAccessManager.fallbackProxy = lambda self: QtNetwork.QNetworkProxy()
core.QgsNetworkAccessManager.instance = classmethod(lambda cls: cls())

folder = Path(__file__).parent.parent.parent / "geocloud_qgis"
for path in folder.glob("*.py"):
    importlib.import_module("geocloud_qgis" if path.stem == "__init__" else f"geocloud_qgis.{path.stem}")

application = QtWidgets.QApplication([])
from geocloud_qgis.settings_dialog import SettingsDialog  # noqa: E402

dialog = SettingsDialog()
dialog.show()
application.processEvents()
sys.stderr.flush()
os._exit(0)
