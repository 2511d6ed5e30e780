"""Runs the real command line on one input after another in this process, and tells what each took and left.

Started by `harness.Harness`; requests and answers are JSON lines on stdin and stdout.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path

MEMORY = 8 << 30
"""Address space of the worker: what asks for more fails instead of taking the machine down."""


def reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def memory(field: str) -> float:
    """VmHWM (peak) or VmRSS (now) in 10^6 bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def run(arguments: list[str]) -> dict:
    """One command line to its end."""
    from geocloud.cli.main import cli

    reset_peak()
    before, began, crash, code = memory("VmRSS"), time.perf_counter(), "", 0
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli(arguments, prog_name="geocloud")
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:  # noqa: BLE001 - every one is a finding
            crash, code = traceback.format_exc(), 70
    return {
        "code": code, "crash": crash, "stdout": out.getvalue(), "stderr": err.getvalue(),
        "seconds": time.perf_counter() - began, "megabytes": max(0.0, memory("VmHWM") - before),
    }  # fmt: skip


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from geocloud.cli.common import bound_heaps, protect_environment

    protect_environment()
    bound_heaps()
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout.flush()
    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
