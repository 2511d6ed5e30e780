"""Products of providers, built small after their documents: what is read of each, or why it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from products import band_file, read_all, write_landsat
from rasterio.transform import from_origin
from testutils import UTM, write_scene

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError
from geocloud.progress import Warn

SIDE = 60
EOPF_FINE, EOPF_COARSE = ("b02", "b03", "b04", "b08"), ("b05", "b06", "b07", "b8a", "b11", "b12")
ENMAP = "ENMAP01-____L2A-DT0000001049_20220612T105735Z_028_V010303_20230922T131734Z"
VENUS = "VENUS-XS_20201029-105210-000_L2A_SUDOUE-1_C_V3-1"


def stack(count: int, low: int = 1200, high: int = 4000, seed: int = 3) -> np.ndarray:
    """(band, SIDE, SIDE) uint16, no two bands alike."""
    return np.random.default_rng(seed).integers(low, high, (count, SIDE, SIDE)).astype(np.uint16)


def values(scene) -> dict[str, np.ndarray]:
    return dict(zip(scene.bands, read_all(scene).data, strict=True))


class TestEopf:
    """Sentinel-2 as Zarr (EOPF): groups of `measurements/reflectance`, the CRS among the root's attributes."""

    def write(
        self, folder: Path, root: dict[str, object], of_band: dict[str, object], version: int
    ) -> tuple[Path, dict]:
        xarray = pytest.importorskip("xarray")
        pytest.importorskip("zarr")
        path, data = folder / "S2B_MSIL2A_20240105T101319_N0510_R022_T33UUP.zarr", {}
        xarray.Dataset(attrs=root).to_zarr(path, mode="w", zarr_format=version, consolidated=False)
        for metres, bands in ((10, EOPF_FINE), (20, EOPF_COARSE)):
            side = SIDE * 10 // metres
            middles = metres * (np.arange(side) + 0.5)
            cube = xarray.Dataset(coords={"x": 600000 + middles, "y": 5200020 - middles})
            for number, band in enumerate(bands):
                data[band] = stack(1, seed=metres + number)[0, :side, :side]
                data[band][: side // 4] = 0
                cube[band] = (("y", "x"), data[band], {"scale_factor": 1e-4, "add_offset": -0.1, **of_band})
                cube[band].encoding["_FillValue"] = np.uint16(0)
            group = f"measurements/reflectance/r{metres}m"
            cube.to_zarr(path, group=group, mode="a", zarr_format=version, consolidated=False)
        return path, data

    @pytest.mark.parametrize(
        ("root", "of_band", "version"),
        [
            ({"other_metadata": {"horizontal_CRS_code": "EPSG:32633"}}, {}, 2),
            ({"stac_discovery": {"properties": {"proj:code": "EPSG:32633"}}}, {}, 3),
            ({}, {"proj:epsg": 32633}, 3),
        ],
    )
    def test_from_its_root(self, tmp_path: Path, root: dict, of_band: dict, version: int) -> None:
        path, data = self.write(tmp_path, root, of_band, version)
        with open_scene(path) as scene:
            found, valid = values(scene), read_all(scene).valid
            assert scene.describe()["crs"] == UTM
            assert tuple(scene.georef.transform)[:6] == (10, 0, 600000, 0, -10, 5200020)
        assert not valid[: SIDE // 4].any()
        for band, name in (("blue", "b02"), ("nir", "b08")):
            np.testing.assert_allclose(found[band][valid], (data[name] * 1e-4 - 0.1)[valid], atol=1e-6, err_msg=band)
        brought = np.kron(data["b11"], np.ones((2, 2))) * 1e-4 - 0.1
        np.testing.assert_allclose(found["swir16"][valid], brought[valid], atol=1e-6)


class TestSpectrometers:
    WAVES = tuple(423 + 5.5 * n for n in range(330))

    def write(self, folder: Path, empty: int) -> Path:
        """An EnMAP level 2A cube whose band of that number holds nothing, with its metadata file."""
        data = np.zeros((len(self.WAVES), 8, 8), dtype=np.int16)
        data[:] = np.arange(len(self.WAVES))[:, None, None] * 10 + 500
        data[empty - 1] = -32768
        place = {"nodata": -32768, "transform": from_origin(600000, 5200020, 30, 30)}
        path = write_scene(folder / f"{ENMAP}-SPECTRAL_IMAGE.TIF", data=data, names=None, **place)
        bands = "".join(
            f'<bandID number="{n}"><wavelengthCenterOfBand>{wave}</wavelengthCenterOfBand>'
            "<FWHMOfBand>6.5</FWHMOfBand><GainOfBand>0.0001</GainOfBand><OffsetOfBand>0</OffsetOfBand></bandID>"
            for n, wave in enumerate(self.WAVES, start=1)
        )
        text = f"<level_X><specific><bandCharacterisation>{bands}</bandCharacterisation></specific></level_X>"
        (folder / f"{ENMAP}-METADATA.XML").write_text(text)
        return path

    def test_enmap_gives_the_band_nearest_each_centre_and_never_an_empty_one(self, tmp_path: Path) -> None:
        nearest = 1 + int(np.abs(np.array(self.WAVES) - 1610).argmin())
        with open_scene(self.write(tmp_path, nearest)) as scene:
            bands = scene.describe()["bands"]
            found = {name: self.WAVES[band["number"] - 1] for name, band in bands.items()}
            assert read_all(scene).valid.all()
        assert "cirrus" not in found
        for name, centre in {"blue": 490, "green": 560, "red": 665, "nir": 842, "swir22": 2200}.items():
            assert abs(found[name] - centre) <= 2.75, name
        assert 2.75 < abs(found["swir16"] - 1610) < 9
        assert bands["red"]["from"] == "EnMAP L2A"

    def test_radiance_of_level_1_needs_a_scale(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 1)
        for end in ("SPECTRAL_IMAGE.TIF", "METADATA.XML"):
            (tmp_path / f"{ENMAP}-{end}").rename(tmp_path / f"{ENMAP.replace('L2A', 'L1C')}-{end}")
        with pytest.raises(InputError, match=r"is radiance of EnMAP or DESIS.*--scale and --offset"):
            open_scene(tmp_path / path.name.replace("L2A", "L1C"))

    def test_without_the_metadata_file_it_is_asked_for(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 1)
        (tmp_path / f"{ENMAP}-METADATA.XML").unlink()
        with pytest.raises(InputError, match=r"EnMAP's METADATA\.XML.*bands nearest 490, 560, 665"):
            open_scene(path)


@pytest.mark.parametrize(("suffix", "driver"), [("gpkg", "GPKG"), ("mbtiles", "MBTiles")])
def test_rasters_in_databases(tmp_path: Path, suffix: str, driver: str) -> None:
    data = (stack(3) // 20).astype(np.uint8)
    mercator = {"crs": "EPSG:3857", "transform": from_origin(0, 0, 9.554628535647032, 9.554628535647032)}
    more = mercator if driver == "MBTiles" else {"TILE_FORMAT": "PNG"}
    path = write_scene(tmp_path / f"a.{suffix}", data=data, names=None, driver=driver, **more)
    with open_scene(path) as scene:
        assert set(scene.bands) == {"red", "green", "blue"}
        inside = read_all(scene).valid
        found = values(scene)
        for band, number in (("red", 0), ("green", 1), ("blue", 2)):
            seen = found[band][inside][: SIDE * SIDE]
            assert seen.mean() == pytest.approx(data[number].mean() * 0.8 / 255, abs=0.01)


def test_hdf4_and_snaps_document_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "MOD09GA.hdf").write_bytes(b"\x0e\x03\x13\x01" + b"\0" * 200)
    with pytest.raises(InputError, match=r"is HDF4, which .* cannot read; convert it to GeoTIFF"):
        open_scene(tmp_path / "MOD09GA.hdf")
    (tmp_path / "S2.dim").write_text('<?xml version="1.0"?>\n<Dimap_Document name="S2.dim"/>')
    with pytest.raises(InputError, match=r"is a document of SNAP; give the folder \.data beside it"):
        open_scene(tmp_path / "S2.dim")


@pytest.mark.parametrize(("spacecraft", "bands"), [("LANDSAT_5", (1, 2, 3, 4)), ("LANDSAT_1", (4, 5, 6, 7))])
def test_landsat_mss_has_no_blue(tmp_path: Path, spacecraft: str, bands: tuple[int, ...]) -> None:
    product, _ = write_landsat(
        tmp_path, name=f"LM0{spacecraft[-1]}_L1TP_190027_19840615_20200902_02_T2", spacecraft=spacecraft,
        bands=tuple(f"B{n}" for n in bands),
    )  # fmt: skip
    metadata = next(product.glob("*_MTL.txt"))
    metadata.write_text(metadata.read_text().replace("    DATE_ACQ", '    SENSOR_ID = "MSS"\n    DATE_ACQ', 1))
    with pytest.raises(InputError, match="Multispectral Scanner \\(MSS\\), which has no blue band"):
        open_scene(product)
    metadata.unlink()
    with pytest.raises(InputError, match="which has no blue band"):
        open_scene(product)


class TestTheia:
    def write(self, folder: Path, quantification: int | None) -> Path:
        """A VENµS level 2A folder: band 7 is red, 11 near infrared."""
        product = folder / VENUS
        for number, data in zip((3, 4, 7, 11), stack(4, 100, 900), strict=True):
            data[:10] = 55536  # -10000 as int16
            for kind in ("FRE", "SRE"):
                band_file(product / f"{VENUS}_{kind}_B{number}.tif", data.astype(np.int16))
        if quantification:
            text = f"<M><REFLECTANCE_QUANTIFICATION_VALUE>{quantification}</REFLECTANCE_QUANTIFICATION_VALUE></M>"
            (product / f"{VENUS}_MTD_ALL.xml").write_text(text)
        return product

    def test_venus_by_its_own_numbers_and_metadata(self, tmp_path: Path) -> None:
        with open_scene(self.write(tmp_path, 1000)) as scene:
            bands = scene.describe()["bands"]
            assert {name: band["label"][-8:] for name, band in bands.items()} == {
                "blue": "E_B3.tif", "green": "E_B4.tif", "red": "E_B7.tif", "nir": "_B11.tif",
            }  # fmt: skip
            assert bands["red"]["scale"] == pytest.approx(1e-3)
            assert not read_all(scene).valid[:10].any()

    def test_without_metadata_its_scale_is_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"VENµS of Theia, whose scale its file does not hold; .*MTD_ALL\.xml"):
            open_scene(self.write(tmp_path, None))


@pytest.mark.parametrize(
    ("name", "red"),
    [
        ("ga_s2am_nbart_3-2-1_55HGA_2019-11-21_final", "band04"),
        ("ga_ls5t_nbart_3-1-0_092084_2009-12-17_final", "band03"),
    ],
)
def test_digital_earth_australia_by_the_names_of_its_files(tmp_path: Path, name: str, red: str) -> None:
    bands = ("band02", "band03", "band04", "band08") if "s2am" in name else ("band01", "band02", "band03", "band04")
    for band, data in zip(bands, stack(4), strict=True):
        band_file(tmp_path / "a" / f"{name}_{band}.tif", data.astype(np.int16), nodata=-999)
    with open_scene(tmp_path / "a") as scene:
        described = scene.describe()["bands"]
        assert described["red"]["label"] == f"{name}_{red}.tif"
        assert described["red"]["from"].startswith("Digital Earth Australia;")


def test_a_sentinel_2_file_of_unknown_date_says_how_its_offset_is_given(tmp_path: Path) -> None:
    for name, data in zip(("B02", "B03", "B04", "B08"), stack(4), strict=True):
        band_file(tmp_path / "a" / f"{name}.tif", data)
    with open_scene(tmp_path / "a") as scene:
        assert isinstance(scene.notes[0], Warn)
        assert "--offset -0.1 if of baseline 04.00 or later" in scene.notes[0]
    with open_scene(tmp_path / "a", SceneOptions(offset=-0.1)) as scene:
        assert read_all(scene).data.min() < 0.1


@pytest.mark.parametrize(("when", "offset"), [("2024-01-05", -0.1), ("2021-01-05", 0.0)])
def test_an_array_of_sentinel_2_tells_its_offset_by_its_time(when: str, offset: float) -> None:
    xarray = pytest.importorskip("xarray")
    cube = xarray.DataArray(
        stack(4) + 700, {"band": ["B02", "B03", "B04", "B08"], "time": np.datetime64(when)}, ("band", "y", "x")
    )
    with open_scene(cube) as scene:
        assert scene.describe()["bands"]["red"]["offset"] == offset
        assert isinstance(scene.notes[0], Warn)


def test_planets_mosaics_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "planet_medres_normalized_analytic_2021-06_mosaic_1234-1100.tif"
    mask = np.full((1, SIDE, SIDE), 65535, dtype=np.uint16)
    mask[0, :10] = 0
    write_scene(path, data=np.concatenate([stack(4), mask]), names=None)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = [*dataset.colorinterp[:4], rasterio.enums.ColorInterp.alpha]
    with open_scene(path) as scene:
        numbers = {band: one["number"] for band, one in scene.describe()["bands"].items()}
        assert numbers == {"blue": 1, "green": 2, "red": 3, "nir": 4}
        assert not read_all(scene).valid[:10].any()
