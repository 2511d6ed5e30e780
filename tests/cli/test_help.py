"""What a stranger meets: help with examples that hold, one meaning an option name, completion, `rio clouds`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from testutils import run_cli

from geocloud.cli.main import cli


def commands(group: click.Group, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for one in group.list_commands(context):
        command = group.get_command(context, one)
        yield (*name, one), command
        if isinstance(command, click.Group):
            yield from commands(command, (*name, one))


ALL = dict(commands(cli))
VERBS = {name: command for name, command in ALL.items() if not isinstance(command, click.Group)}


@pytest.mark.parametrize("name", ALL, ids=" ".join)
def test_help_has_examples_that_parse(name: tuple[str, ...]) -> None:
    lines = [line.strip() for line in (ALL[name].epilog or "").splitlines() if "geocloud " in line]
    assert lines
    for line in lines:
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        for length in (2, 1):  # `models show`, or `detect`
            if tuple(words[1 : 1 + length]) in ALL:
                ALL[tuple(words[1 : 1 + length])].make_context("geocloud", words[1 + length :])
                break
        else:
            pytest.fail(line)


@pytest.mark.parametrize("name", VERBS, ids=" ".join)
def test_each_option_says_what_it_does(name: tuple[str, ...]) -> None:
    assert VERBS[name].help
    for parameter in VERBS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


def test_a_batch_takes_no_path_for_the_output_of_one_scene() -> None:
    assert [name for name in option_names("batch") if name.endswith("-file") and name != "--scheduler-file"] == []
    assert "--uncertainty-file" in option_names("detect")


def option_names(verb: str) -> set[str]:
    return {name for parameter in VERBS[(verb,)].params for name in parameter.opts}


GIVEN_BACK = {("adapt", "masks"), ("adapt", "polygons"), ("adapt", "overcast")}
"""Options that take a file of what the option of that name elsewhere writes or names."""


def test_an_option_name_takes_the_same_kind_of_value_in_every_verb() -> None:
    kinds: dict[str, set[str]] = {}
    for name, command in VERBS.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and (name[-1], parameter.name) not in GIVEN_BACK:
                kind = "flag" if parameter.is_flag else type(parameter.type).__name__
                kinds.setdefault(parameter.opts[0], set()).add(kind)
    assert {name for name, several in kinds.items() if len(several) > 1} == set()


def test_the_tab_key_completes_options_and_model_names() -> None:
    def complete(line: str) -> list[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        environment = {"_GEOCLOUD_COMPLETE": "bash_complete", **words}
        done = CliRunner().invoke(cli, [], env=environment, prog_name="geocloud")
        return [part.partition(",")[2] for part in done.stdout.split()]

    assert "detect" in complete("geocloud de")
    assert "--min-area" in complete("geocloud detect --min")
    assert "brightness" in complete("geocloud models show bri")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["detct"], "no command 'detct': did you mean detect?"),
        (["models", "shwo"], "no command 'shwo': did you mean show?"),
        (["detect", "a.tif", "--treshold", "1"], "no option --treshold: did you mean --threshold?"),
        (["detect", "a.tif", "--model", "brihgtness"], "no model 'brihgtness': did you mean brightness?"),
        (["models", "show", "defualt"], "no model 'defualt': did you mean default?"),
        (["calibrate", "default", ".", "--out", "k"], "missing option '--rule', one of paper, quantile, "),
    ],
)
def test_a_mistyped_name_gets_one_suggestion_in_the_one_error_style(words: list[str], meant: str) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith(f"error: {meant}")
    assert len(result.stderr.splitlines()) == 1


def test_the_options_of_detect_stand_in_groups() -> None:
    lines = CliRunner().invoke(cli, ["detect", "--help"]).output.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Input:", "Output:", "Detection:", "Speed:", "Messages:"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    assert "_GEOCLOUD_COMPLETE" in run_cli("completion", shell).stdout


def test_rio_clouds_is_detect(sample: Path, tmp_path: Path) -> None:
    from rasterio.rio.main import main_group

    assert "clouds" in CliRunner().invoke(main_group, ["--help"]).stdout
    arguments = ["clouds", str(sample), "--out", str(tmp_path), "--model", "brightness"]
    done = CliRunner().invoke(main_group, arguments)
    assert Path(json.loads(done.stdout)["mask"]) == tmp_path / "scene_cloudmask.tif"
    assert (tmp_path / "scene_cloudmask.tif").exists()


def test_a_model_card_reads_as_one() -> None:
    text = run_cli("models", "show", "default").stdout
    assert all(title in text for title in ("What it reads", "Threshold", "What it learned from", "What it gets wrong"))
    assert "{" not in text
    assert max(map(len, text.splitlines())) <= 100
    card = json.loads(run_cli("models", "show", "default", "--json").stdout)
    assert card["sha256"] in text
