"""Writes the plugin as a zip for QGIS's plugin manager: python qgis_plugin/make_zip.py [FILE]."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "geocloud_qgis"
SUFFIXES = {".py", ".qml", ".svg", ".txt", ""}


def make_zip(target: Path) -> Path:
    """Write the folder `geocloud_qgis` with its files; equal files give an equal zip."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(FOLDER.rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(path.relative_to(FOLDER.parent).as_posix(), (2025, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return target


if __name__ == "__main__":
    print(make_zip(Path(sys.argv[1] if len(sys.argv) > 1 else "dist/geocloud_qgis.zip")))
