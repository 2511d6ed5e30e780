"""Runs a tool that prints lines for people, such as pip: passes the lines on, and can stop it. Imports no qgis."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Mapping, Optional, Sequence

from .runner import Listener, ProgramCancelled, ProgramError, kill_process, start_process
from .texts import tr

_POLL_SECONDS = 0.1


def stream(command: Sequence[str], environ: Mapping[str, str], listener: Listener) -> None:
    """Run `command` to its end, and pass each line of stdout and stderr to `listener.info`.

    Raises:
        ProgramError: it cannot be started or fails; the message ends with its last error line.
        ProgramCancelled: the listener cancelled the run; the process has ended.
    """
    process, lines = start_process(command, environ), queue.Queue()
    process.stdin.close()
    pipes = process.stdout, process.stderr
    readers = [threading.Thread(target=_read, args=(pipe, lines), daemon=True) for pipe in pipes]
    for reader in readers:
        reader.start()
    last = ""
    try:
        while process.poll() is None or any(reader.is_alive() for reader in readers) or not lines.empty():
            if listener.cancelled():
                raise ProgramCancelled("cancelled")
            line = _next(lines)
            if line:
                listener.info(line)
                last = line if _is_error(line) or not _is_error(last) else last
    finally:
        kill_process(process)
    if process.returncode != 0:
        text = tr("{tool} failed (exit code {code})").format(tool=Path(command[0]).name, code=process.returncode)
        raise ProgramError(f"{text}: {last}" if last else text)


def _is_error(line: str) -> bool:
    return line.lower().startswith(("error", "fatal"))


def _next(lines: queue.Queue) -> Optional[str]:
    try:
        return lines.get(timeout=_POLL_SECONDS)
    except queue.Empty:
        return None


def _read(pipe: IO[bytes], lines: queue.Queue) -> None:
    """Put the lines of a pipe into the queue; runs on a thread of its own."""
    with suppress(OSError, ValueError):
        for line in pipe:
            lines.put(line.decode("utf-8", "replace").rstrip())
