"""Installs the program into a private virtual environment in QGIS's profile folder. Imports no qgis.

Each installation is a folder of its own, `program-N`. It counts once the program in it has been tested; then older ones
go. What fails or is cancelled leaves the older one as it was.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional

from .ask import ask
from .locate import read_versions, resolve
from .runner import Listener, ProgramError
from .streaming import stream
from .texts import tr

PROGRAM_VERSION = "1.0.0"
"""The version that this plugin installs and was tested with."""
OLDEST_PYTHON = (3, 11)
BUNDLED = Path(__file__).parent / "wheels"
"""Where `make_zip.py --wheel` puts the program's wheel."""
TORCH_CPU = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of builds without CUDA: 200 MB instead of several GB on Linux."""
EXTRAS = {"xarray": "h5netcdf", "onnx": "onnxruntime"}
"""Extras of the program that read netCDF, Zarr and ONNX models -> a package by which a folder of wheels shows it."""
_DONE = "complete.json"
_PREFIX = "program-"
_PACKAGES = 40
"""About so many packages are collected; for the bar only."""


@dataclass(frozen=True)
class Installation:
    """A tested installation."""

    folder: Path
    version: str
    python: str

    @property
    def program(self) -> Path:
        """The program in it."""
        return resolve(self.folder) or self.folder


def installed(root: Path) -> Optional[Installation]:
    """The newest complete installation below `root`, or None."""
    found = (_read(folder) for folder in sorted(_folders(root), key=_number, reverse=True))
    return next((one for one in found if one is not None), None)


def _read(folder: Path) -> Optional[Installation]:
    """The installation in a folder; None where it was never completed."""
    try:
        record = json.loads((folder / _DONE).read_text(encoding="utf-8"))
        return Installation(folder, str(record["version"]), str(record["python"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def install(
    root: Path, environ: Mapping[str, str], listener: Listener, wheels: Optional[Path] = None, python: str = ""
) -> Installation:
    """Make an environment, install the program into it and test it.

    Args:
        root: the folder of installations; made where there is none.
        environ: a cleaned environment, with the proxy where there is one.
        listener: hears of stages, progress and pip's lines, and is asked whether to go on.
        wheels: a folder with the wheels of the program and of all it needs, for a computer without network; None takes
            the plugin's own wheel and the rest from the network.
        python: a Python or uv; empty: the first that is found.

    Raises:
        ProgramError: with one sentence; nothing is left of the attempt.
        ProgramCancelled: the listener stopped it; nothing is left either.
    """
    wheel = program_wheel(wheels)
    python = python or find_python(environ)
    numbers = [_number(folder) for folder in _folders(root)]
    folder = root / f"{_PREFIX}{max(numbers, default=0) + 1}"
    root.mkdir(parents=True, exist_ok=True)
    try:
        return _install_into(folder, python, wheel, wheels, environ, listener)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def remove(root: Path) -> None:
    """Take away all installations; ProgramError where a file cannot be removed."""
    try:
        for folder in _folders(root):
            (folder / _DONE).unlink(missing_ok=True)
            shutil.rmtree(folder)
    except OSError as error:
        text = tr("{folder} cannot be removed ({reason})").format(folder=folder, reason=error.strerror or error)
        raise ProgramError(text, tr("close what uses it and try again")) from error


def program_wheel(wheels: Optional[Path] = None) -> Path:
    """The program's wheel of PROGRAM_VERSION in a folder of wheels, else in the plugin; ProgramError without one."""
    folder = BUNDLED if wheels is None else wheels
    found = sorted(folder.glob(f"geocloud-{PROGRAM_VERSION}-*.whl"))
    if found:
        return found[0]
    if wheels is None:
        raise ProgramError(
            tr("This copy of the plugin was made without the program's wheel"), tr("choose a folder of wheels with it")
        )
    text = tr("{folder} has no wheel of geocloud {version}")
    raise ProgramError(text.format(folder=wheels, version=PROGRAM_VERSION))


def find_python(environ: Mapping[str, str]) -> str:
    """QGIS's own Python, else one on PATH, else uv; ProgramError where none will do."""
    for candidate in _candidates(environ.get("PATH", "")):
        if _is_usable(candidate, environ):
            return candidate
    uv = shutil.which("uv", path=environ.get("PATH", ""))
    if uv:
        return uv
    raise ProgramError(
        tr("No Python {version} or newer with venv and pip was found").format(version=_dotted(OLDEST_PYTHON)),
        tr("install Python from python.org, on Debian and Ubuntu the package python3-venv, or uv"),
    )


