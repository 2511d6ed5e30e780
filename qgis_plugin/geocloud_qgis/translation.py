"""Loads the translation of QGIS's language."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QLocale, QTranslator

from .texts import set_translator

FOLDER = Path(__file__).parent / "i18n"
_alive: list[QTranslator] = []
"""Qt keeps no reference to a translator."""


def install_translator() -> None:
    """The plugin's texts in the language of QGIS's settings, else of the system; English where there is none."""
    if _alive:
        return
    chosen = str(QgsSettings().value("locale/userLocale", "") or "") or QLocale.system().name()
    translator = QTranslator()
    if translator.load(str(FOLDER / f"geocloud_{chosen[:2]}.qm")):
        QCoreApplication.installTranslator(translator)
        _alive.append(translator)
    set_translator(QCoreApplication.translate)
