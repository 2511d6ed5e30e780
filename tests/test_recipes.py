"""The recipes of CONTRIBUTING.md, tried: a sensor and an output that nobody needs, added and used."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio

import geocloud
from geocloud.pipeline.outputs import OUTPUTS, RasterOutput
from geocloud.readers.bands import evidence, sensors
from geocloud.writers.cog import RasterFormat


def test_the_walk_of_contributing_names_files_that_hold_what_it_says() -> None:
    root, checkout = Path(geocloud.__file__).parent, Path(__file__).parents[1]
    text = (checkout / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## From a scene to a mask") : text.index("## Commands in the manual")]
    paths = set(re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py)?)`", section))
    assert len(paths) > 12
    assert not [path for path in paths if not (root / path).exists() and not (checkout / path).exists()]
    block = section[section.index("```text") : section.index("```\n\n1.")]
    steps = [(words[0], words[-1]) for line in block.splitlines()[1:] if (words := line.split())]
    for name, place in steps:
        files = [root / place] if place.endswith(".py") else list((root / place).rglob("*.py"))
        defined = name.rpartition(".")[0] or name
        assert any(
            re.search(rf"^(class|def) \w*{defined}\b", file.read_text("utf-8"), re.MULTILINE) for file in files
        ), name


def test_a_sensor_is_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = sensors.Sensor("Toy", {"B2": "nir", "B4": "red", "B17": "green", "B18": "blue"}, r"TOY_")
    monkeypatch.setattr(evidence, "SENSORS", (toy, *sensors.SENSORS))
    found = evidence.read_evidence([evidence.BandHint(f"TOY_B{n}") for n in (2, 4, 17, 18)], "TOY_20260101")
    assert found.sensor is toy
    assert found.numbers() == {"blue": 4, "green": 3, "red": 2, "nir": 1}


class Doubt(RasterOutput):
    """How near P(cloud) is to a half, 0 to 100."""

    key, suffix, title, extent, help = "doubt", "_doubt.tif", "Doubt", "all", "Write doubt."
    format = RasterFormat("AVERAGE", "YES", names=("doubt",))

    def write(self, rows):
        doubt = 100 * (1 - 2 * np.abs(rows.score - np.float32(0.5)))
        self._writer.write(rows.row, np.where(rows.valid, doubt, 255).astype(np.uint8))


def test_an_output_is_a_class(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = (*OUTPUTS[:-1], Doubt, OUTPUTS[-1])
    names = ("pipeline.outputs", "pipeline.run", "pipeline.detection", "verbs.detect")
    for module in [importlib.import_module(f"geocloud.{name}") for name in names]:  # all imported before any is changed
        monkeypatch.setattr(module, "OUTPUTS", every)
    out = {"mask": tmp_path / "m.tif", "doubt": tmp_path / "d.tif"}
    with_item = importlib.util.find_spec("pystac") is not None
    out |= {"stac": tmp_path / "m.json"} if with_item else {}
    found = geocloud.detect(sample, out, geocloud.DetectOptions(model="brightness"))
    assert found.summary()["doubt"] == tmp_path / "d.tif"
    with rasterio.open(found.files["doubt"]) as dataset, rasterio.open(found.mask_path) as mask:
        np.testing.assert_array_equal(dataset.read(1) == 255, mask.read(1) == 255)
        assert dataset.tags()["GEOCLOUD_MODEL"] == "brightness"
    if with_item:
        asset = json.loads((tmp_path / "m.json").read_text())["assets"]["doubt"]
        assert asset["raster:bands"] == [{"nodata": 255, "data_type": "uint8"}]
        assert asset["eo:bands"] == [{"name": "doubt"}]


def test_an_output_that_nobody_knows_is_refused(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(geocloud.UsageError, match="output 'doubt' is unknown; give paths of mask, score"):
        geocloud.detect(sample, {"mask": tmp_path / "m.tif", "doubt": tmp_path / "d.tif"})
