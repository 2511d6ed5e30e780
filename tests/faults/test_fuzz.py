"""Random harm to headers, cards, STAC items and other documents for a set time: never a crash, hang or traceback.

GEOCLOUD_FUZZ_SECONDS sets the time in all (60); `python tests/faults/figures.py` runs longer and prints a table.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from faults.harness import Harness
from faults.mutation import Target, harmed, targets

pytestmark = pytest.mark.fuzz
SECONDS = float(os.environ.get("GEOCLOUD_FUZZ_SECONDS", "60"))


def fuzz(target: Target, seconds: float) -> tuple[list[str], Harness]:
    """What went wrong with which input, and the figures."""
    harness, problems, number = Harness(), [], 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        target.path.write_bytes(harmed(target, number))
        outcome = harness.run(f"{target.name} {number}", list(target.command))
        if outcome.fault:
            problems.append(f"{outcome.name}: {outcome.fault} ({outcome.code}): {outcome.stderr[-600:]}")
        number += 1
    harness.close()
    return problems, harness


def test_nothing_crashes_or_hangs(tmp_path: Path) -> None:
    problems = []
    kinds = list(targets(tmp_path / "fuzz"))
    for target in kinds:
        found, harness = fuzz(target, SECONDS / len(kinds))
        figures = harness.figures()
        print(target.name, figures)  # noqa: T201 - shown where the test fails
        problems += found
        assert figures["inputs"]
    assert not problems, "\n".join(problems)
