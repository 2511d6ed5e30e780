"""How results, warnings and assumptions look: order, levels of talk, where a bar may be drawn."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from geocloud.cli.common import print_json
from geocloud.cli.reporter import Verbosity, can_draw, make_reporter
from geocloud.progress import Warn

RECORD = {"scene": "a.tif", "notes": ["assumed", Warn("looks wrong")]}


def said(verbosity: Verbosity, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    reporter = make_reporter("none", verbosity=verbosity)
    reporter.start("folder/a.tif")
    reporter.result(RECORD, "a.tif: 50.0 % cloud", "model x")
    reporter.start("folder/b.tif")
    reporter.result(RECORD, "b.tif: 20.0 % cloud", "model x")
    reporter.total("2 scenes")
    reporter.close()
    shown = capsys.readouterr()
    return shown.out.splitlines(), shown.err.splitlines()


def test_an_assumption_is_said_once_and_a_warning_of_each_scene(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said("normal", capsys)
    assert out == ["a.tif: 50.0 % cloud", "b.tif: 20.0 % cloud"]
    assert err == ["  note: assumed", "  warning: looks wrong", "  warning: looks wrong", "2 scenes"]


def test_quiet_keeps_warnings_alone_and_verbose_adds_details(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("quiet", capsys) == ([], ["  warning: looks wrong"] * 2)
    assert said("verbose", capsys)[0] == ["a.tif: 50.0 % cloud", "  model x", "b.tif: 20.0 % cloud", "  model x"]


def test_a_result_of_several_lines_is_several_lines_and_a_name_stays_on_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_reporter("none").result({}, ["2 dates", "a\nb.tif: 1 % cloud"])
    assert capsys.readouterr().out == "2 dates\na\\nb.tif: 1 % cloud\n"


def test_lines_on_the_way_stand_beside_json_not_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    make_reporter("none", as_json=True).line("Epoch:1")
    make_reporter("none").line("Epoch:2")
    assert capsys.readouterr() == ("Epoch:2\n", "Epoch:1\n")


def test_json_has_no_null_keys(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": None, "b": float("nan"), "c": {"d": None, "e": 1}, "f": [None, 2], "g": [float("nan"), None]})
    assert capsys.readouterr().out == '{"c": {"e": 1}, "f": [null, 2]}\n'


@pytest.mark.parametrize(
    ("variables", "drawn"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "JPY_PARENT_PID": "1"}, False)],
)
def test_where_a_bar_is_drawn(variables: dict[str, str], drawn: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert can_draw(Console(file=io.StringIO(), force_terminal=True)) is drawn
    assert not can_draw(Console(file=io.StringIO(), force_terminal=False))


def test_a_notebook_s_plot_backend_of_another_environment_does_no_harm() -> None:
    code = "from geocloud.cli.common import protect_environment as p; p(); from matplotlib.figure import Figure"
    environment = {**os.environ, "MPLBACKEND": "module://absent_backend.inline"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
