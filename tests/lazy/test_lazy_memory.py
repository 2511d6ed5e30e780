"""Lazy masks need memory by their chunks, not by the scene: measured on a subprocess by the operating system."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("dask")
PROGRAM = """
import sys, resource
import dask, dask.array, xarray, geocloud
data = dask.array.random.random((4, int(sys.argv[1]), 2048), chunks=(4, 1024, 1024)).astype("float32")
array = xarray.DataArray(data, {"band": ["blue", "green", "red", "nir"]}, ("band", "y", "x"))
with dask.config.set(scheduler="threads", num_workers=2):
    print(float((geocloud.mask(array, model="hot") == 1).mean()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_megabytes(rows: int) -> float:
    command = [sys.executable, "-c", PROGRAM, str(rows)]
    share, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert 0 < float(share) < 1
    return int(kilobytes) / 1000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the system tells no peak")
def test_peak_memory_is_flat_in_height() -> None:
    assert peak_megabytes(16 * 2048) < 1.25 * peak_megabytes(4 * 2048)
