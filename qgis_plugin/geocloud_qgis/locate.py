"""Finds the geocloud program, which is installed apart from QGIS.

In this order: GEOCLOUD_EXECUTABLE, the plugin's own setting, PATH, the places where installers put programs. What is
named on purpose is used or complained about, never passed over. Imports no qgis.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # nosec B404 - running the installed program is what this plugin does
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

from .protocol import PROTOCOL
from .runner import ProgramError

VARIABLE = "GEOCLOUD_EXECUTABLE"
INSTALL_COMMAND = "pipx install geocloud"
CHECK_SECONDS = 120
"""A first start after an installation can be slow: torch alone is hundreds of megabytes."""
_FOLDERS = ("", "bin", "Scripts", ".venv/bin", ".venv/Scripts", "venv/bin", "venv/Scripts")
_NAMES = ("geocloud", "geocloud.exe")


def find_program(setting: str, environ: Mapping[str, str], home: Optional[Path] = None) -> Path:
    """The program's path.

    Args:
        setting: what the user chose: a program, a virtual environment, a folder, or nothing.
        environ: a cleaned environment.
        home: the user's home folder.

    Raises:
        ProgramError: there is none, or not where it was said to be; the hint is the way out.
    """
    for named, origin in ((environ.get(VARIABLE, ""), f"the variable {VARIABLE}"), (setting, "the settings")):
        if named.strip():
            return _named(named.strip(), origin)
    on_path = shutil.which("geocloud", path=environ.get("PATH", ""))
    if on_path:
        return Path(on_path)
    for folder in known_folders(environ, home or Path.home()):
        program = resolve(folder)
        if program is not None:
            return program
    raise ProgramError(
        "The program geocloud was not found on this computer",
        f"install it with “{INSTALL_COMMAND}”, or choose where it is in Raster ▸ Geocloud ▸ Settings",
    )


def _named(named: str, origin: str) -> Path:
    """The program at a place the user named; ProgramError where there is none."""
    program = resolve(Path(named).expanduser())
    if program is None:
        raise ProgramError(
            f"{named}, named in {origin}, is neither the program geocloud nor a folder or virtual environment with it",
            "correct it in Raster ▸ Geocloud ▸ Settings" if VARIABLE not in origin else f"correct {VARIABLE}",
        )
    return program


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
    command = [str(program), "version", "--json", *(["--check"] if check else [])]
    try:
        done = subprocess.run(  # nosec B603 - a list of arguments, never a shell
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CHECK_SECONDS,
            check=False,
            creationflags=subprocess.CREATE_NO_WINDOW if os.name == "nt" else 0,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{program} did not answer within {CHECK_SECONDS} seconds") from error
    except OSError as error:
        raise ProgramError(f"{program} cannot be started ({error.strerror or error})") from error
    versions = _last_object(done.stdout.decode("utf-8", "replace"))
    if done.returncode != 0 or "geocloud" not in versions:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ProgramError(f"{program} is not a working geocloud" + (f": {words[-1]}" if words else ""))
    if versions.get("protocol") != PROTOCOL:
        raise ProgramError(
            f"{program} speaks protocol {versions.get('protocol')}, the plugin protocol {PROTOCOL}",
            "update the older of the two",
        )
    return versions


def _last_object(text: str) -> dict[str, Any]:
    """The last line that is a JSON object; empty where there is none."""
    for line in reversed(text.splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return {}
