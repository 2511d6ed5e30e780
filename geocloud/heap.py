"""glibc's heap, which keeps what was freed; everything here does nothing on other systems."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

M_ARENA_MAX = -8
"""glibc's mallopt parameter: number of heaps (malloc.h)."""


def bound_heaps() -> None:
    """One heap for all threads: glibc otherwise keeps what each thread has freed, some 100 MB here."""
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return what was freed to the system: else a tall scene, and the writing of outputs, take 100 MB more."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _glibc(name: str) -> Any | None:  # noqa: ANN401 - a C function
    """A function of the C library; None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
