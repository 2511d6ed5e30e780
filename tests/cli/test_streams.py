"""Closed, full and old-fashioned streams, and names that would steer a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from testutils import PATIENCE, clean_environment, write_scene

from geocloud.cli.common import note_line, print_json, printable
from geocloud.cli.main import cli
from geocloud.cli.reporter import make_reporter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full, and a shell")


def shell(text: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", text.replace("GEOCLOUD", f"{sys.executable} -m geocloud")],
        capture_output=True, text=True, check=False, env=clean_environment(**more), timeout=PATIENCE,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["--version", "detect --help"])
def test_a_text_that_cannot_be_printed_is_one_sentence(text: str) -> None:
    result = shell(f"GEOCLOUD {text} > /dev/full")
    assert result.returncode == 1
    assert result.stderr == "error: the text cannot be printed (No space left on device)\n"


def test_a_current_folder_that_was_deleted_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path / "d")
    (tmp_path / "d").rmdir()
    result = CliRunner().invoke(cli, ["evaluate", "x", "--model", "hot"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: the current folder was deleted; change to one that exists\n"


def test_a_verb_that_loads_torch_in_a_deleted_folder_is_one_sentence_too(tmp_path: Path) -> None:
    """Intel's library would end the process with words of its own."""
    out = tmp_path / "m"
    result = shell(f"mkdir {tmp_path}/d; cd {tmp_path}/d; rmdir {tmp_path}/d; GEOCLOUD train {tmp_path} --out {out}")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: the current folder was deleted; change to one that exists\n"


@pytest.mark.faults
@pytest.mark.parametrize("where", [">&-", "> /dev/full", "| head -c 0"])
def test_a_stdout_that_fails_loses_no_output(tmp_path: Path, where: str) -> None:
    for number in (1, 2):
        write_scene(tmp_path / f"s{number}.tif")
    command = f"GEOCLOUD detect {tmp_path}/s1.tif {tmp_path}/s2.tif --model brightness --out {tmp_path}/out"
    result = shell(f"({command}; echo code $? >&2) {where}")
    assert "code 1" in result.stderr
    assert "Traceback" not in result.stderr
    assert [line for line in result.stderr.splitlines() if "the results cannot be printed" in line]
    assert len(list((tmp_path / "out").glob("*_cloudmask.tif"))) == 2


@pytest.mark.faults
def test_a_stream_that_is_not_utf8_gets_ascii_json(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "雲.tif")
    command = f"GEOCLOUD detect '{scene}' --model brightness --out {tmp_path}/out"
    result = shell(command, PYTHONIOENCODING="latin-1")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["scene"] == str(scene)
    assert result.stdout.isascii()


@pytest.mark.faults
def test_names_work_where_python_was_told_of_another_encoding(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "雲 é.tif")
    told = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = shell(f"GEOCLOUD detect '{scene}' --model brightness --out '{tmp_path}/ö'", **told)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["scene"] == str(scene)
    assert (tmp_path / "ö" / "雲 é_cloudmask.tif").is_file()


@pytest.mark.faults
def test_a_name_that_is_no_utf8_is_one_sentence(tmp_path: Path) -> None:
    bad = os.fsencode(tmp_path) + b"/bad\xff.tif"
    write_scene(tmp_path / "s.tif").rename(os.fsdecode(bad))
    for verb in ("detect", "info"):
        command = [sys.executable, "-m", "geocloud", verb, bad]
        result = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE, cwd=tmp_path)
        assert result.returncode != 0
        assert b"Traceback" not in result.stderr
        assert len([line for line in result.stderr.splitlines() if line.startswith(b"error:")]) == 1


def test_control_characters_never_reach_a_terminal() -> None:
    hostile = "a\x1b[31mred\x1b]0;pwned\x07\r\nerror: b\udcff\x9b"
    assert printable(hostile).isprintable()
    assert printable("雲 → é") == "雲 → é"
    assert "pwned\x07" not in note_line(hostile, hostile)


@pytest.mark.skipif(os.name == "nt", reason="terminals are others there")
@pytest.mark.parametrize("command", ["info", "detect"])
def test_a_hostile_name_steers_no_terminal(tmp_path: Path, command: str) -> None:
    """On a real terminal, where nothing is stripped on the way."""
    import pty

    scene = write_scene(tmp_path / "t\x1b]0;pwned\x07.tif")
    more = ["--out", str(tmp_path / "o"), "--model", "brightness"] if command == "detect" else []
    terminal, inside = pty.openpty()
    arguments = [sys.executable, "-m", "geocloud", command, str(scene), *more]
    shown = b""
    env = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1"}  # a bar is drawn, and an arrow can be
    with subprocess.Popen(arguments, stdin=inside, stdout=inside, stderr=inside, env=env) as run:
        os.close(inside)
        with suppress(OSError):  # the end, on Linux
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    assert run.returncode == 0
    assert b"pwned" in shown
    assert command == "info" or " → ".encode() in shown
    assert b"\x1b]" not in shown
    assert b"\x07" not in shown


def test_tables_and_lines_steer_no_terminal() -> None:
    """Nor do colours of others, which could hide a word."""
    with CliRunner().isolation(color=True) as streams:
        reporter = make_reporter("none")
        reporter.table([], "name\tscene\nmine\tits \x1b[8mname\x1b[0m\r\x9b2J")
        reporter.line("\x1b[8mhidden")
        reporter.total("\x1b]0;title\x07")
        out, err = (stream.getvalue().decode() for stream in streams[:2])
    assert out == "name\tscene\nmine\tits \\x1b[8mname\\x1b[0m\\r\\x9b2J\n\\x1b[8mhidden\n"
    assert "\x1b]" not in err
    assert "\\x1b]0;title\\x07" in err


def test_json_stays_json_whatever_a_name_holds(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"scene": "a\x9b31m\x1b\x7f雲"})
    printed = capsys.readouterr().out
    assert printed.rstrip("\n").isprintable()
    assert json.loads(printed) == {"scene": "a\x9b31m\x1b\x7f雲"}
