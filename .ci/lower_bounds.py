"""Prints the oldest version of each dependency that pyproject.toml admits, as pip constraints: NAME==VERSION.

torch stands apart: of its tested range only the upper end is at hand as a CPU build.
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *(line for name in ("all", "test") for line in extras[name]),
                    *(line for name in re.findall(r"\w+", extras["all"][0])[1:] for line in extras[name])]:  # fmt: skip
    match = re.match(r"([\w-]+)(?:\[\w+\])?>=([\w.]+)", requirement)
    if match and match.group(1) != "torch":
        print(f"{match.group(1)}=={match.group(2)}")
