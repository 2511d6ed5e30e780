"""The locked versions name every package that geocloud stands on, within the bounds it declares."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent


def test_every_dependency_is_locked_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines)
    declared = [Requirement(line) for line in (*project["dependencies"], *extras)]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert all(locked.values())
    for requirement in declared:
        name = canonicalize_name(requirement.name)
        if name != "geocloud":
            assert Version(locked[name]) in requirement.specifier, requirement


def test_what_they_need_is_locked_too() -> None:
    """The closure, by what is installed here: a lock with holes repeats nothing."""
    from importlib.metadata import PackageNotFoundError, requires

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    locked = {line.split("==")[0] for line in lines if line and not line.startswith("#")}
    for name in locked:
        try:
            needed = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue
        for requirement in needed:
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in locked, f"{name} needs {requirement}"
