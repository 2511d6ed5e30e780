"""What the commands that can be watched and cancelled share: their options, and the run of a single job."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, get_args

import click

from geocloud.cli.reporter import ProgressMode, make_reporter
from geocloud.errors import Cancelled, GeocloudError
from geocloud.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])
Job = Callable[[Progress], tuple[dict[str, Any], str]]
"""Takes a progress callback; gives its record and the same as a sentence."""


def watch_options(function: F) -> F:
    """--progress and --stop-on-stdin-eof."""
    for option in (
        click.option("--stop-on-stdin-eof", is_flag=True, help="Cancel once standard input is closed."),
        click.option(
            "--progress",
            type=click.Choice(get_args(ProgressMode)),
            default="auto",
            show_default=True,
            help="A bar, JSON lines for programs, or nothing.",
        ),
    ):
        function = option(function)
    return function


def run_job(name: str, job: Job, progress: ProgressMode, *, stop_on_stdin_eof: bool) -> NoReturn:
    """Run one job under a reporter and exit with its code; `name` is what is worked on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reporter, code = make_reporter(progress, stop_on_stdin_eof=stop_on_stdin_eof, shares={}), 0
    try:
        reporter.start(name)
        reporter.result(*job(reporter.progress))
    except KeyboardInterrupt:
        reporter.failure(name, Cancelled("cancelled"))
        code = Cancelled.exit_code
    except GeocloudError as error:
        reporter.failure(name, error)
        code = error.exit_code
    finally:
        reporter.close()
    sys.exit(code)
