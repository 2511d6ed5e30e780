"""Any raster that rasterio opens: what it holds, how it is scaled, what is nodata, where it lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.windows import Window as RasterioWindow
from testutils import rotated, write_scene

from geocloud.errors import InputError, UsageError
from geocloud.progress import Warn
from geocloud.raster import Window
from geocloud.readers import SceneOptions, open_scene

Make = Callable[..., Path]
OPEN_FILES = Path("/proc/self/fd")


def whole(path: Path, options: SceneOptions | None = None):
    with open_scene(path, options) as scene:
        return scene.read(Window(0, 0, *scene.georef.shape), scene.bands), scene


def test_pixels_are_those_of_rasterio(make_scene: Make) -> None:
    path = make_scene(tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    with open_scene(path) as scene, rasterio.open(path) as oracle:
        for window in (Window(0, 0, 100, 130), Window(37, 61, 20, 69), Window(99, 129, 1, 1)):
            area = RasterioWindow(window.col, window.row, window.width, window.height)
            expected = oracle.read([3, 1], window=area).astype(np.float32) * np.float32(1e-4)
            np.testing.assert_array_equal(scene.read(window, ("red", "blue")).data, expected)
        assert scene.georef.transform == oracle.transform
        assert rasterio.crs.CRS.from_wkt(scene.georef.crs_wkt) == oracle.crs


@pytest.mark.parametrize(
    ("dtype", "high", "expected"),
    [
        ("uint8", 255, 0.8 / 255),
        ("uint16", 9000, 1e-4),
        ("int16", 9000, 1e-4),
        ("float32", 0.9, 1.0),
        ("float64", 1.3, 1.0),
        ("float32", 9000, 1e-4),
        ("float32", 61.5, 0.01),
    ],
)
def test_scale_is_read_off_type_and_values(make_scene: Make, dtype: str, high: float, expected: float) -> None:
    data = np.full((3, 40, 40), high).astype(dtype)
    raster, scene = whole(make_scene(data=data, names=("blue", "green", "red")))
    assert raster.data.max() == pytest.approx(high * expected, rel=1e-5)
    assert "reflectance = DN" in scene.notes[0]
    assert isinstance(scene.notes[0], Warn)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "names", "doubt"),
    [
        ("uint16", 200, 9000, "blue green red nir", ""),
        ("uint16", 200, 3000, "B2 B3 B4 B8", ""),
        ("uint16", 200, 3000, "blue green red nir", "a detector's numbers"),
        ("uint16", 200, 15000, "blue green red nir", "over 20000, 32768 or 65535"),
        ("uint16", 1200, 9000, "blue green red nir", "an offset may be missing"),
        ("float32", 0.02, 0.9, "blue green red nir", ""),
        ("float32", 0.12, 0.9, "blue green red nir", "an offset may be missing"),
        ("float32", 0.02, 60, "blue green red nir", "may be bytes"),
    ],
)
def test_a_scale_that_values_leave_no_doubt_of_is_no_warning(
    make_scene: Make, dtype: str, low: float, high: float, names: str, doubt: str
) -> None:
    data = np.random.default_rng(0).uniform(low, high, (4, 60, 60)).astype(dtype)
    _, scene = whole(make_scene(data=data, names=names.split()))
    assert isinstance(scene.notes[0], Warn) == bool(doubt)
    assert doubt in scene.notes[0]
    assert "--scale" in scene.notes[0]


@pytest.mark.parametrize(
    ("name", "top", "white"),
    [
        ("T32TQM_20230815T100601_TCI_10m.tif", 0.2, 0.3),
        ("S2A_T33TWL_20230815_L2A/TCI.tif", 0.2, 0.3),
        ("T32TQM_20230815T100601_TCI.tif", 0.3558, 0.3558),
        ("L2A_and_L1C/T32TQM_20230815T100601_TCI.tif", 0.3558, 0.3558),
        ("outci.tif", 0.8, 0.8),
        ("TCI/photo.tif", 0.8, 0.8),
    ],
)
def test_true_colour_images_are_read_as_they_were_stretched(
    make_scene: Make, name: str, top: float, white: float
) -> None:
    data = np.full((3, 40, 40), 255, dtype=np.uint8)
    data[:, 20:] = 102
    path = make_scene(data=data, names=("blue", "green", "red"))
    named = path.parent / name
    named.parent.mkdir(exist_ok=True)
    raster, _ = whole(path.rename(named))
    assert raster.data.max() == pytest.approx(white, rel=1e-5)
    assert raster.data.min() == pytest.approx(0.4 * top, rel=1e-5)


@pytest.mark.parametrize(("dtype", "high"), [("uint16", 240), ("uint16", 30000), ("float32", 3.5), ("float32", 250)])
def test_values_that_give_no_reflectance_are_refused_with_the_ways_out(
    make_scene: Make, dtype: str, high: float
) -> None:
    data = np.full((3, 40, 40), high).astype(dtype)
    with pytest.raises(InputError, match=r"does not state its scale, .* such as --scale 0\.0001"):
        open_scene(make_scene(data=data, names=("blue", "green", "red")))


def test_dark_bands_do_not_pass_for_8_bit(make_scene: Make) -> None:
    data = np.full((4, 40, 40), 120, dtype=np.uint16)
    data[3] = 4000
    raster, _ = whole(make_scene(data=data))
    assert raster.data[0, 0, 0] == pytest.approx(0.012)


def test_given_scale_and_the_files_tags_win(make_scene: Make) -> None:
    path = make_scene()
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = [2.75e-5] * 4, [-0.2] * 4
        first = dataset.read(1)[0, 0]
    raster, scene = whole(path)
    assert raster.data[0, 0, 0] == pytest.approx(first * 2.75e-5 - 0.2)
    assert "(the file's tags)" in scene.notes[0]
    assert not isinstance(scene.notes[0], Warn)
    raster, _ = whole(path, SceneOptions(scale=0.001, offset=0.5))
    assert raster.data[0, 0, 0] == pytest.approx(first * 0.001 + 0.5)


def test_landsat_collection_2_level_2_is_known_by_its_name(make_scene: Make) -> None:
    path = make_scene("LC08_L2SP_008059_20191201_20200825_02_T1_stack.tif")
    raster, _ = whole(path)
    with rasterio.open(path) as dataset:
        assert raster.data[0, 0, 0] == pytest.approx(dataset.read(1)[0, 0] * 2.75e-5 - 0.2)


class TestNodata:
    def test_zero_in_all_bands_is_nodata_but_dark_water_is_not(self, make_scene: Make) -> None:
        data = np.full((4, 40, 40), 500, dtype=np.uint16)
        data[:, 0, :] = 0
        data[3, 1, :] = 0
        raster, _ = whole(make_scene(data=data, nodata=0))
        assert not raster.valid[0].any()
        assert raster.valid[1:].all()

    def test_another_value_in_any_band_is_nodata(self, make_scene: Make) -> None:
        data = np.full((4, 40, 40), 500, dtype=np.int16)
        data[2, 5, 5] = -9999
        raster, _ = whole(make_scene(data=data, nodata=-9999))
        assert not raster.valid[5, 5]
        assert raster.valid.sum() == 1599

    def test_nan_and_infinity(self, make_scene: Make) -> None:
        data = np.full((4, 40, 40), 0.2, dtype=np.float32)
        data[0, 0, 0], data[1, 0, 1] = np.nan, np.inf
        raster, _ = whole(make_scene(data=data))
        assert (~raster.valid).sum() == 2

    def test_alpha_band(self, make_scene: Make) -> None:
        data = np.full((4, 40, 40), 90, dtype=np.uint8)
        data[3] = 255
        data[3, :, 30:] = 0
        colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
        raster, scene = whole(make_scene(data=data, names=None, colorinterp=colours, photometric="rgb", alpha="yes"))
        assert scene.bands == ("blue", "green", "red")
        assert (raster.valid == (np.arange(40) < 30)).all()

    def test_internal_mask(self, make_scene: Make) -> None:
        path = make_scene()
        keep = np.ones((100, 130), dtype=bool)
        keep[:, :11] = False
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(keep)
        raster, _ = whole(path)
        assert (raster.valid == keep).all()


class TestBands:
    def test_given_numbers(self, make_scene: Make) -> None:
        path = make_scene(names=None)
        raster, scene = whole(path, SceneOptions({"red": 1, "green": 2, "blue": 4}))
        assert scene.bands == ("blue", "green", "red")
        with rasterio.open(path) as dataset:
            np.testing.assert_allclose(raster.data[0], dataset.read(4) * 1e-4, rtol=1e-6)

    def test_unnamed_bands_are_asked_for_with_an_example(self, make_scene: Make) -> None:
        with pytest.raises(InputError, match="--bands blue=1,green=2,red=3"):
            open_scene(make_scene(names=None))

    def test_two_bands_are_too_few(self, make_scene: Make) -> None:
        with pytest.raises(InputError, match="has 2 bands; a scene needs at least blue, green and red"):
            open_scene(make_scene(bands=2, names=None))

    def test_wrong_name_or_number(self, make_scene: Make) -> None:
        with pytest.raises(UsageError, match="band name 'purple' is unknown; there are"):
            open_scene(make_scene(), SceneOptions({"purple": 1}))
        with pytest.raises(UsageError, match=r"red=9 is not in .* which has bands 1 to 4"):
            open_scene(make_scene(), SceneOptions({"red": 9}))

    def test_wavelength_tags(self, make_scene: Make) -> None:
        path = make_scene(names=None)
        with rasterio.open(path, "r+") as dataset:
            for index, nanometres in enumerate((842, 665, 560, 490), start=1):
                dataset.update_tags(index, wavelength=str(nanometres))
        assert dict(zip(open_scene(path).bands, (4, 3, 2, 1), strict=True)) == {
            "blue": 4, "green": 3, "red": 2, "nir": 1,
        }  # fmt: skip


class TestPlace:
    def test_rotated(self, make_scene: Make) -> None:
        scene = open_scene(make_scene(transform=rotated(15)))
        assert scene.georef.located
        assert scene.georef.resolution == pytest.approx((10, 10))

    def test_gcps_alone(self, make_scene: Make) -> None:
        points = [GroundControlPoint(r, c, 14 + c / 1000, 47 - r / 1000, 0) for r in (0, 100) for c in (0, 130)]
        path = make_scene(crs=None, transform=Affine.identity())
        with rasterio.open(path, "r+") as dataset:
            dataset.gcps = points, rasterio.crs.CRS.from_epsg(4326)
        georef = open_scene(path).georef
        assert georef.located
        assert len(georef.gcps) == 4

    def test_none_is_said(self, make_scene: Make) -> None:
        scene = open_scene(make_scene(crs=None, transform=Affine.identity()))
        assert not scene.georef.located
        assert any("no georeference" in note for note in scene.notes)

    def test_rpcs_alone_are_refused_with_the_way_out(self, make_scene: Make) -> None:
        path = make_scene(crs=None, transform=Affine.identity())
        numbers = " ".join(["0.1"] * 20)
        rpc = dict.fromkeys(("LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"), numbers)
        single = ("LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF",
                  "LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE")  # fmt: skip
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(ns="RPC", **rpc, **dict.fromkeys(single, "1"))
        with pytest.raises(InputError, match="gdalwarp -rpc"):
            open_scene(path)


class TestBroken:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist"):
            open_scene(tmp_path / "nothing.tif")

    def test_not_a_raster(self, tmp_path: Path) -> None:
        (tmp_path / "text.tif").write_text("hello")
        with pytest.raises(InputError, match="not a raster"):
            open_scene(tmp_path / "text.tif")
        (tmp_path / "empty.tif").touch()
        with pytest.raises(InputError, match="is empty"):
            open_scene(tmp_path / "empty.tif")

    def test_truncated(self, make_scene: Make) -> None:
        path = make_scene(shape=(600, 600), tiled=True, blockxsize=64, blockysize=64)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match="damaged or incomplete"):
            open_scene(path)

    def test_damaged_in_the_middle(self, make_scene: Make) -> None:
        path = make_scene(shape=(600, 600), tiled=True, blockxsize=64, blockysize=64, compress="deflate")
        content = bytearray(path.read_bytes())
        half = len(content) // 2
        content[half : half + 20000] = b"\xff" * 20000
        path.write_bytes(content)
        with pytest.raises(InputError, match="damaged or incomplete"), open_scene(path) as scene:
            scene.read(Window(0, 0, 600, 600), scene.bands)


def test_reading_after_close_fails(make_scene: Make) -> None:
    scene = open_scene(make_scene())
    scene.read(Window(0, 0, 5, 5), scene.bands)
    scene.close()
    scene.close()
    with pytest.raises(ValueError, match="closed"):
        scene.read(Window(0, 0, 5, 5), scene.bands)


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="Linux alone tells which files are open")
def test_files_close_with_the_thread_that_read(make_scene: Make) -> None:
    path, seen = make_scene(), []

    def opened() -> int:
        return sum(link.resolve() == path.resolve() for link in OPEN_FILES.iterdir())

    with open_scene(path) as scene:

        def read() -> None:
            scene.read(Window(0, 0, 8, 8), scene.bands)
            seen.append(opened())

        for _ in range(2):
            thread = Thread(target=read)
            thread.start()
            thread.join()
            assert opened() == 0
    assert seen == [1, 1]


@pytest.mark.data
def test_real_scenes_are_understood(data_root: Path) -> None:
    raster, scene = whole(data_root / "scenes" / "rasterio_rgb" / "RGB.byte.tif")
    with rasterio.open(data_root / "scenes" / "rasterio_rgb" / "RGB.byte.tif") as oracle:
        assert (raster.valid == (oracle.dataset_mask() > 0)).all()
    assert scene.bands == ("blue", "green", "red")
    _, frame = whole(data_root / "scenes" / "sentinel2_l1c_13band_frames" / "frame_0.tif")
    assert frame.describe()["bands"]["cirrus"]["number"] == 11
    assert frame.describe()["bands"]["nir"]["number"] == 8


def test_memory_twin_gives_the_same_raster(make_scene: Make) -> None:
    from geocloud.readers import MemoryScene

    raster, scene = whole(make_scene(nodata=0))
    twin = MemoryScene(raster, scene.bands, scene.georef)
    window = Window(10, 20, 33, 44)
    with open_scene(scene.source) as again:
        one, other = again.read(window, ("nir", "blue")), twin.read(window, ("nir", "blue"))
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.valid, other.valid)


def test_write_scene_is_what_tests_think(tmp_path: Path) -> None:
    with rasterio.open(write_scene(tmp_path / "a.tif", bands=4)) as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "nir")
