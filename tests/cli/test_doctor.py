"""`geocloud doctor` passes here, and fails where something is broken, without a traceback."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from testutils import clean_environment, run_cli, run_program, write_scene

import geocloud
from geocloud.models.registry import SHIPPED, default_name


def test_a_sound_installation_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_HTTP_USERPWD", "me:secret")
    result = run_cli("doctor")
    assert result.returncode == 0, result.stdout
    for name in ("projection data", "GDAL drivers", "torch", "default model", "tiny scene", "polygon formats"):
        assert any(line.startswith(name) and " ok " in line for line in result.stdout.splitlines())
    assert geocloud.__version__ in result.stdout
    assert "GDAL_HTTP_USERPWD" in result.stdout
    assert "secret" not in result.stdout


@pytest.mark.parametrize("command", ["doctor", "patches"])
def test_no_command_fails_where_warnings_are_errors(tmp_path: Path, command: str) -> None:
    """Those of other libraries."""
    more = (write_scene(tmp_path / "s.tif"), "--out", tmp_path / "patches") if command == "patches" else ()
    done = run_program(command, *more, env=clean_environment(PYTHONWARNINGS="error"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="copies the package")
def test_damaged_weights_are_found(tmp_path: Path) -> None:
    """A copy of the package, put before the installed one."""
    shutil.copytree(SHIPPED.parents[1], tmp_path / "geocloud")
    weights = tmp_path / "geocloud" / "models" / "shipped" / default_name() / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    result = run_program("doctor", "--json", env=clean_environment(PYTHONPATH=str(tmp_path)), cwd=tmp_path)
    report = json.loads(result.stdout)
    failed = {check["name"]: check["detail"] for check in report["checks"] if not check["passed"]}
    assert result.returncode == 1
    assert set(failed) == {"default model", "tiny scene"}
    assert "the weights are damaged" in failed["default model"]
