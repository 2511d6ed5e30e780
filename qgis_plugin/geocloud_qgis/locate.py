"""Finds the geocloud program, which lives apart from QGIS's own Python.

In this order: GEOCLOUD_EXECUTABLE, the plugin's own setting, what the plugin has installed, PATH, the places where
installers put programs. What is named on purpose is used or complained about, never passed over. Imports no qgis.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

from .ask import ask
from .protocol import PROTOCOL
from .runner import ProgramError
from .texts import tr

VARIABLE = "GEOCLOUD_EXECUTABLE"
_FOLDERS = ("", "bin", "Scripts", ".venv/bin", ".venv/Scripts", "venv/bin", "venv/Scripts")
_NAMES = ("geocloud", "geocloud.exe")


def find_program(
    setting: str, environ: Mapping[str, str], home: Optional[Path] = None, own: Optional[Path] = None
) -> Path:
    """The program's path.

    Args:
        setting: what the user chose: a program, a virtual environment, a folder, or nothing.
        environ: a cleaned environment.
        home: the user's home folder.
        own: the virtual environment that this plugin has made, or None.

    Raises:
        ProgramError: there is none, or not where it was said to be; the hint is the way out.
    """
    for named, variable in ((environ.get(VARIABLE, ""), VARIABLE), (setting, "")):
        if named.strip():
            return _named(named.strip(), variable)
    if own is not None and resolve(own) is not None:
        return resolve(own)
    on_path = shutil.which("geocloud", path=environ.get("PATH", ""))
    if on_path:
        return Path(on_path)
    for folder in known_folders(environ, home or Path.home()):
        program = resolve(folder)
        if program is not None:
            return program
    raise ProgramError(
        tr("The program geocloud was not found on this computer"),
        tr("install it, or choose where it is, in Raster ▸ Geocloud ▸ Settings"),
    )


def _named(named: str, variable: str) -> Path:
    """The program at a place the user named, in a variable or in the settings; ProgramError where there is none."""
    program = resolve(Path(named).expanduser())
    if program is not None:
        return program
    if variable:
        text = tr("{named}, named in the variable {variable}, is neither the program geocloud nor a folder with it")
        raise ProgramError(text.format(named=named, variable=variable), tr("correct the variable"))
    text = tr("{named} is neither the program geocloud nor a folder or virtual environment with it")
    raise ProgramError(text.format(named=named), tr("correct it in Raster ▸ Geocloud ▸ Settings"))


def resolve(place: Path) -> Optional[Path]:
    """The program at `place`, which may be the program itself, its folder or a virtual environment; else None."""
    if place.is_file():
        return place if os.access(place, os.X_OK) else None
    for folder in _FOLDERS:
        for name in _NAMES:
            program = place / folder / name
            if program.is_file() and os.access(program, os.X_OK):
                return program
    return None


def known_folders(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Folders where pip, pipx, uv and Homebrew put programs, though a desktop program's PATH often lacks them."""
    yield home / ".local/bin"
    for root in (home / ".local/share/pipx", home / ".local/pipx", home / "pipx"):
        yield root / "venvs/geocloud"
    yield home / ".local/share/uv/tools/geocloud"
    for variable in ("APPDATA", "LOCALAPPDATA"):
        if environ.get(variable):
            root = Path(environ[variable])
            yield root / "uv/tools/geocloud"
            yield root / "pipx/pipx/venvs/geocloud"
            yield from sorted(root.glob("Python/Python3*"), reverse=True)
            yield from sorted(root.glob("Programs/Python/Python3*"), reverse=True)
    yield from sorted((home / "Library/Python").glob("3.*"), reverse=True)
    yield Path("/opt/homebrew/bin")
    yield Path("/usr/local/bin")


def read_versions(program: Path, environ: Mapping[str, str], *, check: bool = False) -> dict[str, Any]:
    """What `geocloud version --json` says; with `check` also its device and whether projections work there.

    Raises:
        ProgramError: it is not geocloud, does not start, or speaks another protocol.
    """
    versions = ask(program, environ, ["version", "--json", *(["--check"] if check else [])])
    if not isinstance(versions, dict) or "geocloud" not in versions:
        raise ProgramError(tr("{program} is not a working geocloud").format(program=program))
    if versions.get("protocol") != PROTOCOL:
        raise ProgramError(
            tr("{program} speaks protocol {theirs}, the plugin protocol {ours}").format(
                program=program, theirs=versions.get("protocol"), ours=PROTOCOL
            ),
            tr("update the older of the two"),
        )
    return versions
