"""A real Dask cluster, each of its parts a process of its own, and what a batch left in a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from testutils import PATIENCE


def wait_for(ready: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.05)


def _is_written(path: Path) -> bool:
    """Whether a JSON file stands there whole: the scheduler makes it before it fills it."""
    try:
        return bool(json.loads(path.read_text()))
    except (OSError, ValueError):
        return False


class Cluster:
    """`dask scheduler` and two `dask worker`."""

    def __init__(self, folder: Path) -> None:
        self.scheduler_file = folder / "scheduler.json"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.scheduler_file))
        wait_for(lambda: _is_written(self.scheduler_file), "the scheduler")
        self.address: str = json.loads(self.scheduler_file.read_text())["address"]
        self.workers = [self.add_worker() for _ in range(2)]

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{arguments[0]}-{len(self._processes)}.log").open("wb")
        command = [sys.executable, "-m", "dask", arguments[0], "--host", "127.0.0.1", *arguments[1:]]
        with log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._processes.append(process)
        return process

    def add_worker(self) -> subprocess.Popen[bytes]:
        options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder))
        return self._start("worker", self.address, *options)

    def kill_worker(self, number: int) -> None:
        """The worker and the nanny that would start it again; another takes its place."""
        process = self.workers.pop(number)
        self._kill(process)
        self.workers.append(self.add_worker())

    def kill_scheduler(self) -> None:
        self._kill(self._processes[0])

    def close(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                self._kill(process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def products(folder: Path) -> dict[str, bytes]:
    """What a batch found, byte for byte; items, tables and the manifest hold times."""
    timed = (".json", ".jsonl", ".csv", ".gpkg")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix not in timed}


def lines(folder: Path) -> list[dict[str, object]]:
    """The manifest's records in the order they ended."""
    path = folder / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []
