"""Scenes that carry their own coordinates, and files made of them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from click.testing import CliRunner
from rasterio.transform import from_origin

from geocloud.calibration import Calibration
from geocloud.cli.main import cli
from geocloud.raster import Georef, PatchBatch, Raster
from geocloud.readers import MemoryScene
from geocloud.scorers.card import ModelCard, TrainingRecord

RGBN = ("blue", "green", "red", "nir")
UTM = "EPSG:32633"


def coordinate_scene(height: int, width: int, valid: np.ndarray | None = None) -> MemoryScene:
    """A scene whose first band is each pixel's row and second its column."""
    data = np.stack(np.mgrid[:height, :width]).astype(np.float32)
    valid = np.ones((height, width), dtype=bool) if valid is None else valid
    return MemoryScene(Raster(data, valid), ("blue", "green"), Georef((height, width)))


class EchoScorer:
    """Scores each pixel by its own value in one band, so that a score can be traced back to its pixel."""

    name = "echo"

    def __init__(self, band: int = 0, block: int = 2, halo: int = 0, **card: Any) -> None:
        self.band, self.halo = band, halo
        self.card = ModelCard(
            self.name,
            "toy",
            ("any",),
            block=block,
            halo=halo,
            calibration=Calibration(0.5),
            training=TrainingRecord("T0"),
            **card,
        )

    def choose_bands(self, available: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(available)

    def score(self, batch: PatchBatch) -> np.ndarray:
        rows, cols = (slice(self.halo, size - self.halo) for size in batch.data.shape[-2:])
        return batch.data[:, self.band, rows, cols].copy()


class BlurScorer(EchoScorer):
    """Scores each pixel by the mean of its surroundings up to the halo: it would show a wrong halo or edge."""

    name = "blur"

    def __init__(self, block: int = 2, halo: int = 8) -> None:
        super().__init__(0, block, halo)

    def score(self, batch: PatchBatch) -> np.ndarray:
        reach, data = self.halo, batch.data.mean(axis=1, dtype=np.float64)
        table = np.pad(data.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
        size = 2 * reach + 1
        total = table[:, size:, size:] - table[:, :-size, size:] - table[:, size:, :-size] + table[:, :-size, :-size]
        return (total / size**2).astype(np.float32)


def write_scene(path: Path, **options: Any) -> Path:
    """A small uint16 scene, dark ground with bright squares; options override rasterio's profile or `data`."""
    rng = np.random.default_rng(options.pop("seed", 0))
    height, width = options.pop("shape", (100, 130))
    data = options.pop("data", None)
    if data is None:
        data = rng.integers(400, 900, (options.pop("bands", 4), height, width)).astype(np.uint16)
        data[:, 20:50, 30:70] = 6000
        data[:, 80:90, 100:105] = 5000
    names = options.pop("names", RGBN[: len(data)])
    colours = options.pop("colorinterp", None)
    profile = {
        "driver": "GTiff", "height": data.shape[1], "width": data.shape[2], "count": data.shape[0],
        "dtype": data.dtype, "crs": UTM, "transform": from_origin(500000, 5000000, 10, 10), **options,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(data)
        if names:
            dataset.descriptions = names
        if colours:
            dataset.colorinterp = colours
    return path


def rotated(angle: float) -> Affine:
    """A 10 m grid turned by `angle` degrees."""
    return Affine.translation(500000, 5000000) @ Affine.rotation(angle) @ Affine.scale(10, -10)


PATIENCE = 600
"""Seconds after which a program is taken to hang: so long that no busy machine is."""


def run_cli(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The program's command line in this process, as it is run where its output is piped."""
    with contextlib.chdir(cwd or Path.cwd()):
        result = CliRunner().invoke(cli, [*map(str, arguments)], prog_name="geocloud")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


def run_program(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, where that is what is tested; it takes seconds to start."""
    command = [sys.executable, "-m", "geocloud", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, **options)


PAUSE = """
import sys, time
from pathlib import Path
from geocloud.cli import protocol
told, until = protocol.JsonReporter.progress, Path(sys.argv.pop(1))
def progress(self, done, total, stage):
    told(self, done, total, stage)
    while stage != "load" and done and not until.exists():
        self._cancellation.check()
        time.sleep(0.01)
protocol.JsonReporter.progress = progress
from geocloud.cli.main import main
main()
"""


def pausing(until: Path, *arguments: object) -> list[str]:
    """Command line of the real program that pauses in the middle of its work until a file stands at `until`.

    It goes on at once where it is cancelled. What a test does meanwhile thus comes in the middle on any machine.
    """
    return [sys.executable, "-c", PAUSE, str(until), *map(str, arguments)]


def events(text: str) -> list[dict[str, Any]]:
    """Events of `--progress json` but for those of the heartbeat, which may stand anywhere."""
    return [event for event in map(json.loads, text.splitlines()) if event["event"] != "alive"]


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment with some variables changed."""
    return {**os.environ, **more}
