"""Paths and scenes that tests share."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is there
settings.register_profile(
    "the same on every machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("the same on every machine")

from pictures import clear_model, cloudy_model, labelled, tagged  # noqa: E402, F401 - fixtures
from products import write_safe  # noqa: E402
from servers import serve  # noqa: E402
from testutils import write_scene  # noqa: E402

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that a test runs in this process hears signals, and goes on to: a test run could not be stopped."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample scene: blue, green, red, nir with a nodata edge."""
    return ROOT / "tests" / "synthetic" / "scene.tif"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Real imagery; skips where there is none."""
    named = os.environ.get("GEOCLOUD_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "labelled").is_dir():
        pytest.skip("real imagery is not here: set GEOCLOUD_DATA to its folder")
    return folder


@pytest.fixture
def make_scene(tmp_path: Path) -> Callable[..., Path]:
    """Write a small scene into the test's folder; see testutils.write_scene."""

    def make(name: str = "scene.tif", **options: object) -> Path:
        return write_scene(tmp_path / name, **options)

    return make


@pytest.fixture
def make_safe() -> Callable[..., Path]:
    """Write a small SAFE product into a folder; see products.write_safe."""
    return lambda folder, **options: write_safe(folder, **options)[0]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """URL and folder of a server on this machine."""
    with serve(tmp_path / "served") as site:
        yield site.url, site.folder
