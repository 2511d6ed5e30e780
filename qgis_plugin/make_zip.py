"""Writes the plugin as a zip for QGIS's plugin manager: python qgis_plugin/make_zip.py [FILE] [--wheel WHEEL].

With --wheel the zip carries the program's wheel, and the button Install needs nothing else but the network.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "geocloud_qgis"
SUFFIXES = {".py", ".qml", ".svg", ".txt", ".md", ".qm", ""}
WHEELS = "geocloud_qgis/wheels"


def make_zip(target: Path, wheel: Path | None = None) -> Path:
    """Write the folder `geocloud_qgis` with its files, and the wheel; equal files give an equal zip."""
    target.parent.mkdir(parents=True, exist_ok=True)
    files = {
        path.relative_to(FOLDER.parent).as_posix(): path
        for path in sorted(FOLDER.rglob("*"))
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
    }
    if wheel is not None:
        files[f"{WHEELS}/{wheel.name}"] = wheel
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=Path("dist/geocloud_qgis.zip"))
    parser.add_argument("--wheel", type=Path)
    given = parser.parse_args()
    print(make_zip(given.file, given.wheel))
