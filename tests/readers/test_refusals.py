"""What is no scene is refused in a sentence that says what it is and what to give instead."""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from products import band_file, read_all
from testutils import write_scene

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError
from geocloud.progress import Warn

WORDS = ("blue", "green", "red", "nir")


def zip_of(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "text")
    return path


def tar_of_text(path: Path) -> Path:
    (path.parent / "a.txt").write_text("text")
    with tarfile.open(path, "w") as archive:
        archive.add(path.parent / "a.txt", "a.txt")
    return path


def folder_of(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"x")
    return path


def bytes_of(path: Path, content: bytes) -> Path:
    path.write_bytes(content + bytes(64))
    return path


def bands_of(path: Path, *names: str) -> Path:
    for name in names:
        band_file(path / f"{name}.tiff", np.full((9, 9), 1000, np.uint16))
    return path


def ones(count: int) -> np.ndarray:
    return np.ones((count, 9, 9), np.float32)


def palette(path: Path) -> Path:
    with rasterio.open(path, "w", driver="PNG", count=1, height=9, width=9, dtype="uint8") as file:
        file.write(np.ones((1, 9, 9), np.uint8))
        file.write_colormap(1, {0: (0, 0, 0, 255), 1: (0, 128, 0, 255)})
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda t: zip_of(t / "other.zip", "a.txt", "b/c.csv"), r"other\.zip holds no raster; give a Sentinel-2 or"),
        (lambda t: zip_of(t / "a.zip", "roads.shp", "roads.dbf"), "holds no raster; give"),
        (lambda t: zip_of(t / "a.zip", "inner.zip"), "but other archives; unpack it"),
        (lambda t: tar_of_text(t / "a.tar"), r"a\.tar holds no raster; give"),
        (lambda t: folder_of(t / "f"), "f holds no raster; give"),
        (lambda t: folder_of(t / "f", "a.png", "b.png"), "several pictures"),
        (lambda t: folder_of(t / "S3A.SEN3", "Oa01_radiance.nc"), "netCDF or HDF files; .*SNAP"),
        (lambda t: bands_of(t / "S1A_IW_GRDH_1SDV_20200601T051522.SAFE", "measurement/vv"), "is radar, .* give"),
        (lambda t: bands_of(t / "pair", "s1a-iw-grd-vv-20200601", "s1a-iw-grd-vh-20200601"), "is radar, .* give"),
        (lambda t: folder_of(t / "S5P_OFFL_L2__NO2____20200601", "a.nc"), "is a product of gases"),
        (
            lambda t: write_scene(t / "dem.tif", data=np.ones((1, 9, 9), np.float32), names=()),
            "is a temperature, .* give",
        ),
        (lambda t: write_scene(t / "SCL.tif", data=np.ones((1, 9, 9), np.uint8), names=()), "a map of classes; give"),
        (
            lambda t: write_scene(t / "a.tif", data=ones(3), names=("VV", "VH", "angle")),
            "is radar, .* name them: --bands",
        ),
        (
            lambda t: write_scene(t / "a.tif", data=ones(3), names=("NDVI_1", "NDVI_2", "NDVI_3")),
            "which is no reflectance",
        ),
        (lambda t: palette(t / "a.png"), "table of colours: .*gdal_translate -expand rgb"),
        (lambda t: bytes_of(t / "a.laz", b"LASF"), "is a point cloud"),
        (lambda t: bytes_of(t / "a.parquet", b"PAR1"), r"is a table \(Parquet\)"),
        (lambda t: bytes_of(t / "a.7z", b"7z\xbc\xaf\x27\x1c"), "is a 7z archive; unpack it"),
        (lambda t: bytes_of(t / "a.rar", b"Rar!\x1a\x07"), "is a RAR archive; unpack it"),
        (lambda t: bytes_of(t / "a.tif.gz", b"\x1f\x8b\x08"), "is packed with gzip; unpack it"),
        (lambda t: bytes_of(t / "a.shp", b"\x00\x00\x27\x0a"), "holds areas, not pixels; give them as --aoi"),
    ],
)
def test_what_holds_no_raster_says_so_first(tmp_path: Path, make: Callable[[Path], Path], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        open_scene(make(tmp_path))


@pytest.mark.parametrize(
    "name", ["dop20_cir_33.tif", "dop20cir_32.tif", "IRRG-5.tif", "a_false_colour.tif", "a_0M20-IRC-E080.tif"]
)
def test_pictures_in_false_colour_are_known_by_their_names(tmp_path: Path, name: str) -> None:
    data = np.random.default_rng(0).integers(1, 255, (3, 40, 40)).astype(np.uint8)
    path = write_scene(tmp_path / name, data=data, names=(), photometric="RGB")
    with pytest.raises(InputError, match=r"is in false colour by its name: .*--bands red=1,green=2,blue=3 if"):
        open_scene(path)
    open_scene(write_scene(tmp_path / "circle.tif", data=data, names=(), photometric="RGB")).close()


@pytest.mark.parametrize(("name", "maker"), [("a.jpg", "FLIR Systems AB"), ("DJI_20230601_0001_T.JPG", "DJI")])
def test_a_picture_of_heat(tmp_path: Path, name: str, maker: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = maker
    seen = Image.fromarray(np.random.default_rng(0).integers(1, 255, (40, 40, 3)).astype(np.uint8))
    seen.save(tmp_path / name, exif=exif)
    with pytest.raises(InputError, match=r"is a picture of heat by its .*--bands red=1,green=2,blue=3"):
        open_scene(tmp_path / name)
    open_scene(tmp_path / name, SceneOptions({"red": 1, "green": 2, "blue": 3})).close()
    seen.save(tmp_path / "DJI_0001.JPG", exif=Image.Exif())
    open_scene(tmp_path / "DJI_0001.JPG").close()


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("IMG_PNEO3_202301011012_MS-FS_ORT_NED_R1C1.TIF", "Pléiades Neo's file of near infrared"),
        ("SPOT5_HRG2_XS_20050101/IMAGERY.TIF", "SPOT 1 to 5"),
        ("LC08_L1TP_190024_20240103_20240104_02_T1_refl.tif", "LandsatLook's natural colour"),
    ],
)
def test_products_without_blue_that_look_like_pictures(tmp_path: Path, name: str, product: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    data = np.random.default_rng(0).integers(1, 255, (3, 40, 40)).astype(np.uint8)
    path = write_scene(tmp_path / name, data=data, names=(), photometric="RGB")
    with pytest.raises(InputError, match=f"is of {product}.*has no blue band"):
        open_scene(path)


@pytest.mark.parametrize(
    ("name", "platform", "sentence"),
    [
        ("S1A_IW_GRDH_1SDV_20210601", "sentinel-1a", "is radar, .* give"),
        ("Copernicus_DSM_COG_10_N45_00_E014_00_DEM", "tandem-x", "a height, which is no reflectance; give"),
    ],
)
def test_items_of_radar_and_heights(tmp_path: Path, name: str, platform: str, sentence: str) -> None:
    band_file(tmp_path / "vv.tif", np.full((9, 9), 1000, np.uint16))
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "links": [],
        "properties": {"datetime": "2021-06-01T10:11:12Z", "platform": platform},
        "assets": {"vv": {"href": "./vv.tif", "type": "image/tiff"}, "manifest": {"href": "./manifest.safe"}},
    }
    (tmp_path / "item.json").write_text(json.dumps(item))
    with pytest.raises(InputError, match=sentence):
        open_scene(tmp_path / "item.json")


