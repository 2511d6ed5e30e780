"""Clears up after a killed program, which could not do it itself. Imports no qgis.

The program writes into hidden folders beside its outputs. While it lives it holds a lock on a file in each; while files
are being replaced a journal lies there, with which its next run puts the old ones back.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Iterable

_FOLDERS, _LOCK, _JOURNAL = ".geocloud-*.partial", "lock", "journal.json"


def clear_leftovers(outputs: Iterable[str]) -> None:
    """Remove what dead runs had begun beside `outputs`; what a living run writes, and old files that wait, stay."""
    for folder in {Path(output).parent for output in outputs}:
        for begun in folder.glob(_FOLDERS):
            if not (begun / _JOURNAL).exists() and not _is_alive(begun):
                shutil.rmtree(begun, ignore_errors=True)


def _is_alive(folder: Path) -> bool:
    """True where a process holds the folder's lock."""
    with suppress(OSError), (folder / _LOCK).open("r+") as file:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
