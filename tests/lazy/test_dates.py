"""Several dates in one array: masked together as `series` masks files, composed as `composite` composes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from testutils import write_scene

import geocloud
from geocloud import CompositeOptions, SeriesOptions
from geocloud.errors import UsageError

rioxarray = pytest.importorskip("rioxarray")
pytest.importorskip("dask")
xarray = pytest.importorskip("xarray")

DAYS = ("2023-08-10", "2023-08-13", "2023-08-15", "2023-08-18")
PLAIN = {"model": "brightness"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Bright ground, the second date with a brighter cloud, the third with its shadow elsewhere; nodata rows."""
    folder, rng = tmp_path_factory.mktemp("dates"), np.random.default_rng(3)
    texture, paths = rng.integers(4000, 6000, (4, 150, 170)), []
    for number, day in enumerate(DAYS):
        data = texture + rng.normal(0, 40, texture.shape)
        if number == 1:
            data[:, 20:60, 30:80] = 0.3 * data[:, 20:60, 30:80] + 0.7 * 9500
        if number == 2:
            data[:, 90:120, 100:140] *= 0.4
        data[:, :5] = 0
        paths.append(write_scene(folder / f"site_{day}.tif", data=data.astype(np.uint16), nodata=0))
    return paths


def opened(files: list[Path], order: tuple[int, ...] = (0, 1, 2, 3), chunks: int = 90) -> Any:
    times = np.array([DAYS[place] for place in order], dtype="datetime64[ns]")
    arrays = [rioxarray.open_rasterio(files[place], chunks={"x": chunks, "y": chunks}) for place in order]
    along = xarray.DataArray(times, dims="time", name="time")
    return xarray.concat(arrays, dim=along, combine_attrs="override")


@pytest.fixture(scope="module")
def masks(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    geocloud.detect_series(files, folder, SeriesOptions(**PLAIN))
    return folder


@pytest.fixture(scope="module")
def masked(files: list[Path], masks: Path) -> np.ndarray:
    codes = []
    for file in files:
        with rasterio.open(masks / f"{file.stem}_cloudmask.tif") as dataset:
            codes.append(dataset.read(1))
    assert {0, 1, 5, 255} == set(np.unique(codes))
    return np.stack(codes)


def test_masks_of_dates_are_those_of_series(
    files: list[Path], masked: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = opened(files)
    np.testing.assert_array_equal(geocloud.mask(array.compute(), **PLAIN).to_numpy(), masked)
    turned = opened(files, (2, 0, 3, 1)).isel(y=slice(None, None, -1))
    lazy = geocloud.mask(turned, encoding="scl", **PLAIN)
    assert lazy.chunks is not None
    assert lazy.dims == ("time", "y", "x")
    np.testing.assert_array_equal(lazy.time, turned.time)
    encoded = lazy.to_numpy()[:, ::-1]
    for code, scl in ((0, 5), (1, 9), (5, 3), (255, 0)):
        np.testing.assert_array_equal(encoded == scl, masked[[2, 0, 3, 1]] == code)
    monkeypatch.setattr("geocloud.lazy.dates.LEAST_SIDE", 80)
    monkeypatch.setattr("geocloud.lazy.dates.window_pixels", lambda *_: 80**2)
    small = geocloud.mask(array, **PLAIN)
    assert small.chunks is not None
    assert len(small.chunks[1]) > 1
    assert (small.to_numpy() != masked).mean() < 0.002  # it learned what sets dates apart from smaller samples


def test_an_area_of_dates_is_that_of_series(files: list[Path], tmp_path: Path) -> None:
    bounds = (500_310, 4_999_000, 500_900, 4_999_790)
    found = geocloud.detect_series(files, tmp_path, SeriesOptions(bounds=bounds, **PLAIN))
    with rasterio.open(found[1].mask_path) as dataset:
        codes = dataset.read(1)
        assert dataset.bounds == (500_310, 4_999_000, 500_900, 4_999_790)
        assert dataset.tags()["GEOCLOUD_AOI"]
    part = geocloud.mask(opened(files), bounds=bounds, **PLAIN)
    np.testing.assert_array_equal(part.to_numpy()[1], codes)
    assert found[1].cloud_percent == pytest.approx(100 * (codes == 1).mean(), abs=0.01)


def test_few_dates_and_dates_apart(files: list[Path]) -> None:
    array = opened(files)
    alone = geocloud.mask(array, together=False, **PLAIN)
    assert (alone.to_numpy()[:, 5:] == 1).mean() > 0.95  # brightness takes this ground for cloud
    two = geocloud.mask(array.isel(time=[0, 1]), **PLAIN)
    np.testing.assert_array_equal(two.to_numpy(), alone.to_numpy()[:2])
    with pytest.raises(UsageError, match="2 dates are too few"):
        geocloud.mask(array.isel(time=[0, 1]), together=True, **PLAIN)
    twice = array.isel(time=[0, 1, 2, 2])
    with pytest.raises(UsageError, match="2023-08-15 twice"):
        geocloud.mask(twice, **PLAIN)
    with pytest.raises(UsageError, match="time has no entry"):
        geocloud.mask(array.isel(time=[]), **PLAIN)
    days = np.array(DAYS[:3], dtype="datetime64[D]").tolist()
    unknown = [
        np.array([*DAYS[:3], "NaT"], dtype="datetime64[ns]"),
        np.array([*days, None]),
        np.array([0, 1, 2, np.nan]),
    ]
    for times, word in zip(unknown, ("NaT", "None", "nan"), strict=True):
        with pytest.raises(UsageError, match=f"time 3 of the array is {word}"):
            geocloud.mask(array.assign_coords(time=times), **PLAIN)


@pytest.mark.parametrize("method", ["median", "medoid", "best", "mean"])
def test_composites_of_arrays_are_those_of_files(
    files: list[Path], masks: Path, masked: np.ndarray, tmp_path: Path, method: Any
) -> None:
    options = CompositeOptions(method=method, masks=masks)
    made = geocloud.composite(files, tmp_path / "clear.tif", options)
    with rasterio.open(made.path) as dataset:
        expected = dataset.read()
    array = opened(files, (1, 0, 3, 2))
    codes = array.isel(band=0, drop=True).compute().copy(data=masked[[1, 0, 3, 2]])
    for given in (array, array.compute()):
        mask = codes.chunk(x=90, y=90) if given is array else codes
        found = geocloud.compose(given, mask, method=method)
        assert (found.blue.chunks is not None) == (given is array)
        values = found[["blue", "green", "red", "nir"]].to_array().to_numpy()
        np.testing.assert_allclose(values, expected[:4], rtol=1e-5, equal_nan=True)
        np.testing.assert_array_equal(found["count"], expected[4])
        days = (found.date.to_numpy() - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
        np.testing.assert_array_equal(days, expected[5])
        np.testing.assert_array_equal(found.x, array.x)


def test_what_cannot_be_composed_is_said(files: list[Path]) -> None:
    array = opened(files)
    with pytest.raises(UsageError, match="no dimension time"):
        geocloud.compose(array.isel(time=0))
    with pytest.raises(UsageError, match="give the mask of this array"):
        geocloud.compose(array, geocloud.mask(array.isel(x=slice(0, 99)), **PLAIN))
