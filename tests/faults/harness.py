"""Feeds inputs to a worker process, restarts it where it dies or hangs, and sums up."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")
SECONDS = 180
"""An input that takes longer hangs; so long that one on a busy machine does not."""
MEGABYTES = 1000
"""Memory that an input may take on top of the program's own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input."""

    name: str
    code: int
    """Exit code; 70 for a traceback, -N for death by signal N, 124 for a hang."""
    stderr: str = ""
    stdout: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0

    @property
    def fault(self) -> str:
        """What is wrong with it; empty where it is a result or one sentence."""
        errors = [line for line in self.stderr.splitlines() if line.startswith(("error:", "Error:"))]
        if self.code == 124:
            return "hang"
        if self.code < 0 or self.code == 70:
            return "crash"
        if self.code and (len(errors) != 1 or "Traceback" in self.stderr):
            return "not one sentence"
        return "memory" if self.megabytes > MEGABYTES else ""


@dataclass(slots=True)
class Harness:
    """A worker and what it has answered."""

    outcomes: list[Outcome] = field(default_factory=list)
    _worker: subprocess.Popen | None = None

    def run(self, name: str, arguments: list[str]) -> Outcome:
        """One command line."""
        worker = self._started()
        worker.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
        worker.stdin.flush()
        ready, _, _ = select.select([worker.stdout], [], [], SECONDS)
        line = worker.stdout.readline() if ready else ""
        if line:
            answer = json.loads(line)
            crash = answer.pop("crash")
            answer["stderr"] += crash
            outcome = Outcome(name, **answer)
        else:
            worker.kill() if not ready else None
            outcome = Outcome(name, 124 if not ready else worker.wait(), seconds=0.0 if ready else SECONDS)
            worker.wait()
            worker.stdin.close()
            worker.stdout.close()
            self._worker = None
        self.outcomes.append(outcome)
        return outcome

    def _started(self) -> subprocess.Popen:
        if self._worker is None:
            self._worker = subprocess.Popen(
                [sys.executable, str(WORKER)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        return self._worker

    def close(self) -> None:
        if self._worker is not None:
            self._worker.stdin.close()
            self._worker.wait()
            self._worker.stdout.close()
            self._worker = None

    def figures(self) -> dict[str, object]:
        """Inputs, crashes, hangs, and the worst time and memory."""
        faults = [outcome.fault for outcome in self.outcomes]
        return {
            "inputs": len(self.outcomes),
            "results": sum(outcome.code == 0 for outcome in self.outcomes),
            "refused with one sentence": sum(outcome.code in (1, 2) and not outcome.fault for outcome in self.outcomes),
            "crashes": faults.count("crash"),
            "hangs": faults.count("hang"),
            "unclear messages": faults.count("not one sentence"),
            "worst seconds": round(max((outcome.seconds for outcome in self.outcomes), default=0), 2),
            "worst megabytes": round(max((outcome.megabytes for outcome in self.outcomes), default=0)),
        }
