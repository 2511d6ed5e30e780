"""Servers that stall, cut the connection or answer 500, and then recover or do not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.running import assert_one_sentence, contents, detect, speckled
from products import write_item
from servers import Site, serve

from geocloud.errors import InputError
from geocloud.readers.files import http as fetching
from geocloud.readers.files.opening import is_absent
from geocloud.readers.products.stac_item import load_item

pytestmark = pytest.mark.faults
QUICK = {"GDAL_HTTP_TIMEOUT": "5", "GDAL_HTTP_RETRY_DELAY": "0.1"}
"""The defaults are made for real networks. Five seconds, so that a busy machine's good answer is none that stalls."""
IMPATIENT = {**QUICK, "GDAL_HTTP_TIMEOUT": "1"}
"""Where no answer is good."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serve(tmp_path / "site") as served:
        yield served


@pytest.mark.parametrize(
    "faults", [[500], [503, 503], ["reset"], ["stall"], [None, 500, "reset", None, None, "stall", 502]], ids=str
)
def test_a_server_that_recovers_is_waited_for(site: Site, tmp_path: Path, faults: list) -> None:
    """Whatever numbers are in its address: they are no answers of the server."""
    local = speckled(tmp_path / "scene-404-403.tif", 400)
    shutil.copy(local, site.folder / local.name)
    site.faults = list(faults)
    result = detect(f"{site.url}/{local.name}", tmp_path / "out", env={**os.environ, **QUICK})
    assert result.returncode == 0, result.stderr
    assert not site.faults
    assert detect(local, tmp_path / "local").returncode == 0
    remote, mask = contents(tmp_path / "out"), "scene-404-403_cloudmask.qml"
    assert set(remote) == set(contents(tmp_path / "local"))
    assert remote[mask] == contents(tmp_path / "local")[mask]


@pytest.mark.parametrize("fault", [500, "reset", "stall", 404])
def test_a_server_that_does_not_is_one_sentence_in_bounded_time(site: Site, tmp_path: Path, fault: int | str) -> None:
    shutil.copy(speckled(tmp_path / "scene.tif", 400), site.folder / "scene.tif")
    site.always = fault
    result = detect(
        f"{site.url}/scene.tif", tmp_path / "out", env={**os.environ, **IMPATIENT}
    )  # within its two minutes
    assert_one_sentence(result, "scene.tif", "cannot be opened")
    assert site.answers <= 60
    assert not contents(tmp_path / "out")


def test_a_failing_server_may_have_the_file(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    shutil.copy(speckled(tmp_path / "scene.tif", 400), site.folder / "mask-404.tif")
    assert is_absent(f"{site.url}/none.tif")
    site.always = 500
    assert not is_absent(f"{site.url}/mask-404.tif")


def test_one_that_fails_in_the_middle_leaves_nothing(site: Site, tmp_path: Path) -> None:
    shutil.copy(speckled(tmp_path / "scene.tif", 1200), site.folder / "scene.tif")
    site.faults, site.always = [None, None, None], 500
    result = detect(f"{site.url}/scene.tif", tmp_path / "out", env={**os.environ, **QUICK})
    assert_one_sentence(result, "scene.tif")
    assert not contents(tmp_path / "out")


@pytest.mark.parametrize("faults", [[500, 503], ["reset"], ["stall"]])
def test_items_are_fetched_again(site: Site, faults: list) -> None:
    write_item(site.folder)
    site.faults = list(faults)
    assert b"stac_version" in fetching.fetch(f"{site.url}/item.json", timeout=5, delay=0.05)
    assert not site.faults


@pytest.mark.parametrize(("fault", "answers"), [(500, fetching.ATTEMPTS), (404, 1), ("reset", fetching.ATTEMPTS)])
def test_items_are_given_up_after_a_few_attempts(site: Site, fault: int | str, answers: int) -> None:
    write_item(site.folder)
    site.always = fault
    with pytest.raises(OSError, match=r"500|404|breaks off|IncompleteRead"):
        fetching.fetch(f"{site.url}/item.json", timeout=20, delay=0.05)
    assert site.answers == answers


def test_a_redirect_to_a_local_file_is_not_followed(site: Site) -> None:
    site.redirect = "file:///etc/hosts"
    with pytest.raises(InputError, match="cannot be read as a STAC item"):
        load_item(f"{site.url}/item.json")
