"""A label that tells how things stand, in red where they do not: a red that can be read in light and dark themes."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QPalette
from qgis.PyQt.QtWidgets import QLabel

ON_LIGHT, ON_DARK = "#c00000", "#ff8a80"


def make_label() -> QLabel:
    """Wraps, can be copied, and shows names as they are."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def tell(label: QLabel, text: str, *, bad: bool = False) -> None:
    """Show the text; the theme's own colour of letters says whether the ground is light or dark."""
    label.setStyleSheet("")
    label.ensurePolished()
    is_dark = label.palette().color(QPalette.ColorRole.WindowText).lightness() > 127
    label.setStyleSheet(f"color: {ON_DARK if is_dark else ON_LIGHT}" if bad else "")
    label.setText(text)
