from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin

from geocloud.cli.main import cli


def written(path: Path, scales: tuple[float, ...]) -> Path:
    profile = {"driver": "GTiff", "width": 100, "height": 100, "count": 3, "dtype": "uint16", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **profile, transform=from_origin(500_000, 5_000_000, 10, 10)) as dataset:
        dataset.write(np.random.default_rng(0).integers(300, 8000, (3, 100, 100)).astype(np.uint16))
        dataset.descriptions, dataset.scales = ("blue", "green", "red"), scales
    return path


@pytest.mark.parametrize(("scales", "times"), [((1e-4, 1e-4, 1e-4), 1), ((1e-4, 2e-4, 1e-4), 3)])
def test_how_numbers_are_read_is_said_once_where_all_bands_agree(
    tmp_path: Path, scales: tuple[float, ...], times: int
) -> None:
    said = CliRunner().invoke(cli, ["info", str(written(tmp_path / "scene.tif", scales))]).stdout
    assert sum(line.strip().startswith(("reflectance", "all bands")) for line in said.splitlines()) == times, said
    assert "centre      longitude 15.006" in said


def test_json_has_the_centre_in_degrees(tmp_path: Path) -> None:
    path = written(tmp_path / "scene.tif", (1e-4, 1e-4, 1e-4))
    answer = json.loads(CliRunner().invoke(cli, ["info", str(path), "--json"]).stdout)
    lon, lat = answer["centre"]
    assert lon == pytest.approx(15.00636, abs=1e-4)
    assert lat == pytest.approx(45.148, abs=0.01)
