"""Removes what a killed program left behind. Imports no qgis.

The program writes into hidden folders beside its outputs. While it runs, it holds a lock on a file in each of them.
While it replaces files, there is a journal in the folder, with which its next run restores the old files.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Iterable

_FOLDERS, _LOCK, _JOURNAL = ".geocloud-*.partial", "lock", "journal.json"


def clear_leftovers(outputs: Iterable[str]) -> None:
    """Remove hidden folders of killed runs beside `outputs`, except those of running programs or with a journal."""
    for folder in {Path(output).parent for output in outputs}:
        for hidden in folder.glob(_FOLDERS):
            if not (hidden / _JOURNAL).exists() and not _is_in_use(hidden):
                shutil.rmtree(hidden, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    """True if a process holds the lock of the folder."""
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
