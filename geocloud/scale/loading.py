"""The scorer a worker uses: loaded once a process, whatever number of tasks and threads ask for it."""

from __future__ import annotations

import threading
from functools import lru_cache

from geocloud.models.card import Precision
from geocloud.models.registry import DEFAULT_MODEL, load_scorer
from geocloud.scorers.contract import Scorer

_LOCK = threading.Lock()
KEPT = 4
"""Models that a process keeps."""


def shared_scorer(
    model: str = DEFAULT_MODEL, device: str = "auto", precision: Precision = "auto", identity: str = ""
) -> Scorer:
    """As `load_scorer`; `identity` tells a model apart from another that stood in the same folder before."""
    with _LOCK:
        return load_once(model, device, precision, identity)


@lru_cache(maxsize=KEPT)
def load_once(model: str, device: str, precision: Precision, identity: str) -> Scorer:  # noqa: ARG001 - part of the key
    """Not for several threads at once: each would load."""
    return load_scorer(model, device, precision)
