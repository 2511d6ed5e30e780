"""A progress bar on stderr for commands whose work is one long run; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from geocloud.progress import Progress


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
