"""Whole processes, measured by the operating system; alternating runs, medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a process took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all cores, user and system."""
    peak: float
    """Peak resident memory, 10^6 bytes."""


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end; RuntimeError where it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def alternate(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Cost]]:
    """Each command once a round, in turn, so that a machine that drifts favours none; one round more to warm up."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            cost = run(command)
            if number:
                costs[name].append(cost)
    return costs


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "peak")))


def geocloud(*arguments: str) -> list[str]:
    """The program of this Python."""
    return [sys.executable, "-m", "geocloud", *arguments]