def test_resourcesat_by_the_metadata_beside_its_bands(tmp_path: Path) -> None:
    """Its BAND2 to BAND5 are green to short-wave infrared; Landsat 8's are blue to near infrared."""
    for number in range(2, 6):
        band_file(tmp_path / f"BAND{number}.tif", np.full((40, 40), 1000, np.uint16))
    open_scene(tmp_path).close()
    (tmp_path / "BAND_META.txt").write_text("SatID= IRS-R2\nSensor= L3\n")
    with pytest.raises(InputError, match="Resourcesat's LISS or AWiFS, which has no blue band"):
        open_scene(tmp_path)


def test_arrays_that_are_no_scene() -> None:
    xarray = pytest.importorskip("xarray")
    with pytest.raises(InputError, match="is a single band; a scene needs"):
        open_scene(xarray.DataArray(np.zeros((9, 9)), dims=("y", "x")))
    waves = xarray.DataArray(np.ones((4, 9, 9), complex), dims=("band", "y", "x"), coords={"band": list(WORDS)})
    with pytest.raises(InputError, match="complex128 numbers; reflectance is real"):
        open_scene(waves)


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_array_without_names_says_what_it_needs(tmp_path: Path, version: int) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.open_array(tmp_path / "a.zarr", mode="w", shape=(4, 9, 9), dtype="uint16", zarr_format=version)
    with pytest.raises(InputError, match=r"is a Zarr array, .* an xarray.DataArray of it"):
        open_scene(tmp_path / "a.zarr")


