"""A label for states and errors; errors are red, in a red that is readable in light and in dark themes."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QPalette
from qgis.PyQt.QtWidgets import QLabel

ON_LIGHT, ON_DARK = "#c00000", "#ff8a80"


def make_label() -> QLabel:
    """A label that wraps its text, lets it be copied, and does not read it as HTML."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def show_text(label: QLabel, text: str, *, bad: bool = False) -> None:
    """Show the text, in red if it is `bad`; the theme's text colour says whether its background is light or dark."""
    label.setStyleSheet("")
    label.ensurePolished()
    is_dark = label.palette().color(QPalette.ColorRole.WindowText).lightness() > 127
    label.setStyleSheet(f"color: {ON_DARK if is_dark else ON_LIGHT}" if bad else "")
    label.setText(text)
