"""Metadata, styles, zip, imports, and no Qt that only one version knows."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest
from geocloud_qgis.installer import PROGRAM_VERSION
from make_zip import FOLDER, make_zip

MODULES = sorted(FOLDER.glob("*.py"))
PURE = (
    *("ask", "described", "env", "installer", "leftovers", "locate", "protocol", "runner", "sources", "speech"),
    *("streaming", "texts", "verbs"),
)


def test_metadata():
    parser = configparser.ConfigParser()
    parser.read(FOLDER / "metadata.txt", encoding="utf-8")
    general = parser["general"]
    for key in "name description about version author repository tracker homepage".split():
        assert general[key]
    assert (general["qgisMinimumVersion"], general["qgisMaximumVersion"]) == ("3.22", "3.99")
    assert "program" in general["about"]
    assert general["changelog"].startswith(general["version"])
    assert "supportsQt6" not in general, "no test has run on a QGIS with Qt 6"
    project = tomllib.loads((FOLDER.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert general["version"] == PROGRAM_VERSION
    assert general["author"] == project["authors"][0]["name"]
    # The plugin site wants an address; nothing stands in for it until the project names its own.
    assert general["email"] == project["authors"][0].get("email", "")
    assert general["homepage"] == project["urls"]["Documentation"]
    assert general["repository"] == project["urls"]["Repository"]
    assert general["tracker"] == project["urls"]["Issues"]
    assert (FOLDER / general["icon"]).is_file()


@pytest.mark.parametrize("name", ["mask", "polygons", "score"])
def test_styles_are_complete_and_of_the_oldest_qgis(name):
    root = ElementTree.parse(FOLDER / "styles" / f"{name}.qml").getroot()
    assert root.get("version").startswith("3.22")
    assert root.find(".//rasterrenderer" if name != "polygons" else "renderer-v2") is not None


def test_zip(tmp_path):
    archive = zipfile.ZipFile(make_zip(tmp_path / "a.zip"))
    names = set(archive.namelist())
    assert {name.split("/")[0] for name in names} == {"geocloud_qgis"}
    needed = {
        "__init__.py",
        "metadata.txt",
        "LICENSE",
        "README.md",
        "icon.svg",
        "styles/mask.qml",
        "i18n/geocloud_fr.qm",
    }
    assert {f"geocloud_qgis/{name}" for name in needed} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert make_zip(tmp_path / "b.zip").read_bytes() == (tmp_path / "a.zip").read_bytes()


def test_a_wheel_in_the_zip_is_what_install_takes(tmp_path):
    wheel = tmp_path / f"geocloud-{PROGRAM_VERSION}-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    zipfile.ZipFile(make_zip(tmp_path / "a.zip", wheel)).extractall(tmp_path)
    code = "from geocloud_qgis.installer import program_wheel; print(program_wheel().read_text())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "a wheel\n"


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_need_no_qgis(name):
    code = f"import sys, geocloud_qgis.{name}; assert not [m for m in sys.modules if m.startswith(('qgis', 'PyQt'))]"
    subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, check=True)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports(path):
    """Only qgis, processing, QGIS's own GDAL, the standard library, and the plugin itself; Python 3.9's syntax; Qt through qgis.PyQt."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            assert top in {"qgis", "processing", "osgeo"} or top in sys.stdlib_module_names, name


def test_no_unscoped_qt_enums():
    """Qt6 knows `Qt.TextInteractionFlag.X` only."""
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"\bQt\.[A-Z]\w+\b(?!\.)", text), path
        assert ".exec_(" not in text


def test_the_french_translation_is_complete():
    from make_translations import LANGUAGES, read, texts

    assert LANGUAGES == ("fr",)
    translated = read(FOLDER / "i18n" / "geocloud_fr.ts")
    assert set(translated) == set(texts()), "run make_translations.py"
    for text, french in translated.items():
        assert french, text
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", french)), text
    compiled = (FOLDER / "i18n" / "geocloud_fr.qm").read_bytes()
    assert "Détecter les nuages".encode("utf-16-be") in compiled


def test_bandit():
    pytest.importorskip("bandit")
    command = [sys.executable, "-m", "bandit", "-q", "-r", str(FOLDER), "-f", "txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_detect_secrets():
    pytest.importorskip("detect_secrets")
    command = [sys.executable, "-m", "detect_secrets", "scan", "--all-files", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"results": {}' in done.stdout, done.stdout


def test_qt6(tmp_path):
    """All modules import, and the settings dialog opens, with PyQt6 behind a stub of qgis."""
    pytest.importorskip("PyQt6")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "qt6_stub.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
