"""The size of the package: `python tests/structure.py` prints its figures and fails where one is above its limit.

"Files to touch" for a new output, kind or class are counted on one that exists: the files whose code names it,
docstrings and comments left aside, its own modules too.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

PACKAGE = Path(__file__).parents[1] / "geocloud"
SAMPLE = Path(__file__).parents[1] / "sample_data" / "scene.tif"
LIMITS = {
    "longest file, lines": 350,
    "modules at the top level": 10,
    "files that a plain detect passes through": 46,
    "files to touch for a new output (quicklook)": 2,
    "files to touch for a new kind (gmm)": 3,
    "files to touch for a new class (dust)": 2,
    "names with two meanings": 0,
}
TRACE = """
import inspect, sys, threading
seen = set()
def note(frame, event, _):
    if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        seen.add(frame.f_code.co_filename)
sys.setprofile(note)
threading.setprofile(note)
from geocloud.cli.main import cli
try:
    cli(["detect", sys.argv[1], "--out", sys.argv[2], "--progress", "none"])
finally:
    sys.setprofile(None)
    print(*sorted(name for name in seen if name.startswith(sys.argv[3])), sep="\\n", file=sys.stderr)
"""


def lines() -> dict[str, int]:
    """Path in the package -> lines of each file with any code."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if len(ast.parse(text).body) > 1:
            found[str(path.relative_to(PACKAGE))] = text.count("\n")
    return found


def files_of_detect() -> list[str]:
    """Files of the package in which a function runs while `geocloud detect` masks the sample with the default model."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", TRACE, str(SAMPLE), folder, str(PACKAGE)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in result.stderr.splitlines() if line.startswith(str(PACKAGE))]


def files_that_name(word: str) -> list[str]:
    """Files whose code holds a word: as a name, a part of one, or in a text."""
    pattern = re.compile(rf"(?<![a-z]){word}(?![a-z])", re.IGNORECASE)
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for child in getattr(node, "body", []) if isinstance(getattr(node, "body", []), list) else []:
                if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                    child.value = ast.Constant(value=None)  # a docstring
        if pattern.search(ast.unparse(tree)):
            found.append(str(path.relative_to(PACKAGE)))
    return found


def names_with_two_meanings() -> list[str]:
    """Public classes, types and functions that two modules define, each in its own way.

    A command of `cli` is named as its verb; constants are left aside, for most are a module's own.
    """
    defined: dict[str, dict[str, str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in _names(node):
                if not name.startswith("_") and not (name.isupper() and len(name) > 1):
                    defined.setdefault(name, {})[str(path.relative_to(PACKAGE))] = ast.unparse(node)
    found = []
    for name, places in defined.items():
        meanings = {text for place, text in places.items() if not place.startswith("cli")}
        if len(meanings) > 1:
            found.append(f"{name} ({', '.join(places)})")
    return found


def _names(node: ast.stmt) -> list[str]:
    """What a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)]


def figures() -> dict[str, int]:
    """All figures by name."""
    sizes = lines()
    top = [path for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    return {
        "files": len(sizes),
        "median file, lines": int(median(sizes.values())),
        "longest file, lines": max(sizes.values()),
        "modules at the top level": len(top),
        "files that a plain detect passes through": len(files_of_detect()),
        "files to touch for a new output (quicklook)": len(files_that_name("quicklook")),
        "files to touch for a new kind (gmm)": len(files_that_name("gmm")),
        "files to touch for a new class (dust)": len(files_that_name("dust")),
        "names with two meanings": len(names_with_two_meanings()),
    }


def main() -> int:
    """Print all; 1 where a figure is above its limit."""
    above = 0
    for name, value in figures().items():
        limit = LIMITS.get(name)
        above += limit is not None and value > limit
        sys.stdout.write(f"{name}: {value}" + ("\n" if limit is None else f" (at most {limit})\n"))
    return int(above > 0)


if __name__ == "__main__":
    sys.exit(main())
