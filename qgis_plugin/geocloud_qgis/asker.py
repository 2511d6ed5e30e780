"""Questions to the program from a window: asked in a thread, answered by a signal on the window's own thread."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Sequence

from qgis.PyQt.QtCore import QObject, pyqtSignal

from . import settings
from .ask import ask
from .runner import ProgramError


class Asker(QObject):
    """Asks one thing at a time; the answer to a question that was followed by another is dropped."""

    answered = pyqtSignal(object)
    """What the program answered, or a ProgramError."""
    _came = pyqtSignal(int, object)

    def __init__(self, parent: QObject) -> None:
        """Nothing is asked yet."""
        super().__init__(parent)
        self._number = 0
        self._came.connect(self._take)

    def ask(self, arguments: Sequence[str]) -> None:
        """Ask the program with these arguments, which make it print JSON."""
        self._number += 1
        given = self._number, tuple(arguments), settings.executable(), settings.environment()
        threading.Thread(target=self._work, args=given, name="geocloud-asker", daemon=True).start()

    def forget(self) -> None:
        """The answer to what was asked is no longer wanted."""
        self._number += 1

    def _work(self, number: int, arguments: tuple[str, ...], setting: str, environ: dict[str, str]) -> None:
        """In the thread."""
        try:
            answer = ask(settings.find(setting, environ), environ, arguments)
        except ProgramError as error:
            answer = error
        with suppress(RuntimeError):  # the window is gone
            self._came.emit(number, answer)

    def _take(self, number: int, answer: object) -> None:
        if number == self._number:
            self.answered.emit(answer)
