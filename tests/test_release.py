"""One version everywhere, a changelog that knows it, and extras whose install lines exist."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import geocloud

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_versions_agree() -> None:
    version = geocloud.__version__
    assert PROJECT["dynamic"] == ["version"]  # the build reads it from geocloud/version.py
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    metadata = ROOT / "qgis_plugin" / "geocloud_qgis" / "metadata.txt"
    assert f"\nversion={version}\n" in metadata.read_text(encoding="utf-8")
    recipe = ROOT / "packaging" / "conda" / "recipe.yaml"
    assert f'version: "{version}"' in recipe.read_text(encoding="utf-8")
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_conda_recipe_needs_what_the_package_needs() -> None:
    recipe = (ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    run = re.split(r"\n\w", recipe.split("  run:")[1])[0]
    named = {name.removesuffix("-base"): bounds for name, bounds in re.findall(r"- ([\w-]+) ?(\S*)", run)}
    named["torch"] = named.pop("pytorch")
    needed = dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in PROJECT["dependencies"])
    assert named == {"python": PROJECT["requires-python"], **needed}


def test_the_package_is_typed_and_brings_its_model() -> None:
    package = files("geocloud")
    assert package.joinpath("py.typed").is_file()
    default = package.joinpath("models", "shipped", "DEFAULT").read_text(encoding="utf-8").strip()
    assert package.joinpath("models", "shipped", default, "weights.safetensors").is_file()


def test_each_extra_that_an_error_names_exists() -> None:
    named: set[str] = set()
    for path in Path(geocloud.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"MissingExtraError\(\s*\"[^\"]+\",\s*\"([a-z]+)\"", text))
        named |= set(re.findall(r"geocloud\[([a-z]+)\]", text))
    assert named
    assert named <= set(PROJECT["optional-dependencies"])


def test_the_manual_names_each_extra_of_users() -> None:
    table = set(re.findall(r"^\| `geocloud\[([a-z]+)\]` \|", (ROOT / "docs" / "install.md").read_text(), re.MULTILINE))
    assert table == set(PROJECT["optional-dependencies"]) - {"dev", "docs", "test"}
