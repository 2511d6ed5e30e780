"""The runner against programs that behave well and badly."""

import os
import sys
import time
from pathlib import Path

import pytest
from geocloud_qgis.protocol import parse_line, percent, stage_text
from geocloud_qgis.runner import Listener, ProgramCancelled, ProgramError, run

FAKE = Path(__file__).parent / "fake.py"


class Heard(Listener):
    def __init__(self, cancel_after=None):
        self.said = []
        self.until = None if cancel_after is None else time.monotonic() + cancel_after

    def progress(self, percent):
        self.said.append(("progress", percent))

    def stage(self, text):
        self.said.append(("stage", text))

    def info(self, text):
        self.said.append(("info", text))

    def warning(self, text):
        self.said.append(("warning", text))

    def cancelled(self):
        return self.until is not None and time.monotonic() > self.until


def play(mode, heard=None):
    return run([sys.executable, str(FAKE), mode], os.environ, heard or Heard())


def test_good():
    heard = Heard()
    assert play("good", heard)["cloud_percent"] == 12.5
    assert ("stage", "Looking for clouds") in heard.said
    assert ("progress", 50.0) in heard.said
    assert ("warning", "mind the “Bands” and --nothing") in heard.said


def test_error_is_the_programs_sentence_and_is_not_said_before():
    heard = Heard()
    with pytest.raises(ProgramError) as caught:
        play("error", heard)
    title = "Advanced Parameters ▸ Read files outside the scene's folder"
    assert str(caught.value) == f"scene.tif is empty; fetch it again, or try “{title}”"
    assert ("info", "noise") in heard.said
    assert not [text for _, text in heard.said if "is empty" in str(text)]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("worse", "worse .recall falls by 9 points., and was not written"),
        ("usage", "^no such option --x$"),
        ("traceback", r"unexpectedly \(exit code 1\): ValueError: a bug"),
        ("dying", "unexpectedly .signal 6"),
        ("nothing", "ended without a result"),
        ("other-protocol", "speaks protocol 1"),
    ],
)
def test_failures(mode, words):
    with pytest.raises(ProgramError, match=words):
        play(mode)


def test_garbage_and_bytes_that_are_no_utf8_go_to_the_log():
    heard = Heard()
    assert play("garbage", heard)["mask"] == "m.tif"
    assert ("info", "not json") in heard.said


def test_a_program_that_cannot_start():
    with pytest.raises(ProgramError, match="cannot be started"):
        run(["/no/such/program"], os.environ, Heard())


@pytest.mark.parametrize("mode", ["cancellable", "deaf"])
def test_cancel_within_seconds(mode):
    """Seconds where the machine has time; a program that is waited for takes ten minutes or for ever."""
    started = time.monotonic()
    with pytest.raises(ProgramCancelled):
        play(mode, Heard(cancel_after=0.5))
    assert time.monotonic() - started < 120


def test_a_cancel_that_comes_too_late_is_a_success():
    assert play("too-late", Heard(cancel_after=0.2))["mask"] == "m.tif"


def test_lines():
    assert parse_line('{"event": "x"}') == {"event": "x"}
    assert parse_line("[]") is parse_line("{}") is parse_line("x") is None
    assert percent({"percent": "many"}) == 0
    assert percent({"percent": 300}) == 100
    assert stage_text({"stage": "new"}) == "new"
