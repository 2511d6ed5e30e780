"""How a run shows itself: a bar on a terminal, JSON lines for programs, or nothing."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from geocloud.cli.common import print_error, print_json
from geocloud.cli.heartbeat import Heartbeat
from geocloud.errors import Cancelled, GeocloudError

ProgressMode = Literal["auto", "json", "none"]
PROTOCOL = 1
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
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not self._shown)
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
    """Protocol 1: JSON lines on stdout and nothing else there, at least one every two seconds."""

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
            print_json({"event": "log", "level": "info", "text": note})
        print_json({"event": "result", **{key: value for key, value in record.items() if key != "notes"}})

    def failure(self, scene: str, error: Exception) -> None:
        """An error event; a cancelled run is no error."""
        if isinstance(error, Cancelled):
            print_json({"event": "cancelled"})
            return
        code = error.code if isinstance(error, GeocloudError) else "internal"
        code = {"output": "input"}.get(code, code)
        hint = error.hint if isinstance(error, GeocloudError) else ""
        print_json({"event": "error", "code": code, "text": str(error), "hint": hint, "scene": scene})

    def close(self) -> None:
        """End the heartbeat."""
        self._heartbeat.stop()


def make_reporter(mode: ProgressMode, *, stop_on_stdin_eof: bool, shares: Shares = DETECT_SHARES) -> Reporter:
    """The reporter of a --progress mode."""
    cancellation = Cancellation(watch_stdin=stop_on_stdin_eof)
    if mode == "json":
        return JsonReporter(cancellation, shares)
    return BarReporter(cancellation, shares, bar=mode == "auto")
