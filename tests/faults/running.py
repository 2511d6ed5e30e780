"""Runs of the real program that are disturbed, and what they must leave."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from testutils import PATIENCE, write_scene

NULL = ("--model", "brightness", "--progress", "none", "--threads", "1")
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24
"""Linux capabilities by which root may write anywhere, and prctl's number for giving one up."""


def detect(scene: object, out: Path, *more: str, before: Callable[[], None] | None = None, **options: object):
    """`geocloud detect` to its end; `before` runs in the child, as to set a limit."""
    command = [sys.executable, "-m", "geocloud", "detect", str(scene), "--out", str(out), *NULL, *more]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE, preexec_fn=before, **options
    )


def start(scene: object, out: Path, *more: str) -> subprocess.Popen:
    """The same, started, and deaf to no signal: tests in the background or under nohup would hand that on."""
    command = [sys.executable, "-m", "geocloud", "detect", str(scene), "--out", str(out), *NULL, *more]
    before = hear_signals if os.name == "posix" else None
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, preexec_fn=before)  # noqa: PLW1509 - no thread of a test holds a lock


def hear_signals() -> None:
    """In a child: every signal that stops a program does what it does at first."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    if not folder.exists():
        return {}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def speckled(path: Path, side: int = 700) -> Path:
    """A scene whose mask does not compress, so that files are long."""
    rng = np.random.default_rng(0)
    data = rng.integers(300, 900, (4, side, side)).astype(np.uint16)
    data[:, rng.random((side, side)) < 0.3] = 6000
    return write_scene(path, data=data)


def give_up_rights() -> None:
    """In a child: obey the permissions of files as any user does, also as root."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "cannot give up a capability")


def assert_one_sentence(result: subprocess.CompletedProcess, *words: str) -> None:
    """A failure, told in one line that holds all the words."""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert result.returncode not in (0, None), result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert len(errors) == 1, result.stderr
    assert all(word in errors[0] for word in words), errors[0]
