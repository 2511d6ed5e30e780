"""What the steps of the window's session share: waiting, pictures, the dialog."""

import os
import time
from pathlib import Path

from qgis.core import QgsProject
from qgis.PyQt.QtWidgets import QAction, QApplication, QDockWidget
from qgis.utils import iface, plugins

FOLDER = Path(os.environ["GEOCLOUD_WINDOW"])
SCENE = os.environ["GEOCLOUD_SCENE"]
BIG = os.environ["GEOCLOUD_BIG"]
WHEELS = os.environ["GEOCLOUD_WHEELS"]


def wait(condition, seconds=900):
    """Let QGIS go on until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        QApplication.processEvents()
        time.sleep(0.02)


def pause(seconds):
    until = time.monotonic() + seconds
    wait(lambda: time.monotonic() > until)


def save(widget, name):
    pause(0.5)
    assert widget.grab().save(str(FOLDER / f"{name}.png"))


def close_panel(name):
    iface.mainWindow().findChild(QDockWidget, name).close()


def wait_for_map():
    iface.mapCanvas().refresh()
    pause(1)
    wait(lambda: not iface.mapCanvas().isDrawing())


def plugin():
    return plugins["geocloud_qgis"]


def action(name):
    found = iface.mainWindow().findChild(QAction, name)
    assert found is not None, f"no action {name}"
    return found


def open_dialog():
    """As a user does: the action in the Raster menu."""
    plugin().dialog = None
    action("geocloudDetect").trigger()
    dialog = plugin().dialog
    assert dialog is not None and dialog.isVisible()
    dialog.resize(860, 860)
    return dialog


def run(dialog, seconds=900):
    """Press Run, wait for the end, close."""
    dialog.runButton().click()
    pause(0.3)
    wait(lambda: dialog.runButton().isEnabled(), seconds)
    pause(1)
    dialog.close()


def group(name):
    return QgsProject.instance().layerTreeRoot().findGroup(name)


def names(parent):
    return [node.name() for node in parent.children()]
