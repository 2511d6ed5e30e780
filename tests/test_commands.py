"""Every command of the README and the manual runs as it is written.

A page's blocks run one after the other in one folder that holds the sample data; those of the quick tests in this
process, as far as they are Python or lines of the program alone. A comment above a block marks it:
`<!-- not run: reason -->` does not run it, `<!-- NAME command -->` leaves it to .ci/run.
Blocks that read real imagery ($GEOCLOUD_DATA, $SET) take hours: like those that are not run, they are held to the
program's options.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from testutils import run_cli

from geocloud.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGES = [
    path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))) if path.exists()
]
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^>]*?) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
IMAGERY = re.compile(r"\$\{?(GEOCLOUD_DATA|SET)\b")
QUICK = ("README.md", "index.md")
"""Pages whose commands run with the quick tests; the others' with the slow ones."""
RUNS_ELSEWHERE = re.compile(r"(first|test) command")


@dataclass(frozen=True)
class Block:
    page: Path
    language: str
    text: str
    mark: str

    @property
    def runs(self) -> bool:
        held = self.mark.startswith("not run") or RUNS_ELSEWHERE.fullmatch(self.mark)
        return not held and not IMAGERY.search(self.text)


def blocks(page: Path) -> list[Block]:
    found = (match.groupdict() for match in FENCE.finditer(page.read_text(encoding="utf-8")))
    return [
        Block(page, one["language"], one["text"], one["mark"] or "")
        for one in found
        if one["language"] in ("sh", "bash", "python") or (not one["language"] and "geocloud " in one["text"])
    ]


def runnable(*, slow: bool) -> list[object]:
    chosen = [page for page in PAGES if any(b.runs for b in blocks(page))]
    return [pytest.param(page, id=page.name) for page in chosen if (page.name not in QUICK) == slow]


def in_a_folder(folder: Path) -> None:
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    (folder / "docs").symlink_to(ROOT / "docs")
    (folder / "tests").symlink_to(ROOT / "tests")  # the drawings draw on a synthetic scene


def run_page(page: Path, folder: Path) -> None:
    in_a_folder(folder)
    binaries = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    for block in blocks(page):
        if not block.runs:
            continue
        shell = [sys.executable, "-"] if block.language == "python" else ["bash", "-euo", "pipefail", "-s"]
        done = subprocess.run(
            shell, input=block.text, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{page.name}:\n{block.text}\n{done.stderr}"


@pytest.mark.parametrize("page", runnable(slow=False))
def test_the_commands_of_a_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        if block.runs and block.language == "python":
            exec(compile(block.text, page.name, "exec"), {})  # noqa: S102 - the page's own code
        elif block.runs:
            for line in filter(None, block.text.replace("\\\n", " ").splitlines()):
                program, *arguments = shlex.split(line, comments=True)
                assert program == "geocloud"
                assert not {"|", ">", "&&"} & set(arguments)
                done = run_cli(*arguments)
                assert done.returncode == 0, f"{page.name}:\n{line}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", runnable(slow=True))
def test_the_commands_of_the_other_pages(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_what_is_not_run_says_why_and_ci_runs_what_is_left_to_it() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for page in PAGES:
        for block in blocks(page):
            if block.mark.startswith("not run"):
                assert len(block.mark.removeprefix("not run: ")) > 10, block
            if RUNS_ELSEWHERE.fullmatch(block.mark):
                assert f"readme_command '{block.mark}'" in ci


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_that_is_only_mentioned_knows_its_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page) if not block.runs for line in block.text.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`((?:geocloud|rio clouds) [^`]+)`", FENCE.sub("", text))
    for line in (*lines, *inline):
        match = re.match(r"\s*(geocloud|rio clouds) (.*)", line)
        if match:
            check_options(match.group(2) if match.group(1) == "geocloud" else f"detect {match.group(2)}")


def check_options(arguments: str) -> None:
    """Every option that starts with two dashes belongs to the command."""
    command: click.Command = cli
    context = click.Context(cli)
    alone = re.split(r"[|>]", arguments, maxsplit=1)[0]
    for word in shlex.split(alone.replace("'", ""), comments=True):
        if isinstance(command, click.Group) and not word.startswith("-"):
            found = command.get_command(context, word)
            assert found is not None, f"no command {word!r} in: {arguments}"
            command = found
        elif word.startswith("--"):
            names = {name for parameter in command.params for name in parameter.opts} | {"--help"}
            assert word.partition("=")[0] in names, f"no option {word} in: {arguments}"
