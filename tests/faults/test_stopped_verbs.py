"""A signal at a random moment of other verbs: one word, whole outputs or none, and the next run succeeds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from faults.running import NULL, hear_signals
from rasterio.transform import from_origin
from testutils import PATIENCE, write_scene

from geocloud.training.options import UNDER_WAY

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="other signals there")]
Words = Callable[[Path, Path], list[object]]
"""From a folder of inputs and one for outputs to a command line."""
LEARN = ("--folders", "field", "--batch-size", "4", "--latent", "8", "--widths", "64")
VERBS: dict[str, Words] = {
    "train": lambda data, out: ["train", data / "tagged", *LEARN, "--epochs", "30", "--out", out / "m"],
    "adapt": lambda data, out: [
        *("adapt", *sorted(data.glob("a?.tif")), "--clear", data / "clear.txt", "--steps", "9", "--threads", "1"),
        *("--allow-worse", "--out", out / "m"),
    ],
    "calibrate": lambda data, out: [
        *("calibrate", "default", data / "tagged", "--rule", "synthetic", "--folders", "field", "--out", out / "m"),
    ],
    "evaluate": lambda data, out: [
        *("evaluate", data / "tagged", "--model", "brightness", "--folders", "field", "--draws", "300"),
        *("--out", out / "e"),
    ],
    "cover": lambda data, out: ["cover", data / "mask.tif", "--zones", data / "zones.gpkg", "--out", out / "c.gpkg"],
    "polygonize": lambda data, out: ["polygonize", data / "mask.tif", "--out", out / "p.gpkg"],
    "threshold": lambda data, out: ["threshold", data / "a0.tif", *NULL[:2], "--threads", "1", "--out", out / "t.html"],
    "keep": lambda _, out: ["threshold", "--model", "default", "--probability", "0.6", "--keep", out / "m"],
    "export": lambda _, out: ["models", "export", "default", "--side", "128", "--out", out / "m.onnx"],
    "series": lambda data, out: ["series", *sorted(data.glob("a?.tif")), *NULL[:2], "--out", out / "s"],
}


@pytest.fixture(scope="module")
def inputs(tagged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "tagged").symlink_to(tagged)
    for number in range(4):
        write_scene(folder / f"a{number}.tif", seed=number, shape=(128, 128))
    (folder / "clear.txt").write_text("".join(f"a{number}\n" for number in range(4)))
    codes = np.random.default_rng(0).choice([0, 1, 255], (300, 300)).astype(np.uint8)
    place = {"crs": "EPSG:32633", "transform": from_origin(500000, 5000000, 10, 10), "nodata": 255}
    with rasterio.open(folder / "mask.tif", "w", "GTiff", 300, 300, 1, dtype="uint8", **place) as file:
        file.write(codes, 1)
    zones = [shapely.box(x, y, x + 90, y + 90) for x in range(500000, 503000, 100) for y in (4997000, 4999000)]
    geopandas.GeoDataFrame({"name": range(len(zones))}, geometry=zones, crs="EPSG:32633").to_file(folder / "zones.gpkg")
    return folder


def _start(words: list[object]) -> subprocess.Popen:
    command = [sys.executable, "-m", "geocloud", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, preexec_fn=hear_signals)  # noqa: PLW1509 - no thread of a test holds a lock


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_stopped_at_any_moment_leaves_whole_outputs_or_none(inputs: Path, tmp_path: Path, verb: str) -> None:
    began, words = time.monotonic(), VERBS[verb]
    run = _start(words(inputs, tmp_path / "whole"))
    _, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, errors
    took, whole = time.monotonic() - began, _names(tmp_path / "whole")
    moments = random.Random(verb)  # noqa: S311 - repeatable, no secret
    for number in (moments.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]), signal.SIGKILL):
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        run = _start(words(inputs, out))
        time.sleep(moments.uniform(0.1, 1) * took)
        run.send_signal(number)
        _, errors = run.communicate(timeout=PATIENCE)
        assert run.returncode in (0, 130, -number), errors
        left = {name for name in _names(out) if UNDER_WAY not in name and "/.geocloud" not in f"/{name}"}
        if number != signal.SIGKILL:
            assert "Exception ignored" not in errors
            assert run.returncode < 0 or errors.count("Traceback") == 0, errors  # Python's own before the program is up
            assert (run.returncode, left) in [(0, whole), (130, set()), (130, whole), (-number, set())], errors
        if left != whole:
            again = words(inputs, out)
            if any(UNDER_WAY in name for name in _names(out)) and verb == "train":
                again.append("--resume")
            run = _start(again)
            _, errors = run.communicate(timeout=PATIENCE)
            assert run.returncode == 0, errors
            assert _names(out) == whole  # also nothing of the stopped run
