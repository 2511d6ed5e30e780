"""Where the program is: path, Browse, Test, the install command to copy, a report to copy."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Optional

from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from . import settings
from .check_installation import make_report
from .locate import INSTALL_COMMAND, find_program
from .runner import ProgramError

POLL_MS = 100


class SettingsDialog(QDialog):
    """The plugin's only settings."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        """Filled with what is set now, and tested at once, so that the user sees how things stand."""
        super().__init__(parent)
        self.setWindowTitle("Geocloud settings")
        self.setMinimumWidth(560)
        self._answer: Optional[tuple[bool, str]] = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._build()
        self.path.setText(settings.executable())
        self.test()

    def _build(self) -> None:
        """Widgets from top to bottom."""
        layout = QVBoxLayout(self)
        self.path = QLineEdit()
        self.path.setObjectName("path")
        self.path.setPlaceholderText("found by itself; or the program, its folder or its virtual environment")
        self.test_button = _button("Test", self.test)
        layout.addWidget(QLabel("The program geocloud:"))
        layout.addLayout(_row(self.path, _button("Browse…", self.browse), self.test_button))
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setMinimumHeight(190)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self.status)
        layout.addWidget(self.report)
        command = QLineEdit(INSTALL_COMMAND)
        command.setReadOnly(True)
        layout.addWidget(QLabel("Not installed? In a terminal, not in QGIS:"))
        layout.addLayout(_row(command, _button("Copy", lambda: _copy(INSTALL_COMMAND))))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        copy = buttons.addButton("Copy report", QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda *_: _copy(f"{self.status.text()}\n{self.report.toPlainText()}".strip()))
        layout.addWidget(buttons)

    def browse(self) -> None:
        """Choose the program's file; a folder can be typed."""
        chosen, _ = QFileDialog.getOpenFileName(self, "The program geocloud", str(Path.home()))
        if chosen:
            self.path.setText(chosen)
            self.test()

    def test(self) -> None:
        """Ask the program in a thread: its first start can take many seconds."""
        self.test_button.setEnabled(False)
        self.status.setText("Testing…")
        self.report.clear()
        self._answer = None
        environ, text = settings.environment(), self.path.text()
        threading.Thread(target=self._ask, args=(text, environ), daemon=True).start()
        self._timer.start(POLL_MS)

    def _ask(self, text: str, environ: dict[str, str]) -> None:
        """In the thread: no widget is touched here."""
        try:
            self._answer = True, make_report(find_program(text, environ), environ)
        except ProgramError as error:
            self._answer = False, f"{error}\n{error.hint}".strip()

    def _poll(self) -> None:
        """Show the answer once it is there."""
        if self._answer is None:
            return
        self._timer.stop()
        works, text = self._answer
        self.status.setText("Works." if works else text)
        self.report.setPlainText(text if works else "")
        self.test_button.setEnabled(True)

    def accept(self) -> None:
        """Keep the path."""
        settings.set_executable(self.path.text())
        super().accept()


def _button(text: str, slot: object) -> QPushButton:
    button = QPushButton(text)
    button.setAutoDefault(False)
    button.clicked.connect(lambda *_: slot())
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _copy(text: str) -> None:
    QApplication.clipboard().setText(text)
