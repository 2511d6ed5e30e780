"""The part of the settings that installs the program: source, Install or Update, Remove, progress, cancel, log."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any, Callable, Optional

from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import (
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from . import settings
from .installer import PROGRAM_VERSION, install, installed, program_wheel, remove
from .runner import Listener, ProgramCancelled, ProgramError
from .telling import make_label
from .texts import tr

POLL_MS = 100


class _Queued(Listener):
    """In the thread: what is heard goes to the window through a queue."""

    def __init__(self) -> None:
        self.messages: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.stop = threading.Event()

    def progress(self, percent: float) -> None:
        self.messages.put(("percent", int(percent)))

    def stage(self, text: str) -> None:
        self.messages.put(("stage", text))

    def info(self, text: str) -> None:
        self.messages.put(("line", text))

    def cancelled(self) -> bool:
        return self.stop.is_set()


class InstallPanel(QGroupBox):
    """Installs into the profile folder, beside QGIS and apart from its own Python."""

    def __init__(self, log: Callable[[str], None], done: Callable[[], None], parent: Optional[QWidget] = None) -> None:
        """`log` takes the lines of pip, `done` is called when the installation has changed."""
        super().__init__(tr("Install the program"), parent)
        self._log, self._done = log, done
        self._run: Optional[_Queued] = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._build()
        self.refresh()

    def _build(self) -> None:
        """Widgets from top to bottom."""
        layout = QVBoxLayout(self)
        self.state = make_label()
        layout.addWidget(self.state)
        self.wheels = QLineEdit()
        self.wheels.setObjectName("wheels")
        self.wheels.textChanged.connect(self.refresh)
        self.browse_button = _button(tr("Folder…"), self.browse)
        row = QHBoxLayout()
        for widget in (QLabel(tr("Folder of wheels:")), self.wheels, self.browse_button):
            row.addWidget(widget)
        layout.addLayout(row)
        self.install_button = _button(tr("Install"), self.start)
        self.cancel_button = _button(tr("Cancel"), self.cancel)
        self.remove_button = _button(tr("Remove"), self.remove)
        self.bar = QProgressBar()
        row = QHBoxLayout()
        for widget in (self.install_button, self.bar, self.cancel_button, self.remove_button):
            row.addWidget(widget)
        layout.addLayout(row)

    @property
    def running(self) -> bool:
        """True while an installation goes on."""
        return self._run is not None

    @staticmethod
    def is_installed() -> bool:
        """True where the profile folder has an installation."""
        return installed(settings.installations()) is not None

    def refresh(self) -> None:
        """Say what is installed, and offer what is possible."""
        own = installed(settings.installations())
        try:
            program_wheel(self._folder())
            possible, reason = True, ""
        except ProgramError as error:
            possible, reason = False, f"{error}; {error.hint}." if error.hint else f"{error}."
        if own is None:
            self.state.setText(
                reason or tr("Install puts version {version} into the profile folder.").format(version=PROGRAM_VERSION)
            )
        else:
            text = tr("Version {version} is installed in {folder}.").format(version=own.version, folder=own.folder)
            self.state.setText(text if own.version == PROGRAM_VERSION else f"{text} {reason or _newer()}")
        self.wheels.setPlaceholderText(
            tr("only for a computer without network") if self._is_bundled() else tr("the program and all it needs")
        )
        self.install_button.setText(tr("Install") if own is None else tr("Update"))
        self.install_button.setEnabled(possible and not self.running)
        self.remove_button.setEnabled(own is not None and not self.running)
        self.cancel_button.setEnabled(self.running)
        self.wheels.setEnabled(not self.running)
        self.browse_button.setEnabled(not self.running)

    @staticmethod
    def _is_bundled() -> bool:
        try:
            return bool(program_wheel())
        except ProgramError:
            return False

    def _folder(self) -> Optional[Path]:
        text = self.wheels.text().strip()
        return Path(text).expanduser() if text else None

    def browse(self) -> None:
        """Choose a folder of wheels."""
        chosen = QFileDialog.getExistingDirectory(self, tr("Folder of wheels"), str(Path.home()))
        if chosen:
            self.wheels.setText(chosen)

    def start(self) -> None:
        """Install in a thread; the window stays alive."""
        self._run = _Queued()
        if settings.has_socks_proxy():
            self._log(tr("QGIS's proxy is one of SOCKS, which pip cannot use; give a folder of wheels."))
        given = self._run, settings.installations(), settings.environment(), self._folder()
        threading.Thread(target=_install, args=given, name="geocloud-install", daemon=True).start()
        self._timer.start(POLL_MS)
        self.refresh()

    def cancel(self) -> None:
        """Stop it; nothing is left of the attempt."""
        if self._run is not None:
            self._run.stop.set()

    def remove(self) -> None:
        """Take the installation away."""
        try:
            remove(settings.installations())
            self._log(tr("Removed."))
        except ProgramError as error:
            self._log(f"{error}\n{error.hint}".strip())
        self.refresh()
        self._done()

    def _poll(self) -> None:
        """Show what was heard."""
        while self._run is not None and not self._run.messages.empty():
            kind, value = self._run.messages.get()
            if kind == "percent":
                self.bar.setValue(value)
            elif kind in ("stage", "line"):
                self._log(value if kind == "line" else f"— {value}")
            else:
                self._end(value)

    def _end(self, text: str) -> None:
        """It is installed, cancelled, or failed with a sentence."""
        self._run = None
        self._timer.stop()
        self._log(text)
        self.refresh()
        self._done()


def _newer() -> str:
    return tr("This plugin was tested with {version}.").format(version=PROGRAM_VERSION)


def _install(run: _Queued, root: Path, environ: dict[str, str], wheels: Optional[Path]) -> None:
    """In the thread: no widget is touched here."""
    try:
        made = install(root, environ, run, wheels)
        run.messages.put(("end", tr("Installed: {program}").format(program=made.program)))
    except ProgramCancelled:
        run.messages.put(("end", tr("Cancelled; nothing was installed.")))
    except ProgramError as error:
        run.messages.put(("end", f"{error}\n{error.hint}".strip()))
    except Exception as error:  # noqa: BLE001 - the window must hear of it
        run.messages.put(("end", f"{type(error).__name__}: {error}"))


def _button(text: str, slot: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setAutoDefault(False)
    button.clicked.connect(lambda *_: slot())
    return button
