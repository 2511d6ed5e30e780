"""`qgis_process` in a clean profile, with the built zip and the shipped model."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from geocloud_qgis.locate import resolve
from make_zip import make_zip


@pytest.fixture(scope="module")
def qgis_process(tmp_path_factory):
    """Run qgis_process with the zip's plugin enabled; Debian's wrapper is broken, so its .bin is called."""
    home = tmp_path_factory.mktemp("home")
    zipfile.ZipFile(make_zip(home / "plugin.zip")).extractall(home / "plugins")
    (home / "run").mkdir(mode=0o700)
    environ = {
        **os.environ,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "QT_QPA_PLATFORM": "offscreen",
        "QGIS_PLUGINPATH": str(home / "plugins"),
    }

    def call(*arguments):
        command = ["/usr/bin/qgis_process.bin", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    call("plugins", "enable", "geocloud_qgis")
    return call


def test_detect_with_the_default_model(qgis_process, scene, tmp_path):
    outputs = [f"--MASK={tmp_path / 'm.tif'}", f"--POLYGONS={tmp_path / 'p.geojson'}"]
    done = qgis_process("--json", "run", "geocloud:detectclouds", f"--INPUT={scene}", *outputs)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    assert 0.05 < results["CLOUD_FRACTION"] < 0.95
    assert len(json.loads((tmp_path / "p.geojson").read_text())["features"]) == results["POLYGON_COUNT"]


def test_a_model_that_was_adapted_and_the_rasters_of_classes_and_doubt(qgis_process, program, scene, tmp_path):
    model = tmp_path / "my model"
    subprocess.run([str(resolve(Path(program))), "adapt", scene, "--out", str(model)], check=True, capture_output=True)
    files = {name: tmp_path / f"{name}.tif" for name in ("MASK", "CLASS_SCORES", "UNCERTAINTY")}
    given = [f"--INPUT={scene}", f"--MODEL={model}", *(f"--{name}={path}" for name, path in files.items())]
    done = qgis_process("--json", "run", "geocloud:detectclouds", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    assert {name: results[name] for name in files} == {name: str(path) for name, path in files.items()}
    assert b"my model" in files["MASK"].read_bytes(), "its tags name the model"
    assert b"P(thin cloud)" in files["CLASS_SCORES"].read_bytes()


def test_a_failure_is_no_success(qgis_process, scene, tmp_path):
    done = qgis_process(
        "run", "geocloud:detectclouds", f"--INPUT={scene}", "--MODEL=no", f"--MASK={tmp_path / 'm.tif'}"
    )
    assert done.returncode != 0
    assert "no model 'no'" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_lists_parameters(qgis_process):
    done = qgis_process("help", "geocloud:detectclouds")
    assert all(name in done.stdout for name in ("INPUT", "THRESHOLD", "MIN_AREA", "CLOUD_FRACTION"))
    assert "<p>" not in done.stdout


def test_several_layers(qgis_process, scene, tmp_path):
    """Masks and zones of a place, as scripts give them."""
    mask, out = tmp_path / "m.tif", tmp_path / "cover.gpkg"
    given = [f"--INPUT={scene}", "--MODEL=hot", f"--MASK={mask}", f"--POLYGONS={tmp_path / 'zones.gpkg'}"]
    done = qgis_process("run", "geocloud:detectclouds", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    given = [f"--MASKS={mask}", f"--ZONES={tmp_path / 'zones.gpkg'}", f"--OUTPUT={out}"]
    done = qgis_process("--json", "run", "geocloud:cover", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["results"]["CLOUD_FRACTION"] > 0.9
    given = [f"--LAYERS={scene}", f"--LAYERS={mask}", f"--MASK={mask}", f"--OUTPUT={tmp_path / 'clear'}"]
    done = qgis_process("run", "geocloud:applymasktolayers", *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (tmp_path / "clear").iterdir()} == {"scene_clear.tif", "m_clear.tif"}


@pytest.mark.parametrize("name", ["series", "composite", "cover", "applymasktolayers"])
def test_each_has_its_help(qgis_process, name):
    done = qgis_process("help", f"geocloud:{name}")
    assert done.returncode == 0
    assert "OUTPUT" in done.stdout
