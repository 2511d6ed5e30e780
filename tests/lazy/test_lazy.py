"""Scores and masks of xarray objects: lazy, on their coordinates, equal to detect on the same file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from products import write_item
from testutils import write_scene

import geocloud
from geocloud import DetectOptions, open_scene
from geocloud.errors import InputError, ModelError, UsageError
from geocloud.models.registry import load_scorer
from geocloud.pipeline.scoring import score_scene

rioxarray = pytest.importorskip("rioxarray")
dask = pytest.importorskip("dask")
xarray = pytest.importorskip("xarray")


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """700x1100 pixels: several blocks with a rest in both directions; structure everywhere, nodata in a corner."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:700, :1100]
    ground = 900 + 500 * np.sin(y / 37) * np.cos(x / 53)
    data = (ground + rng.integers(0, 300, (4, 700, 1100))).astype(np.uint16)
    data[:, np.hypot(y - 520, x - 500) < 90] += 5000
    data[:, y + x < 400] = 0
    return write_scene(tmp_path_factory.mktemp("lazy") / "big.tif", data=data, nodata=0)


def opened(path: Path, chunks: Any = 300, **more: Any) -> Any:
    return rioxarray.open_rasterio(path, chunks={"x": chunks, "y": chunks}, **more)


def reference(path: Path, model: str) -> np.ndarray:
    with open_scene(path) as scene:
        return score_scene(scene, load_scorer(model))[0]


@pytest.mark.parametrize(
    ("model", "chunks"), [("default", 512), ("brightness", 300), ("brightness", 2000), ("hot", 64)]
)
def test_scores_are_those_of_detect(big: Path, model: str, chunks: int) -> None:
    lazy = geocloud.score(opened(big, chunks), model=model, raw=True)
    np.testing.assert_allclose(lazy.to_numpy(), reference(big, model), atol=1e-5, equal_nan=True)


def test_each_kind_of_note_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(11)
    dates = np.stack([rng.integers(1200, 5000 + 1000 * date, (4, 60, 60)).astype(np.uint16) for date in range(4)])
    coords = {"band": ["blue", "green", "red", "nir"], "time": np.arange("2020-05-01", "2020-05-05", dtype="M8[D]")}
    series = xarray.DataArray(dates, coords, ("time", "band", "y", "x")).chunk({"y": 30})
    for _ in range(2):
        geocloud.mask(series, model="hot").to_numpy()
    said = [record.message for record in caplog.records if "read as reflectance x 10000" in record.message]
    assert len(said) == 1
    geocloud.mask(series + np.uint16(1), model="hot").to_numpy()  # another array
    said = [record.message for record in caplog.records if "read as reflectance x 10000" in record.message]
    assert len(said) == 2


@pytest.mark.parametrize("metres", [20, 120])
def test_chunks_know_the_size_of_their_pixels(metres: int) -> None:
    """Rough white in RGB is snow in small pixels, and cloud in large ones."""
    white = (0.65 + 0.15 * (np.random.default_rng(0).random((700, 600)) - 0.5)).astype(np.float32)
    side = np.arange(700) * float(metres)
    array = xarray.DataArray(
        np.stack([white] * 3),
        dims=("band", "y", "x"),
        coords={"band": ["blue", "green", "red"], "y": 5e6 - side, "x": 5e5 + side[:600]},
        attrs={"crs": "EPSG:32633"},
    )
    at_once = geocloud.score(array, scale=1, offset=0, raw=True)
    in_chunks = geocloud.score(array.chunk({"y": 512, "x": 512}), scale=1, offset=0, raw=True)

    np.testing.assert_allclose(in_chunks.values, at_once.values, atol=1e-4)


def test_probability_and_mask_are_those_of_detect(big: Path, tmp_path: Path) -> None:
    detection = geocloud.detect(big, tmp_path, DetectOptions(model="hot", score=True))
    array = opened(big)
    probability = geocloud.score(array, model="hot").to_numpy()
    with rasterio.open(str(detection.files["score"])) as file:
        written = file.read(1)
    assert (np.where(np.isnan(probability), 255, np.floor(probability * np.float32(250))) == written).all()
    mask = geocloud.mask(array, model="hot")
    np.testing.assert_array_equal(mask.to_numpy(), detection.to_xarray().to_numpy())
    assert set(np.unique(mask.to_numpy())) == {0, 1, 255}
    np.testing.assert_array_equal(
        geocloud.mask(array, model="hot", encoding="scl").to_numpy() == 9, mask.to_numpy() == 1
    )


def test_nothing_is_computed_before_it_is_asked_for(big: Path) -> None:
    def refuse(block: np.ndarray) -> np.ndarray:
        raise AssertionError("computed")

    array = opened(big)
    for dtype in ("uint16", "float32", "uint8"):
        trap = array.copy(data=array.data.map_blocks(refuse, dtype=dtype, meta=np.empty((0, 0, 0), dtype)))
        lazy = geocloud.score(trap, model="brightness")
        assert lazy.chunks is not None
        assert (lazy.shape, lazy.dtype) == ((700, 1100), np.float32)
        with pytest.raises(AssertionError, match="computed"):
            lazy.compute()


def test_a_corner_needs_its_own_blocks_only(big: Path) -> None:
    seen = []

    def note(block: np.ndarray, block_id: tuple[int, ...] = ()) -> np.ndarray:
        seen.append(block_id[1:])
        return block

    array = opened(big, 256)
    noted = array.copy(data=array.data.map_blocks(note, dtype="uint16", meta=np.empty((0, 0, 0), "uint16")))
    corner = geocloud.mask(noted, model="brightness", scale=1e-4)[-10:, -10:]
    corner.compute(scheduler="sync")
    assert set(seen) == {(2, 4)}


