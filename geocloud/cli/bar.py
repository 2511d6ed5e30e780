"""The one progress bar."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


def can_draw(console: Console) -> bool:
    """Whether a line can be drawn over: not in a pipe, on a dumb terminal, or in a notebook's cell."""
    return console.is_terminal and not console.is_dumb_terminal and "JPY_PARENT_PID" not in os.environ


class ProgressBar:
    """The one bar, on stderr; it clears itself before any text and comes back with the next step."""

    def __init__(self, *, wanted: bool) -> None:
        """Nothing is drawn before the first step."""
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(30), TextColumn("{task.percentage:3.0f} %"))
        self._drawn = wanted and can_draw(console)
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
        self._task = self._bar.add_task("", total=100)
        self._began = ""

    def show(self, percent: float, text: str, part: str = "") -> None:
        """Draw it; the time left is counted anew with each `part`."""
        if not self._drawn:
            return
        if part != self._began:
            self._bar.reset(self._task)
            self._began = part
        self._bar.update(self._task, description=text, completed=percent)
        self._bar.start()

    def clear(self) -> None:
        """Take it away."""
        if self._drawn:  # rich would write an empty line where none is shown
            self._bar.stop()
