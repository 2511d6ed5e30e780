"""How far a batch is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from geocloud.scale.record import Record


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of scenes, and what follows from them."""

    total: int
    """Scenes to run; those kept from an earlier run are not among them."""
    kept: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    """At most: scenes handed to workers that have a thread for them."""
    pixels: int = 0
    """Of scenes done."""
    seconds: float = 0.0
    """Since the first was handed on."""

    @property
    def ended(self) -> int:
        """Done or failed."""
        return self.done + self.failed

    @property
    def mpx_per_second(self) -> float:
        """Millions of pixels done a second, all workers together."""
        return self.pixels / 1e6 / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """By the pace so far; None before the first scene has ended."""
        return self.seconds / self.ended * (self.total - self.ended) if self.ended else None


BatchProgress = Callable[[Tally, Record | None], None]
"""Called with each record as it comes, and with None about once a second. It may raise Cancelled to stop the batch."""


def tell_nobody(tally: Tally, record: Record | None) -> None:
    """No progress."""
