"""How a command speaks: sentences and a bar on a terminal, JSON lines for programs (protocol.py)."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

import click

from geocloud.cli.common import arrow, note_line, print_error, print_json, printable, printable_lines, say, short_name
from geocloud.errors import Cancelled
from geocloud.progress import Warn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def can_draw(console: Console) -> bool:
    """Whether a line can be drawn over: not in a pipe, on a dumb terminal, or in a notebook's cell."""
    return console.is_terminal and not console.is_dumb_terminal and "JPY_PARENT_PID" not in os.environ


def _new_bar() -> Progress | None:
    """A bar on stderr; None where it cannot be drawn, without the tenth of a second that importing rich takes."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not can_draw(console):
        return None
    columns = (TextColumn("{task.description}"), BarColumn(30), TextColumn("{task.percentage:3.0f} %"))
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)


class ProgressBar:
    """The one bar, on stderr; it clears itself before any text and comes back with the next step."""

    def __init__(self, *, wanted: bool) -> None:
        """Nothing is drawn before the first step."""
        self._bar = _new_bar() if wanted else None
        self._task = self._bar.add_task("", total=100) if self._bar else None
        self._began = ""

    def show(self, percent: float, text: str, part: str = "") -> None:
        """Draw it; the time left is counted anew with each `part`."""
        if self._bar is None or self._task is None:
            return
        if part != self._began:
            self._bar.reset(self._task)
            self._began = part
        self._bar.update(self._task, description=text, completed=percent)
        self._bar.start()

    def clear(self) -> None:
        """Take it away."""
        if self._bar is not None:  # rich would write an empty line where none is shown
            self._bar.stop()


ProgressMode = Literal["auto", "json", "none"]
Verbosity = Literal["quiet", "normal", "verbose"]
PROTOCOL = 2
Shares = Mapping[str, tuple[float, float]]
"""Stage to the percents of a whole run at which it begins and ends; a stage that is not named is the whole."""
WHOLE = (0.0, 100.0)
DETECT_SHARES: Shares = {"load": (0, 2), "inference": (2, 85), "polygons": (85, 92), "write": (92, 100)}


class Reporter(Protocol):
    """What a command says, whoever listens."""

    def start(self, name: str) -> None:
        """Work on a scene, mask, model... begins."""

    def progress(self, done: int, total: int, stage: str) -> None:
        """A verb's progress callback; raises Cancelled once the run was cancelled."""

    def bar(self, done: int, total: int, text: str) -> None:
        """Move the bar to a share of the whole, with a text of its own; nothing for programs."""

    def event(self, name: str, /, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """An event of the protocol; nothing for people."""

    def line(self, text: str) -> None:
        """A line on the way, as a training's losses."""

    def note(self, text: str) -> None:
        """An assumption, or a warning where it is a Warn."""

    def result(self, record: dict[str, Any], text: str | Sequence[str], details: str = "") -> None:
        """One thing is complete: its record for programs, a line or lines for people, and more of it with --verbose.

        `notes` of the record go their own way.
        """

    def table(self, records: Sequence[dict[str, Any]], text: str) -> None:
        """Several records that people read as one text."""

    def total(self, text: str) -> None:
        """The last line of several results."""

    def failure(self, error: Exception, name: str = "") -> None:
        """The command failed, or one of its scenes did."""

    def listed(self, error: str) -> None:
        """A failure of a scene among many; programs have had its event."""

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


class TextReporter:
    """A bar and sentences for a person; or one JSON line per result."""

    def __init__(
        self, cancellation: Cancellation, shares: Shares, *, bar: bool, as_json: bool, verbosity: Verbosity
    ) -> None:
        """The bar and all that is no result go to stderr, so that stdout stays clean."""
        self._cancellation, self._shares = cancellation, shares
        self._as_json = as_json
        self._verbosity = verbosity
        self._bar = ProgressBar(wanted=bar and verbosity != "quiet")
        self._name = ""
        self._noted: set[str] = set()

    def start(self, name: str) -> None:
        """Name the scene on the bar."""
        self._name = printable(short_name(name))

    def progress(self, done: int, total: int, stage: str) -> None:
        """Move the bar."""
        self._cancellation.check()
        share = self._shares.get(stage)
        text = " · ".join(part for part in (self._name, stage) if part)
        self._bar.show(percent_of(done, total, share or WHOLE), text, "" if share else stage)

    def bar(self, done: int, total: int, text: str) -> None:
        """Move the bar."""
        self._cancellation.check()
        self._bar.show(percent_of(done, total, WHOLE), text)

    def event(self, name: str, /, **fields: Any) -> None:  # noqa: ANN401
        """Nothing: it is for programs."""

    def line(self, text: str) -> None:
        """On stdout, as the paper's own program has it; on stderr where stdout is for JSON."""
        self._bar.clear()
        if self._verbosity != "quiet":
            say(printable_lines(text), err=self._as_json)

    def note(self, text: str) -> None:
        """A warning in yellow, an assumption dim; for a person the same assumption is said once in a run."""
        if not isinstance(text, Warn):
            known = text in self._noted and not self._as_json
            self._noted.add(text)
            if known or self._verbosity == "quiet":
                return
        self._bar.clear()
        # Under its result on a terminal; elsewhere nothing else says which scene is meant.
        say(note_line(text, "" if not self._as_json else self._name), err=True)

    def result(self, record: dict[str, Any], text: str | Sequence[str], details: str = "") -> None:
        """The result first, then what had to be assumed."""
        self._bar.clear()
        if self._as_json:
            print_json(record)
        elif self._verbosity != "quiet":
            for line in (text,) if isinstance(text, str) else text:
                say(_emphasized(printable(line)))
            if details and self._verbosity == "verbose":
                say(click.style(f"  {printable(details)}", dim=True))
        for note in record.get("notes", ()):
            self.note(note)

    def table(self, records: Sequence[dict[str, Any]], text: str) -> None:
        """JSON lines, or the text."""
        self._bar.clear()
        if self._as_json:
            for record in records:
                print_json(record)
        elif self._verbosity != "quiet":
            say(printable_lines(text))

    def total(self, text: str) -> None:
        """A line on stderr, so that a pipe holds results only."""
        self._bar.clear()
        if self._verbosity != "quiet":
            say(click.style(printable(text), bold=True), err=True)

    def failure(self, error: Exception, name: str = "") -> None:  # noqa: ARG002 - the sentence names it
        """One sentence on stderr."""
        self._bar.clear()
        print_error(error)

    def listed(self, error: str) -> None:
        """One sentence on stderr."""
        self._bar.clear()
        print_error(error)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.clear()


def _emphasized(text: str) -> str:
    """`scene: what was found → file`, the middle in bold."""
    name, colon, rest = text.partition(": ")
    found, sign, path = rest.partition(f" {arrow()} ")
    return name + colon + click.style(found, bold=True) + sign + path if colon else text


def make_reporter(
    mode: ProgressMode,
    *,
    stop_on_stdin_eof: bool = False,
    shares: Shares = DETECT_SHARES,
    as_json: bool = False,
    verbosity: Verbosity = "normal",
) -> Reporter:
    """The reporter of a --progress mode; `as_json` is for its results."""
    cancellation = Cancellation(watch_stdin=stop_on_stdin_eof)
    if mode == "json":
        from geocloud.cli.protocol import JsonReporter

        return JsonReporter(cancellation, shares)
    return TextReporter(cancellation, shares, bar=mode == "auto", as_json=as_json, verbosity=verbosity)


_NUMBERS = re.compile(r"-?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")


class _Notes(logging.Handler):
    """Notes of kinds that were not said yet; two notes are of a kind where only their numbers differ."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter
        self.scenes: dict[str, dict[str, None]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, or count its scene."""
        if not isinstance(record.args, tuple) or len(record.args) != 2:
            return
        scene, note = map(str, record.args)
        kind = _NUMBERS.sub("#", note)
        known = kind in self.scenes
        self.scenes.setdefault(kind, {})[scene] = None
        if not known:
            name = re.split(r"[/\\]", scene.rstrip("/"))[-1]
            text = f"{name}: {note}"
            self._reporter.note(Warn(text) if record.levelno >= logging.WARNING else text)

    def more(self) -> str:
        """How many further scenes have notes that were not said; empty where none."""
        count = max((len(scenes) - 1 for scenes in self.scenes.values()), default=0)
        return f"{count} further scene{'s are' if count > 1 else ' is'} read with the same notes" if count else ""


@contextmanager
def scene_notes(reporter: Reporter) -> Iterator[None]:
    """While it lasts the reporter says what readers had to assume."""
    log, handler = logging.getLogger("geocloud.scenes"), _Notes(reporter)
    level, onward = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
        if said := handler.more():
            reporter.note(said)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = onward
