"""What could be read in two ways: numbers or names decide where they can, else it is refused or warned of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from products import band_file, read_all
from testutils import write_scene

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError
from geocloud.progress import Warn
from geocloud.readers.bands.choosing import nearest_hints
from geocloud.readers.bands.evidence import BandHint

WORDS = ("blue", "green", "red", "nir")


def noise(low: float, high: float, count: int = 4) -> np.ndarray:
    """(count, 60, 60) numbers spread evenly between two levels."""
    return np.random.default_rng(3).uniform(low, high, (count, 60, 60))


def land() -> np.ndarray:
    """(4, 60, 60) reflectance of fields: dark, and bright in near infrared."""
    return np.concatenate([noise(0.03, 0.1, 3), noise(0.2, 0.4, 1)])


class TestScale:
    def test_landsats_numbers_of_dark_ground_are_asked_for(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif", data=noise(7400, 11000).astype(np.uint16), names=WORDS)
        with pytest.raises(
            InputError, match=r"values go from .*--scale 0\.0000305 .*--scale 0\.0000275 --offset -0\.2"
        ):
            open_scene(path)
        open_scene(path, SceneOptions(scale=2.75e-5, offset=-0.2)).close()

    def test_numbers_over_32768_may_be_clouds_so_both_are_told(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif", data=noise(1200, 15000).astype(np.uint16), names=WORDS)
        with open_scene(path) as scene:
            assert isinstance(scene.notes[0], Warn)
            assert "so bright, they may be over 20000, 32768 or 65535" in scene.notes[0]

    @pytest.mark.parametrize(
        ("levels", "names", "doubted"),
        [
            ((0.33, 0.25, 0.2, 0.1), WORDS, True),  # water over 32768
            ((0.1, 0.12, 0.1, 0.05), WORDS, False),
            ((0.12, 0.2, 0.24, 0.47), WORDS, True),  # land over 20000 or 32768
            ((0.12, 0.2, 0.24, 0.47), ("B2", "B3", "B4", "B8"), False),  # bright crops of Sentinel-2
            ((0.06, 0.1, 0.08, 0.3), WORDS, False),
        ],
    )
    def test_brighter_water_or_land_than_is_usual_is_doubted(
        self, tmp_path: Path, levels: tuple[float, ...], names: tuple[str, ...], *, doubted: bool
    ) -> None:
        spread = noise(0.7, 1.3)
        spread[:, :2, :8] *= 9  # a few clouds, so that they are no detector's numbers
        data = (1e4 * spread * np.array(levels)[:, None, None]).clip(0, 11500).astype(np.uint16)
        data[:, 50:, 50:] = 200  # shadow
        with open_scene(write_scene(tmp_path / "a.tif", data=data, names=names)) as scene:
            assert ("so bright, they may be over 20000, 32768" in scene.notes[0]) == doubted
            assert isinstance(scene.notes[0], Warn) == doubted

    def test_values_that_were_stretched_below_0_are_refused(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif", data=noise(-0.8, 0.7).astype(np.float32), names=WORDS)
        with pytest.raises(InputError, match=r"\d+ % of its values would be a reflectance below -0\.05 .*--scale"):
            open_scene(path)
        dark = write_scene(tmp_path / "b.tif", data=noise(-0.04, 0.7).astype(np.float32), names=WORDS)
        open_scene(dark).close()

    @pytest.mark.parametrize("stretch", ["ends", "equalised"])
    def test_floats_stretched_from_0_to_1_are_doubted(self, tmp_path: Path, stretch: str) -> None:
        ground = noise(0, 0.4) ** 2
        if stretch == "ends":
            low, high = (edge(ground, axis=(1, 2), keepdims=True) for edge in (np.min, np.max))
            data = (ground - low) / (high - low)
        else:
            data = ground.reshape(4, -1).argsort().argsort().reshape(ground.shape) / ground[0].size
        path = write_scene(tmp_path / "a.tif", data=data.astype(np.float32), names=WORDS)
        with open_scene(path) as scene:
            assert isinstance(scene.notes[0], Warn)
            assert "they may be stretched from 0 to 1" in scene.notes[0]
        with open_scene(path, SceneOptions(scale=0.5)) as scene:
            assert not any(isinstance(note, Warn) for note in scene.notes)

    def test_a_scene_of_one_brightness_may_be_a_cloud(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif", data=np.full((4, 60, 60), 9000, np.uint16), names=WORDS)
        with open_scene(path) as scene:
            assert read_all(scene).data.max() == pytest.approx(0.9)

    def test_reflectance_scale_factor_of_an_envi_header(self, tmp_path: Path) -> None:
        data = noise(500, 4000).astype(np.uint16)
        path = tmp_path / "a.img"
        with rasterio.open(path, "w", driver="ENVI", count=4, height=60, width=60, dtype="uint16") as file:
            file.write(data)
            file.descriptions = WORDS
        header = path.with_suffix(".hdr")
        header.write_text(f"{header.read_text()}reflectance scale factor = 5000.0\n")
        with open_scene(path) as scene:
            np.testing.assert_allclose(read_all(scene).data, data / 5000, atol=1e-6)
            assert not any(isinstance(note, Warn) for note in scene.notes)

    @pytest.mark.parametrize(("applied", "low", "offset"), [(False, 1200, -0.1), (False, 200, 0), (True, 1200, 0)])
    def test_an_item_that_gives_a_scale_alone(self, tmp_path: Path, *, applied: bool, low: int, offset: float) -> None:
        data = noise(low, 6000).astype(np.uint16)
        assets = {}
        for name, band in zip(WORDS, data, strict=True):
            band_file(tmp_path / f"{name}.tif", band)
            assets[name] = {"href": f"./{name}.tif", "raster:bands": [{"scale": 1e-4}]}
        properties = {"platform": "sentinel-2a", "s2:processing_baseline": "05.09"}
        if applied:
            properties["earthsearch:boa_offset_applied"] = True
        item = {"type": "Feature", "stac_version": "1.0.0", "id": "i", "links": [], "geometry": None}
        (tmp_path / "i.json").write_text(json.dumps({**item, "properties": properties, "assets": assets}))
        with open_scene(tmp_path / "i.json") as scene:
            np.testing.assert_allclose(read_all(scene).data, data / 10000 + offset, atol=1e-6)

    def test_entries_of_stackstac_that_were_not_applied(self) -> None:
        xarray = pytest.importorskip("xarray")
        data = noise(1200, 6000).astype(np.uint16)
        entries = np.empty(4, dtype=object)
        entries[:] = [{"scale": 1e-4, "offset": -0.1, "nodata": 0}] * 4
        cube = xarray.DataArray(data, dims=("band", "y", "x"), coords={"band": list(WORDS)})
        with open_scene(cube.assign_coords({"raster:bands": ("band", entries)})) as scene:
            np.testing.assert_allclose(read_all(scene).data, data / 10000 - 0.1, atol=1e-6)

    @pytest.mark.parametrize(("high", "percent"), [(110, True), (255, False)])
    def test_percent_ends_where_bytes_go_on(self, tmp_path: Path, high: float, *, percent: bool) -> None:
        data = noise(2, 60).astype(np.float32)
        data[:, :3, :3] = high
        path = write_scene(tmp_path / "a.tif", data=data, names=WORDS)
        if percent:
            with open_scene(path) as scene:
                np.testing.assert_allclose(read_all(scene).data, data / 100, rtol=1e-5)
        else:
            with pytest.raises(InputError, match=r"--scale 0\.01 \(percent\), --scale 0\.00314"):
                open_scene(path)

    @pytest.mark.parametrize("scale", [1 / 32768, 1 / 2047, 1 / 255, 1 / 1000])
    @pytest.mark.parametrize("dtype", ["uint16", "float32"])
    def test_land_too_bright_or_dark_in_near_infrared_is_asked_for(
        self, tmp_path: Path, scale: float, dtype: str
    ) -> None:
        path = write_scene(tmp_path / "a.tif", data=(land() / scale).astype(dtype), names=WORDS)
        with pytest.raises(InputError, match=r"does not state its scale.*--scale"):
            open_scene(path)
        open_scene(path, SceneOptions(scale=scale)).close()

    @pytest.mark.parametrize(("scale", "dtype"), [(1e-4, "uint16"), (1.0, "float32")])
    def test_land_as_bright_as_usual_leaves_no_doubt(self, tmp_path: Path, scale: float, dtype: str) -> None:
        path = write_scene(tmp_path / "a.tif", data=(land() / scale).astype(dtype), names=WORDS)
        with open_scene(path) as scene:
            np.testing.assert_allclose(read_all(scene).data, land(), atol=1e-4)
            assert not any(isinstance(note, Warn) for note in scene.notes)

    @pytest.mark.parametrize("count", [3, 4])
    def test_percent_in_bytes_is_asked_for(self, tmp_path: Path, count: int) -> None:
        data = (100 * land()[:count]).round().astype(np.uint8)
        data[:, :6] = noise(60, 80, count)[:, :6]
        path = write_scene(tmp_path / "a.tif", data=data, names=WORDS[:count])
        with pytest.raises(InputError, match=r"--scale 0\.01 if they are percent, --scale 0\.00314"):
            open_scene(path)

    def test_a_dark_picture_is_read_with_a_warning(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif", data=noise(12, 60, 3).astype(np.uint8), names=WORDS[:3])
        with open_scene(path) as scene:
            assert isinstance(scene.notes[0], Warn)
            assert "may be percent (--scale 0.01)" in scene.notes[0]

    def test_the_true_colour_image_of_an_item(self, tmp_path: Path) -> None:
        data = np.full((3, 60, 60), 102, np.uint8)
        write_scene(tmp_path / "TCI.tif", data=data, names=())
        bands = [{"name": name, "common_name": name} for name in ("red", "green", "blue")]
        assets = {"visual": {"href": "./TCI.tif", "eo:bands": bands}}
        item = {"type": "Feature", "stac_version": "1.0.0", "id": "S2A_L2A", "links": [], "geometry": None}
        (tmp_path / "i.json").write_text(json.dumps({**item, "properties": {}, "assets": assets}))
        with open_scene(tmp_path / "i.json") as scene:
            assert read_all(scene).data.max() == pytest.approx(0.08)

    @pytest.mark.parametrize(
        ("factor", "dtype", "doubt"),
        [
            (1, np.float32, "was applied before"),
            (100, np.uint8, "goes up to 0.005"),
            (1e6, np.float32, "goes up to 59"),
        ],
    )
    def test_tags_that_outlived_the_scaling_are_doubted(
        self, tmp_path: Path, factor: float, dtype: type, doubt: str
    ) -> None:
        data = (np.random.default_rng(0).uniform(0.02, 0.6, (4, 60, 60)) * factor).astype(dtype)
        path = write_scene(tmp_path / "a.tif", data=data, names=WORDS)
        with rasterio.open(path, "r+") as dataset:
            dataset.scales = [1e-4 if factor < 1e6 else 1e-3] * 4
        with open_scene(path) as scene:
            assert any(isinstance(note, Warn) and doubt in note and "--scale" in note for note in scene.notes)
            assert factor > 1 or read_all(scene).data.max() == data.max()
        with open_scene(path, SceneOptions(scale=1 / factor)) as scene:
            assert not any(doubt in note for note in scene.notes)

    def test_a_scene_without_data_is_no_guess(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif", data=np.zeros((4, 60, 60), np.uint16), names=WORDS, nodata=0)
        with open_scene(path) as scene:
            assert not read_all(scene).valid.any()
            assert "DN * 0.0001 (no pixel has data); nodata 0" in scene.notes[0]
            assert not isinstance(scene.notes[0], Warn)


@pytest.mark.parametrize(("words", "top"), [("/data/girl1b/atoa.img", False), ("EnMAP_L1B/cube.img", True)])
def test_letters_within_words_say_nothing_of_the_level(words: str, *, top: bool) -> None:
    waves = np.linspace(0.4, 2.5, 211)
    hints = nearest_hints([BandHint(wavelength=float(wave)) for wave in waves], words, lambda _: True)
    kept = [hint.wavelength for hint in hints if hint.wavelength]
    assert any(1.35 <= wave < 1.4 for wave in kept) == top
    assert len(kept) == 6 + top


class TestNames:
    @pytest.mark.parametrize(
        "names",
        [
            ("BlueReflectance", "GreenReflectance", "RedReflectance", "NirReflectance"),
            ("450-520 nm", "520-600 nm", "630-690 nm", "770-900 nm"),
            ("Band_1 (B02)", "Band_2 (B03)", "Band_3 (B04)", "Band_4 (B08)"),
        ],
    )
    def test_are_understood(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        data = noise(200, 6000).astype(np.uint16)
        with open_scene(write_scene(tmp_path / "a.tif", data=data, names=names)) as scene:
            assert scene.bands == WORDS
            np.testing.assert_allclose(read_all(scene).data, data / 10000, atol=1e-6)

    def test_the_broad_infrared_stands_in_for_the_narrow_one(self, tmp_path: Path) -> None:
        data = noise(200, 6000, 4).astype(np.uint16)
        path = write_scene(tmp_path / "a.tif", data=data, names=("BLUE", "GREEN", "RED", "BROADNIR"))
        with open_scene(path) as scene:
            assert scene.bands == WORDS

    def test_files_whose_names_differ_in_the_band_alone(self, tmp_path: Path) -> None:
        data = noise(200, 6000).astype(np.uint16)
        (tmp_path / "f").mkdir()
        for name, band in zip(WORDS, data, strict=True):
            band_file(tmp_path / "f" / f"{name}_patch_1_002053.TIF", band)
        with open_scene(tmp_path / "f") as scene:
            assert scene.bands == WORDS
            np.testing.assert_allclose(read_all(scene).data, data / 10000, atol=1e-6)

    @pytest.mark.parametrize(
        ("count", "line"),
        [
            (6, "blue=1,green=2,red=3,nir=4,swir16=5,swir22=6"),
            (10, "blue=1,green=2,red=3,nir=7,swir16=9,swir22=10"),
            (12, "blue=2,green=3,red=4,nir=8,swir16=11,swir22=12"),
            (13, "blue=2,green=3,red=4,nir=8,cirrus=11,swir16=12,swir22=13"),
        ],
    )
    def test_a_stack_without_names_is_asked_for_with_the_line_of_its_size(
        self, tmp_path: Path, count: int, line: str
    ) -> None:
        path = write_scene(tmp_path / "a.tif", data=noise(200, 6000, count).astype(np.uint16), names=None)
        with pytest.raises(InputError, match=f"--bands {line} "):
            open_scene(path)

    def test_files_of_a_virtual_raster_name_its_bands(self, tmp_path: Path) -> None:
        data = noise(200, 6000).astype(np.uint16)
        bands = ""
        for number, (name, band) in enumerate(zip(("B02", "B03", "B04", "B08"), data, strict=True), start=1):
            band_file(tmp_path / f"T33UUP_{name}_10m.tif", band)
            file = f'<SourceFilename relativeToVRT="1">T33UUP_{name}_10m.tif</SourceFilename><SourceBand>1</SourceBand>'
            source = f"<SimpleSource>{file}</SimpleSource>"
            bands += f'<VRTRasterBand dataType="UInt16" band="{number}">{source}</VRTRasterBand>'
        (tmp_path / "a.vrt").write_text(f'<VRTDataset rasterXSize="60" rasterYSize="60">{bands}</VRTDataset>')
        with open_scene(tmp_path / "a.vrt") as scene:
            assert scene.bands == WORDS
            np.testing.assert_allclose(read_all(scene).data, data / 10000, atol=1e-6)

    def test_the_wide_infrared_goes_before_the_narrow_one(self, tmp_path: Path) -> None:
        data = noise(200, 6000, 5).astype(np.uint16)
        path = write_scene(tmp_path / "a.tif", data=data, names=("blue", "green", "red", "nir08", "nir"))
        with open_scene(path) as scene:
            np.testing.assert_allclose(read_all(scene).data[3], data[4] / 10000, atol=1e-6)

    @pytest.mark.parametrize(
        "names", [[f"{date}_{name}" for date in (0, 1) for name in ("B2", "B3", "B4", "B8")], [*WORDS, *WORDS]]
    )
    def test_two_dates_in_one_stack_are_refused_with_the_line_of_one(self, tmp_path: Path, names: list[str]) -> None:
        data = noise(200, 6000, 8).astype(np.uint16)
        path = write_scene(tmp_path / "a.tif", data=data, names=names)
        with pytest.raises(InputError, match=r"holds blue 2 times .*--bands blue=1,green=2,red=3,nir=4"):
            open_scene(path)
        with open_scene(path, SceneOptions(bands={"blue": 5, "green": 6, "red": 7, "nir": 8})) as scene:
            np.testing.assert_allclose(read_all(scene).data, data[4:] / 10000, atol=1e-6)
