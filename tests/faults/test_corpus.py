"""At least 300 bad scenes: each ends in a right mask or one sentence, in bounded time and memory, leaving no trace."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from faults.bad_scenes import BadScene, corpus
from faults.harness import Harness, Outcome

pytestmark = pytest.mark.faults
LEAST = 300


def test_bad_scenes(tmp_path: Path) -> None:
    problems, harness = run_corpus(tmp_path)
    figures = harness.figures()
    print(figures)  # noqa: T201 - shown where the test fails
    assert not problems, "\n".join(problems)
    assert figures["inputs"] >= LEAST


def run_corpus(folder: Path) -> tuple[list[str], Harness]:
    """What is wrong with which scene, and the figures."""
    harness, problems = Harness(), []
    out = folder / "out"
    for scene in corpus(folder / "scenes"):
        arguments = [
            "detect",
            scene.path,
            "--out",
            out,
            "--model",
            "brightness",
            "--progress",
            "none",
            "--threads",
            "1",
        ]
        outcome = harness.run(scene.name, [*arguments, *scene.options])
        problem = outcome.fault or judge(scene, outcome, out)
        if problem:
            problems.append(f"{scene.name}: {problem}: {outcome.stderr[-400:]}")
        shutil.rmtree(out, ignore_errors=True)
    harness.close()
    return problems, harness


def judge(scene: BadScene, outcome: Outcome, out: Path) -> str:
    """What is wrong with a scene's end; empty where nothing is."""
    left = [path.name for path in out.iterdir()] if out.exists() else []
    if any(name.startswith(".") for name in left):
        return f"leftovers {left}"
    if outcome.code:
        return f"files after a failure {left}" if left else "refused" * (scene.expected == "mask")
    if scene.expected == "sentence":
        return "accepted"
    with rasterio.open(scene.path) as source, rasterio.open(next(out.glob("*_cloudmask.tif"))) as mask:
        if mask.shape != source.shape or mask.transform != source.transform:
            return "the mask is on another grid"
        small = mask.read(1, out_shape=tuple(min(side, 2000) for side in mask.shape))
    codes = set(np.unique(small).tolist())
    return "" if codes <= {0, 1, 255} else f"codes {codes}"
