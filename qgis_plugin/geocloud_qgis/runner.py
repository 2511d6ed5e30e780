"""Runs the program: passes on its messages, cancels it, and turns its end into a result or one error message.

Imports no qgis.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess  # nosec B404 - running the installed program is what this plugin does
import threading
import time
from contextlib import suppress
from typing import IO, Any, Callable, Mapping, Optional, Sequence

from .leftovers import clear_leftovers
from .protocol import PROTOCOL, parse_line, percent, stage_text
from .speech import in_our_words
from .texts import tr

KILL_SECONDS = 4.0
"""Time that a cancelled program has to clean up before it is killed."""
_POLL_SECONDS = 0.1
_STDERR_LINES = 200


class ProgramError(Exception):
    """The program failed; `str(error)` is one sentence for the user, and `hint` says what may help."""

    def __init__(self, text: str, hint: str = "") -> None:
        """Keep the sentence and the hint."""
        super().__init__(text)
        self.hint = hint


class ProgramCancelled(Exception):  # noqa: N818 - it is no failure
    """The user stopped the run."""


class Listener:
    """Receives the messages of a run; override the methods that are needed."""

    def progress(self, percent: float) -> None:
        """Take the share that is done, 0 to 100."""

    def stage(self, text: str) -> None:
        """Take the text of a new stage."""

    def info(self, text: str) -> None:
        """Take a line for the log."""

    def warning(self, text: str) -> None:
        """Take a warning, which the user should see."""

    def cancelled(self) -> bool:
        """True once the user has cancelled the run."""
        return False


def run(
    command: Sequence[str], environ: Mapping[str, str], listener: Listener, outputs: Sequence[str] = ()
) -> dict[str, Any]:
    """Run `command`, which prints protocol 2, to its end, and return its `result` event.

    Args:
        command: the program and its arguments, as a list, which no shell reads.
        environ: the whole environment of the program.
        listener: receives messages, and says whether the run is cancelled.
        outputs: the files that the program writes; what it leaves beside them if it is killed or crashes is removed.

    Raises:
        ProgramError: the program could not be started, failed, or ended without a result.
        ProgramCancelled: the listener cancelled the run; the program has ended.
    """
    process = start_process(command, environ)
    try:
        return _Run(process, listener).to_end()
    except BaseException:
        kill_process(process)
        clear_leftovers(outputs)
        raise
    finally:
        kill_process(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                pipe.close()


def start_process(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen:
    """Start the process, in a session of its own, so that its child processes can be killed with it."""
    windows = os.name == "nt"
    try:
        return subprocess.Popen(  # nosec B603 - a list of arguments, never a shell
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            creationflags=subprocess.CREATE_NO_WINDOW if windows else 0,
            start_new_session=not windows,
        )
    except OSError as error:
        raise ProgramError(
            tr("{program} cannot be started ({reason})").format(program=command[0], reason=error.strerror or error)
        ) from error


def kill_process(process: subprocess.Popen) -> None:
    """Kill the process, if it still runs, and its child processes."""
    if process.poll() is not None:
        return
    with suppress(OSError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)


class _Run:
    """One run: two threads read its pipes into a queue, and the caller's thread handles the lines."""

    def __init__(self, process: subprocess.Popen, listener: Listener) -> None:
        self.process, self.listener = process, listener
        self.lines: queue.Queue[tuple[Callable[[str], None], str]] = queue.Queue()
        self.readers = [self._read(process.stdout, self._out), self._read(process.stderr, self._err)]
        self.result: Optional[dict[str, Any]] = None
        self.error: Optional[dict[str, Any]] = None
        self.was_cancelled = False
        self.stderr: list[str] = []
        self.last_stage = ""

    def to_end(self) -> dict[str, Any]:
        """Handle lines until the process has ended and all is read; returns its result."""
        deadline = None
        while self.process.poll() is None or any(reader.is_alive() for reader in self.readers):
            self._act(_POLL_SECONDS)
            if deadline is None and self.listener.cancelled():
                deadline = time.monotonic() + KILL_SECONDS
                self._ask_to_stop()
            if deadline is not None and time.monotonic() > deadline:
                break
            if self.process.poll() is not None and self._drained():
                break
        while self._act(0):
            pass
        if deadline is not None and not (self.process.poll() == 0 and self.result):
            raise ProgramCancelled("cancelled")
        return self._outcome()

    def _ask_to_stop(self) -> None:
        """Close the program's stdin, which it takes as a request to stop."""
        with suppress(OSError):
            self.process.stdin.close()

    def _drained(self) -> bool:
        """Wait a moment for the readers, and return True: a child process may keep the pipes open for ever."""
        for reader in self.readers:
            reader.join(1.0)
        return True

    def _act(self, wait: float) -> bool:
        """Handle one line; False if there is none."""
        try:
            handle, line = self.lines.get(timeout=wait) if wait else self.lines.get_nowait()
        except queue.Empty:
            return False
        handle(line)
        return True

    def _read(self, pipe: IO[bytes], handle: Callable[[str], None]) -> threading.Thread:
        """Start a thread that puts the lines of a pipe into the queue; bytes that are not UTF-8 are replaced."""

        def read() -> None:
            with suppress(OSError, ValueError):
                for line in pipe:
                    self.lines.put((handle, line.decode("utf-8", "replace").rstrip("\r\n")))

        thread = threading.Thread(target=read, name="geocloud-reader", daemon=True)
        thread.start()
        return thread

    def _out(self, line: str) -> None:
        """Handle a line of stdout: an event, or other text, which goes into the log."""
        event = parse_line(line)
        if event is None:
            if line.strip():
                self.listener.info(line)
            return
        handle = getattr(self, "_on_" + event["event"], None)
        if handle is not None:
            handle(event)

    def _err(self, line: str) -> None:
        """Keep a line of stderr for the end, since it may be the error message."""
        if line.strip():
            self.stderr = [*self.stderr, line][-_STDERR_LINES:]

    def _on_start(self, event: dict[str, Any]) -> None:
        if event.get("protocol") != PROTOCOL:
            raise ProgramError(
                tr("This geocloud speaks protocol {theirs}, the plugin protocol {ours}").format(
                    theirs=event.get("protocol"), ours=PROTOCOL
                ),
                tr("update the older of the two"),
            )

    def _on_progress(self, event: dict[str, Any]) -> None:
        stage = stage_text(event)
        if stage and stage != self.last_stage:
            self.last_stage = stage
            self.listener.stage(stage)
        self.listener.progress(percent(event))

    def _on_log(self, event: dict[str, Any]) -> None:
        say = self.listener.warning if event.get("level") == "warning" else self.listener.info
        say(in_our_words(str(event.get("text", "")), event.get("options")))

    def _on_result(self, event: dict[str, Any]) -> None:
        self.result = event

    def _on_error(self, event: dict[str, Any]) -> None:
        self.error = event

    def _on_cancelled(self, event: dict[str, Any]) -> None:  # noqa: ARG002
        self.was_cancelled = True

    def _outcome(self) -> dict[str, Any]:
        """The result, if the exit code is 0 and there is one; otherwise an error."""
        code = self.process.returncode
        if self.was_cancelled or code == 130:
            raise ProgramCancelled("cancelled")
        if self.error is not None:
            text = str(self.error.get("text", ""))
            self._log_stderr(without=text)
            options = self.error.get("options")
            failed = tr("geocloud failed ({ending})").format(ending=_ending(code))
            raise ProgramError(in_our_words(text, options) or failed)
        if code != 0 and self.result is not None and self.result.get("worse"):
            text = tr("The new model is worse ({worse}), and was not written").format(worse=self.result["worse"])
            raise ProgramError(text, tr("give more or other scenes"))
        if code != 0:
            raise self._from_stderr(code)
        self._log_stderr()
        if self.result is None:
            raise ProgramError(tr("geocloud ended without a result"), tr("is this program really geocloud?"))
        return self.result

    def _from_stderr(self, code: int) -> ProgramError:
        """The error from the line that begins with `error:`; without one, from exit code and last line."""
        for line in self.stderr:
            if line.lower().startswith("error: "):
                return ProgramError(line[len("error: ") :])
        last = f": {self.stderr.pop()}" if self.stderr else ""
        self._log_stderr()
        text = tr("geocloud stopped unexpectedly ({ending})").format(ending=_ending(code))
        return ProgramError(f"{text}{last}")

    def _log_stderr(self, without: str = "") -> None:
        """Put stderr into the log, except the line of the error message."""
        for line in self.stderr:
            if not without or without not in line:
                self.listener.info(line)


def _ending(code: int) -> str:
    """An exit code as text for the user; a negative one is the number of a signal."""
    return tr("signal {code}").format(code=-code) if code < 0 else tr("exit code {code}").format(code=code)
