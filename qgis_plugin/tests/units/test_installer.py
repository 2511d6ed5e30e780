"""The installer, against real Pythons, real pip and a small wheel that stands for the program."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from geocloud_qgis.env import clean_environment
from geocloud_qgis.installer import (
    PROGRAM_VERSION,
    find_python,
    install,
    installed,
    program_wheel,
    remove,
)
from geocloud_qgis.protocol import PROTOCOL
from geocloud_qgis.runner import Listener, ProgramCancelled, ProgramError
from stub_wheels import empty_wheel
from stub_wheels import program_wheel as wheel

ROOT = Path(__file__).parent.parent.parent.parent
SLEEP = 600
SLOW = f"import time; print('slow', flush=True); time.sleep({SLEEP})"


class Heard(Listener):
    def __init__(self):
        self.lines, self.stages, self.percents, self.stop = [], [], [], threading.Event()

    def info(self, text):
        self.lines.append(text)

    def stage(self, text):
        self.stages.append(text)

    def progress(self, percent):
        self.percents.append(percent)

    def cancelled(self):
        return self.stop.is_set()


@pytest.fixture
def environ():
    """No settings of this computer's pip: what is installed comes from the folder of wheels or not at all."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return {**clean_environment(kept), "PIP_CONFIG_FILE": os.devnull}


GOOD = {"geocloud": PROGRAM_VERSION, "protocol": PROTOCOL}


def test_the_pinned_version_is_the_projects():
    assert f'__version__ = "{PROGRAM_VERSION}"' in (ROOT / "geocloud" / "version.py").read_text()


def test_install_update_and_remove(tmp_path, environ):
    root, heard = tmp_path / "a profile é" / "geocloud", Heard()
    wheels = wheel(tmp_path / "wheels", GOOD)
    first = install(root, environ, heard, wheels, sys.executable)
    assert installed(root) == first
    assert first.program.is_file()
    assert first.version == PROGRAM_VERSION
    assert len(heard.stages) == 3
    assert heard.percents == sorted(heard.percents) and heard.percents[-1] == 100
    assert any("Successfully installed geocloud" in line for line in heard.lines)
    second = install(root, environ, Heard(), wheels, sys.executable)
    assert second.folder != first.folder
    assert not first.folder.exists()
    remove(root)
    assert installed(root) is None
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "needs", "words"),
    [
        (GOOD, ["no-such-package-here"], "no-such-package-here"),
        ({"geocloud": "9", "protocol": PROTOCOL + 9}, [], "protocol"),
        ({"hello": 1}, [], "not a working geocloud"),
    ],
)
def test_a_failure_keeps_the_older_one(tmp_path, environ, answer, needs, words):
    root = tmp_path / "root"
    before = install(root, environ, Heard(), wheel(tmp_path / "good", GOOD), sys.executable)
    with pytest.raises(ProgramError, match=words) as caught:
        install(root, environ, Heard(), wheel(tmp_path / "bad", answer, needs), sys.executable)
    assert ("wheels" in caught.value.hint) == bool(needs)
    assert installed(root) == before
    assert list(root.iterdir()) == [before.folder]


def test_cancel_leaves_nothing(tmp_path, environ):
    slow = tmp_path / "python3"
    slow.write_text(f"#!{sys.executable}\n{SLOW}\n")
    slow.chmod(0o755)
    heard, root = Heard(), tmp_path / "root"
    heard.info = lambda text: (heard.lines.append(text), heard.stop.set())
    started = time.monotonic()
    with pytest.raises(ProgramCancelled):
        install(root, environ, heard, wheel(tmp_path / "wheels", GOOD), str(slow))
    assert time.monotonic() - started < SLEEP / 2
    assert heard.lines == ["slow"]
    assert list(root.iterdir()) == []


def test_wheels_without_the_program(tmp_path):
    wheel(tmp_path / "other", GOOD, version="0.1")
    with pytest.raises(ProgramError, match=f"no wheel of geocloud {PROGRAM_VERSION}"):
        program_wheel(tmp_path / "other")


def test_a_half_made_folder_does_not_count(tmp_path):
    (tmp_path / "program-3").mkdir()
    (tmp_path / "program-2").mkdir()
    (tmp_path / "program-2" / "complete.json").write_text('{"version": "1", "python": "p"}')
    assert installed(tmp_path).folder.name == "program-2"


def test_a_python_is_found_and_an_old_one_is_not_taken(tmp_path, environ, monkeypatch):
    assert Path(find_python(environ)).is_file()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "qgis"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho '[3, 9]'\n")
    old.chmod(0o755)
    with pytest.raises(ProgramError, match=r"No Python 3\.11"):
        find_python({"PATH": str(tmp_path)})


def test_extras_whose_wheels_lie_in_the_folder_come_along(environ, tmp_path):
    folder = empty_wheel(wheel(tmp_path / "wheels", GOOD), "h5netcdf")
    made = install(tmp_path / "root", environ, Heard(), folder, sys.executable)
    assert list(made.folder.rglob("h5netcdf-1.0.dist-info"))
