"""A scene that is cut off, replaced or rewritten while it is read."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from faults.running import NULL, contents
from testutils import pausing, write_scene

pytestmark = pytest.mark.faults


def truncate(scene: Path) -> None:
    os.truncate(scene, scene.stat().st_size // 2)


def replace(scene: Path) -> None:
    scene.with_name("other.tif").replace(scene)


def rewrite(scene: Path) -> None:
    with scene.open("r+b") as file:
        file.seek(scene.stat().st_size // 2)
        file.write(bytes(1000))


def remove(scene: Path) -> None:
    scene.unlink()


@pytest.mark.parametrize("harm", [truncate, replace, rewrite, remove])
def test_changed_while_it_is_read_it_is_refused(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    data = np.random.default_rng(0).integers(300, 900, (4, 6000, 1500)).astype(np.uint16)
    scene, out = write_scene(tmp_path / "scene.tif", data=data), tmp_path / "out"
    shutil.copy(scene, tmp_path / "other.tif")
    command = pausing(tmp_path / "harmed", "detect", scene, "--out", out, *NULL)
    command[command.index("none")] = "json"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if '"stage": "inference"' in line:
                harm(scene)
                (tmp_path / "harmed").touch()
                break
        rest = process.stdout.read()
        problems = process.stderr.read()
        code = process.wait()
    assert code == 1, rest
    assert "Traceback" not in problems
    assert '"event": "error"' in rest
    assert "changed while it was read" in rest or "cannot be read at rows" in rest
    assert not contents(out)
