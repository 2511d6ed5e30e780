"""Locks that the system drops when a process dies, and signals that wait."""

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
"""The file in a staging folder that its run holds a lock on for as long as it lives."""
PREFIX = ".geocloud-"
NEW = ".geocloud+new-"
"""Prefix of a staging folder whose lock is not taken yet."""
LABEL_BYTES = 80
"""Of a run's name in that of its staging folder: no longer than the outputs' own names."""
LOCK_SECONDS = 60.0
"""A commit takes milliseconds: whoever waits longer waits for a run that is stopped."""
_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def in_order(folders: set[Path]) -> list[Path]:
    """The same order for everyone, so that two runs never wait for each other."""
    return sorted(folders, key=lambda folder: (folder.stat().st_dev, folder.stat().st_ino))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a destination folder, which the system drops when the process dies.

    Where the file system has no locks it is not held. OutputError where another run holds it for a minute.
    """
    until = time.monotonic() + LOCK_SECONDS
    with _open_lock(folder) as descriptor:
        while descriptor is not None and not take_lock(descriptor):
            if time.monotonic() > until:
                raise OutputError(f"another run is writing into {folder} and does not end; end it and run again")
            time.sleep(0.01)
        yield


@contextmanager
def _open_lock(folder: Path) -> Iterator[int | None]:
    """The folder itself opened for a lock, on Windows a file in it; None where it cannot be."""
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
    """Take an exclusive lock that the system drops when the process dies; False where another holds it."""
    descriptor = file if isinstance(file, int) else file.fileno()
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # else: no locks here
    return True


def is_alive(folder: Path) -> bool:
    """True for a staging folder whose run lives: it holds the lock."""
    try:
        with (folder / LOCK).open("r+") as file:
            return not take_lock(file)
    except OSError:
        return False


@contextmanager
def signals_wait() -> Iterator[None]:
    """Signals that would stop the run take effect at the end; of the main thread, which alone hears them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal has it
        heard.append(number)

    before = {number: signal.getsignal(number) for number in _STOPPING}
    before = {number: handler for number, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])


def label_of(stem: str) -> str:
    """A run's name in its staging folder's: the stem, shortened where it is long; SQLite opens no name of two lines."""
    stem = "".join("_" if unicodedata.category(letter) == "Cc" else letter for letter in stem)
    if len(os.fsencode(stem)) <= LABEL_BYTES:
        return stem
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:16]
    return f"{os.fsencode(stem)[: LABEL_BYTES - 17].decode(errors='ignore')}-{digest}"


def locked_folder(parent: Path, label: str) -> tuple[Path, IO[str]]:
    """A new staging folder with its lock taken before it gets the name by which other runs find it."""
    new = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
    try:
        folder = new.with_name(f"{PREFIX}{label}-{new.name.removeprefix(NEW)}.partial")
        if os.name == "nt":  # an open file keeps its folder's name there
            new = new.rename(folder)
        lock = (new / LOCK).open("w")
        take_lock(lock)
        return new.rename(folder), lock
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
