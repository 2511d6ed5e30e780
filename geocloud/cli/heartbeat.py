"""A line a second from a process of its own.

A thread would not do: writing 180,000 polygons holds Python's lock for five seconds.
"""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = r"""
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
"""Ends with its standard input, thus with the program that started it, however that ends."""


class Heartbeat:
    """Says `{"event": "alive"}` on stdout each second until it is stopped."""

    def __init__(self) -> None:
        """Start."""
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=subprocess.PIPE)

    def stop(self) -> None:
        """Stop; nothing more is said afterwards."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
