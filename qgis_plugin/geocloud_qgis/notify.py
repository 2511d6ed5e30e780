"""Shows the result of a run in QGIS's message bar: one line, and a button that shows the log."""

from __future__ import annotations

from html import escape
from typing import Any, Sequence

from qgis.core import Qgis, QgsProcessingFeedback, QgsProcessingMultiStepFeedback
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QDialog, QDialogButtonBox, QPlainTextEdit, QPushButton, QVBoxLayout

from .texts import tr
from .window import main_window

SECONDS = 30
"""Time for which the message is shown."""
DELAY_MS = 700
"""Time after the run; QGIS's own message "Task complete" would hide an earlier one."""


def result_text(result: dict[str, Any], warnings: Sequence[str]) -> str:
    """The result as text, such as `50.2 % cloud, 60 polygons; 1 warning`."""
    percent, count = result.get("cloud_percent"), result.get("polygon_count")
    parts = [tr("no valid pixels") if percent is None else tr("{percent} % cloud").format(percent=f"{percent:.1f}")]
    if count is not None:
        parts.append(tr("1 polygon") if count == 1 else tr("{count} polygons").format(count=count))
    text = ", ".join(parts)
    if warnings:
        number = len(warnings)
        text += "; " + (tr("1 warning") if number == 1 else tr("{count} warnings").format(count=number))
    return text


def show_result(
    title: str, text: str, warnings: Sequence[str], log: Sequence[str], feedback: QgsProcessingFeedback
) -> None:
    """Show the result of a run in QGIS's message bar; not in a batch, in a model, or without a window."""
    iface = main_window()
    if iface is None or isinstance(feedback, QgsProcessingMultiStepFeedback):
        return
    QTimer.singleShot(DELAY_MS, lambda: _push(iface, title, text, warnings, log))


def _push(iface: Any, title: str, text: str, warnings: Sequence[str], log: Sequence[str]) -> None:  # noqa: ANN401
    level = Qgis.MessageLevel.Warning if warnings else Qgis.MessageLevel.Success
    bar = iface.messageBar()
    item = bar.createMessage(title, escape(text, quote=False))  # QGIS reads it as HTML
    button = QPushButton(tr("Log"))
    button.setObjectName("geocloudLog")
    button.clicked.connect(lambda *_: LogDialog(title, log, iface.mainWindow()).show())
    item.layout().addWidget(button)
    bar.pushWidget(item, level, SECONDS)


class LogDialog(QDialog):
    """A dialog with the log of a run, to read and to copy."""

    def __init__(self, title: str, lines: Sequence[str], parent: Any = None) -> None:  # noqa: ANN401
        """Show these lines."""
        super().__init__(parent)
        self.setObjectName("geocloudLogDialog")
        self.setWindowTitle(title)
        self.resize(700, 360)
        self.text = QPlainTextEdit("\n".join(lines))
        self.text.setReadOnly(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        copy = buttons.addButton(tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda *_: QApplication.clipboard().setText(self.text.toPlainText()))
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
