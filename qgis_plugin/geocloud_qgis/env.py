"""The environment in which the program runs: QGIS's own variables would break a Python that is not QGIS's.

Imports no qgis.
"""

from __future__ import annotations

import os
import sys
from typing import Mapping, Optional

DROPPED = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONEXECUTABLE",
    "PROJ_LIB",
    "PROJ_DATA",
    "GDAL_DATA",
    "GDAL_DRIVER_PATH",
    "GDAL_PAM_PROXY_DIR",
    "LD_LIBRARY_PATH",
)
"""Variables that QGIS, its launchers and the OSGeo4W shell set for themselves; a leaked PROJ_LIB is the worst: the
program would then find no EPSG code."""


def clean_environment(
    environ: Mapping[str, str], *, windows: Optional[bool] = None, qgis_prefix: str = ""
) -> dict[str, str]:
    """A copy of `environ` for the child: without DROPPED, without QGIS's folders on PATH, with UTF-8 for Python."""
    windows = os.name == "nt" if windows is None else windows
    cleaned = {name: value for name, value in environ.items() if name.upper() not in DROPPED}
    roots = qgis_folders(environ, qgis_prefix)
    for name in environ:
        if name.upper() == "PATH":
            cleaned[name] = clean_path(environ[name], roots, ";" if windows else ":")
    cleaned["PYTHONUTF8"] = "1"
    return cleaned


def qgis_folders(environ: Mapping[str, str], prefix: str = "") -> list[str]:
    """Folders that hold nothing but QGIS: OSGeo4W's root, an application bundle, an own prefix such as /opt/qgis.

    A QGIS of the system (/usr) or of a conda environment shares its folders with other programs: those stay.
    """
    roots = [environ[name] for name in ("OSGEO4W_ROOT", "QGIS_PREFIX_PATH") if environ.get(name)]
    roots += [prefix] if prefix else []
    roots += [sys.executable.split(".app/")[0] + ".app"] if ".app/" in sys.executable else []
    conda = _normal(environ.get("CONDA_PREFIX", "")) or None
    return [root for root in map(_normal, roots) if not _shared(root) and not (conda and _inside(root, [conda]))]


def clean_path(path: str, roots: list[str], separator: str = os.pathsep) -> str:
    """PATH without the folders inside `roots`."""
    kept = [folder for folder in path.split(separator) if folder and not _inside(_normal(folder), roots)]
    return separator.join(kept)


def _shared(root: str) -> bool:
    """True for a folder of the system, and for a root so short that dropping it would drop everything."""
    return root in ("", "/", "/usr", "/usr/local", "/opt/homebrew") or (len(root) <= 3 and root[1:2] == ":")


def _inside(folder: str, roots: list[str]) -> bool:
    return any(folder == root or folder.startswith(root + "/") for root in roots)


def _normal(folder: str) -> str:
    """With forward slashes, no slash at the end; lower case where it is a Windows path, which knows no case."""
    plain = folder.replace("\\", "/").rstrip("/") or folder[:1]
    return plain.lower() if plain[1:2] == ":" else plain
