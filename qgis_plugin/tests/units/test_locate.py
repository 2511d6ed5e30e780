"""Finding the program."""

import os

import pytest
from geocloud_qgis.locate import VARIABLE, find_program, known_folders, read_versions
from geocloud_qgis.runner import ProgramError


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No folder of this computer counts."""
    monkeypatch.setattr("geocloud_qgis.locate.known_folders", lambda environ, home: [home / ".local/bin"])
    return {"PATH": str(tmp_path / "empty")}


def put(folder, text="#!/bin/sh\n"):
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "geocloud"
    program.write_text(text)
    program.chmod(0o755)
    return program


def test_missing_says_the_way_out(nowhere, tmp_path):
    with pytest.raises(ProgramError, match="not found") as caught:
        find_program("", nowhere, tmp_path)
    assert "Settings" in caught.value.hint


@pytest.mark.parametrize("inside", [".", "bin", "Scripts", ".venv/bin"])
def test_a_folder_or_environment_is_looked_into(nowhere, tmp_path, inside):
    program = put(tmp_path / "chosen place é" / inside)
    assert find_program(str(tmp_path / "chosen place é"), nowhere, tmp_path).samefile(program)


def test_order(nowhere, tmp_path):
    home, path, setting, variable = (put(tmp_path / name) for name in (".local/bin", "path", "set", "var"))
    assert find_program("", nowhere, tmp_path) == home
    environ = {"PATH": str(path.parent)}
    assert find_program("", environ, tmp_path) == path
    assert find_program(str(setting), environ, tmp_path) == setting
    assert find_program(str(setting), {**environ, VARIABLE: str(variable)}, tmp_path) == variable


def test_what_is_named_is_not_passed_over(nowhere, tmp_path):
    put(tmp_path / ".local/bin")
    with pytest.raises(ProgramError, match="neither the program"):
        find_program(str(tmp_path / "gone"), nowhere, tmp_path)
    with pytest.raises(ProgramError, match=VARIABLE):
        find_program("", {**nowhere, VARIABLE: str(tmp_path / "gone")}, tmp_path)


def test_known_folders(tmp_path):
    (tmp_path / "Python/Python312").mkdir(parents=True)
    folders = list(known_folders({"APPDATA": str(tmp_path)}, tmp_path))
    assert tmp_path / "Python/Python312" in folders
    assert tmp_path / ".local/share/pipx/venvs/geocloud" in folders


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/sh\necho hello\n", "not a working geocloud"),
        ("#!/bin/sh\necho broken >&2; exit 1\n", "broken"),
        ("""#!/bin/sh\necho '{"geocloud": "9", "protocol": 9}'\n""", "protocol 9"),
    ],
)
def test_a_program_that_is_not_it(tmp_path, text, words):
    with pytest.raises(ProgramError, match=words):
        read_versions(put(tmp_path, text), os.environ)


def test_the_real_program(program):
    versions = read_versions(find_program(program, {}), os.environ, check=True)
    assert versions["projections"] == "ok"
