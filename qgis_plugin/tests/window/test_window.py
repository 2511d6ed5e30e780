"""A real QGIS window under Xvfb, from an empty profile on.

GEOCLOUD_WHEELS names a folder with the wheels of the program and all it needs; GEOCLOUD_SCREENSHOTS one to keep the
screenshots in.
"""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

from make_zip import make_zip

NAMES = (
    *("qgis-install", "qgis-settings", "qgis-dialog", "qgis-running", "qgis-result", "qgis-threshold"),
    *("qgis-safe", "qgis-landsat", "qgis-virtual", "qgis-area", "qgis-classes", "qgis-batch", "qgis-model"),
)
SAMPLE = Path(__file__).parents[3] / "sample_data" / "scene.tif"


def test_window(wheels, tmp_path):
    home, out, products = tmp_path / "home", tmp_path / "out", tmp_path / "products"
    for folder in (home, out, products):
        folder.mkdir(mode=0o700)
    scene = shutil.copy(SAMPLE, tmp_path / "scene.tif")  # QGIS writes statistics beside it
    maker = Path(__file__).parent / "make_products.py"
    subprocess.run(["/usr/bin/python3", str(maker), scene, str(products)], check=True)
    plugins = home / ".local/share/QGIS/QGIS3/profiles/default/python/plugins"
    zipfile.ZipFile(make_zip(tmp_path / "plugin.zip")).extractall(plugins)
    environ = {
        **os.environ,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "GEOCLOUD_WHEELS": wheels,
        "GEOCLOUD_STEPS": str(Path(__file__).parent),
        "PIP_CONFIG_FILE": os.devnull,
        "GEOCLOUD_SCENE": str(scene),
        "GEOCLOUD_BIG": enlarged(scene, tmp_path),
        "GEOCLOUD_PRODUCTS": str(products),
        "GEOCLOUD_WINDOW": str(out),
    }
    for name in ("QT_QPA_PLATFORM", "GEOCLOUD_EXECUTABLE", "PIP_FIND_LINKS"):
        environ.pop(name, None)
    session = Path(__file__).parent / "session.py"
    command = ["xvfb-run", "-a", "-s", "-screen 0 1280x900x24", "qgis", "--noversioncheck", "--nologo", "--code"]
    subprocess.run([*command, str(session)], env=environ, timeout=3600, check=False, capture_output=True)
    outcome = json.loads((out / "outcome.json").read_text())
    keep = os.environ.get("GEOCLOUD_SCREENSHOTS")
    if keep:
        for picture in out.glob("*.png"):
            shutil.copy(picture, keep)
    assert outcome == {}, outcome["error"]
    assert all((out / f"{name}.png").stat().st_size > 5000 for name in NAMES)


def enlarged(scene, folder):
    """The scene at so many pixels that a run can be cancelled."""
    target = folder / "big.vrt"
    code = "import sys; from osgeo import gdal; gdal.Translate(*sys.argv[1:], format='VRT', width=12000, height=12000)"
    subprocess.run(["/usr/bin/python3", "-c", code, str(target), scene], check=True)
    return str(target)
