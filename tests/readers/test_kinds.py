"""Scenes as users have them: each kind is read as a plain file of the same pixels is, or refused in one sentence."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from products import band_file, numbers, read_all, write_safe
from rasterio.enums import ColorInterp
from testutils import UTM, write_scene

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError, UsageError
from geocloud.progress import Warn
from geocloud.readers.dispatch import scenes_in

S2 = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"]
WAVES = (0.443, 0.49, 0.56, 0.665, 0.704, 0.74, 0.783, 0.842, 0.865, 0.945, 1.61, 2.19)
EXPECTED = {"blue": 1, "green": 2, "red": 3, "nir": 7, "swir16": 10, "swir22": 11}


def stack(count: int, low: int = 1200, high: int = 9000) -> np.ndarray:
    """(band, 60, 60) uint16, no two bands alike."""
    return np.random.default_rng(7).integers(low, high, (count, 60, 60)).astype(np.uint16)


def write_files(folder: Path, names: dict[str, np.ndarray], **more: object) -> Path:
    for name, data in names.items():
        band_file(folder / name, data, **more)
    return folder


def values(scene) -> dict[str, np.ndarray]:
    return dict(zip(scene.bands, read_all(scene).data, strict=True))


class TestSentinel2L2A:
    """All 12 bands and no B10: swir16 is B11, whatever holds the bands."""

    def check(self, source, data: np.ndarray, options: SceneOptions | None = None) -> None:
        with open_scene(source, options) as scene:
            found = values(scene)
            for band, index in EXPECTED.items():
                np.testing.assert_allclose(found[band], data[index] / 10000, atol=1e-6, err_msg=band)

    def test_stack(self, tmp_path: Path) -> None:
        data = stack(12)
        self.check(write_scene(tmp_path / "a.tif", data=data, names=S2), data)

    def test_folder(self, tmp_path: Path) -> None:
        data = stack(12)
        names = {f"{name[0]}{name[1:]:0>2}.tif": band for name, band in zip(S2, data, strict=True)}
        self.check(write_files(tmp_path / "scene", names), data)

    def test_xarray(self) -> None:
        xarray = pytest.importorskip("xarray")
        data = stack(12)
        coords = {"band": S2, "x": 5 + 10.0 * np.arange(60), "y": -5 - 10.0 * np.arange(60)}
        cube = xarray.DataArray(data, coords, ("band", "y", "x"))
        self.check(cube, data)
        self.check(cube.to_dataset("band"), data)

    @pytest.mark.parametrize("common", [True, False])
    def test_item_whose_b09_has_a_wavelength_alone(self, tmp_path: Path, *, common: bool) -> None:
        data, assets = stack(12), {}
        names = dict(zip(("blue", "green", "red", "nir", "swir16", "swir22"), (1, 2, 3, 7, 10, 11), strict=True))
        for index, (name, band, wave) in enumerate(zip(S2, data, WAVES, strict=True)):
            key = f"{name[0]}{name[1:]:0>2}"
            band_file(tmp_path / f"{key}.tif", band)
            entry = {"name": key, **({"center_wavelength": wave} if common else {})}
            if common and index in names.values():
                entry["common_name"] = next(one for one, number in names.items() if number == index)
            assets[key] = {"href": f"./{key}.tif", "type": "image/tiff", "eo:bands": [entry]}
        item = {"type": "Feature", "id": "a", "properties": {"platform": "sentinel-2b"}, "assets": assets}
        (tmp_path / "item.json").write_text(json.dumps(item))
        self.check(tmp_path / "item.json", data)
        swapped = SceneOptions({"blue": "B02", "green": "B03", "red": "B04", "nir": "B8A"})
        with open_scene(tmp_path / "item.json", swapped) as scene:
            np.testing.assert_allclose(values(scene)["nir"], data[8] / 10000, atol=1e-6)


class TestScale:
    def test_one_for_all_files_of_a_folder(self, tmp_path: Path) -> None:
        data = stack(4)
        dark = np.full((60, 60), 12, dtype=np.uint16)
        names = dict(zip(("B02.tif", "B03.tif", "B04.tif", "B08.tif"), data, strict=True))
        with open_scene(write_files(tmp_path, {**names, "B10.tif": dark})) as scene:
            assert values(scene)["cirrus"].max() == pytest.approx(0.0012)

    def test_little_data_in_a_large_frame_is_found(self, tmp_path: Path) -> None:
        data = np.zeros((4, 2000, 2000), dtype=np.uint16)
        data[:, 900:960, 700:760] = stack(4)
        with open_scene(write_scene(tmp_path / "a.tif", data=data, nodata=0)) as scene:
            assert scene.describe()["bands"]["blue"]["scale"] == pytest.approx(1e-4)

    def test_a_single_pixel_of_data_in_a_large_frame_is_found(self, tmp_path: Path) -> None:
        data = np.zeros((3, 1500, 1500), dtype=np.uint16)
        data[:, 701, 703] = 7000
        with open_scene(write_scene(tmp_path / "a.tif", data=data, nodata=0)) as scene:
            assert "values up to 7000" in scene.notes[0]

    def test_an_offset_alone_goes_with_the_scale_that_is_found(self, tmp_path: Path) -> None:
        data = stack(4)
        with open_scene(write_scene(tmp_path / "a.tif", data=data), SceneOptions(offset=-0.1)) as scene:
            np.testing.assert_allclose(values(scene)["red"], data[2] / 10000 - 0.1, atol=1e-6)

    @pytest.mark.parametrize(
        "stem",
        [
            "LC08_L2SP_044034_20140318_20200911_02_T1_SR_B{}.TIF",
            "LC08_L2SP_044034_20140318_02_T1_B{}.TIF",
            "LC08_CU_003008_20161026_20210502_02_SR_B{}.TIF",
            "scene_SR_B{}.tif",
            "SR_B{}.tif",
        ],
    )
    def test_landsat_collection_2_without_metadata(self, tmp_path: Path, stem: str) -> None:
        data = stack(4, 7500, 40000)
        data[:, :10] = 0
        write_files(tmp_path / "a", {stem.format(n): band for n, band in zip((2, 3, 4, 5), data, strict=True)})
        with open_scene(tmp_path / "a") as scene:
            np.testing.assert_allclose(values(scene)["nir"], data[3] * 2.75e-5 - 0.2, atol=1e-6)
            assert not read_all(scene).valid[:10].any()

    @pytest.mark.parametrize(
        "stem",
        ["LC08_CU_003008_20161026_20210502_02_TOA_B{}.TIF", "LC08_L1TP_044034_20140318_20200911_02_T1_toa_band{}.tif"],
    )
    def test_landsat_collection_2_at_the_top_of_the_atmosphere(self, tmp_path: Path, stem: str) -> None:
        data = stack(4, 7500, 40000)
        write_files(tmp_path / "a", {stem.format(n): band for n, band in zip((2, 3, 4, 5), data, strict=True)})
        with open_scene(tmp_path / "a") as scene:
            np.testing.assert_allclose(values(scene)["nir"], data[3] * 2.75e-5 - 0.2, atol=1e-6)

    def test_landsat_collection_1_on_demand(self, tmp_path: Path) -> None:
        stem = "LC08_L1TP_044034_20140318_20170307_01_T1_sr_band"
        names = {f"{stem}{n}.tif": band for n, band in zip((2, 3, 4, 5), stack(4), strict=True)}
        with open_scene(write_files(tmp_path / "a", names)) as scene:
            assert "Landsat Collection 1 reflectance on demand; --scale" in scene.notes[0]

    def test_planets_radiance_needs_its_metadata(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "20230101_101112_1003_3B_AnalyticMS.tif", data=stack(4), names=None)
        with pytest.raises(InputError, match=r"PlanetScope radiance.*put its \.\.\._metadata\.xml"):
            open_scene(path)
        coefficients = (2.2e-5, 2.3e-5, 2.5e-5, 3.8e-5)
        bands = "".join(
            f"<ps:bandSpecificMetadata><ps:bandNumber>{n}</ps:bandNumber>"
            f"<ps:reflectanceCoefficient>{c}</ps:reflectanceCoefficient></ps:bandSpecificMetadata>"
            for n, c in enumerate(coefficients, start=1)
        )
        text = f'<ps:EarthObservation xmlns:ps="http://schemas.planet.com/ps/v1">{bands}</ps:EarthObservation>'
        (tmp_path / "20230101_101112_1003_3B_AnalyticMS_metadata.xml").write_text(text)
        with open_scene(path) as scene:
            scales = [band["scale"] for band in scene.describe()["bands"].values()]
            assert scales == pytest.approx(list(coefficients))

    def test_raw_16_bit_of_the_copernicus_browser(self, tmp_path: Path) -> None:
        names = {f"2024-01-05_Sentinel-2_L2A_B0{n}_(Raw).tiff": band for n, band in enumerate(stack(3), start=2)}
        with open_scene(write_files(tmp_path, names)) as scene:
            assert scene.describe()["bands"]["red"]["scale"] == pytest.approx(1 / 65535)

    def test_scales_of_rioxarray_count(self) -> None:
        xarray = pytest.importorskip("xarray")
        attrs = {"scales": (1e-4, 2e-4, 1e-4), "offsets": (0.0, 0.0, -0.1), "long_name": ("blue", "green", "red")}
        cube = xarray.DataArray(stack(3), dims=("band", "y", "x"), attrs=attrs)
        with open_scene(cube) as scene:
            bands = scene.describe()["bands"]
            assert [bands[b]["scale"] for b in ("blue", "green", "red")] == [1e-4, 2e-4, 1e-4]
            assert bands["red"]["offset"] == -0.1

    def test_parts_of_a_product_take_the_offset_of_its_metadata(self, tmp_path: Path) -> None:
        safe, data = write_safe(tmp_path, "L2A", bands=("B2", "B3", "B4", "B8"))
        part = next(safe.glob("GRANULE/*/IMG_DATA"))
        for folder in (part, part / "R10m", part.parent):
            with open_scene(folder) as scene:
                np.testing.assert_allclose(values(scene)["blue"], data["B2"] / 10000 - 0.1, atol=1e-6)
                assert (read_all(scene).valid == (data["B2"] > 0)).all()

    def test_aws_tiles_take_the_baseline_of_their_tile_info(self, tmp_path: Path) -> None:
        data = {f"B0{n}.jp2": numbers(60, n) for n in (2, 3, 4)}
        write_files(tmp_path, data)
        (tmp_path / "tileInfo.json").write_text('{"productName": "S2A_MSIL1C_20240105T101319_N0510_R022_T33UUP_2024"}')
        with open_scene(tmp_path) as scene:
            np.testing.assert_allclose(values(scene)["red"], data["B04.jp2"] / 10000 - 0.1, atol=1e-6)

    @pytest.mark.parametrize(("low", "offset"), [(1100, -0.1), (200, 0.0)])
    def test_a_date_alone_is_a_guess_that_is_told(self, tmp_path: Path, low: int, offset: float) -> None:
        names = {f"T33UUP_20240105T101319_B0{n}_10m.jp2": numbers(60, n, low) for n in (2, 3, 4)}
        stacked = write_scene(tmp_path / "stack.tif", data=np.stack(list(names.values())), names=[*names])
        for source in (write_files(tmp_path / "bands", names), stacked):
            with open_scene(source) as scene:
                assert scene.describe()["bands"]["red"]["offset"] == offset
                assert isinstance(scene.notes[0], Warn) == (offset != 0)
                assert "--offset" in scene.notes[0]

    def test_detector_numbers_are_asked_for(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "IMG_PHR1A_MS_20230101_ORT.tif", data=stack(4, 200, 2000))
        with pytest.raises(InputError, match="a detector's numbers"):
            open_scene(path)
        open_scene(path, SceneOptions(scale=1e-4)).close()


class TestNodata:
    def test_an_alpha_band_counts_wherever_it_stands(self, tmp_path: Path) -> None:
        data = np.concatenate([stack(4), np.full((1, 60, 60), 65535, dtype=np.uint16)])
        data[:4, :20], data[4, :20] = 60000, 0
        colours = [ColorInterp.gray, *[ColorInterp.undefined] * 3, ColorInterp.alpha]
        names = ("blue", "green", "red", "nir", "")
        path = write_scene(tmp_path / "a.tif", data=data, names=names)
        with rasterio.open(path, "r+") as dataset:
            dataset.colorinterp = colours
        with open_scene(path, SceneOptions(scale=1e-4)) as scene:
            assert (read_all(scene).valid == (np.arange(60) >= 20)[:, None]).all()

    def test_a_wide_soft_edge_of_alpha_is_no_measurement(self, tmp_path: Path) -> None:
        data = np.random.default_rng(1).integers(20, 250, (4, 60, 60)).astype(np.uint8)
        data[3] = np.clip(10 * (np.arange(60) - 15), 0, 255)[:, None]
        data[:3, data[3] == 0] = 0
        path = write_scene(tmp_path / "a.tif", data=data, names=None, photometric="rgb", alpha="yes")
        with open_scene(path) as scene:
            assert (read_all(scene).valid == (data[3] > 0)).all()

    @pytest.mark.parametrize(("dtype", "fill"), [("uint16", 65535), ("int16", 32767), ("float32", 9999)])
    def test_a_small_corner_of_a_number_far_above_all_others(self, tmp_path: Path, dtype: str, fill: float) -> None:
        self.check_padded_corner(tmp_path, dtype, fill, (30, 30), 1500)  # 2 % of it

    @pytest.mark.parametrize(("fill", "dtype"), [(0, "uint16"), (-1, "int16"), (0, "float32")])
    @pytest.mark.parametrize("rows", [slice(0, 4), slice(30, 34)])
    def test_a_small_part_of_0_or_less_in_every_band(self, tmp_path: Path, fill: int, dtype: str, rows: slice) -> None:
        data = (stack(4) / {"float32": 10000}.get(dtype, 1)).astype(dtype)
        data[:, rows, :20] = fill
        path = write_scene(tmp_path / "a.tif", data=data)
        with open_scene(path) as scene:
            assert (read_all(scene).valid == (data[0] > 0)).all()
            assert any(f"2 % of it is {fill} in every band and is read as nodata" in note for note in scene.notes)
        with open_scene(path, SceneOptions(nodata=float("nan"))) as scene:
            assert read_all(scene).valid.all()

    def test_dark_ground_that_is_0_in_some_bands_more_often_is_no_padding(self, tmp_path: Path) -> None:
        data = stack(4, 100, 3000)
        data[3, 10:30] = 0
        data[:, 12:14, :30] = 0
        with open_scene(write_scene(tmp_path / "a.tif", data=data), SceneOptions(scale=1e-4)) as scene:
            assert read_all(scene).valid.all()

    def test_saturated_clouds_in_a_corner_are_no_padding(self, tmp_path: Path) -> None:
        data = np.random.default_rng(2).uniform(300, 60000, (4, 200, 220)).astype(np.uint16)
        data[:, :30, :30] = 65535
        path = write_scene(tmp_path / "a.tif", data=data, names=("blue", "green", "red", "nir"))
        with open_scene(path, SceneOptions(scale=1.6e-5)) as scene:
            assert read_all(scene).valid.all()

    def test_padding_of_band_files_though_their_commonest_numbers_differ(self, tmp_path: Path) -> None:
        water = stack(4, 300, 1500)
        water[3] = stack(4, 1, 3)[3]
        water[:, :15] = 0
        names = ("blue.tif", "green.tif", "red.tif", "nir.tif")
        write_files(tmp_path / "a", dict(zip(names, water, strict=True)))
        with open_scene(tmp_path / "a") as scene:
            assert (read_all(scene).valid == (water[0] > 0)).all()

    @pytest.mark.parametrize("dtype", ["float32", "uint16"])
    def test_a_last_band_of_0_and_1_masks_in_floats_too(self, tmp_path: Path, dtype: str) -> None:
        data = np.concatenate([stack(4), np.ones((1, 60, 60))]) * ([[[1e-4]]] * 4 + [[[1.0]]])
        data[:, :20] = 0
        data = (data if dtype == "float32" else data * ([[[1e4]]] * 4 + [[[1]]])).astype(dtype)
        path = write_scene(tmp_path / "a.tif", data=data, names=None)
        with open_scene(path, SceneOptions({"blue": 1, "green": 2, "red": 3, "nir": 4})) as scene:
            assert (read_all(scene).valid == (np.arange(60) >= 20)[:, None]).all()
            assert any("is read as a mask" in note for note in scene.notes)

    @pytest.mark.parametrize(
        ("dtype", "fill"), [("uint16", 0), ("uint16", 65535), ("int16", 32767), ("float32", 0), ("float32", 9999)]
    )
    def test_padding_in_a_corner_of_a_small_scene(self, tmp_path: Path, dtype: str, fill: float) -> None:
        self.check_padded_corner(tmp_path, dtype, fill, (52, 60), 8000)  # 7 % of it

    @staticmethod
    def check_padded_corner(folder: Path, dtype: str, fill: float, corner: tuple[int, int], brightest: float) -> None:
        """The corner is read as nodata, with a note, and the scale is that of the rest."""
        data = np.random.default_rng(2).uniform(100, brightest, (4, 200, 220))
        data = (data if dtype != "float32" else data * 1e-4).astype(dtype)
        data[:, : corner[0], : corner[1]] = fill
        share = f"{100 * corner[0] * corner[1] / data[0].size:.0f} % of it is {fill:g} in every band"
        with open_scene(write_scene(folder / "a.tif", data=data, names=("blue", "green", "red", "nir"))) as scene:
            raster = read_all(scene)
            assert any(f"{share} and is read as nodata" in note for note in scene.notes)
        assert (raster.valid == (data[0] != fill)).all()
        assert raster.data[:, raster.valid].max() == pytest.approx(brightest * 1e-4, rel=0.05)

    @pytest.mark.parametrize("bands", [{}, {"red": 1, "green": 2, "blue": 3, "nir": 4}])
    def test_near_infrared_that_is_tagged_alpha_is_none(self, tmp_path: Path, bands: dict[str, int]) -> None:
        data = np.random.default_rng(1).integers(0, 255, (4, 60, 60)).astype(np.uint8)
        data[3, :20] = 0
        path = write_scene(tmp_path / "a.tif", data=data, names=None, photometric="rgb", alpha="yes")
        with open_scene(path, SceneOptions(bands)) as scene:
            assert read_all(scene).valid.all()
            assert ("nir" in scene.bands) == bool(bands)

    def test_internal_masks_of_band_files_and_assets(self, tmp_path: Path) -> None:
        keep = np.ones((60, 60), dtype=bool)
        keep[:, :15] = False
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            for name, band in zip(("B02", "B03", "B04"), stack(3), strict=True):
                path = band_file(tmp_path / f"{name}.tif", band)
                with rasterio.open(path, "r+") as dataset:
                    dataset.write_mask(keep)
        with open_scene(tmp_path) as scene:
            assert (read_all(scene).valid == keep).all()

    def test_a_number_can_be_given(self, tmp_path: Path) -> None:
        data = stack(4)
        data[:, :20] = 1
        with open_scene(write_scene(tmp_path / "a.tif", data=data), SceneOptions(nodata=1)) as scene:
            assert not read_all(scene).valid[:20].any()
            assert read_all(scene).valid[20:].all()

    @pytest.mark.parametrize("fill", [-9999.0, -3.4e38, 1e20])
    def test_values_that_no_reflectance_has_are_never_data(self, tmp_path: Path, fill: float) -> None:
        data = (stack(4) / 10000).astype(np.float32)
        data[:, :20] = fill
        with open_scene(write_scene(tmp_path / "a.tif", data=data), SceneOptions(scale=1.0)) as scene:
            assert not read_all(scene).valid[:20].any()

    @pytest.mark.parametrize(
        ("fill", "dtype"), [(0, "uint16"), (65535, "uint16"), (32767, "int16"), (0.0, "float32"), (-0.1, "float32")]
    )
    def test_padding_that_no_tag_states_is_nodata(self, tmp_path: Path, fill: float, dtype: str) -> None:
        data = (stack(4) / {"float32": 10000}.get(dtype, 1)).astype(dtype)
        data[:, :20] = fill
        path = write_scene(tmp_path / "a.tif", data=data)
        with open_scene(path) as scene:
            assert any(f"is {fill:g} in every band and is read as nodata" in note for note in scene.notes)
            assert not read_all(scene).valid[:20].any()
            assert read_all(scene).valid[20:].all()
            assert read_all(scene).data[:, 20:].max() < 0.95
        with open_scene(path, SceneOptions(nodata=float("nan"), scale=1e-4 if dtype != "float32" else 1.0)) as scene:
            assert read_all(scene).valid.all()

    @pytest.mark.parametrize(("share", "taken"), [(20, True), (40, False)])
    def test_white_borders_of_pictures(self, tmp_path: Path, share: int, *, taken: bool) -> None:
        data = (stack(3) // 40).astype(np.uint8)
        data[:, :share] = 255
        path = write_scene(tmp_path / "a.tif", data=data, names=["red", "green", "blue"])
        with open_scene(path) as scene:
            (note,) = (note for note in scene.notes if "is 255 in every band" in note)
            assert isinstance(note, Warn)
            assert ("--nodata nan" in note) == taken
            assert read_all(scene).valid[share:].all()
            assert read_all(scene).valid[:share].any() != taken
        with open_scene(path, SceneOptions(nodata=float("nan"))) as scene:
            assert read_all(scene).valid.all()

    @pytest.mark.parametrize("fill", [12000, 0.9])
    def test_padding_that_may_be_cloud_is_named_and_tells_no_scale(self, tmp_path: Path, fill: float) -> None:
        dtype = {0.9: "float32"}.get(fill, "uint16")
        data = (stack(4) / {"float32": 10000}.get(dtype, 1)).astype(dtype)
        data[:, :20] = fill
        with open_scene(write_scene(tmp_path / "a.tif", data=data)) as scene:
            warned = [note for note in scene.notes if isinstance(note, Warn) and f"--nodata {fill:g}" in note]
            assert warned
            assert read_all(scene).data[:, 20:].max() < 0.95
            assert read_all(scene).valid.all()
        with open_scene(tmp_path / "a.tif", SceneOptions(nodata=float(np.array(fill, dtype)))) as scene:
            assert not read_all(scene).valid[:20].any()
            assert not any("every band" in note for note in scene.notes)

    def test_a_last_band_that_masks_and_says_nothing(self, tmp_path: Path) -> None:
        mask = np.full((1, 60, 60), 255, dtype=np.uint8)
        mask[:, :20] = 0
        data = np.concatenate([(stack(3) // 40).astype(np.uint8), mask])
        path = write_scene(tmp_path / "a.tif", data=data, names=["red", "green", "blue", ""], photometric="MINISBLACK")
        with open_scene(path) as scene:
            assert (read_all(scene).valid == (mask[0] > 0)).all()
            assert any(isinstance(note, Warn) and "is read as a mask" in note for note in scene.notes)
        with open_scene(path, SceneOptions(nodata=float("nan"))) as scene:
            assert read_all(scene).valid.all()

    @pytest.mark.parametrize(
        ("name", "top", "dtype"), [("", 1, "uint8"), ("dataMask", 1, "float32"), ("valid", 255, "uint16")]
    )
    def test_a_last_band_of_zero_and_one_number_masks(self, tmp_path: Path, name: str, top: int, dtype: str) -> None:
        mask = np.full((1, 60, 60), top)
        mask[:, :20] = 0
        scale = {"uint8": 40, "float32": 10000}.get(dtype, 1)
        data = np.concatenate([stack(3) / scale, mask]).astype(dtype)
        path = write_scene(
            tmp_path / "a.tif", data=data, names=["red", "green", "blue", name], photometric="MINISBLACK"
        )
        with open_scene(path) as scene:
            assert (read_all(scene).valid == (mask[0] > 0)).all()
            assert any(isinstance(note, Warn) and "--nodata nan" in note for note in scene.notes)

    def test_zeros_of_sentinel2_and_in_files_of_another_nodata(self, tmp_path: Path) -> None:
        data = stack(4)
        data[:, :20] = 0
        for name, more in (("a", {"names": ["B2", "B3", "B4", "B8"]}), ("b", {"nodata": 9999})):
            with open_scene(write_scene(tmp_path / f"{name}.tif", data=data, **more)) as scene:
                assert not read_all(scene).valid[:20].any()
                assert read_all(scene).valid[20:].all()

    def test_zeros_of_bytes_may_be_dark_ground(self, tmp_path: Path) -> None:
        data = (stack(4) // 40).astype(np.uint8)
        data[:, :20] = 0
        with open_scene(write_scene(tmp_path / "a.tif", data=data)) as scene:
            assert any(
                isinstance(note, Warn) and "is 0 in every band: if that is nodata" in note for note in scene.notes
            )
            assert read_all(scene).valid.all()

    @pytest.mark.parametrize("kind", ["item", "folder", "array", "lazy"])
    def test_zeros_in_every_container(self, tmp_path: Path, kind: str) -> None:
        xarray = pytest.importorskip("xarray")
        data = stack(4)
        data[:, :20] = 0
        names = ["blue", "green", "red", "nir"]
        folder = tmp_path / "scene"
        folder.mkdir()
        for name, band in zip(names, data, strict=True):
            write_scene(folder / f"{name}.tif", data=band[None], names=None)
        assets = {name: {"href": f"./{name}.tif", "eo:bands": [{"name": name, "common_name": name}]} for name in names}
        item = {"type": "Feature", "stac_version": "1.0.0", "id": "a", "properties": {}, "assets": assets}
        (folder / "item.json").write_text(json.dumps(item))
        cube = xarray.DataArray(data, {"band": names}, ("band", "y", "x"))
        source = {"item": folder / "item.json", "folder": folder, "array": cube}.get(kind)
        if kind == "lazy":
            pytest.importorskip("dask")
            source = cube.chunk({"x": 30, "y": 30})
        with open_scene(source) as scene:
            assert any("is 0 in every band and is read as nodata" in note for note in scene.notes)
            assert not read_all(scene).valid[:20].any()
            assert read_all(scene).valid[20:].all()


class TestContainers:
    def test_a_folder_with_one_raster(self, tmp_path: Path) -> None:
        data = stack(4)
        folder = tmp_path / "0123abcd"
        folder.mkdir()
        write_scene(folder / "response.tiff", data=data)
        (folder / "request.json").write_text("{}")
        with open_scene(folder) as scene:
            assert scene.name == "0123abcd"
            np.testing.assert_allclose(values(scene)["nir"], data[3] / 10000, atol=1e-6)

    def test_a_planet_order(self, tmp_path: Path) -> None:
        folder, stem = tmp_path / "PSScene", "20230101_101112_30_24a1_3B"
        folder.mkdir()
        data = stack(8)
        write_scene(folder / f"{stem}_AnalyticMS_SR_8b_clip.tif", data=data, names=None, nodata=0)
        write_scene(folder / f"{stem}_udm2_clip.tif", data=np.ones((8, 60, 60), dtype=np.uint8), names=None)
        with open_scene(folder) as scene:
            np.testing.assert_allclose(values(scene)["blue"], data[1] / 10000, atol=1e-6)

    def test_names_in_tags_of_bands_as_openeo_writes(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "openEO.tif", data=stack(4), names=None)
        with rasterio.open(path, "r+") as dataset:
            for index, name in enumerate(("B08", "B04", "B03", "B02"), start=1):
                dataset.update_tags(index, DESCRIPTION=name)
        with open_scene(path) as scene:
            assert {band: one["number"] for band, one in scene.describe()["bands"].items()} == {
                "blue": 4, "green": 3, "red": 2, "nir": 1,
            }  # fmt: skip

    def test_wavelengths_of_an_envi_header(self, tmp_path: Path) -> None:
        data, waves = stack(80, 1200, 4000), [400 + 25 * n for n in range(80)]
        data[4] = 0
        path = write_scene(tmp_path / "cube.img", data=data, names=None, driver="ENVI")
        header = (tmp_path / "cube.hdr").read_text()
        listed = ", ".join(map(str, waves))
        (tmp_path / "cube.hdr").write_text(f"{header}\nwavelength units = Nanometers\nwavelength = {{{listed}}}\n")
        with open_scene(path) as scene:
            found = {band: waves[one["number"] - 1] for band, one in scene.describe()["bands"].items()}
        assert {band: found[band] for band in ("blue", "green", "red", "nir", "swir16", "swir22")} == {
            "blue": 475, "green": 550, "red": 675, "nir": 850, "swir16": 1600, "swir22": 2200,
        }  # fmt: skip

    def test_a_name_of_gdals_for_a_part_of_a_file(self) -> None:
        with pytest.raises(InputError, match="GDAL's name for a part of a file; give the file itself"):
            open_scene('NETCDF:"a.nc":B02')

    def test_tiles_of_earth_engine_are_joined(self, tmp_path: Path) -> None:
        data = stack(4)
        for col in (0, 30):
            place = rasterio.transform.from_origin(500000 + 10 * col, 5000000, 10, 10)
            path = tmp_path / f"export-0000000000-{col:010d}.tif"
            write_scene(path, data=data[:, :, col : col + 30].copy(), transform=place)
        with open_scene(tmp_path) as scene:
            assert scene.name == "export"
            assert scene.georef.shape == (60, 60)
            np.testing.assert_allclose(values(scene)["red"], data[2] / 10000, atol=1e-6)
        shutil.copy(path, tmp_path / f"{path.stem}(1).tif")
        with pytest.raises(InputError, match="are one tile of an export that was run twice; take one of them away"):
            open_scene(tmp_path)

    def test_what_file_managers_leave_in_archives(self, tmp_path: Path) -> None:
        safe, data = write_safe(tmp_path)
        archive = tmp_path / f"{safe.name}.zip"
        with zipfile.ZipFile(archive, "w") as zipped:
            for file in safe.rglob("*"):
                zipped.write(file, f"{safe.name}/{file.relative_to(safe)}")
            zipped.writestr(f"__MACOSX/{safe.name}/._MTD_MSIL1C.xml", b"x")
            zipped.writestr(".DS_Store", b"x")
        with open_scene(archive) as scene:
            np.testing.assert_allclose(values(scene)["red"], data["B4"] / 10000 - 0.1, atol=1e-6)

    def test_a_safe_among_other_products_is_not_all_that_is_listed(self, tmp_path: Path) -> None:
        metadata = {
            "S2A_1.SAFE": "MTD_MSIL2A.xml",
            "LC08_1": "LC08_L2SP_044034_20140318_20200911_02_T1_MTL.txt",
            "LC09_1": "LC09_L2SP_044034_20240318_20240320_02_T1_MTL.json",
        }
        for folder, name in metadata.items():
            (tmp_path / folder).mkdir()
            (tmp_path / folder / name).touch()
        assert scenes_in(str(tmp_path)) == [str(tmp_path / name) for name in sorted(metadata)]
        assert scenes_in(str(tmp_path / "LC08_1")) == [str(tmp_path / "LC08_1")]

    def test_several_scenes_in_a_folder_are_listed(self, tmp_path: Path) -> None:
        for name in ("a.tif", "b.tif"):
            write_scene(tmp_path / name)
        assert scenes_in(str(tmp_path)) == [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
        with pytest.raises(InputError, match=r"holds 2 rasters of several bands \(a\.tif, b\.tif\); give one of them"):
            open_scene(tmp_path)

    def test_theia_gives_flat_reflectance(self, tmp_path: Path) -> None:
        stem = "SENTINEL2A_20200105-105319-456_L2A_T31TCJ_C_V2-2"
        flat, rough = stack(3), stack(3) // 2
        for kind, data in (("FRE", flat), ("SRE", rough)):
            data[:, :10] = 55536  # -10000 as int16
            names = {f"{stem}_{kind}_B{n}.tif": band.astype(np.int16) for n, band in zip((2, 3, 4), data, strict=True)}
            write_files(tmp_path, names)
        with open_scene(tmp_path) as scene:
            assert not read_all(scene).valid[:10].any()
            np.testing.assert_allclose(values(scene)["green"][10:], flat[1, 10:] / 10000, atol=1e-6)

    def test_netcdf_with_a_variable_a_band(self, tmp_path: Path) -> None:
        xarray = pytest.importorskip("xarray")
        pytest.importorskip("h5netcdf")
        data = stack(3)
        coords = {"x": 500005 + 10.0 * np.arange(60), "y": 5000000 - 5 - 10.0 * np.arange(60)}
        bands = {f"B0{n}": (("y", "x"), band) for n, band in zip((2, 3, 4), data, strict=True)}
        grid = {"crs": ((), 0, {"crs_wkt": rasterio.crs.CRS.from_string(UTM).to_wkt()})}
        cube = xarray.Dataset({**bands, **grid}, coords)
        for band in bands:
            cube[band].attrs["grid_mapping"] = "crs"
        cube.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        with open_scene(tmp_path / "a.nc") as scene:
            np.testing.assert_allclose(values(scene)["red"], data[2] / 10000, atol=1e-6)
            assert scene.describe()["crs"] == UTM


@pytest.mark.parametrize(("group", "dims", "there"), [("/data", "yx", "only groups"), (None, "ab", "it has a, b")])
def test_netcdf_of_another_layout_says_what_to_do(tmp_path: Path, group: str | None, dims: str, there: str) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    cube = xarray.Dataset({f"B0{n}": (tuple(dims), band) for n, band in enumerate(stack(3), start=2)})
    cube.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", group=group)
    with pytest.raises(InputError, match=rf"at its root \({there}\); convert the bands to GeoTIFF, one per band"):
        open_scene(tmp_path / "a.nc")


class TestTimes:
    DATES = ("2023-01-01", "2023-02-01")

    def cube(self, data: np.ndarray):
        xarray = pytest.importorskip("xarray")
        coords = {
            "band": ["B02", "B03", "B04", "B08"],
            "x": 500005 + 10.0 * np.arange(60),
            "y": 4999995 - 10.0 * np.arange(60),
            "time": np.array(self.DATES, "datetime64[ns]"),
        }
        return xarray.DataArray(np.stack([data, data[::-1]]), coords, ("time", "band", "y", "x")).to_dataset("band")

    @pytest.mark.parametrize("store", ["a.zarr", "a.nc"])
    def test_one_of_several_is_chosen(self, tmp_path: Path, store: str) -> None:
        pytest.importorskip("zarr" if store.endswith("zarr") else "h5netcdf")
        data, path = stack(4, low=200), tmp_path / store
        cube = self.cube(data)
        cube.to_zarr(path, consolidated=False) if store.endswith("zarr") else cube.to_netcdf(path, engine="h5netcdf")
        with pytest.raises(InputError, match=r"holds 2 times \(2023-01-01T00:00:00, .*choose one: --time 2023-01-01"):
            open_scene(path)
        for chosen, first in (("2023-01", 0), ("2023-02-01", 3), ("0", 0), ("-1", 3)):
            with open_scene(path, SceneOptions(time=chosen)) as scene:
                np.testing.assert_allclose(values(scene)["blue"], data[first] / 10000, atol=1e-6)
        for wrong, why in (("2024", "none"), ("2023", "several"), ("2", "several")):
            with pytest.raises(UsageError, match=f"--time {wrong} is {why} of the times"):
                open_scene(path, SceneOptions(time=wrong))

    def test_what_has_no_times_says_so(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif")
        with pytest.raises(UsageError, match="--time goes with Zarr and netCDF"):
            open_scene(path, SceneOptions(time="2023"))
        with pytest.raises(UsageError, match="has no dimension time"):
            open_scene(self.cube(stack(4)).isel(time=0), SceneOptions(time="0"))


@pytest.mark.parametrize("kind", [tuple, list, lambda numbers: Affine(*numbers)])
def test_stackstacs_corners_are_no_centres(kind) -> None:
    xarray = pytest.importorskip("xarray")
    coords = {"band": ["blue", "green", "red"], "x": 500000 + 10.0 * np.arange(60), "y": 5000000 - 10.0 * np.arange(60)}
    cube = xarray.DataArray(
        stack(3), coords, ("band", "y", "x"), attrs={"transform": kind((10, 0, 500000, 0, -10, 5000000))}
    )
    for array, left in ((cube, 500000), (cube.isel(x=slice(7, None)), 500070)):
        with open_scene(array) as scene:
            assert tuple(scene.georef.transform)[:6] == (10, 0, left, 0, -10, 5000000)


class TestLeftOut:
    def test_bands_of_a_file(self, tmp_path: Path) -> None:
        path = write_scene(tmp_path / "a.tif", data=stack(6), names=["B2", "B3", "B4", "B8", "B8A", "SCL"])
        with open_scene(path) as scene:
            assert scene.describe()["left_out"] == [
                "band 5 'B8A': nir, of which band 4 is read",
                "band 6 'SCL': none that models take",
            ]
        with open_scene(path, SceneOptions(bands={"blue": 1, "green": 2, "red": 3})) as scene:
            assert scene.describe()["left_out"][0] == "band 4 'B8': not named by --bands"

    def test_files_of_a_folder_and_bands_of_a_product(self, tmp_path: Path) -> None:
        names = ("B02", "B03", "B04", "B08", "B8A", "QX", "TCI")
        files = {f"T33UUP_20190105T101319_{name}_10m.tif": numbers(60, n) for n, name in enumerate(names)}
        with open_scene(write_files(tmp_path / "a", files)) as scene:
            assert scene.describe()["left_out"] == [
                "T33UUP_20190105T101319_B8A_10m.tif: nir, of which T33UUP_20190105T101319_B08_10m.tif is read",
                "T33UUP_20190105T101319_QX_10m.tif: nothing says which band it is",
                "T33UUP_20190105T101319_TCI_10m.tif: a mask, a picture or a layer beside the bands",
            ]
        safe, _ = write_safe(tmp_path, bands=("B2", "B3", "B4", "B8", "B8A"))
        with open_scene(safe) as scene:
            assert "B8A: nir, of which B8 is read" in scene.describe()["left_out"]

    def test_assets_of_an_item(self, tmp_path: Path) -> None:
        assets = {}
        for n, name in enumerate(("blue", "green", "red", "nir", "nir08", "scl")):
            band_file(tmp_path / f"{name}.tif", numbers(60, n))
            assets[name] = {"href": f"./{name}.tif", "eo:bands": [{"name": name}]}
        item = {"type": "Feature", "stac_version": "1.0.0", "id": "a", "links": [], "properties": {}, "assets": assets}
        (tmp_path / "a.json").write_text(json.dumps(item))
        with open_scene(tmp_path / "a.json") as scene:
            assert scene.describe()["left_out"] == [
                "nir08: nir, of which nir is read",
                "scl: no band that models take, or nothing says which",
            ]
