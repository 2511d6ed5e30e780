"""A scheduler and two workers, and scenes for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Cluster
from testutils import PATIENCE, write_scene


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    """Ends with its file: idle workers take a tenth of a processor each."""
    running = Cluster(tmp_path_factory.mktemp("dask"))
    yield running
    running.close()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Any]:
    from distributed import Client

    with Client(cluster.address, timeout=PATIENCE) as connected:
        connected.wait_for_workers(2, timeout=PATIENCE)
        yield connected


@pytest.fixture(scope="session")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty scenes of 384x512 pixels, the eighth cut off in its middle."""
    folder = tmp_path_factory.mktemp("scenes")
    scenes = [write_scene(folder / f"scene_{n:02}.tif", shape=(384, 512), seed=n) for n in range(20)]
    scenes[7].write_bytes(scenes[7].read_bytes()[:100_000])
    return scenes


@pytest.fixture
def mosaic(tmp_path: Path) -> Path:
    """1300 rows, so three rows of blocks; clouds across their seams, and nodata."""
    rng = np.random.default_rng(5)
    data = rng.integers(400, 900, (4, 1300, 420)).astype(np.uint16)
    data[:, 480:560, 30:200] = 6000
    data[:, 1000:1100, 100:420] = 5000
    data[:, :70, :90] = 0
    data[:, 20:24, 300:303] = 7000
    return write_scene(tmp_path / "mosaic.tif", data=data, nodata=0)