def test_coordinates_and_crs_stay(big: Path) -> None:
    array = opened(big)
    for result in (geocloud.score(array, model="brightness"), geocloud.mask(array, model="brightness")):
        np.testing.assert_array_equal(result.x, array.x)
        np.testing.assert_array_equal(result.y, array.y)
        assert result.dims == ("y", "x")
        assert result.rio.crs == "EPSG:32633"
        assert result.rio.transform() == array.rio.transform()
        assert set(result.coords) == {"x", "y", "spatial_ref"}
        assert result.attrs["GEOCLOUD_MODEL"] == "brightness"
    assert geocloud.mask(array, model="brightness").rio.nodata == 255


def test_values_in_memory_are_scored_at_once(big: Path) -> None:
    loaded = opened(big).load()
    result = geocloud.score(loaded, model="brightness", raw=True)
    assert result.chunks is None
    np.testing.assert_allclose(result, reference(big, "brightness"), atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_floats_are_reflectance_or_numbers_by_their_values(big: Path, *, masked: bool) -> None:
    array = opened(big, masked=masked).astype("float32")
    plain = reference(big, "brightness")
    numbers = geocloud.score(array, model="brightness", raw=True)
    np.testing.assert_allclose(numbers, plain, atol=1e-5)
    with xarray.set_options(keep_attrs=True):  # older ones drop the bands' names
        divided = (array.where(array > 0) / 10000).astype("float32")
    reflectance = geocloud.score(divided, model="brightness", raw=True)
    np.testing.assert_allclose(reflectance, plain, atol=1e-5)


def as_bytes(kind: str) -> Any:
    """(4, 300, 400) vegetation and clouds: percent, a picture with a white border, or numbers with a high one."""
    rng = np.random.default_rng(0)
    ground = np.array([5, 8, 6, 32])[:, None, None] + rng.uniform(0, 4, (4, 300, 400))
    ground[:, 50:120, 200:300] += 50
    if kind == "percent":
        data = ground.astype(np.uint8)
    elif kind == "border":
        data = (ground * 2.5).astype(np.uint8)
        data[:, :, 300:] = 255
    else:
        data = (ground * 100).astype(np.uint16)
        data[:, :, 300:] = 65535
    return xarray.DataArray(data, {"band": ["blue", "green", "red", "nir"]}, ("band", "y", "x"))


@pytest.mark.parametrize("kind", ["percent", "border", "high"])
def test_numbers_are_taken_alike_in_memory_and_in_chunks(kind: str) -> None:
    array = as_bytes(kind)
    chunked = array.chunk({"y": 100, "x": 100})
    if kind == "percent":
        for given in (array, chunked):
            with pytest.raises(InputError, match="if they are percent"):
                geocloud.mask(given, model="brightness").compute()
        return
    at_once, in_chunks = (geocloud.mask(given, model="brightness").values for given in (array, chunked))
    np.testing.assert_array_equal(at_once, in_chunks)
    assert (at_once[:, 300:] == 255).all()
    assert (at_once[:, :300] != 255).all()


def test_a_time_dimension_stays(big: Path) -> None:
    array = opened(big, 512).isel(y=slice(0, 600), x=slice(0, 600))
    dates = np.array(["2024-05-01", "2024-05-11"], dtype="datetime64[ns]")
    series = xarray.concat(
        [array, array.where(array == 0, array + 200)], dim=xarray.DataArray(dates, dims="time", name="time")
    )
    result = geocloud.score(series, model="brightness", raw=True)
    assert result.dims == ("time", "y", "x")
    np.testing.assert_array_equal(result.time, dates)
    assert result.chunks is not None
    first, second = result.to_numpy()
    np.testing.assert_allclose((second - first)[~np.isnan(first)], 0.02, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # odc-geo calls what shapely is about to drop
def test_arrays_of_odc_stac(tmp_path: Path) -> None:
    odc_stac = pytest.importorskip("odc.stac")
    pystac = pytest.importorskip("pystac")
    from odc.geo.geobox import GeoBox

    path, _ = write_item(tmp_path / "item")
    item = pystac.Item.from_file(str(path))
    item.make_asset_hrefs_absolute()
    geobox = GeoBox.from_rio(rasterio.open(tmp_path / "item" / "blue.tif"))
    item.geometry = geobox.extent.to_crs("epsg:4326").json
    loaded = odc_stac.load([item], bands=["blue", "green", "red"], chunks={"x": 64, "y": 64}, geobox=geobox)
    result = geocloud.score(loaded, model="brightness", raw=True, scale=1e-4, offset=-0.1)
    assert result.dims == ("time", "y", "x")
    assert result.odc.geobox == loaded.odc.geobox
    expected = (loaded[["blue", "green", "red"]].to_array().mean("variable") * 1e-4 - 0.1).compute()
    valid = (loaded.blue != 0).to_numpy()
    np.testing.assert_allclose(result.to_numpy()[valid], expected.to_numpy()[valid], atol=1e-5)
    json.dumps(result.attrs)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda a: geocloud.score(a.isel(band=[0, 1])), InputError, "does not say which of its bands are"),
        (lambda a: geocloud.score(a, model="none such"), ModelError, "no model 'none such'"),
        (lambda a: geocloud.mask(a, threshold="magic"), UsageError, "rule 'magic'"),
        (lambda a: geocloud.mask(a.rename(x="u")), InputError, "rename two of them"),
    ],
)
def test_what_cannot_be_scored_is_said_at_once(big: Path, call: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        call(opened(big))
