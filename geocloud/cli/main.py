"""The `geocloud` program: its commands, imported only when called so that help is quick, and the shell round each.

The shell gives help in groups, errors as one sentence, signals, exit codes and the reporter.
"""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, TypeVar, cast, get_args

import click

from geocloud.cli.common import (
    StoppableGroup,
    bound_heaps,
    check_current_folder,
    examples,
    explained,
    hear_no_more,
    hear_signals,
    leave,
    lost_stdout,
    mend_streams,
    print_error,
    protect_environment,
    repeat_lost_signals,
    unprinted,
)
from geocloud.cli.reporter import DETECT_SHARES, ProgressMode, Shares, Verbosity, make_reporter, scene_notes
from geocloud.errors import Cancelled, GeocloudError
from geocloud.version import __version__

GROUPS = {
    "Input": (
        "collection", "datetime", "max-cloud", "limit", "list", "stac-collection",
        "aoi", "bounds", "bands", "scale", "offset", "nodata", "time",
        "max-pixels", "allow-external", "labels", "cloudy",
        "cloud-codes", "ignore-codes", "folders", "fit", "only", "without", "part", "held-out", "suite", "masks", "tag",
        "zones", "truth", "clear", "mask-dir", "channels", "optional-channels", "max-patches", "codes",
    ),
    "Output": (
        "out", "mask-file", "polygons-file", "score-file", "class-scores-file", "uncertainty-file", "clear-sky-file",
        "polygons", "outline", "pixel-polygons", "classes", "encoding", "sheets", "name", "licence", "resume",
        "retry-failed", "overwrite"),
    "Detection": ("model", "probability", "threshold", "resolution", "dilate", "min-area"),
    "Speed": ("device", "precision", "threads", "workers", "scheduler", "scheduler-file", "retries", "split"),
    "Messages": ("progress", "json", "quiet", "verbose", "stop-on-stdin-eof", "help"),
}  # fmt: skip
"""Headings of --help and their options; the others of a command stand under its own heading, first."""


class InputOption(click.Option):
    """An option under the heading of inputs, whatever its name."""

    heading = "Input"


class OutputOption(click.Option):
    """An option under the heading of outputs, whatever its name."""

    heading = "Output"


class WordOption(OutputOption):
    """An option of one of a few words, the first where it stands alone: `--score`, `--score classes`."""

    def written_out(self, args: list[str]) -> list[str]:
        """The command line with the word of each such option joined to it, `--score=classes`; another's stay."""
        words = list(getattr(self.type, "choices", ()))
        end = args.index("--") if "--" in args else len(args)
        made: list[str] = []
        for place, arg in enumerate(args):
            if place and place < end and args[place - 1] in self.opts and arg in words:
                made[-1] = f"{args[place - 1]}={arg}"
            else:
                made.append(f"{arg}={words[0]}" if place < end and arg in self.opts else arg)
        return made


