"""Questions to the program from a window: asked on another thread, answered by a signal on the window's thread."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Sequence

from qgis.PyQt.QtCore import QObject, pyqtSignal

from . import settings
from .ask import ask
from .runner import ProgramError


class Asker(QObject):
    """Asks one question at a time; the answer to an earlier question is dropped."""

    answered = pyqtSignal(object)
    """What the program answered, or a ProgramError."""
    _arrived = pyqtSignal(int, object)
    """Number of a question, and its answer."""

    def __init__(self, parent: QObject) -> None:
        """Ask nothing yet."""
        super().__init__(parent)
        self._number = 0
        self._arrived.connect(self._take)

    def ask(self, arguments: Sequence[str]) -> None:
        """Ask the program with these arguments, which make it print JSON."""
        self._number += 1
        args = self._number, tuple(arguments), settings.executable(), settings.environment()
        threading.Thread(target=self._work, args=args, name="geocloud-asker", daemon=True).start()

    def forget(self) -> None:
        """Drop the answer to the last question."""
        self._number += 1

    def _work(self, number: int, arguments: tuple[str, ...], setting: str, environ: dict[str, str]) -> None:
        """Ask the program; runs on the other thread."""
        try:
            answer = ask(settings.find(setting, environ), environ, arguments)
        except ProgramError as error:
            answer = error
        with suppress(RuntimeError):  # the window was closed
            self._arrived.emit(number, answer)

    def _take(self, number: int, answer: object) -> None:
        if number == self._number:
            self.answered.emit(answer)
