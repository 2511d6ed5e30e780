"""A scheduler and two workers for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import PATIENCE, Cluster
from testutils import write_scene


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
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
