"""A scene whose rows run from south to north gives the mask and products of its north-up twin, on its own grid."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from testutils import write_scene

import geocloud
from geocloud import DetectOptions, apply_mask, detect
from geocloud.batch.batch import detect_many
from geocloud.batch.options import BatchOptions

SHAPE = 101, 118
"""No multiple of the squares of 4 pixels that are scored as one: they begin at one side."""
OPTIONS = DetectOptions(model="brightness", resolution=40.0, score=True, quicklook=True, stac=True, dilate=1)


def pixels() -> np.ndarray:
    rng = np.random.default_rng(5)
    data = rng.integers(500, 4500, (4, *SHAPE)).astype(np.uint16)
    data[:, :9, 40:] = 0
    return data


@pytest.fixture
def twins(tmp_path: Path) -> dict[str, Path]:
    north = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    south = Affine(10, 0, 500_000, 0, 10, 5_000_000 - 10 * SHAPE[0])
    made = {}
    for name, data, transform in (("north", pixels(), north), ("south", pixels()[:, ::-1], south)):
        (tmp_path / name).mkdir()
        made[name] = write_scene(tmp_path / name / "s.tif", data=data, transform=transform, nodata=0)
    return made


def read(path: Path) -> np.ndarray:
    """North first, whichever way it is stored."""
    with rasterio.open(path) as dataset:
        data = dataset.read()
        return data[:, ::-1] if dataset.transform.e > 0 else data


@pytest.mark.parametrize("more", [{}, {"bounds": (500_205, 4_999_310, 500_900, 4_999_870)}, {"encoding": "scl"}])
def test_files_are_those_of_the_twin(twins: dict[str, Path], tmp_path: Path, more: dict[str, object]) -> None:
    pytest.importorskip("pystac")
    from dataclasses import replace

    options = replace(OPTIONS, **more)
    north, south = (detect(twins[name], tmp_path / f"out-{name}", options) for name in ("north", "south"))
    for key in ("mask", "score"):
        np.testing.assert_array_equal(read(north.files[key]), read(south.files[key]))
    assert 5 < south.cloud_cover < 95
    assert north.cloud_cover == south.cloud_cover
    assert north.polygons.geometry.equals(south.polygons.geometry)
    assert north.polygons["area_m2"].tolist() == south.polygons["area_m2"].tolist()
    np.testing.assert_array_equal(*(_picture(found.files["quicklook"]) for found in (north, south)))
    with rasterio.open(twins["south"]) as scene, rasterio.open(south.mask_path) as mask:
        assert (mask.transform.a, mask.transform.e) == (10, 10)
        if not more.get("bounds"):
            assert (mask.transform, mask.shape) == (scene.transform, scene.shape)
        assert mask.colormap(1) if not more.get("encoding") else True
        item = json.loads(south.files["stac"].read_text())
        assert item["properties"]["proj:transform"] == pytest.approx(list(mask.transform)[:6])
    assert detect(twins["south"], tmp_path / "out-south", options).kept


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path))


def test_a_batch_and_its_strips_too(twins: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    pytest.importorskip("pystac")
    from distributed import Client

    north = detect(twins["north"], tmp_path / "one", OPTIONS)
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        for split in (10_000, 60):
            out = tmp_path / f"many-{split}"
            found = detect_many([twins["south"]], out, BatchOptions(OPTIONS, split=split), client=client)
            assert not found.failed, found.failed
            np.testing.assert_array_equal(read(out / "s_cloudmask.tif"), read(north.mask_path))


def test_its_mask_applies_to_it(twins: dict[str, Path], tmp_path: Path) -> None:
    for name, scene in twins.items():
        apply_mask(scene, detect(scene, tmp_path / name, OPTIONS).mask_path, tmp_path / f"{name}.tif")
    np.testing.assert_array_equal(read(tmp_path / "north.tif"), read(tmp_path / "south.tif"))


@pytest.mark.parametrize("lazy", [False, True])
def test_arrays_are_masked_from_the_north(lazy: bool) -> None:  # noqa: FBT001 - a parameter
    xarray = pytest.importorskip("xarray")
    dask = pytest.importorskip("dask") if lazy else None
    coords = {"band": ["blue", "green", "red", "nir"], "x": 500_005 + 10 * np.arange(SHAPE[1])}
    down = xarray.DataArray(
        pixels(), {**coords, "y": 4_999_995 - 10 * np.arange(SHAPE[0])}, ("band", "y", "x"), attrs={"_FillValue": 0}
    )
    down = down.assign_coords(
        spatial_ref=xarray.DataArray(0, attrs={"crs_wkt": rasterio.CRS.from_epsg(32633).to_wkt()})
    )
    up = down.isel(y=slice(None, None, -1))
    north, south = (geocloud.score(a.chunk(x=50, y=40) if lazy else a, model="default") for a in (down, up))
    assert south.y.equals(up.y)
    with dask.config.set(scheduler="threads") if dask else nullcontext():  # not a cluster that another test has open
        found = north.values, south.values
    np.testing.assert_array_equal(found[0], found[1][::-1])
    assert np.isfinite(found[0]).any()
