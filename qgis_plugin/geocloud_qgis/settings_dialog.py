"""Where the program is: path, Browse, Test, a report to copy, and the part that installs it."""

from __future__ import annotations

import os
import platform
import threading
from pathlib import Path
from typing import Optional

from qgis.core import Qgis
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
from .install_panel import InstallPanel
from .locate import VARIABLE
from .runner import ProgramError
from .telling import make_label, show_text
from .texts import tr

POLL_MS = 100


class SettingsDialog(QDialog):
    """The plugin's only settings."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        """Filled with what is set now, and tested at once, so that the user sees how things stand."""
        super().__init__(parent)
        self.setWindowTitle(tr("Geocloud settings"))
        self.setMinimumWidth(600)
        self._answer: Optional[tuple[bool, str]] = None
        self._tested = ""
        self._works = self._closing = self._keep_log = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._build()
        if os.environ.get(VARIABLE):
            text = tr("named in the variable {variable}").format(variable=VARIABLE)
            self.path.setPlaceholderText(f"{text}: {os.environ[VARIABLE]}")
            self.path.setEnabled(False)
        else:
            self.path.setText(settings.executable())
        self.test()

    def _build(self) -> None:
        """Widgets from top to bottom."""
        layout = QVBoxLayout(self)
        self.path = QLineEdit()
        self.path.setObjectName("path")
        self.path.setPlaceholderText(tr("leave empty to find it automatically"))
        self.path.setToolTip(tr("The program, its folder or its virtual environment"))
        self.test_button = _button(tr("Test"), self.test)
        browse = _button(tr("File…"), self.browse_file), _button(tr("Folder…"), self.browse_folder)
        layout.addWidget(QLabel(tr("The program geocloud:")))
        layout.addLayout(_row(self.path, *browse, self.test_button))
        self.status = make_label()
        self.status.setMinimumHeight(3 * self.status.fontMetrics().lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self.status)
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setMinimumHeight(150)
        layout.addWidget(self.report)
        self.panel = InstallPanel(self.report.appendPlainText, self._installed)
        layout.addWidget(self.panel)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        copy = self.buttons.addButton(tr("Copy report"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda *_: QApplication.clipboard().setText(self.report_text()))
        layout.addWidget(self.buttons)

    def report_text(self) -> str:
        """What a question needs: also where the program is missing, which QGIS this is."""
        report = self.report.toPlainText().strip()
        return report or f"{self.status.text()}\nQGIS {Qgis.QGIS_VERSION} on {platform.platform()}"

    def _installed(self) -> None:
        """After an installation or a removal: the program that is found now, below the log that led to it."""
        if self.panel.is_installed() and self.path.isEnabled():
            self.path.clear()
        self.test(keep_log=True)

    def browse_file(self) -> None:
        """Choose the program itself."""
        self._chosen(QFileDialog.getOpenFileName(self, tr("The program geocloud"), str(Path.home()))[0])

    def browse_folder(self) -> None:
        """Choose its folder or its virtual environment."""
        self._chosen(QFileDialog.getExistingDirectory(self, tr("The program's folder"), str(Path.home())))

    def _chosen(self, path: str) -> None:
        if path:
            self.path.setText(path)
            self.test()

    def test(self, *, keep_log: bool = False) -> None:
        """Ask the program in a thread: its first start can take many seconds."""
        self.test_button.setEnabled(False)
        self._say(tr("Testing…"))
        self._keep_log = keep_log
        if not keep_log:
            self.report.clear()
        self._answer, self._tested, self._works = None, self.path.text(), False
        threading.Thread(target=self._ask, args=(self._tested, settings.environment()), daemon=True).start()
        self._timer.start(POLL_MS)

    def _ask(self, text: str, environ: dict[str, str]) -> None:
        """In the thread: no widget is touched here."""
        try:
            self._answer = True, make_report(settings.find(text, environ), environ)
        except ProgramError as error:
            self._answer = False, str(error)

    def _poll(self) -> None:
        """Show the answer once it is there; after OK, close where the program works."""
        if self._answer is None:
            return
        self._timer.stop()
        self._works, text = self._answer
        self._say(tr("Works.") if self._works else text, bad=not self._works)
        if self._works:
            (self.report.appendPlainText if self._keep_log else self.report.setPlainText)(text)
        self.test_button.setEnabled(True)
        closing, self._closing = self._closing, False
        if closing and self._works:
            self.accept()

    def _say(self, text: str, *, bad: bool = False) -> None:
        """The line that tells how things stand, red where they do not work."""
        show_text(self.status, text, bad=bad)

    def accept(self) -> None:
        """Keep the path where the program works; where it does not, the window stays and says why."""
        if self.panel.running:
            self._say(tr("The installation is still going on."), bad=True)
        elif self._timer.isActive() and self._tested == self.path.text():
            self._closing = True
        elif self._tested != self.path.text() or not self._works:
            self._closing = True
            self.test()
        else:
            if self.path.isEnabled():
                settings.set_executable(self.path.text())
            super().accept()

    def reject(self) -> None:
        """Close; an installation that goes on is stopped."""
        self.panel.cancel()
        super().reject()


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