def _candidates(path: str) -> list[str]:
    """Pythons worth a try: inside QGIS `sys.executable` may be QGIS itself, with its Python beside or below it."""
    here = Path(sys.executable or "python3")
    beside = [
        here,
        here.parent / "bin" / "python3",
        *(Path(sys.prefix) / name for name in ("python.exe", "bin/python3")),
    ]
    own = [str(one) for one in beside if one.is_file() and one.name.lower().startswith("python")]
    names = [*(f"python3.{minor}" for minor in (13, 12, 11)), "python3", "python"]
    found = [shutil.which(name, path=path) for name in names]
    return list(dict.fromkeys([*own, *(one for one in found if one)]))


def _is_usable(python: str, environ: Mapping[str, str]) -> bool:
    """True for a Python that is new enough and can make an environment with pip."""
    code = "import sys, json, venv, ensurepip; print(json.dumps(sys.version_info[:2]))"
    try:
        version = ask(Path(python), environ, ["-c", code], seconds=20)
    except ProgramError:
        return False
    return isinstance(version, list) and tuple(version) >= OLDEST_PYTHON


def _install_into(
    folder: Path,
    python: str,
    wheel: Path,
    wheels: Optional[Path],
    environ: Mapping[str, str],
    listener: Listener,
) -> Installation:
    """The three stages."""
    uv = Path(python).stem == "uv"
    listener.stage(tr("Making a virtual environment"))
    make = [python, "venv", "--python", f">={_dotted(OLDEST_PYTHON)}"] if uv else [python, "-m", "venv"]
    stream([*make, str(folder)], environ, listener)
    listener.progress(5)
    listener.stage(tr("Fetching and installing packages"))
    inside = next(one for one in (folder / "Scripts/python.exe", folder / "bin/python") if one.exists())
    # As pip does, uv shall take the best version of all indexes: PyTorch's own has old ones of other packages.
    as_pip = ["--index-strategy", "unsafe-best-match"]
    pip = [python, "pip", "install", *as_pip, "--python", str(inside)] if uv else [str(inside), "-m", "pip", "install"]
    try:
        stream([*pip, *_sources(wheels), _with_extras(wheel, wheels)], _quiet(environ), _Packages(listener))
    except ProgramError as error:
        raise ProgramError(str(error), _what_may_help(wheels)) from error
    listener.progress(90)
    listener.stage(tr("Testing the program"))
    program = resolve(folder)
    if program is None:
        raise ProgramError(tr("{folder} has no program after the installation").format(folder=folder))
    versions = read_versions(program, environ, check=True)
    made = Installation(folder, str(versions["geocloud"]), python)
    record = {"version": made.version, "python": made.python}
    (folder / _DONE).write_text(json.dumps(record), encoding="utf-8")
    for other in _folders(folder.parent):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    listener.progress(100)
    return made


def _with_extras(wheel: Path, wheels: Optional[Path]) -> str:
    """The wheel with the extras that can be had: from the network all, from a folder those whose wheels lie there."""
    names = [name for name, package in EXTRAS.items() if wheels is None or any(wheels.glob(f"{package}-*.whl"))]
    return f"{wheel}[{','.join(names)}]" if names else str(wheel)


def _sources(wheels: Optional[Path]) -> list[str]:
    """Where pip and uv look for packages."""
    if wheels is not None:
        return ["--no-index", "--find-links", str(wheels)]
    return ["--extra-index-url", TORCH_CPU] if sys.platform.startswith("linux") else []


def _what_may_help(wheels: Optional[Path]) -> str:
    """Where packages cannot be had, pip names the first of them, and not the proxy that refused it."""
    if wheels is None:
        return tr("is there a network, and is QGIS's proxy right (Settings ▸ Options ▸ Network)?")
    return tr("has the folder all packages' wheels, for this system and this version of Python?")


def _quiet(environ: Mapping[str, str]) -> dict[str, str]:
    """Pip asks no question and draws no bar."""
    return {
        **environ,
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_PROGRESS_BAR": "off",
        "UV_NO_PROGRESS": "1",
    }


class _Packages(Listener):
    """Moves the bar by a package for each line that begins with one."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._seen = listener, 0

    def info(self, text: str) -> None:
        """Each line goes on; some move the bar."""
        self._listener.info(text)
        if text.startswith(("Collecting ", "Processing ")):
            self._seen += 1
            self._listener.progress(5 + 65 * min(1.0, self._seen / _PACKAGES))
        elif text.startswith("Installing "):
            self._listener.progress(75)

    def cancelled(self) -> bool:
        """As the listener says."""
        return self._listener.cancelled()


def _folders(root: Path) -> list[Path]:
    return [folder for folder in root.glob(f"{_PREFIX}*") if folder.is_dir()]


def _number(folder: Path) -> int:
    text = folder.name[len(_PREFIX) :]
    return int(text) if text.isdigit() else 0


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
