"""Too little memory: a clear error, or where a native library aborts, nothing half-written."""

from __future__ import annotations

import functools
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from faults.running import contents, speckled
from testutils import PATIENCE

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")]


def limit_memory(megabytes: int) -> None:
    """In a child: no more address space than this."""
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


@pytest.mark.parametrize("model", ["brightness", "default"])
def test_nothing_is_half_written(tmp_path: Path, model: str) -> None:
    scene, out = speckled(tmp_path / "scene.tif", 1500), tmp_path / "out"
    told = 0
    masks = set()
    for megabytes in (250, 270, 300, 350, 360, 450, 700, 1100, 1700, 2600):
        command = [sys.executable, "-m", "geocloud", "detect", str(scene), "--out", str(out), "--model", model]
        result = subprocess.run(
            [*command, "--progress", "none", "--polygons", "none"],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
            preexec_fn=functools.partial(limit_memory, megabytes),
        )  # fmt: skip
        left = contents(out)
        if result.returncode == 0:
            assert set(left) == {"scene_cloudmask.tif", "scene_cloudmask.tif.aux.xml", "scene_cloudmask.qml"}
            masks.add((out / "scene_cloudmask.tif").read_bytes())
        else:
            visible = [name for name in left if not name.startswith(".")]
            assert not visible, f"{megabytes} MB: {visible}"
            told += "needs more memory" in result.stderr
        for name in left:
            (out / name).unlink()
    assert told
    assert len(masks) <= 1  # a run that ends well gives the same bytes, overviews and all, however little memory it had
