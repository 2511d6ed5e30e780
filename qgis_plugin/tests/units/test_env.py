"""What QGIS leaks must not reach the program: each variable, against the real program."""

import os
import subprocess
from pathlib import Path

import pytest
from geocloud_qgis.env import DROPPED, clean_environment, clean_path, qgis_folders
from geocloud_qgis.locate import resolve
from geocloud_qgis.runner import Listener, run


def leak(tmp_path, name):
    """A value that does harm."""
    folder = tmp_path / "leak"
    folder.mkdir()
    (folder / "rasterio.py").write_text("raise ImportError('leaked')\n")
    for library in ("libz.so.1", "libm.so.6", "libpthread.so.0"):
        (folder / library).write_text("no library")
    (folder / "proj.db").write_text("no database")
    (folder / "gdal_Broken.so").write_text("no driver")
    return str(folder / "python" if name == "PYTHONEXECUTABLE" else folder)


@pytest.mark.parametrize("name", DROPPED)
def test_a_leak_is_kept_out(program, scene, tmp_path, name):
    environ = clean_environment({**os.environ, name: leak(tmp_path, name)})
    assert name not in environ
    mask = tmp_path / "m é.tif"
    command = [str(resolve(Path(program))), "detect", scene, "--model", "brightness", "--mask-file", str(mask)]
    result = run([*command, "--progress", "json", "--stop-on-stdin-eof"], environ, Listener())
    assert result["mask"] == str(mask)
    assert b"32633" in mask.read_bytes() or b"UTM zone" in mask.read_bytes()
    assert 5 < result["cloud_percent"] < 95


@pytest.mark.parametrize("name", ["PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH"])
def test_the_leak_does_harm(program, scene, tmp_path, name):
    """Else the test above would prove nothing; the program defends itself against the GIS ones."""
    command = [str(resolve(Path(program))), "detect", scene, "--model", "brightness", "--out", str(tmp_path / "o")]
    environ = {**os.environ, name: leak(tmp_path, name)}
    assert subprocess.run(command, env=environ, capture_output=True, check=False).returncode != 0


def test_utf8_and_the_rest_stays():
    cleaned = clean_environment({"HOME": "/h", "PATH": "/usr/bin", "proj_lib": "x"})
    assert cleaned == {"HOME": "/h", "PATH": "/usr/bin", "PYTHONUTF8": "1"}


def test_qgis_folders_on_path():
    environ = {"OSGEO4W_ROOT": r"C:\Program Files\QGIS 3.40", "Path": r"C:\PROGRAM FILES\QGIS 3.40\bin;C:\Windows"}
    assert clean_environment(environ, windows=True)["Path"] == r"C:\Windows"
    assert clean_path("/opt/qgis/bin:/usr/bin", ["/opt/qgis"], ":") == "/usr/bin"


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/", ""])
def test_a_systems_folders_stay(prefix):
    assert qgis_folders({}, prefix) == []


def test_a_conda_environments_folders_stay():
    assert qgis_folders({"CONDA_PREFIX": "/c/env"}, "/c/env") == []
