"""Clears up after a killed program, which could not do it itself. Imports no qgis."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Iterable


def clear_leftovers(outputs: Iterable[str], pid: int) -> None:
    """Remove what the dead process `pid` had begun beside `outputs`: it writes into hidden folders that bear its id."""
    for folder in {Path(output).parent for output in outputs}:
        for begun in folder.glob(f".geocloud-*-{pid}.partial"):
            shutil.rmtree(begun, ignore_errors=True)
