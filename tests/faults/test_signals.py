"""Signals stop a run cleanly, however many come; names as long as a file system takes them work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.running import contents, detect, speckled, start
from testutils import PATIENCE, write_scene

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="other signals there")]
LONGEST = 255 - len("_cloudmask.tif.aux.xml")
"""Bytes of a scene's stem whose outputs' names most file systems take."""


def _begin(scene: Path, out: Path) -> subprocess.Popen:
    """A run that has begun to write."""
    run = start(scene, out)
    until = time.monotonic() + PATIENCE
    while not list(out.glob(".geocloud-*/scratch-*")):
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    return run


@pytest.mark.parametrize(
    "signals",
    [[signal.SIGHUP], [signal.SIGTERM], [signal.SIGINT] * 6, [signal.SIGTERM, signal.SIGHUP, signal.SIGINT] * 3],
    ids=lambda signals: "+".join(one.name for one in signals),
)
def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path, signals: list[signal.Signals]) -> None:
    """A closed terminal (SIGHUP), a kill, and a user who keeps pressing Ctrl-C."""
    out = tmp_path / "out"
    run = _begin(speckled(tmp_path / "s.tif", 1500), out)
    for number in signals:
        run.send_signal(number)
        time.sleep(0.02)
    _, errors = run.communicate(timeout=PATIENCE)
    assert (run.returncode, contents(out)) == (130, {}), errors
    assert errors.strip().count("\n") == 0, errors
    assert not list(out.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "moment", ["before its module", "as its options are read", "in a destructor", "after its work"]
)
def test_a_signal_before_and_after_the_work_is_one_word_too(number: signal.Signals, moment: str) -> None:
    """Where no reporter hears it: click says Aborted! and ends with 1."""
    before = {
        "before its module": "main.import_module = lambda name: strike()",
        "as its options are read": "main.Command.parse_args = lambda *given: strike()",
        "in a destructor": (  # where Python drops exceptions: the signal was lost, and so were all that followed
            "class Last: __del__ = lambda self: strike()\n"
            f"main.import_module = lambda name: (bool(Last()), time.sleep({PATIENCE}))"
        ),
        "after its work": "main.lost_stdout = strike",
    }[moment]
    code = (
        "import os, signal, sys, time; from geocloud.cli import main\n"
        f"signal.signal({int(number)}, signal.default_int_handler)\n"  # whoever started this test may ignore it
        f"def strike():\n    main.hear_signals(); os.kill(os.getpid(), {int(number)}); return ''\n"
        f"{before}\nmain.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "version"],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "cancelled\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_after_the_result_changes_nothing_that_was_said(tmp_path: Path, number: signal.Signals) -> None:
    """Taking Python and torch apart took a second, in which a signal gave its own exit code to finished work."""
    run = start(write_scene(tmp_path / "s.tif"), tmp_path / "out", "--model", "default")
    assert json.loads(run.stdout.readline())["mask"]
    time.sleep(0.15)
    run.send_signal(number)
    assert (run.wait(timeout=PATIENCE), run.stderr.read().count("Traceback")) == (0, 0)
    run.stdout.close()
    run.stderr.close()


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "s.tif")

    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGHUP)

    assert detect(scene, tmp_path / "out", before=ignore).returncode == 0


@pytest.mark.parametrize(
    ("stem", "fits"),
    [
        *(("a" * 120, True), ("a" * 216, True), ("a" * LONGEST, True), ("a" * (LONGEST + 1), False)),
        *(("a" * 251, False), ("雲" * (LONGEST // 3), True), ("雲" * (LONGEST // 3 + 1), False)),
    ],
    ids=lambda value: f"{len(os.fsencode(value))} bytes" if isinstance(value, str) else "",
)
def test_names_work_up_to_what_the_file_system_takes(tmp_path: Path, stem: str, *, fits: bool) -> None:
    scene = write_scene(tmp_path / f"{stem}.tif")
    out = tmp_path / "out"
    result = detect(scene, out, "--polygons", "gpkg", "--score", "--quicklook")
    assert "Traceback" not in result.stderr
    if fits:
        assert result.returncode == 0, result.stderr
        assert {name.removeprefix(stem) for name in contents(out)} == {
            *("_cloudmask.tif", "_cloudmask.tif.aux.xml", "_cloudmask.qml", "_clouds.gpkg"),
            *("_cloudscore.tif", "_quicklook.png"),
        }
    else:
        assert result.returncode == 2
        assert "more than the disk takes" in result.stderr
        assert not out.exists() or not list(out.iterdir())