class UsageProblem(click.ClickException):
    """A mistake on the command line, shown as all errors are."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ANN401, ARG002 - as click has it
        """One sentence on stderr."""
        print_error(self.message)


class Command(click.Command):
    """A command whose options stand in groups, and whose wrong usage is one sentence."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> click.Context:  # noqa: ANN401
        """The parsed command line; UsageProblem where it is wrong."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise UsageProblem(usage_sentence(error)) from error

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, words that may be left out filled in."""
        for option in self.params:
            if isinstance(option, WordOption):
                args = option.written_out(args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under the headings of GROUPS."""
        heading = {name: title for title, names in GROUPS.items() for name in names}
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (f"{self.name} options", *GROUPS)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                name = max(parameter.opts, key=len).lstrip("-")
                title = getattr(parameter, "heading", None) or heading.get(name, f"{self.name} options")
                groups[title].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title.capitalize()):
                    formatter.write_dl(records)


Resolved = tuple[str | None, click.Command | None, list[str]]
"""Name, command, and the other words."""


class Group(StoppableGroup):
    """A group that says which command was meant."""

    command_class = Command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Resolved:
        """The command of the first word; UsageProblem with the nearest name where there is none."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            nearest = did_you_mean(args[0], names) or f"; there are {', '.join(names)}"
            raise UsageProblem(f"no command {args[0]!r}{nearest}")
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise UsageProblem(usage_sentence(error)) from error


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """`: did you mean detect?` of the nearest name, empty where none is near."""
    near = difflib.get_close_matches(word, list(names), n=1)
    return f": did you mean {near[0]}?" if near else ""


_WAYS_OUT = {  # ends of click's messages
    " is a file": ", and a folder is needed; give a path that is no file",
    " is a directory": ", and a file is needed; give the path of a file",
}


def usage_sentence(error: click.UsageError) -> str:
    """Click's message as our sentences are: no capital, no full stop, one suggestion, and where the help is."""
    if isinstance(error, click.NoSuchOption):
        names = [name for p in error.ctx.command.params for name in p.opts] if error.ctx is not None else []
        sentence = f"no option {error.option_name}{did_you_mean(error.option_name, names)}"
    else:
        text = " ".join(error.format_message().split()).rstrip(".")  # click lists the choices of an option in lines
        text = text.replace(". Choose from:", ", one of")
        sentence = text[:1].lower() + text[1:] + next((out for end, out in _WAYS_OUT.items() if text.endswith(end)), "")
    path = error.ctx.command_path if error.ctx is not None else "geocloud"
    return f"{sentence} See {path} --help" if sentence.endswith("?") else f"{sentence}; see {path} --help"


F = TypeVar("F", bound=Callable[..., Any])
_QUIET = click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")
_VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Print more: model, threshold, files, seconds.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
_WATCH = (
    click.option(
        "--progress",
        type=click.Choice(get_args(ProgressMode)),
        default="auto",
        show_default=True,
        help="A bar, JSON lines for programs, or nothing.",
    ),
    click.option("--stop-on-stdin-eof", is_flag=True, help="Cancel once standard input is closed."),
)


def shell(*, watch: bool = False, answers: bool = False, shares: Shares = DETECT_SHARES) -> Callable[[F], F]:
    """The shell of a command: it calls `function(reporter, ...)`, which may return an exit code.

    Adds --json, --quiet and --verbose; with `watch` also --progress and --stop-on-stdin-eof. Results are JSON lines
    where stdout is a pipe, but those of a command that only `answers` a question are text there too, without --json.
    A GeocloudError, too little memory and a cancelled run end as one sentence and their exit code; other errors keep
    their traceback.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def run(**given: Any) -> None:  # noqa: ANN401 - click's own values
            mend_streams()
            hear_signals()
            reporter = make_reporter(
                given.pop("progress", "auto"),
                stop_on_stdin_eof=given.pop("stop_on_stdin_eof", False),
                shares=shares,
                as_json=given.pop("as_json") or not (answers or sys.stdout.isatty()),
                verbosity=_verbosity(quiet=given.pop("quiet", False), verbose=given.pop("verbose", False)),
            )
            try:
                with scene_notes(reporter):
                    code = function(reporter, **given) or 0
            except KeyboardInterrupt:
                reporter.failure(Cancelled("cancelled"))
                code = Cancelled.exit_code
            except Exception as error:
                problem = error if isinstance(error, GeocloudError) else explained(error)
                if problem is None:
                    raise
                reporter.failure(problem)
                code = problem.exit_code
            finally:
                reporter.close()
            if not code and (reason := lost_stdout()):
                print_error(f"the results cannot be printed ({reason}), but the outputs are complete")
                code = 1
            if code == Cancelled.exit_code:
                hear_no_more()
            if code:
                sys.exit(code)

        options = (*(_WATCH if watch else ()), _JSON, *(() if answers else (_QUIET, _VERBOSE)))
        for option in reversed(options):
            option(run)
        return run  # type: ignore[return-value]

    return decorate


def _verbosity(*, quiet: bool, verbose: bool) -> Verbosity:
    if quiet and verbose:
        raise UsageProblem("--quiet and --verbose exclude each other")
    return "quiet" if quiet else "verbose" if verbose else "normal"


SECTIONS = {
    "Clouds": {
        "detect": "Find the clouds of scenes: mask, polygons, score.",
        "batch": "Find the clouds of thousands of scenes, on Dask.",
        "search": "List the scenes that a STAC API has of a place and time.",
        "classify": "Say whether pictures are cloudy.",
        "polygonize": "Turn a mask into polygons.",
        "apply-mask": "Write a scene with its clouds as nodata.",
        "series": "Mask cloud and shadow in several dates of one place.",
        "composite": "Write one cloud-free image of several dates.",
        "cover": "Measure the cloud cover of fields or other zones.",
    },
    "Models": {
        "models": "List the models, show a model card.",
        "train": "Train a model on pictures or scenes.",
        "adapt": "Fit the default model to your own scenes.",
        "calibrate": "Choose a model's threshold by a rule.",
        "threshold": "Choose a threshold by eye, on a page of scenes.",
        "evaluate": "Measure a model on labelled data.",
        "evaluate-classes": "Measure the further classes of a mask.",
        "survey": "Record a model's training range and class thresholds in its card.",
    },
    "Help": {
        "info": "Show what geocloud understands of a scene.",
        "patches": "Write a scene's 64x64 patches as GeoTIFFs.",
        "doctor": "Test this installation, for a bug report.",
        "version": "Show versions and the device.",
        "completion": "Print a script for the shell's Tab key.",
    },
}
"""Headings of the list of commands, and their one-line summaries."""
COMMANDS = [name for section in SECTIONS.values() for name in section]


class LazyGroup(Group):
    """Imports a command's module when the command is called, not when the list is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of SECTIONS."""
        return COMMANDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command itself, or None for an unknown name; it stands under its own name in its own module."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        return cast("click.Command", getattr(import_module(f"geocloud.cli.{name}"), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The lists with their one-line summaries, importing nothing."""
        for title, summaries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(summaries.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("geocloud detect scene.tif", "geocloud info scene.tif"),
)
@click.version_option(__version__, "--version", "-V", message="%(version)s")
def cli() -> None:
    """Find clouds in satellite scenes with an autoencoder.

    Each command shows its options and examples with --help.
    """


def main() -> None:
    """Entry point: defends against a leaked environment, runs the command, and ends the process."""
    protect_environment()
    bound_heaps()
    repeat_lost_signals()
    try:
        check_current_folder()
        cli(prog_name="geocloud")
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        leave(end.code)
    except Exception as error:
        problem = error if isinstance(error, GeocloudError) else explained(error) or unprinted(error)  # before its run
        if problem is None:
            raise
        print_error(problem)
        leave(problem.exit_code)
