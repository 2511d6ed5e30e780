"""Masks of a series: files of bright ground, bad input in one sentence, real dates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from testutils import run_cli, write_scene

from geocloud import SeriesDate, SeriesOptions, cover, detect_series
from geocloud.errors import InputError, UsageError
from geocloud.readers.dates import day_in

PLAIN = SeriesOptions(model="brightness")
CLOUD = slice(20, 60), slice(30, 80)


def write_dates(folder: Path, days: tuple[str, ...], **options: object) -> list[Path]:
    """Bright ground, dates of it with a little noise; the second with a brighter cloud."""
    rng = np.random.default_rng(3)
    texture = rng.integers(4000, 6000, (4, 100, 130))
    paths = []
    for number, day in enumerate(days):
        data = texture + rng.normal(0, 40, texture.shape)
        if number == 1:
            data[:, *CLOUD] = 0.3 * data[:, *CLOUD] + 0.7 * 9500
        data[:, :5] = 0
        paths.append(write_scene(folder / f"site_{day}.tif", data=data.astype(np.uint16), nodata=0, **options))
    return paths


DAYS = ("2023-08-10", "2023-08-13", "2023-08-15", "2023-08-18")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[SeriesDate]:
    """Four dates, given from the last one on."""
    folder = tmp_path_factory.mktemp("series")
    return detect_series(write_dates(folder, DAYS)[::-1], folder / "masks", PLAIN)


def test_bright_ground_is_clear_and_the_cloud_stays(found: list[SeriesDate]) -> None:
    assert [date.date for date in found] == list(DAYS)
    assert all(date.single_cloud_percent > 99 for date in found)
    assert [date.cloud_percent for date in found] == pytest.approx([0, 16.2, 0, 0], abs=1.5)
    with rasterio.open(found[1].mask_path) as mask:
        codes = mask.read(1)
        assert mask.tags()["GEOCLOUD_TAKEN"] == "2023-08-13"
        assert mask.tags()["GEOCLOUD_MODEL"] == "brightness"
    assert (codes[CLOUD] == 1).mean() > 0.99
    assert (codes[:5] == 255).all()
    suffixes = (".qml", ".tif", ".tif.aux.xml")
    names = [f"site_{day}_cloudmask{suffix}" for day in DAYS for suffix in suffixes]
    folder = found[0].mask_path.parent
    assert sorted(path.name for path in folder.iterdir()) == names
    assert "cloud shadow" in (folder / names[0]).read_text()


def test_masks_do_not_depend_on_the_windows(
    found: list[SeriesDate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = write_dates(tmp_path, DAYS)
    monkeypatch.setattr("geocloud.series.masks.MEMORY", 1 << 21)
    for first, second in zip(found, detect_series(scenes, tmp_path / "parts", PLAIN), strict=True):
        with rasterio.open(first.mask_path) as a, rasterio.open(second.mask_path) as b:
            np.testing.assert_array_equal(a.read(), b.read())


def test_the_masks_of_a_series_can_be_measured_by_zone(found: list[SeriesDate]) -> None:
    geopandas, shapely = pytest.importorskip("geopandas"), pytest.importorskip("shapely")
    box = shapely.box(500000, 5000000 - 1000, 500000 + 1300, 5000000 - 100)
    table = cover([date.mask_path for date in found], geopandas.GeoDataFrame(geometry=[box], crs="EPSG:32633"))
    assert list(table["date"]) == list(DAYS)
    assert table["cloud_percent"][1] == pytest.approx(100 * 40 * 50 / (90 * 130), abs=0.5)
    assert (table["shadow_percent"] < 1).all()


def refused(scenes: list[Path], out: Path, words: str, kind: type[Exception] = UsageError) -> None:
    with pytest.raises(kind, match=words) as told:
        detect_series(scenes, out, PLAIN)
    assert "\n" not in str(told.value)
    assert not list(out.glob("*")) if out.exists() else True


def test_too_few_dates_the_same_date_twice_and_missing_dates(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path, DAYS)
    out = tmp_path / "masks"
    refused(scenes[:2], out, "2 dates are too few")
    refused([*scenes, write_scene(tmp_path / "again_20230810.tif")], out, "same date 2023-08-10")
    refused([*scenes, write_scene(tmp_path / "undated.tif", shape=(100, 130))], out, "does not tell its date")


@pytest.mark.parametrize(
    ("name", "day"),
    [("a_2023-02-30.tif", ""), ("a_2023-02-30_20230301.tif", "2023-03-01"), ("S2A_20240229T101", "2024-02-29")],
)
def test_a_day_that_no_calendar_has_is_none(name: str, day: str) -> None:
    assert day_in(name) == day


def test_other_grids_the_same_pixels_and_no_common_band(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path, DAYS)
    out = tmp_path / "masks"
    refused([*scenes, write_scene(tmp_path / "2023-08-20.tif", shape=(90, 130))], out, "not on the grid", InputError)
    copy = tmp_path / "copy_2023-08-19.tif"
    for scene in (scenes[-1], scenes[0]):  # of the date before, and of one long ago
        copy.write_bytes(scene.read_bytes())
        refused([*scenes, copy], out, f"{scene.name} and .* hold the same pixels", InputError)


def test_existing_masks_are_kept(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path, DAYS[:3])
    first = detect_series(scenes, tmp_path / "masks", PLAIN)
    before = first[0].mask_path.read_bytes()
    with pytest.raises(UsageError, match="--overwrite"):
        detect_series(scenes, tmp_path / "masks", PLAIN)
    assert first[0].mask_path.read_bytes() == before


def test_the_command(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path, DAYS[:3])
    done = run_cli("series", *scenes, "--out", tmp_path / "masks", "--model", "brightness")
    assert done.returncode == 0, done.stderr
    assert [date["date"] for date in json.loads(done.stdout)["dates"]] == list(DAYS[:3])
    assert "site_2023-08-10.tif: " in done.stderr  # what was assumed of it
    assert "each by itself is cloudy (100 % at least), but they look alike" in done.stderr
    assert "masks: " not in done.stderr


@pytest.mark.data
@pytest.mark.slow
def test_real_dates_of_a_tile(data_root: Path, tmp_path: Path) -> None:
    """Five dates of ten days: by their items 69, 2, 0, 46 and 8 % cloud."""
    scenes = sorted((data_root / "scenes" / "sentinel2_l2a_120m").glob("S2*"))
    found = detect_series([str(next(scene.glob("*.json"))) for scene in scenes], tmp_path)
    percents = {date.date: date.cloud_percent for date in found}
    assert percents["2023-08-10"] > 40
    assert percents["2023-08-18"] > 25
    assert max(percents[day] for day in ("2023-08-13", "2023-08-15")) < 5


def test_a_date_that_lacks_a_band_is_compared_in_the_others(tmp_path: Path) -> None:
    dates = write_dates(tmp_path, DAYS)
    with rasterio.open(dates[3]) as dataset:
        three = dataset.read([1, 2, 3])
    write_scene(dates[3], data=three, nodata=0)
    found = detect_series(dates, tmp_path / "masks", PLAIN)
    assert [date.cloud_percent for date in found] == pytest.approx([0, 16.2, 0, 0], abs=1.5)


def test_dates_that_are_all_cloudy_stay_cloudy(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    dates = []
    for day in DAYS:
        rough = np.kron(rng.uniform(3500, 9500, (1, 50, 65)), np.ones((4, 2, 2)))
        data = (rough + rng.normal(0, 60, rough.shape)).astype(np.uint16)
        dates.append(write_scene(tmp_path / f"site_{day}.tif", data=data, nodata=0))
    found = detect_series(dates, tmp_path / "masks", PLAIN)
    assert all(date.cloud_percent > 75 for date in found)
