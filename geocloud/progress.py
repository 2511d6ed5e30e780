"""How functions report their progress and what they had to assume; only the command line prints either."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

Progress = Callable[[int, int, str], None]
"""(done, total, stage); stage is `load`, `inference`, `polygons` or `write`. It may raise Cancelled to stop the run."""


def no_progress(done: int, total: int, stage: str) -> None:
    """Do nothing."""


class Warn(str):
    """A note that the result may be wrong. Other notes are plain `str` and say what was assumed."""

    __slots__ = ()


_LOG = logging.getLogger("geocloud.scenes")


def tell(scene: str, notes: Iterable[str]) -> None:
    """Log the notes on a scene: a `Warn` as a warning, which Python shows by default, other notes as information."""
    for note in notes:
        _LOG.log(logging.WARNING if isinstance(note, Warn) else logging.INFO, "%s: %s", scene, note)
