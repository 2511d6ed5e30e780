"""Locks that the system releases when a process dies, and signals that are delayed during a commit."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

from geocloud.errors import OutputError

LOCK = "lock"
"""Name of the file in a staging folder that the run keeps locked while it lives."""
PREFIX = ".geocloud-"
NEW = ".geocloud+new-"
"""Prefix of a staging folder whose lock is not taken yet."""
LABEL_BYTES = 80
"""Maximum length of a run's name in the name of its staging folder."""
LOCK_SECONDS = 60.0
"""Maximum time to wait for a lock. A commit takes milliseconds, so after this time the other run has stopped."""
_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def in_order(folders: set[Path]) -> list[Path]:
    """The folders in an order that is the same for every run, so that two runs never wait for each other."""
    return sorted(folders, key=lambda folder: (folder.stat().st_dev, folder.stat().st_ino))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a destination folder; the system releases it when the process dies.

    On a file system without locks nothing is locked. OutputError if another run holds the lock for LOCK_SECONDS.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    with _open_lock(folder) as descriptor:
        while descriptor is not None and not take_lock(descriptor):
            if time.monotonic() > deadline:
                raise OutputError(f"another run is writing into {folder} and does not end; end it and run again")
            time.sleep(0.01)
        yield


@contextmanager
def _open_lock(folder: Path) -> Iterator[int | None]:
    """File descriptor to lock: of the folder, or on Windows of a file in it; None if it cannot be opened."""
    try:
        if os.name == "nt":
            descriptor = os.open(folder / ".geocloud.lock", os.O_RDWR | os.O_CREAT)
        else:
            descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        if os.name == "nt":
            with suppress(OSError):
                (folder / ".geocloud.lock").unlink()


def take_lock(file: IO[str] | int) -> bool:
    """Take an exclusive lock, which the system releases when the process dies; False if another process holds it."""
    descriptor = file if isinstance(file, int) else file.fileno()
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # else the disk has no locks
    return True


def is_alive(folder: Path) -> bool:
    """True for a staging folder whose run is alive: it holds the lock."""
    try:
        with (folder / LOCK).open("r+") as file:
            return not take_lock(file)
    except OSError:
        return False


@contextmanager
def signals_wait() -> Iterator[None]:
    """Delay the signals that would stop the run until the end of the block. Only the main thread gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal has it
        received.append(number)

    handlers = {number: signal.getsignal(number) for number in _STOPPING}
    handlers = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    for number in handlers:
        signal.signal(number, remember)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def label_of(stem: str) -> str:
    """The run's name in its staging folder's name: the stem, shortened if long, and without control characters.

    SQLite opens no file whose name has a line break.
    """
    stem = "".join("_" if unicodedata.category(letter) == "Cc" else letter for letter in stem)
    if len(os.fsencode(stem)) <= LABEL_BYTES:
        return stem
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]
    return f"{os.fsencode(stem)[: LABEL_BYTES - 17].decode(errors='ignore')}-{digest}"


def locked_folder(parent: Path, label: str) -> tuple[Path, IO[str]]:
    """A new staging folder, and its lock file, which is locked before the folder gets the name that others look for."""
    new = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
    try:
        folder = new.with_name(f"{PREFIX}{label}-{new.name.removeprefix(NEW)}.partial")
        if os.name == "nt":  # there, a folder with an open file cannot be renamed
            new = new.rename(folder)
        lock = (new / LOCK).open("w")
        take_lock(lock)
        return new.rename(folder), lock
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
