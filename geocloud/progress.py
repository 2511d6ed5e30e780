"""How verbs tell how far they are: a callback, which only the command line turns into a bar."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""(done, total, stage); stage is `load`, `inference`, `polygons` or `write`. It may raise Cancelled to stop the run."""


def no_progress(done: int, total: int, stage: str) -> None:
    """Tell nobody."""
