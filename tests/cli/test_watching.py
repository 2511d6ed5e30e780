"""Progress protocol 2 and cancelling, of the commands that do one job."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from testutils import run_cli, write_scene

NULL = ("--model", "brightness")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A scene and its mask, so large that a run takes seconds: a chessboard of clouds."""
    folder = tmp_path_factory.mktemp("large")
    board = np.kron(np.indices((600, 300)).sum(axis=0) % 2, np.ones((5, 5)))
    data = np.broadcast_to(np.where(board, 6000, 500).astype(np.uint16), (4, 3000, 1500))
    scene = write_scene(folder / "scene.tif", data=data, compress="deflate")
    assert run_cli("detect", scene, "--out", folder, "--polygons", "none", *NULL).returncode == 0
    return scene, folder / "scene_cloudmask.tif"


def command(name: str, large: tuple[Path, Path], folder: Path) -> list[str]:
    scene, mask = map(str, large)
    return {
        "detect": ["detect", scene, "--out", str(folder), "--score", *NULL],
        "polygonize": ["polygonize", mask, "--out", str(folder / "p.gpkg")],
        "apply-mask": ["apply-mask", scene, mask, "--out", str(folder / "clear.tif")],
    }[name]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "geocloud", *arguments, "--progress", "json", "--stop-on-stdin-eof"]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["detect", "polygonize", "apply-mask"])
def test_a_line_at_least_every_2_seconds_and_a_result_at_the_end(
    name: str, large: tuple[Path, Path], tmp_path: Path
) -> None:
    with start(command(name, large, tmp_path)) as process:
        events, gaps, last = [], [], time.monotonic()
        for line in process.stdout:
            events.append(json.loads(line))
            gaps.append(time.monotonic() - last)
            last += gaps[-1]
        assert process.wait() == 0
    assert (events[0]["event"], events[0]["protocol"]) == ("start", 2)
    assert events[-1]["event"] == "result"
    assert max(gaps[1:]) < 2
    percents = [event["percent"] for event in events if event["event"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100


@pytest.mark.parametrize("name", ["polygonize", "apply-mask"])
def test_a_closed_stdin_cancels_and_leaves_nothing(name: str, large: tuple[Path, Path], tmp_path: Path) -> None:
    with start(command(name, large, tmp_path)) as process:
        for line in process.stdout:
            if '"percent": 0' not in line and "progress" in line:
                process.stdin.close()
                break
        rest = process.stdout.read()
        assert process.wait() == 130
    assert json.loads(rest.splitlines()[-1])["event"] == "cancelled"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["polygonize", "apply-mask"])
def test_an_error_is_one_event_and_one_line_in_a_pipe(name: str, large: tuple[Path, Path], tmp_path: Path) -> None:
    wrong = [str(tmp_path / "absent.tif") if part.endswith("scene_cloudmask.tif") else part
             for part in command(name, large, tmp_path)]  # fmt: skip
    failed = run_cli(*wrong, "--progress", "json")
    event = json.loads(failed.stdout.splitlines()[-1])
    assert (event["event"], event["code"], failed.returncode) == ("error", "input", 1)
    assert "absent.tif does not exist" in event["text"]
    assert run_cli(*wrong).stderr.startswith("error: ")


def test_the_heartbeat_ends_with_a_killed_program(large: tuple[Path, Path], tmp_path: Path) -> None:
    with start(command("detect", large, tmp_path)) as process:
        process.stdout.readline()
        process.kill()
        started = time.monotonic()
        process.stdout.read()  # ends only once every process that holds the pipe is gone
        assert time.monotonic() - started < 2
