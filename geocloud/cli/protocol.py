"""The output of a command for programs: JSON lines, protocol 2 (docs/formats.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from geocloud.cli.common import print_json, short_name
from geocloud.cli.reporter import PROTOCOL, WHOLE, Cancellation, Shares, options_in, percent_of
from geocloud.errors import Cancelled, GeocloudError
from geocloud.progress import Warn

_HEARTBEAT = r"""
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
"""Code of the heartbeat's process. It ends when its standard input closes, so it never outlives the command."""


class Heartbeat:
    """Writes `{"event": "alive"}` to stdout each second until it is stopped; a process, since work may block Python."""

    def __init__(self) -> None:
        """Start the process."""
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _HEARTBEAT], stdin=subprocess.PIPE)

    def stop(self) -> None:
        """Stop the process; nothing is written afterwards."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


class JsonReporter:
    """Protocol 2: JSON lines on stdout and nothing else there, at least one every two seconds."""

    def __init__(self, cancellation: Cancellation, shares: Shares) -> None:
        """Write the start event, and start the heartbeat."""
        self._cancellation, self._shares = cancellation, shares
        self.event("start", protocol=PROTOCOL, pid=os.getpid())
        self._heartbeat = Heartbeat()

    def start(self, name: str) -> None:
        """Write a log event that names the scene."""
        self.line(f"scene {short_name(name)}")

    def progress(self, done: int, total: int, stage: str) -> None:
        """Write a progress event; Cancelled if the user stopped the run."""
        self._cancellation.check()
        percent = round(percent_of(done, total, self._shares.get(stage, WHOLE)), 1)
        self.event("progress", percent=percent, stage=stage, done=done, total=total)

    def bar(self, done: int, total: int, text: str) -> None:  # noqa: ARG002
        """Draw nothing; Cancelled if the user stopped the run."""
        self._cancellation.check()

    def event(self, name: str, /, **fields: Any) -> None:  # noqa: ANN401
        """Write one event."""
        print_json({"event": name, **fields})

    def line(self, text: str) -> None:
        """Write a log event."""
        self.event("log", level="info", text=text, options=[])

    def note(self, text: str) -> None:
        """Write a note as a log event, with its level and the options that it names."""
        level = "warning" if isinstance(text, Warn) else "info"
        self.event("log", level=level, text=text, options=options_in(text))

    def result(self, record: dict[str, Any], text: str | Sequence[str], details: str = "") -> None:  # noqa: ARG002
        """Write the notes as log events, then the result event."""
        for note in record.get("notes", ()):
            self.note(note)
        self.event("result", **{key: value for key, value in record.items() if key != "notes"})

    def table(self, records: Sequence[dict[str, Any]], text: str) -> None:  # noqa: ARG002
        """Write one result event per record."""
        for record in records:
            self.event("result", **record)

    def total(self, text: str) -> None:
        """Write a log event."""
        self.line(text)

    def failure(self, error: Exception, name: str = "") -> None:
        """Write an error event, or a cancelled event, which is the last one."""
        if isinstance(error, Cancelled):
            self._heartbeat.stop()
            self.event("cancelled")
            return
        code = error.code if isinstance(error, GeocloudError) else "internal"
        code = "input" if code == "output" else code  # protocol 2 has no code for outputs
        self.event("error", code=code, text=str(error), options=options_in(str(error)), scene=name)

    def listed(self, error: str) -> None:
        """Write nothing, since its event was written before."""

    def close(self) -> None:
        """Stop the heartbeat."""
        self._heartbeat.stop()