def test_a_lone_picture_or_envi_file_is_the_scene_of_its_folder(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(1, 255, (3, 40, 40)).astype(np.uint8)
    for folder, name, driver in (("p", "a.png", "PNG"), ("e", "a.dat", "ENVI")):
        (tmp_path / folder).mkdir()
        with rasterio.open(
            tmp_path / folder / name, "w", driver=driver, count=3, height=40, width=40, dtype="uint8"
        ) as file:
            file.write(data)
            if driver == "ENVI":
                file.descriptions = ("red", "green", "blue")
        with open_scene(tmp_path / folder) as scene:
            np.testing.assert_allclose(read_all(scene).data, data[::-1] * 0.8 / 255, atol=1e-6)


def test_the_dimap_document_of_pleiades_names_bands_and_radiometry(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(200, 4000, (4, 40, 40)).astype(np.uint16)
    stem = "PHR1A_MS_202301010000000_ORT_1"
    path = write_scene(tmp_path / f"IMG_{stem}_R1C1.TIF", data=data, names=())
    with pytest.raises(InputError, match="--bands"):
        open_scene(path)
    bands = "".join(
        f"<Raster_Index><BAND_ID>{name}</BAND_ID><BAND_INDEX>{number}</BAND_INDEX></Raster_Index>"
        for number, name in enumerate(("B2", "B1", "B0", "B3"), start=1)
    )
    kind = "<RADIOMETRIC_PROCESSING>{}</RADIOMETRIC_PROCESSING>"
    document = f"<Dimap_Document>{kind}<Raster_Index_List>{bands}</Raster_Index_List></Dimap_Document>"
    (tmp_path / f"DIM_{stem}.XML").write_text(document.format("BASIC"))
    with pytest.raises(InputError, match=r"may hold a detector's numbers .*--scale"):
        open_scene(path)
    (tmp_path / f"DIM_{stem}.XML").write_text(document.format("REFLECTANCE"))
    with open_scene(path) as scene:
        assert isinstance(scene.notes[0], Warn)
        assert scene.bands == WORDS
        np.testing.assert_allclose(read_all(scene).data, data[[2, 1, 0, 3]] / 10000, atol=1e-6)


@pytest.mark.parametrize("document", ["IMD", "XML"])
def test_maxars_metadata_beside_a_file_or_its_tiles_name_the_bands(tmp_path: Path, document: str) -> None:
    data = np.random.default_rng(0).integers(200, 2000, (4, 40, 40)).astype(np.uint16)
    path = write_scene(tmp_path / "21JUN01101010-S2AS_R1C1-010203040010_01_P001.TIF", data=data, names=())
    with pytest.raises(InputError, match="--bands"):
        open_scene(path)
    text = {
        "IMD": "".join(f"BEGIN_GROUP = BAND_{band}\n\tabsCalFactor = 1;\nEND_GROUP = BAND_{band}\n" for band in "RGBN"),
        "XML": f"<isd><IMD>{''.join(f'<BAND_{b}><TDILEVEL>1</TDILEVEL></BAND_{b}>' for b in 'RGBN')}</IMD></isd>",
    }[document]
    (tmp_path / f"21JUN01101010-S2AS-010203040010_01_P001.{document}").write_text(text)
    with pytest.raises(InputError, match=r"may hold a detector's numbers .*--scale"):
        open_scene(path)
    with open_scene(path, SceneOptions(scale=1e-3)) as scene:
        assert scene.bands == WORDS
        np.testing.assert_allclose(read_all(scene).data, data[[2, 1, 0, 3]] / 1000, atol=1e-6)
