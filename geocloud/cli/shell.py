"""The one shell round every command: help in groups, errors as one sentence, signals, exit codes, the reporter."""

from __future__ import annotations

import difflib
import functools
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, TypeVar, get_args

import click

from geocloud.cli.common import lost_stdout, mend_streams, print_error, shortage
from geocloud.cli.reporter import DETECT_SHARES, ProgressMode, Shares, Verbosity, make_reporter
from geocloud.errors import Cancelled, GeocloudError

GROUPS = {
    "Input": (
        "collection", "datetime", "max-cloud", "limit", "list", "stac-collection",
        "aoi", "bounds", "bands", "scale", "offset", "nodata", "time",
        "max-pixels", "allow-external", "labels", "cloudy",
        "cloud-codes", "ignore-codes", "folders", "fit", "only", "without", "part", "held-out", "suite", "masks", "tag",
        "zones", "truth", "channels", "optional-channels", "max-patches", "codes",
    ),
    "Output": (
        "out", "mask-file", "polygons-file", "score-file", "clear-sky-file", "polygons", "outline", "pixel-polygons",
        "classes", "encoding", "nodata", "sheets", "name", "licence", "resume", "retry-failed", "overwrite",
    ),
    "Detection": ("model", "probability", "threshold", "resolution", "dilate", "min-area"),
    "Speed": ("device", "precision", "threads", "workers", "scheduler", "scheduler-file", "retries", "split"),
    "Messages": ("progress", "json", "quiet", "verbose", "stop-on-stdin-eof", "help"),
}  # fmt: skip
"""Headings of --help and their options; the others of a command stand under its own heading, first."""


class OutputOption(click.Option):
    """An option under the heading of outputs, whatever its name."""


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

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under the headings of GROUPS."""
        heading = {name: title for title, names in GROUPS.items() for name in names}
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (f"{self.name} options", *GROUPS)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                name = max(parameter.opts, key=len).lstrip("-")
                title = "Output" if isinstance(parameter, OutputOption) else heading.get(name, f"{self.name} options")
                groups[title].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title.capitalize()):
                    formatter.write_dl(records)


Resolved = tuple[str | None, click.Command | None, list[str]]
"""Name, command, and the other words."""


class Group(click.Group):
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


def usage_sentence(error: click.UsageError) -> str:
    """Click's message as our sentences are: no capital, no full stop, one suggestion, and where the help is."""
    if isinstance(error, click.NoSuchOption):
        names = [name for p in error.ctx.command.params for name in p.opts] if error.ctx is not None else []
        sentence = f"no option {error.option_name}{did_you_mean(error.option_name, names)}"
    else:
        text = error.format_message().rstrip(".")
        sentence = text[:1].lower() + text[1:]
    path = error.ctx.command_path if error.ctx is not None else "geocloud"
    return f"{sentence}; see {path} --help"


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
            _hear_signals()
            reporter = make_reporter(
                given.pop("progress", "auto"),
                stop_on_stdin_eof=given.pop("stop_on_stdin_eof", False),
                shares=shares,
                as_json=given.pop("as_json") or not (answers or sys.stdout.isatty()),
                verbosity=_verbosity(quiet=given.pop("quiet", False), verbose=given.pop("verbose", False)),
            )
            try:
                code = function(reporter, **given) or 0
            except KeyboardInterrupt:
                reporter.failure(Cancelled("cancelled"))
                code = Cancelled.exit_code
            except Exception as error:
                problem = error if isinstance(error, GeocloudError) else shortage(error)
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
                _hear_no_more()
            if code:
                sys.exit(code)

        options = (*(_WATCH if watch else ()), _JSON, *(() if answers else (_QUIET, _VERBOSE)))
        for option in reversed(options):
            option(run)
        return run  # type: ignore[return-value]

    return decorate


def _already(number: int, frame: FrameType | None) -> None:
    """A further signal, while the first one is obeyed."""


def _hear_no_more() -> None:
    """While Python ends it gives signals their own effect again: one more would make another exit code."""
    stopping = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    for number in stopping:
        signal.signal(number, signal.SIG_IGN)


def _hear_signals() -> None:
    """A first signal stops the run, which then clears up undisturbed; what the starter ignores (nohup) stays so."""
    stopping = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in stopping if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal has it
        for other in heard:
            signal.signal(other, _already)  # not SIG_IGN: Python complains of one that is on its way
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, stop)


def _verbosity(*, quiet: bool, verbose: bool) -> Verbosity:
    if quiet and verbose:
        raise UsageProblem("--quiet and --verbose exclude each other")
    return "quiet" if quiet else "verbose" if verbose else "normal"
