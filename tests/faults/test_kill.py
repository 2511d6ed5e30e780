"""kill -9 at any moment, and two runs that write the same output at once."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from faults.running import contents, detect, speckled, start
from testutils import PATIENCE

from geocloud.writers.staging import clear_leftovers

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")]
KILLS = 20
OUTPUTS = {
    *("scene_cloudmask.tif", "scene_cloudmask.tif.aux.xml", "scene_cloudmask.qml"),
    *("scene_clouds.gpkg", "scene_cloudscore.tif"),
}
MORE = ("--score", "--polygons", "gpkg", "--min-area", "300")


def test_killed_at_twenty_random_moments_each_output_is_whole_or_absent(tmp_path: Path) -> None:
    scene, out = speckled(tmp_path / "scene.tif", 600), tmp_path / "out"
    began = time.monotonic()
    assert detect(scene, tmp_path / "whole", *MORE).returncode == 0
    took = time.monotonic() - began
    expected = contents(tmp_path / "whole")
    assert set(expected) == OUTPUTS
    moments = random.Random(8)  # noqa: S311 - repeatable, no secret
    finished = 0
    for _ in range(KILLS):
        process = start(scene, out, *MORE)
        time.sleep(moments.uniform(0.1, 1.1) * took)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        finished += process.returncode == 0
        seen = {name: content for name, content in contents(out).items() if not name.startswith(".")}
        assert all(content == expected[name] for name, content in seen.items())
        if "scene_cloudmask.tif" in seen:  # the mask is moved last: where it is, all is
            assert seen == expected
        for name in seen:
            (out / name).unlink()
    assert finished < KILLS
    assert detect(scene, out, *MORE).returncode == 0
    assert contents(out) == expected  # also no leftovers of the killed ones


def test_killed_while_replacing_the_outputs_are_of_one_run(tmp_path: Path) -> None:
    """Where the mask is, all is of its run; and the next run puts back what a half-done commit moved."""
    scene, out = speckled(tmp_path / "scene.tif", 400), tmp_path / "out"
    assert detect(scene, out, *MORE).returncode == 0
    old = contents(out)
    assert detect(scene, tmp_path / "new", *MORE, "--dilate", "2").returncode == 0
    new = contents(tmp_path / "new")
    moments = random.Random(9)  # noqa: S311 - repeatable, no secret
    for _ in range(6):
        process = start(scene, out, *MORE, "--dilate", "2", "--overwrite")
        time.sleep(moments.uniform(0.2, 2.0))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        seen = {name: content for name, content in contents(out).items() if not name.startswith(".")}
        assert "scene_cloudmask.tif" not in seen or seen in (old, new)
        clear_leftovers(out, "scene_cloudmask")
        assert contents(out) in (old, new)


def test_two_runs_of_one_output_at_once_leave_one_whole_result(tmp_path: Path) -> None:
    scene, out = speckled(tmp_path / "scene.tif", 400), tmp_path / "out"
    assert detect(scene, tmp_path / "whole", *MORE).returncode == 0
    for _ in range(2):
        runs = [start(scene, out, *MORE, "--overwrite") for _ in range(3)]
        answers = [run.communicate(timeout=PATIENCE) for run in runs]
        assert [run.returncode for run in runs] == [0, 0, 0], answers
        assert len({json.loads(stdout)["cloud_percent"] for stdout, _ in answers}) == 1
        assert contents(out) == contents(tmp_path / "whole")
