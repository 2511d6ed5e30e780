"""One cloud-free image of several dates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy as copy_raster
from rio_cogeo import cog_validate
from testutils import run_cli, write_scene

from geocloud import CompositeOptions, composite
from geocloud.errors import InputError, UsageError

DAYS = ("2023-08-10", "2023-08-13", "2023-08-15")
NUMBERS = (19579, 19582, 19584)
"""Days since 1970-01-01."""


def write_dates(folder: Path) -> list[Path]:
    """Dates of 1000, 2000 and 3000 DN with masks: cloud at the top left, on the first also shadow; nodata rows."""
    (folder / "masks").mkdir()
    paths = []
    for number, day in enumerate(DAYS):
        data = np.full((4, 100, 130), 1000 * (number + 1), dtype=np.uint16)
        data[:, 95:] = 0
        path = write_scene(folder / f"site_{day}.tif", data=data, nodata=0)
        codes = np.zeros((1, 100, 130), dtype=np.uint8)
        codes[:, :20, :30] = 1
        codes[:, 50:60] = 5 if number == 0 else 0
        mask = folder / "masks" / f"site_{day}_cloudmask.tif"
        write_scene(mask, data=codes, nodata=255, names=None)
        paths.append(path)
    return paths


def read(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "nir", "count", "date")
        return dataset.read(), dataset.tags()


def test_values_counts_and_dates(tmp_path: Path) -> None:
    scenes, out = write_dates(tmp_path), tmp_path / "clear.tif"
    made = composite(scenes, out, CompositeOptions(masks=tmp_path / "masks"))
    assert made.dates == DAYS
    assert made.filled_percent == pytest.approx(100 * (95 * 130 - 600) / (95 * 130))
    bands, tags = read(out)
    np.testing.assert_allclose(bands[:, 80, 50], [0.2, 0.2, 0.2, 0.2, 3, NUMBERS[1]], rtol=1e-6)
    np.testing.assert_allclose(bands[:4, 55, 50], 0.25, rtol=1e-6)
    assert bands[4, 55, 50] == 2
    for gap in (np.s_[5, 5], np.s_[97, 50]):
        assert np.isnan(bands[:4, *gap]).all()
        assert np.isnan(bands[5][gap])
        assert bands[4][gap] == 0
    assert tags["GEOCLOUD_COMPOSITE"] == "median"
    valid, errors, _ = cog_validate(out)
    assert valid, errors


def test_it_does_not_depend_on_the_windows_and_best_prefers_what_is_far_from_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes, options = write_dates(tmp_path), CompositeOptions(method="best", masks=tmp_path / "masks")
    composite(scenes, tmp_path / "whole.tif", options)
    monkeypatch.setattr("geocloud.verbs.composite.MEMORY", 1 << 18)
    composite(scenes, tmp_path / "parts.tif", options)
    whole, parts = read(tmp_path / "whole.tif")[0], read(tmp_path / "parts.tif")[0]
    np.testing.assert_array_equal(whole, parts)
    assert whole[5, 62, 50] == NUMBERS[1]  # beside the first date's shadow
    assert whole[5, 85, 120] == NUMBERS[0]


def test_masks_that_are_missing_are_made_and_not_kept(tmp_path: Path) -> None:
    scenes = [write_scene(tmp_path / f"{day}.tif", seed=seed) for seed, day in enumerate(DAYS)]
    made = composite(scenes, tmp_path / "out" / "clear.tif", CompositeOptions(model="brightness"))
    bands, _ = read(made.path)
    assert np.isnan(bands[0, 30, 50])
    assert bands[4, 70, 30] == 3
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clear.tif"]


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    scenes, out = write_dates(tmp_path), tmp_path / "clear.tif"
    options = CompositeOptions(masks=tmp_path / "masks")
    with pytest.raises(UsageError, match="name it"):
        composite(scenes, tmp_path / "clear.png", options)
    with pytest.raises(UsageError, match="same date"):
        composite([*scenes, scenes[0]], out, options)
    copy_raster(str(scenes[0]), str(tmp_path / "small_2023-09-01.tif"), driver="GTiff")
    write_scene(tmp_path / "small_2023-09-01.tif", shape=(50, 130))
    with pytest.raises(InputError, match="not on the grid"):
        composite([*scenes, tmp_path / "small_2023-09-01.tif"], out, options)
    write_scene(tmp_path / "masks" / f"site_{DAYS[0]}_cloudmask.tif", data=np.zeros((1, 9, 9), np.uint8), names=None)
    with pytest.raises(InputError, match="not on the grid"):
        composite(scenes, out, options)
    assert not out.exists()


def test_the_command(tmp_path: Path) -> None:
    scenes, out = write_dates(tmp_path), tmp_path / "clear.tif"
    done = run_cli("composite", *scenes, "--out", out, "--mask-dir", tmp_path / "masks", "--method", "medoid")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dates"] == list(DAYS)


def test_dates_that_are_all_cloudy_give_nodata_and_say_so(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path)
    for mask in (tmp_path / "masks").iterdir():
        write_scene(mask, data=np.ones((1, 100, 130), dtype=np.uint8), nodata=255, names=None)
    for method in ("median", "medoid", "best", "mean"):
        out = tmp_path / f"{method}.tif"
        made = composite(scenes, out, CompositeOptions(method=method, masks=tmp_path / "masks"))
        bands, _ = read(out)
        assert made.filled_percent == 0
        assert (bands[4] == 0).all()
        assert np.isnan(bands[[0, 1, 2, 3, 5]]).all()


def test_only_bands_that_all_dates_have_are_composed(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path)
    with rasterio.open(scenes[0]) as dataset:
        three = dataset.read([1, 2, 3])
    write_scene(scenes[0], data=three, nodata=0)
    composite(scenes, tmp_path / "clear.tif", CompositeOptions(masks=tmp_path / "masks"))
    with rasterio.open(tmp_path / "clear.tif") as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "count", "date")
