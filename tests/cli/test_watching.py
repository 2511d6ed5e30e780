"""Progress protocol 2 and cancelling, of the commands that do one job."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from testutils import PATIENCE, events, pausing, run_cli, write_scene

NULL = ("--model", "brightness")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A chessboard of clouds and its mask, of several blocks: verbs tell of steps between the first and the last."""
    folder = tmp_path_factory.mktemp("board")
    board = np.kron(np.indices((120, 110)).sum(axis=0) % 2, np.ones((10, 10)))
    data = np.broadcast_to(np.where(board, 6000, 500).astype(np.uint16), (4, 1200, 1100))
    scene = write_scene(folder / "scene.tif", data=data, compress="deflate")
    assert run_cli("detect", scene, "--out", folder, "--polygons", "none", *NULL).returncode == 0
    return scene, folder / "scene_cloudmask.tif"


def command(name: str, scenes: tuple[Path, Path], folder: Path) -> list[str]:
    scene, mask = map(str, scenes)
    return {
        "detect": ["detect", scene, "--out", str(folder), "--score", *NULL],
        "polygonize": ["polygonize", mask, "--out", str(folder / "p.gpkg")],
        "apply-mask": ["apply-mask", scene, mask, "--out", str(folder / "clear.tif")],
    }[name]


def start(arguments: list[str], until: Path) -> subprocess.Popen[str]:
    """The program, which pauses in the middle of its work until that file is there."""
    line = [*pausing(until, *arguments), "--progress", "json", "--stop-on-stdin-eof"]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["detect", "polygonize", "apply-mask"])
def test_percents_rise_to_100_and_a_result_ends_it(name: str, scenes: tuple[Path, Path], tmp_path: Path) -> None:
    done = run_cli(*command(name, scenes, tmp_path), "--progress", "json")
    told = events(done.stdout)
    assert done.returncode == 0
    assert (told[0]["event"], told[0]["protocol"]) == ("start", 2)
    assert told[-1]["event"] == "result"
    percents = [event["percent"] for event in told if event["event"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100


@pytest.mark.parametrize("name", ["polygonize", "apply-mask"])
def test_a_closed_stdin_cancels_and_leaves_nothing(name: str, scenes: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with start(command(name, scenes, tmp_path / "out"), tmp_path / "never") as process:
        for line in process.stdout:
            if '"progress"' in line and '"load"' not in line and '"done": 0' not in line:
                process.stdin.close()
                break
        rest = process.stdout.read()
        assert process.wait() == 130
    assert json.loads(rest.splitlines()[-1])["event"] == "cancelled"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["polygonize", "apply-mask"])
def test_an_error_is_one_event_and_one_line_in_a_pipe(name: str, scenes: tuple[Path, Path], tmp_path: Path) -> None:
    wrong = [str(tmp_path / "absent.tif") if part.endswith("scene_cloudmask.tif") else part
             for part in command(name, scenes, tmp_path)]  # fmt: skip
    failed = run_cli(*wrong, "--progress", "json")
    event = events(failed.stdout)[-1]
    assert (event["event"], event["code"], failed.returncode) == ("error", "input", 1)
    assert "absent.tif does not exist" in event["text"]
    assert run_cli(*wrong).stderr.startswith("error: ")


def test_a_silence_is_filled_and_the_heartbeat_ends_with_a_killed_program(
    scenes: tuple[Path, Path], tmp_path: Path
) -> None:
    with start(command("detect", scenes, tmp_path), tmp_path / "never") as process:
        hung = threading.Timer(PATIENCE, process.kill)
        hung.start()
        beats = ('"alive"' in line for line in process.stdout)
        assert sum(itertools.islice(filter(None, beats), 3)) == 3
        process.kill()
        process.stdout.read()  # ends only once every process that holds the pipe is gone
        hung.cancel()
