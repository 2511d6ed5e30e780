"""How verbs tell how far they are, and what they had to assume; only the command line turns either into output."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""(done, total, stage); stage is `load`, `inference`, `polygons` or `write`. It may raise Cancelled to stop the run."""


def no_progress(done: int, total: int, stage: str) -> None:
    """Tell nobody."""


class Warn(str):
    """A note that says that the result may be wrong; other notes are plain texts and say what was assumed."""

    __slots__ = ()
