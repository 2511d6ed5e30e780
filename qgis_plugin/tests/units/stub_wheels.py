"""Small wheels: one that stands for the program, and others that have nothing in them."""

import json
import zipfile

from geocloud_qgis.installer import EXTRAS, PROGRAM_VERSION


def program_wheel(folder, answer, needs=(), version=PROGRAM_VERSION):
    """The folder, with a wheel whose program answers `version --json` as told."""
    info = f"geocloud-{version}.dist-info"
    extras = "".join(f"Provides-Extra: {name}\n" for name in EXTRAS)
    wanted = [*needs, *(f"{package}; extra == '{name}'" for name, package in EXTRAS.items())]
    files = {
        "geocloud_stub.py": f"def main():\n    print({json.dumps(json.dumps(answer))})\n",
        f"{info}/entry_points.txt": "[console_scripts]\ngeocloud = geocloud_stub:main\n",
    }
    return _write(folder, "geocloud", version, extras + "".join(f"Requires-Dist: {one}\n" for one in wanted), files)


def empty_wheel(folder, name, version="1.0"):
    """The folder, with a wheel that has nothing in it."""
    return _write(folder, name, version, "", {})


def _write(folder, name, version, metadata, files):
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{one},,\n" for one in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return folder
