"""The plugin's one setting, and the program it leads to."""

from __future__ import annotations

import os
from pathlib import Path

from qgis.core import QgsApplication, QgsSettings

from .env import clean_environment
from .locate import find_program

KEY = "geocloud/executable"


def executable() -> str:
    """What the user chose, or an empty string."""
    return str(QgsSettings().value(KEY, "") or "")


def set_executable(text: str) -> None:
    """Keep what the user chose; an empty text forgets it."""
    QgsSettings().setValue(KEY, text.strip())


def environment() -> dict[str, str]:
    """The environment in which the program runs."""
    return clean_environment(os.environ, qgis_prefix=QgsApplication.prefixPath())


def program() -> Path:
    """The program; ProgramError where there is none."""
    return find(executable(), environment())


def find(setting: str, environ: dict[str, str]) -> Path:
    """The program that this setting leads to; ProgramError where there is none."""
    return find_program(setting, environ)
