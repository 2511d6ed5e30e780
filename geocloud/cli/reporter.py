"""How a run shows itself: a bar on a terminal, JSON lines for programs, or nothing."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, Literal, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from geocloud.cli.common import print_error, print_json
from geocloud.errors import Cancelled, GeocloudError

ProgressMode = Literal["auto", "json", "none"]
PROTOCOL = 1
HEARTBEAT_SECONDS = 1.0
_SHARES = {"load": (0, 2), "inference": (2, 85), "polygons": (85, 92), "write": (92, 100)}


class Reporter(Protocol):
    """What the detect command tells, whoever listens."""

    def start(self, scene: str) -> None:
        """A scene begins."""

    def progress(self, done: int, total: int, stage: str) -> None:
        """A verb's progress callback; raises Cancelled once the run was cancelled."""

    def result(self, summary: dict[str, Any]) -> None:
        """A scene is complete."""

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


def percent_of(done: int, total: int, stage: str) -> float:
    """A stage's progress as percent of a whole scene."""
    low, high = _SHARES.get(stage, (0, 100))
    return low + (high - low) * done / max(total, 1)


class BarReporter:
    """A progress bar and sentences on a terminal; one JSON line a scene where stdout is not one."""

    def __init__(self, cancellation: Cancellation, *, bar: bool) -> None:
        """The bar goes to stderr, so that stdout stays clean."""
        self._cancellation = cancellation
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
        console = Console(stderr=True)
        show = bar and console.is_terminal
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not show)
        self._bar.start()
        self._task = self._bar.add_task("", total=100)
        self._scene = ""

    def start(self, scene: str) -> None:
        """Name the scene on the bar."""
        self._scene = os.path.basename(scene.rstrip("/"))  # noqa: PTH119 - also of URLs
        self._bar.update(self._task, description=self._scene, completed=0)

    def progress(self, done: int, total: int, stage: str) -> None:
        """Move the bar."""
        self._cancellation.check()
        self._bar.update(self._task, description=f"{self._scene} · {stage}", completed=percent_of(done, total, stage))

    def result(self, summary: dict[str, Any]) -> None:
        """A few lines for a person, or one JSON line for a pipe; assumptions go to stderr either way."""
        for note in summary["notes"]:
            click.echo(f"{self._scene}: {note}", err=True)
        if not sys.stdout.isatty():
            print_json(summary)
            return
        self._bar.update(self._task, completed=100)
        click.echo(sentence(summary))

    def failure(self, scene: str, error: Exception) -> None:  # noqa: ARG002 - the sentence names it
        """One sentence on stderr."""
        self._bar.stop()
        print_error(error)
        self._bar.start()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class JsonReporter:
    """Protocol 1: JSON lines on stdout and nothing else there, at least one every two seconds."""

    def __init__(self, cancellation: Cancellation) -> None:
        """Say who is speaking, then keep a heartbeat."""
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._last: dict[str, Any] = {
            "event": "progress",
            "percent": 0,
            "stage": "load",
            "done": 0,
            "total": 1,
        }
        self._said = time.monotonic()
        self._over = threading.Event()
        self._say({"event": "start", "protocol": PROTOCOL, "pid": os.getpid()})
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heart.start()

    def _say(self, event: dict[str, Any]) -> None:
        with self._lock:
            print_json(event)
            self._said = time.monotonic()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS / 2):
            if time.monotonic() - self._said >= HEARTBEAT_SECONDS:
                self._say(self._last)

    def start(self, scene: str) -> None:
        """A log line that names the scene."""
        self._say({"event": "log", "level": "info", "text": f"scene {scene}"})

    def progress(self, done: int, total: int, stage: str) -> None:
        """A progress event."""
        self._cancellation.check()
        percent = round(percent_of(done, total, stage), 1)
        self._last = {"event": "progress", "percent": percent, "stage": stage, "done": done, "total": total}
        self._say(self._last)

    def result(self, summary: dict[str, Any]) -> None:
        """Assumptions as log lines, then the result."""
        for note in summary["notes"]:
            self._say({"event": "log", "level": "info", "text": note})
        self._say({"event": "result", **{key: value for key, value in summary.items() if key != "notes"}})

    def failure(self, scene: str, error: Exception) -> None:
        """An error event; a cancelled run is no error."""
        if isinstance(error, Cancelled):
            self._say({"event": "cancelled"})
            return
        code = error.code if isinstance(error, GeocloudError) else "internal"
        code = {"output": "input"}.get(code, code)
        hint = error.hint if isinstance(error, GeocloudError) else ""
        self._say({"event": "error", "code": code, "text": str(error), "hint": hint, "scene": scene})

    def close(self) -> None:
        """End the heartbeat."""
        self._over.set()
        self._heart.join()


def make_reporter(mode: ProgressMode, *, stop_on_stdin_eof: bool) -> Reporter:
    """The reporter of a --progress mode."""
    cancellation = Cancellation(watch_stdin=stop_on_stdin_eof)
    return JsonReporter(cancellation) if mode == "json" else BarReporter(cancellation, bar=mode == "auto")


def sentence(summary: dict[str, Any]) -> str:
    """A scene's summary for a person."""
    if summary["kept"]:
        return f"{summary['mask']} exists and is kept (--overwrite replaces it)"
    percent = summary["cloud_percent"]
    cover = "no valid pixels" if percent is None else f"{percent:.1f} % cloud"
    count = summary["polygon_count"]
    polygons = "" if count is None else f", {count} polygon{'s' * (count != 1)}"
    return (
        f"{summary['mask']}: {cover}{polygons}; model {summary['model']}, threshold {summary['threshold']:.4g} "
        f"({summary['threshold_rule']}), {summary['seconds']:.1f} s"
    )
