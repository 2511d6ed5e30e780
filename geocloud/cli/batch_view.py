"""How a batch shows itself: a line of counts and a bar on a terminal, JSON lines for programs, or nothing."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from geocloud.batch.batch import BatchResult
from geocloud.batch.manifest import BatchCounts, Record
from geocloud.cli.common import print_error, print_json
from geocloud.cli.reporter import PROTOCOL, Cancellation, ProgressMode
from geocloud.errors import Cancelled, GeocloudError

PROGRESS_SECONDS = 1.0
MAX_LISTED = 20
"""Failures named at the end; all of them stand in summary.csv."""


class BatchView(Protocol):
    """What the batch command tells, whoever listens."""

    def progress(self, tally: BatchCounts, record: Record | None) -> None:
        """A batch's progress callback; raises Cancelled once the run was cancelled."""

    def result(self, result: BatchResult) -> None:
        """The batch is over."""

    def stopped(self, error: GeocloudError) -> None:
        """The batch could not begin or go on."""

    def close(self) -> None:
        """Nothing more comes."""


class TerminalView:
    """A bar with counts on stderr; at the end a table on a terminal, one JSON line in a pipe."""

    def __init__(self, cancellation: Cancellation, *, bar: bool) -> None:
        """Nothing is shown before the first progress."""
        self._cancellation = cancellation
        self._console = Console(stderr=True)
        columns = (BarColumn(30), TextColumn("{task.description}"))
        self._bar = Progress(
            *columns, console=self._console, transient=True, disable=not (bar and self._console.is_terminal)
        )
        self._task = self._bar.add_task("", total=None)

    def progress(self, tally: BatchCounts, record: Record | None) -> None:
        """Move the bar; a failure is said at once, above it."""
        self._cancellation.check()
        if not self._bar.disable:
            self._bar.start()
        if record is not None and record.status == "failed" and not self._bar.disable:
            self._console.print(f"failed: {named(record)}", markup=False, highlight=False, soft_wrap=True)
        self._bar.update(self._task, total=tally.total, completed=tally.ended, description=counts(tally))

    def result(self, result: BatchResult) -> None:
        """Table or JSON line; the failed scenes are listed either way."""
        self.close()
        if sys.stdout.isatty():
            Console().print(summary_table(result))
        else:
            print_json(summary(result))
        for record in result.failed[:MAX_LISTED]:
            click.echo(f"failed: {named(record)}", err=True)
        if len(result.failed) > MAX_LISTED:
            click.echo(f"… and {len(result.failed) - MAX_LISTED} more, in {result.folder / 'summary.csv'}", err=True)

    def stopped(self, error: GeocloudError) -> None:
        """One sentence on stderr."""
        self.close()
        if isinstance(error, Cancelled):
            click.echo(str(error), err=True)
        else:
            print_error(error)

    def close(self) -> None:
        """Take the bar away."""
        if not self._bar.disable:  # rich would write an empty line where none is shown
            self._bar.stop()


class JsonView:
    """Protocol 2, as of `detect`: JSON lines on stdout and nothing else there."""

    def __init__(self, cancellation: Cancellation) -> None:
        """Say who is speaking."""
        self._cancellation = cancellation
        self._said = 0.0
        print_json({"event": "start", "protocol": PROTOCOL, "pid": os.getpid()})

    def progress(self, tally: BatchCounts, record: Record | None) -> None:
        """A scene event for each record; a progress event at most once a second."""
        self._cancellation.check()
        if record is not None:
            print_json({"event": "scene", **scene_event(record)})
        if record is None or time.monotonic() - self._said >= PROGRESS_SECONDS or tally.ended == tally.total:
            self._said = time.monotonic()
            print_json({"event": "progress", **progress_event(tally)})

    def result(self, result: BatchResult) -> None:
        """The result event."""
        print_json({"event": "result", **summary(result)})

    def stopped(self, error: GeocloudError) -> None:
        """An error event; a cancelled run is no error."""
        if isinstance(error, Cancelled):
            print_json({"event": "cancelled"})
        else:
            code = {"output": "input"}.get(error.code, error.code)
            print_json({"event": "error", "code": code, "text": str(error), "hint": error.hint})

    def close(self) -> None:
        """Nothing is held."""


