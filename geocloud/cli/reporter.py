"""How a run shows itself: a bar on a terminal, JSON lines for programs, or nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NoReturn, Protocol, TypeVar, get_args

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from geocloud.cli.common import print_error, print_json
from geocloud.errors import Cancelled, GeocloudError
from geocloud.progress import Progress, Warn


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """The callback to hand to a verb; the bar is gone once the work is done or has failed."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    both = sys.stdout.isatty()  # lines on stdout then go above the bar; into a pipe they go untouched
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal, redirect_stdout=both) as bar:
        task = bar.add_task("", total=None)
        stage_now = ""

        def show(done: int, total: int, stage: str) -> None:
            nonlocal stage_now
            if stage != stage_now:
                bar.reset(task)  # each stage has its own speed
                stage_now = stage
            bar.update(task, description=stage, completed=done, total=total)

        yield show


_PROGRAM = r"""
import os, signal, threading, time
def watch():
    while os.read(0, 1):
        pass
    os._exit(0)
signal.signal(signal.SIGINT, signal.SIG_IGN)
threading.Thread(target=watch, daemon=True).start()
try:
    while True:
        time.sleep(1)
        os.write(1, b'{"event": "alive"}\n')
except OSError:
    pass
"""
"""Ends with its standard input, thus with the program that started it, however that ends."""


class Heartbeat:
    """Says `{"event": "alive"}` on stdout each second until it is stopped."""

    def __init__(self) -> None:
        """Start."""
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE)

    def stop(self) -> None:
        """Stop; nothing more is said afterwards."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


ProgressMode = Literal["auto", "json", "none"]
PROTOCOL = 2
Shares = Mapping[str, tuple[float, float]]
"""Stage to the percents of a whole run at which it begins and ends; a stage that is not named is the whole."""
WHOLE = (0.0, 100.0)
DETECT_SHARES: Shares = {"load": (0, 2), "inference": (2, 85), "polygons": (85, 92), "write": (92, 100)}


class Reporter(Protocol):
    """What a command tells, whoever listens."""

    def start(self, scene: str) -> None:
        """A scene begins."""

    def progress(self, done: int, total: int, stage: str) -> None:
        """A verb's progress callback; raises Cancelled once the run was cancelled."""

    def result(self, record: dict[str, Any], text: str) -> None:
        """A scene is complete: its record, and the same as a sentence; `notes` of the record are told apart."""

    def failure(self, scene: str, error: Exception) -> None:
        """A scene failed."""

    def close(self) -> None:
        """The run is over."""


class Cancellation:
    """A flag that a closed stdin raises."""

    def __init__(self, *, watch_stdin: bool) -> None:
        """Start watching in a daemon thread; os.read, since a buffered read there would break the exit."""
        self._stop = threading.Event()
        if watch_stdin:
            threading.Thread(target=self._watch, name="stdin", daemon=True).start()

    def _watch(self) -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        self._stop.set()

    def check(self) -> None:
        """Raise Cancelled once stdin is closed."""
        if self._stop.is_set():
            raise Cancelled("cancelled")


def options_in(text: str) -> list[str]:
    """Names of the options that a text speaks of, without dashes: another interface calls them otherwise."""
    return list(dict.fromkeys(re.findall(r"--([a-z][a-z-]*[a-z])", text)))


def percent_of(done: int, total: int, share: tuple[float, float]) -> float:
    """A stage's progress as percent of a whole scene."""
    low, high = share
    return low + (high - low) * done / max(total, 1)


class BarReporter:
    """A progress bar and sentences on a terminal; one JSON line a scene where stdout is not one."""

    def __init__(self, cancellation: Cancellation, shares: Shares, *, bar: bool) -> None:
        """The bar goes to stderr, so that stdout stays clean."""
        self._cancellation, self._shares = cancellation, shares
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
        console = Console(stderr=True)
        self._shown = bar and console.is_terminal
        self._bar = Bar(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not self._shown)
        self._show()
        self._task = self._bar.add_task("", total=100)
        self._scene = ""

    def start(self, scene: str) -> None:
        """Name the scene on the bar."""
        self._scene = os.path.basename(scene.rstrip("/"))  # noqa: PTH119 - also of URLs
        self._bar.update(self._task, description=self._scene, completed=0)

    def progress(self, done: int, total: int, stage: str) -> None:
        """Move the bar."""
        self._cancellation.check()
        percent = percent_of(done, total, self._shares.get(stage, WHOLE))
        self._bar.update(self._task, description=f"{self._scene} · {stage}", completed=percent)

    def result(self, record: dict[str, Any], text: str) -> None:
        """The sentence for a person, or one JSON line for a pipe; assumptions go to stderr either way."""
        for note in record.get("notes", ()):
            click.echo(f"{self._scene}: {note}", err=True)
        if not sys.stdout.isatty():
            print_json(record)
            return
        self._bar.update(self._task, completed=100)
        click.echo(text)

    def failure(self, scene: str, error: Exception) -> None:  # noqa: ARG002 - the sentence names it
        """One sentence on stderr."""
        self.close()
        print_error(error)
        self._show()

    def close(self) -> None:
        """Take the bar away."""
        if self._shown:  # rich would write an empty line where none is shown
            self._bar.stop()

    def _show(self) -> None:
        if self._shown:
            self._bar.start()


class JsonReporter:
    """Protocol 2: JSON lines on stdout and nothing else there, at least one every two seconds."""

    def __init__(self, cancellation: Cancellation, shares: Shares) -> None:
        """Say who is speaking, then keep a heartbeat."""
        self._cancellation, self._shares = cancellation, shares
        print_json({"event": "start", "protocol": PROTOCOL, "pid": os.getpid()})
        self._heartbeat = Heartbeat()

    def start(self, scene: str) -> None:
        """A log line that names the scene."""
        print_json({"event": "log", "level": "info", "text": f"scene {scene}"})

    def progress(self, done: int, total: int, stage: str) -> None:
        """A progress event."""
        self._cancellation.check()
        percent = round(percent_of(done, total, self._shares.get(stage, WHOLE)), 1)
        print_json({"event": "progress", "percent": percent, "stage": stage, "done": done, "total": total})

    def result(self, record: dict[str, Any], text: str) -> None:  # noqa: ARG002 - programs read the record
        """Assumptions as log lines, then the result."""
        for note in record.get("notes", ()):
            level = "warning" if isinstance(note, Warn) else "info"
            print_json({"event": "log", "level": level, "text": note, "options": options_in(note)})
        print_json({"event": "result", **{key: value for key, value in record.items() if key != "notes"}})

    def failure(self, scene: str, error: Exception) -> None:
        """An error event; a cancelled run is no error."""
        if isinstance(error, Cancelled):
            print_json({"event": "cancelled"})
            return
        code = error.code if isinstance(error, GeocloudError) else "internal"
        code = {"output": "input"}.get(code, code)
        hint = error.hint if isinstance(error, GeocloudError) else ""
        options = options_in(f"{error} {hint}")
        print_json(
            {"event": "error", "code": code, "text": str(error), "hint": hint, "options": options, "scene": scene}
        )

    def close(self) -> None:
        """End the heartbeat."""
        self._heartbeat.stop()


def make_reporter(mode: ProgressMode, *, stop_on_stdin_eof: bool, shares: Shares = DETECT_SHARES) -> Reporter:
    """The reporter of a --progress mode."""
    cancellation = Cancellation(watch_stdin=stop_on_stdin_eof)
    if mode == "json":
        return JsonReporter(cancellation, shares)
    return BarReporter(cancellation, shares, bar=mode == "auto")


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
