"""The settings: an empty profile, an installation from a folder of wheels, a path that does not work."""

import os
import re
from pathlib import Path

from driving import FOLDER, WHEELS, pause, wait
from geocloud_qgis import settings
from geocloud_qgis.settings_dialog import SettingsDialog
from qgis.PyQt.QtWidgets import QDialogButtonBox
from qgis.utils import iface


def _picture(dialog, name, *, end=False):
    """No computer's paths belong in the manual."""
    pause(0.5)
    text = re.sub(r"(/[\w.-]+)+/", "…/", dialog.report.toPlainText())
    dialog.report.setPlainText(re.sub(r" on Linux.*", " on Linux", text))
    if dialog.panel.running:
        dialog.panel.state.setText("")
    dialog.panel.state.setText(re.sub(r"(/[\w.-]+)+/", "…/", dialog.panel.state.text()))
    bar = dialog.report.verticalScrollBar()
    bar.setValue(bar.maximum() if end else bar.minimum())
    assert dialog.grab().save(str(FOLDER / f"{name}.png"))


def install():
    """Nothing is there; the button installs the program from wheels, as a user without network does."""
    dialog = SettingsDialog(iface.mainWindow())
    dialog.show()
    wait(lambda: dialog.test_button.isEnabled())
    assert "not found" in dialog.status.text(), dialog.status.text()
    assert not dialog.panel.install_button.isEnabled() and "wheel" in dialog.panel.state.text()
    dialog.panel.wheels.setText(WHEELS)
    dialog.panel.install_button.click()
    wait(lambda: dialog.panel.bar.value() > 30, 400)
    dialog.panel.wheels.setText("…/wheels")
    _picture(dialog, "qgis-install", end=True)
    wait(lambda: not dialog.panel.running, 800)
    wait(lambda: dialog.test_button.isEnabled())
    assert dialog.status.text() == "Works.", dialog.report.toPlainText()
    assert settings.program(settings.environment()).is_relative_to(settings.installations())
    dialog.panel.wheels.clear()
    dialog.test()
    wait(lambda: dialog.test_button.isEnabled())
    _picture(dialog, "qgis-settings")
    dialog.close()


def wrong_path():
    """OK keeps the window open and says what is wrong."""
    dialog = SettingsDialog(iface.mainWindow())
    dialog.show()
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    dialog.path.setText("/nonexistent")
    ok.click()
    wait(lambda: dialog.test_button.isEnabled())
    assert dialog.isVisible(), "a path that does not work was kept"
    assert "/nonexistent" in dialog.status.text()
    assert settings.executable() == ""
    ok.click()
    assert not dialog.test_button.isEnabled(), "a second OK tests again: a computer may have been busy"
    wait(lambda: dialog.test_button.isEnabled())
    assert dialog.isVisible()
    program = str(settings.program(settings.environment()))
    dialog.path.setText(program)
    ok.click()
    wait(lambda: not dialog.isVisible())
    assert settings.executable() == program
    settings.set_executable("")


def variable():
    """A variable of the environment goes before the settings, and the window says so."""
    os.environ["GEOCLOUD_EXECUTABLE"] = str(Path(settings.program(settings.environment())))
    dialog = SettingsDialog(iface.mainWindow())
    assert not dialog.path.isEnabled() and "GEOCLOUD_EXECUTABLE" in dialog.path.placeholderText()
    wait(lambda: dialog.test_button.isEnabled())
    dialog.close()
    del os.environ["GEOCLOUD_EXECUTABLE"]


def remove():
    dialog = SettingsDialog(iface.mainWindow())
    dialog.show()
    wait(lambda: dialog.test_button.isEnabled())
    dialog.panel.remove_button.click()
    wait(lambda: dialog.test_button.isEnabled())
    assert "not found" in dialog.status.text(), dialog.status.text()
    assert not list(settings.installations().glob("program-*"))
    dialog.close()
