"""xarray objects and Zarr stores: bands, grid and scale from what they carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from products import assert_twin, read_all
from testutils import write_scene

import geocloud
from geocloud import DetectOptions, SceneOptions, open_scene
from geocloud.errors import InputError, UsageError
from geocloud.progress import Warn

xarray = pytest.importorskip("xarray")
BANDS = ("blue", "green", "red", "nir")
rng = np.random.default_rng(3)
NUMBERS = rng.integers(200, 9000, (4, 50, 70)).astype(np.uint16)
NUMBERS[:, :10, :10] = 0
WKT_ATTRS = {"crs_wkt": __import__("rasterio").crs.CRS.from_epsg(32633).to_wkt()}


def cube(**more: object):
    """(band, y, x) as rioxarray leaves it: labels, pixel centres, a CF grid mapping."""
    coords = {"band": list(BANDS), "x": 500005 + 10 * np.arange(70.0), "y": 4999995 - 10 * np.arange(50.0)}
    array = xarray.DataArray(NUMBERS, coords, ("band", "y", "x"), attrs={"_FillValue": 0, **more})
    return array.assign_coords(spatial_ref=xarray.DataArray(0, attrs=WKT_ATTRS))


def twin() -> dict[str, np.ndarray]:
    return {band: values / 10000 for band, values in zip(BANDS, NUMBERS, strict=True)}


def apart(mapping: str, **attrs: str):
    """A variable a band, and the reference system as a variable too, as `xarray.open_dataset` leaves it."""
    names = {band: cube().sel(band=band, drop=True).drop_vars("spatial_ref").assign_attrs(attrs) for band in BANDS}
    return xarray.Dataset({**names, mapping: xarray.DataArray(0, attrs=WKT_ATTRS if mapping != "unused" else {})})


VALID = NUMBERS[0] > 0
LAYOUTS = {
    "labels": cube,
    "transposed": lambda: cube().transpose("y", "x", "band"),
    "one time": lambda: cube().expand_dims("time"),
    "common names": lambda: cube().assign_coords(band=["B02", "x", "y", "z"], common_name=("band", list(BANDS))),
    "product names": lambda: cube().assign_coords(band=["B02", "B03", "B04", "B08"]),
    "descriptions": lambda: cube(long_name=BANDS).assign_coords(band=[1, 2, 3, 4]),
    "wavelengths": lambda: cube().assign_coords(band=[1, 2, 3, 4], wavelength=("band", [490.0, 560, 665, 842])),
    "epsg coordinate": lambda: cube().drop_vars("spatial_ref").assign_coords(epsg=32633),
    "crs attribute": lambda: cube(crs="EPSG:32633").drop_vars("spatial_ref"),
    "dataset": lambda: xarray.Dataset({band: cube().sel(band=band, drop=True) for band in BANDS}),
    "dataset with the reference system as a variable": lambda: apart("spatial_ref", grid_mapping="spatial_ref"),
    "dataset with the reference system as a variable of another name": lambda: apart("crs"),
    "dataset with a reference system of all": lambda: apart("unused").assign_attrs(crs="EPSG:32633"),
    "dataset of one": lambda: cube().to_dataset(name="reflectance"),
    "dask": lambda: cube().chunk({"y": 16, "x": 16}) if importlib_has("dask") else cube(),
}


def importlib_has(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_its_twin(layout: str) -> None:
    with open_scene(LAYOUTS[layout]()) as scene:
        assert_twin(scene, twin(), VALID)
        assert scene.describe()["crs"] == "EPSG:32633"
        assert tuple(scene.georef.transform)[:6] == (10, 0, 500000, 0, -10, 5000000)


def test_attributes_and_nan_tell_scale_and_nodata() -> None:
    with open_scene(cube(scale_factor=2e-4, add_offset=-0.1)) as scene:
        np.testing.assert_allclose(read_all(scene).data[2], NUMBERS[2] * 2e-4 - 0.1, atol=1e-6)
    decoded = (cube().where(VALID) / 10000).astype(np.float32)
    with open_scene(decoded) as scene:
        assert_twin(scene, twin(), VALID)
        assert "already reflectance" in scene.notes[0]


def test_attributes_of_the_whole_dataset_hold_for_variables_that_state_none() -> None:
    bands = {band: values.assign_attrs(_FillValue=9999999) for band, values in apart("spatial_ref").items()}
    del bands["spatial_ref"]
    bands["red"] = bands["red"].assign_attrs(scale_factor=3e-4)
    whole = xarray.Dataset(bands, attrs={"scale_factor": 2e-4, "add_offset": -0.1, "nodata": 300})
    with open_scene(whole) as scene:
        found = dict(zip(scene.bands, read_all(scene).data, strict=True))
    np.testing.assert_allclose(found["blue"], NUMBERS[0] * 2e-4 - 0.1, atol=1e-6)
    np.testing.assert_allclose(found["red"], NUMBERS[2] * 3e-4, atol=1e-6)
    plain = xarray.Dataset({band: values.drop_attrs() for band, values in bands.items()}, attrs={"nodata": 0})
    with open_scene(plain) as scene:
        assert (read_all(scene).valid == VALID).all()


def test_a_scale_that_was_applied_before_is_not_applied_again() -> None:
    stated = {"scale_factor": 1e-4, "add_offset": -0.1}
    reflectance = (cube().where(VALID) / 10000).astype(np.float32).assign_attrs(stated)
    for array in (reflectance, reflectance.chunk({"y": 25})):
        with open_scene(array) as scene:
            assert_twin(scene, twin(), VALID)
            assert isinstance(scene.notes[0], Warn)
            assert "DN * 0.0001 - 0.1 of the array's attributes was applied before" in scene.notes[0]
    numbers = cube().where(VALID).astype(np.float32).assign_attrs(stated)
    with open_scene(numbers) as scene:
        np.testing.assert_allclose(read_all(scene).data[1][VALID], NUMBERS[1][VALID] * 1e-4 - 0.1, atol=1e-6)
    masks = [geocloud.mask(array).to_numpy() for array in (reflectance.drop_attrs(), reflectance.chunk({"y": 25}))]
    np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize(("fill", "dtype"), [(0, np.uint16), (-999, np.int16)])
def test_padding_is_found_where_the_commonest_number_of_a_band_is_another(fill: int, dtype: type) -> None:
    numbers = NUMBERS.clip(200, 900).astype(dtype)
    numbers[3] = np.random.default_rng(4).integers(1, 4, numbers[3].shape)  # water in near infrared
    numbers[:, :20, :20] = fill
    array = cube().drop_attrs().copy(data=numbers)
    for one in (array, array.chunk({"y": 25})):
        mask = geocloud.mask(one).to_numpy()
        np.testing.assert_array_equal(mask == 255, numbers[0] == fill)


def test_a_grid_that_goes_up_stays_so() -> None:
    with open_scene(cube().isel(y=slice(None, None, -1))) as scene:
        assert scene.georef.transform.e == 10
        assert scene.georef.transform.f == 4999500


@pytest.mark.parametrize(
    ("dims", "attributes", "epsg"),
    [
        (("y", "x"), {"epsg": 32633}, "EPSG:32633"),
        (("lat", "lon"), {}, "EPSG:4326"),
        (("latitude", "longitude"), {}, "EPSG:4326"),
    ],
)
def test_the_reference_system_by_an_attribute_or_by_degrees(
    dims: tuple[str, str], attributes: dict[str, int], epsg: str
) -> None:
    along = 0.01 * np.arange(20)
    coordinates = {"band": ["blue", "green", "red"], dims[0]: 45 - along, dims[1]: 14 + along}
    cube = xarray.DataArray(np.full((3, 20, 20), 0.1), coordinates, ("band", *dims), attrs=attributes)
    with open_scene(cube) as scene:
        assert scene.describe()["crs"] == epsg


def test_without_coordinates_there_is_no_georeference() -> None:
    with open_scene(xarray.DataArray(NUMBERS, {"band": list(BANDS)}, ("band", "y", "x"))) as scene:
        assert not scene.georef.located


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a.assign_coords(x=np.arange(70.0) ** 2), "are not evenly spaced"),
        (lambda a: a.rename(x="u"), "rename two of them to y and x"),
        (lambda a: xarray.concat([a, a], "time"), "holds 2 times .0, 1.; choose one: --time 0"),
        (lambda a: a.assign_coords(band=[1, 2, 3, 4]), "does not say which of its bands are blue, green and red"),
        (
            lambda a: a.assign_coords(spatial_ref=xarray.DataArray(0, attrs={"crs_wkt": "nonsense"})),
            "is not understood",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(change, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        open_scene(change(cube()))


def test_band_numbers_can_be_given() -> None:
    array = cube().assign_coords(band=[1, 2, 3, 4])
    with open_scene(array, SceneOptions({"blue": 1, "green": 2, "red": 3, "nir": 4})) as scene:
        assert_twin(scene, twin(), VALID)
    with pytest.raises(UsageError, match="which has bands 1 to 4"):
        open_scene(array, SceneOptions({"blue": 5}))


def test_detect_takes_an_array_and_answers_on_its_coordinates(tmp_path: Path) -> None:
    array = cube()
    detection = geocloud.detect(array, tmp_path, DetectOptions(model="brightness"))
    mask = detection.to_xarray()
    np.testing.assert_array_equal(mask.x, array.x)
    np.testing.assert_array_equal(mask.y, array.y)
    bright = NUMBERS[:3].astype(np.float32).mean(axis=0) / 10000 >= 0.25
    assert (mask.values == np.where(VALID, bright, 255)).mean() > 0.999


def test_after_close_a_read_is_refused() -> None:
    scene = open_scene(cube())
    scene.close()
    with pytest.raises(ValueError, match="is closed"):
        read_all(scene)


@pytest.mark.parametrize("scaled", [False, True])
def test_zarr_equals_its_twin(tmp_path: Path, *, scaled: bool) -> None:
    pytest.importorskip("zarr")
    path = tmp_path / "cube.v1.zarr"
    dataset = cube().to_dataset("band")
    for band in BANDS:
        dataset[band].attrs.pop("_FillValue", None)
        dataset[band].encoding = {"_FillValue": 0, "chunks": (16, 32)} | ({"scale_factor": 1e-4} if scaled else {})
        if scaled:
            dataset[band] = (dataset[band].where(VALID) / 10000).assign_attrs({})
            dataset[band].encoding = {"_FillValue": 0, "scale_factor": 1e-4, "dtype": "uint16", "chunks": (16, 32)}
    dataset.to_zarr(path, consolidated=False)
    with open_scene(path) as scene:
        assert scene.name == "cube.v1"
        assert_twin(scene, twin(), VALID)
        assert scene.describe()["crs"] == "EPSG:32633"


def test_a_folder_that_is_no_store(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match="is not a Zarr store that can be opened"):
        open_scene(tmp_path / "a.zarr")


def test_an_open_reader_is_returned_as_it_is(tmp_path: Path) -> None:
    scene = open_scene(write_scene(tmp_path / "a.tif"))
    assert open_scene(scene) is scene
    scene.close()


@pytest.mark.parametrize(
    ("attributes", "scale"),
    [({"units": "%"}, 0.01), ({"scale_factor": [2e-4] * 4}, 2e-4), ({"scale_factor": np.array([3e-4])}, 3e-4)],
)
def test_units_and_lists_of_scales(attributes: dict[str, object], scale: float) -> None:
    values = np.random.default_rng(0).uniform(2, 60, (4, 40, 40))
    cube = xarray.DataArray(values, dims=("band", "y", "x"), coords={"band": ["blue", "green", "red", "nir"]})
    with open_scene(cube.assign_attrs(attributes)) as scene:
        np.testing.assert_allclose(read_all(scene).data, values * scale, rtol=1e-5)
        assert not any("guessed" in note for note in scene.notes)