def make_view(mode: ProgressMode, *, stop_on_stdin_eof: bool) -> BatchView:
    """The view of a --progress mode."""
    cancellation = Cancellation(watch_stdin=stop_on_stdin_eof)
    return JsonView(cancellation) if mode == "json" else TerminalView(cancellation, bar=mode == "auto")


def counts(tally: BatchCounts) -> str:
    """`17 of 400 done, 1 failed, 8 running · 35.2 Mpx/s · 0:12:40 left`."""
    left = tally.seconds_left
    kept = f", {tally.kept} kept" if tally.kept else ""
    remaining = "" if left is None else f" · {duration(left)} left"
    return (
        f"{tally.done} of {tally.total} done, {tally.failed} failed, {tally.running} running{kept} · "
        f"{tally.mpx_per_second:.1f} Mpx/s{remaining}"
    )


def named(record: Record) -> str:
    """A failure's sentence, with the scene before it where it does not say which."""
    error = str(record.error)
    return error if record.scene in error else f"{record.scene}: {error}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as 0:12:40."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def progress_event(tally: BatchCounts) -> dict[str, Any]:
    """JSON values of a tally."""
    return {
        "percent": round(100 * tally.ended / tally.total, 1) if tally.total else 100.0,
        "stage": "inference",
        "done": tally.ended,
        "total": tally.total,
        "failed": tally.failed,
        "kept": tally.kept,
        "running": tally.running,
        "mpx_per_second": round(tally.mpx_per_second, 2),
        "seconds_left": None if tally.seconds_left is None else round(tally.seconds_left, 1),
    }


def scene_event(record: Record) -> dict[str, Any]:
    """JSON values of a record; files by their path in the folder."""
    return {
        "scene": record.scene,
        "status": record.status,
        "cloud_percent": record.cloud_percent,
        "seconds": record.seconds,
        "outputs": {key: file.path for key, file in record.outputs.items()},
        "error": record.error,
    }


def summary(result: BatchResult) -> dict[str, Any]:
    """JSON values of a whole batch."""
    pixels = sum(record.pixels for record in result.done)
    return {
        "out": result.folder,
        "done": len(result.done),
        "failed": len(result.failed),
        "kept": len(result.kept),
        "cloud_percent": mean_cover(result),
        "pixels": pixels,
        "seconds": round(result.seconds, 2),
        "mpx_per_second": round(pixels / 1e6 / result.seconds, 2) if result.seconds else None,
        "failures": [{"scene": record.scene, "error": record.error} for record in result.failed],
    }


def mean_cover(result: BatchResult) -> float | None:
    """Mean cloud % of the scenes done and kept, each scene alike; None where none has any."""
    covers = [record.cloud_percent for record in (*result.done, *result.kept) if record.cloud_percent is not None]
    return round(sum(covers) / len(covers), 3) if covers else None


def summary_table(result: BatchResult) -> Table:
    """The same for a person."""
    told = summary(result)
    cover, rate = told["cloud_percent"], told["mpx_per_second"]
    table = Table(title=f"Cloud masks in {result.folder}", show_header=False, title_justify="left")
    table.add_row("scenes done", str(told["done"]))
    table.add_row("scenes failed", str(told["failed"]))
    table.add_row("kept from before", str(told["kept"]))
    table.add_row("mean cloud", "-" if cover is None else f"{cover:.1f} %")
    table.add_row("pixels", f"{told['pixels'] / 1e6:,.1f} million")
    table.add_row("time", duration(result.seconds))
    table.add_row("rate", "-" if rate is None else f"{rate:.1f} Mpx/s")
    return table
