"""What readers had to assume is said by every command, once, and by functions of Python as log records."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from testutils import write_scene

import geocloud
from geocloud.cli.main import cli

DAYS = ("2023-08-10", "2023-08-13", "2023-08-15")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def write_scenes(folder: Path) -> list[Path]:
    """Three dates of bytes, whose scale is a guess."""
    rng = np.random.default_rng(5)
    dates = rng.integers(20, 250, (3, 4, 100, 130)).astype(np.uint8)
    return [write_scene(folder / f"site_{day}.tif", data=data) for day, data in zip(DAYS, dates, strict=True)]


@pytest.mark.parametrize(
    ("command", "count"),
    [
        (["classify", "--model", "brightness"], 3),
        (["composite", "--model", "brightness", "--out", "clear.tif"], 3),
        (["series", "--model", "brightness", "--out", "masks"], 3),
    ],
)
def test_a_guess_is_a_warning_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], count: int
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(command[0], *write_scenes(tmp_path), *command[1:])
    told = [line for line in result.stderr.splitlines() if "warning: " in line and "8-bit values" in line]
    assert len(told) == 1
    assert "site_2023-08-10.tif: bands" in told[0]
    assert "which is guessed: if it is wrong, give --scale and --offset" in told[0]
    assert f"{count - 1} further scenes are read with the same notes" in result.stderr


def test_a_scale_that_is_given_needs_no_warning(tmp_path: Path) -> None:
    result = run("classify", *write_scenes(tmp_path), "--model", "brightness", "--scale", "0.004")
    assert "warning" not in result.stderr
    assert "note: " in result.stderr
    assert "(given)" in result.stderr


def test_detect_says_it_with_the_result_alone(tmp_path: Path) -> None:
    result = run("detect", write_scenes(tmp_path)[0], "--model", "brightness", "--out", tmp_path / "out")
    assert result.stderr.count("8-bit values") == 1


def test_functions_log_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = write_scenes(tmp_path)[0]
    geocloud.classify(scene, "brightness")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "8-bit values" in caplog.text


@pytest.mark.parametrize("lazy", [False, True])
def test_arrays_log_it(caplog: pytest.LogCaptureFixture, *, lazy: bool) -> None:
    xarray = pytest.importorskip("xarray")
    data = np.random.default_rng(5).integers(1200, 9000, (4, 60, 60)).astype(np.uint16)
    data[:, :20] = 0
    cube = xarray.DataArray(data, {"band": ["blue", "green", "red", "nir"]}, ("band", "y", "x"))
    if lazy:
        pytest.importorskip("dask")
        cube = cube.chunk({"x": 30, "y": 30})
    with caplog.at_level(logging.INFO, logger="geocloud"):
        found = geocloud.mask(cube, model="brightness").to_numpy()
    assert "an offset may be missing" in caplog.text
    assert "is 0 in every band and is read as nodata" in caplog.text
    assert (found[:20] == 255).all()
    assert (found[20:] != 255).all()
