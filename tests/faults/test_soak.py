"""Two hundred small scenes in one process: memory flat, file handles and temporary files back to where they were."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from testutils import write_scene

pytestmark = [pytest.mark.soak, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]
SCENES, WARM, GROWTH = 200, 10, 1.05
CODE = "import sys; sys.path[:0] = sys.argv[3:]; from faults.test_soak import soak; soak(*sys.argv[1:3])"


def resident() -> int:
    """Bytes of memory held now: garbage collected, and what the allocator keeps for reuse given back."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles() -> set[str]:
    """What this process has open."""
    folder = Path("/proc/self/fd")
    return {str(entry.readlink()) for entry in folder.iterdir() if entry.is_symlink() and entry.exists()}


def soak(folder: str, out: str) -> None:
    """Run in a process of its own; asserts at the end."""
    from geocloud.cli.common import bound_heaps, protect_environment

    protect_environment()
    bound_heaps()  # as the program does
    import geocloud
    from geocloud import DetectOptions
    from geocloud.models.registry import load_scorer

    scenes, scorer = sorted(Path(folder).iterdir()), load_scorer()
    seen, before = [], set()
    for number in range(SCENES):
        options = DetectOptions(score=True, quicklook=True, threads=1, overwrite=True, polygons="gpkg")
        geocloud.detect(scenes[number % len(scenes)], Path(out), options, scorer=scorer)
        if number >= WARM - 1:
            seen.append(resident())
        if number == WARM - 1:
            before = handles()
    left = [path for path in Path(out).iterdir() if path.name.startswith(".")]
    print(f"memory {seen[0] / 1e6:.0f} to {seen[-1] / 1e6:.0f} MB, most {max(seen) / 1e6:.0f}")  # noqa: T201
    medians = [float(np.median(seen[start : start + 10])) for start in range(0, len(seen) - 9, 10)]
    assert max(medians) <= GROWTH * medians[0], [round(value / 1e6, 1) for value in medians]
    assert handles() <= before, handles() - before
    assert not left, left
    assert not [path for path in Path(tempfile.gettempdir()).iterdir() if "geocloud" in path.name or path.is_file()]


def test_two_hundred_scenes_in_one_process(tmp_path: Path) -> None:
    folder, temporary = tmp_path / "scenes", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    for number in range(8):
        data = np.random.default_rng(number).integers(300, 900, (4, 100 + 20 * number, 160)).astype(np.uint16)
        data[:, 20:60, 30:90] = 6000
        write_scene(folder / f"{number}.tif", data=data)
    paths = [str(Path(__file__).parents[1])]
    result = subprocess.run(
        [sys.executable, "-c", CODE, str(folder), str(tmp_path / "out"), *paths],
        capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    print(result.stdout)  # noqa: T201 - shown where the test fails
    assert result.returncode == 0, result.stderr[-3000:]
