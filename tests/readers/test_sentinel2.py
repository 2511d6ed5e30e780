"""SAFE products: files as the XML names them, the offset from the metadata, every shape they come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from products import assert_twin, band_file, numbers, read_all, write_safe, zipped

from geocloud import SceneOptions, open_scene
from geocloud.errors import InputError, UsageError

NAMES = {"B2": "blue", "B3": "green", "B4": "red", "B8": "nir", "B8A": "nir", "B11": "swir16"}


def reflectance(data: dict[str, np.ndarray], offset: float) -> dict[str, np.ndarray]:
    return {NAMES[band]: (values.astype(float) + offset) / 10000 for band, values in data.items()}


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("archive", [False, True])
def test_equals_its_twin(tmp_path: Path, level: str, *, archive: bool) -> None:
    safe, data = write_safe(tmp_path, level, bands=("B2", "B3", "B4", "B8"))
    with open_scene(zipped(safe) if archive else safe) as scene:
        assert_twin(scene, reflectance(data, -1000), data["B2"] > 0)
        assert scene.name == safe.name.removesuffix(".SAFE")
        described = scene.describe()
    assert described["kind"] == f"Sentinel-2 {level} SAFE, baseline 05.10"
    assert described["taken"] == "2024-01-05T10:13:19.024Z"


def test_its_metadata_file_stands_for_the_product(tmp_path: Path) -> None:
    safe, _ = write_safe(tmp_path)
    with open_scene(safe / "MTD_MSIL1C.xml") as scene:
        assert scene.name == safe.name.removesuffix(".SAFE")


def test_20_m_bands_come_to_the_10_m_grid(tmp_path: Path) -> None:
    safe, data = write_safe(tmp_path)
    with open_scene(safe) as scene:
        assert scene.georef.shape == (120, 120)
        assert scene.georef.resolution == (10, 10)
        raster = read_all(scene)
        swir = raster.data[scene.bands.index("swir16")]
    coarse = (data["B11"] - 1000.0) / 10000
    inner = swir[60:100, 60:100].reshape(20, 2, 20, 2).mean(axis=(1, 3))
    near = coarse[29:51, 29:51]
    weights = ((-1, 0.125), (0, 0.75), (1, 0.125))  # of bilinear halves, averaged back over 2x2
    smooth = sum(near[1 + y : 21 + y, 1 + x : 21 + x] * v * w for y, v in weights for x, w in weights)
    np.testing.assert_allclose(inner, smooth, atol=2e-4)


def test_nodata_does_not_bleed_into_warped_bands(tmp_path: Path) -> None:
    safe, data = write_safe(tmp_path)
    with open_scene(safe) as scene:
        raster = read_all(scene)
        swir = raster.data[scene.bands.index("swir16")]
    assert (raster.valid == (data["B2"] > 0)).all()
    assert swir[raster.valid].min() >= (1100 - 1000) / 10000 - 1e-6


def test_only_60_m_and_b8a_for_nir(tmp_path: Path) -> None:
    absent = ["GRANULE/X/IMG_DATA/R10m/T33UUP_20240105T101319_B02_10m", "GRANULE/X/IMG_DATA/R10m/T_B08_10m"]
    safe, data = write_safe(tmp_path, "L2A", bands=("B2", "B3", "B4", "B8A"), metres=60, named=absent)
    with open_scene(safe) as scene:
        assert scene.georef.resolution == (60, 60)
        assert_twin(scene, reflectance(data, -1000), data["B2"] > 0)
        assert "B8A stands in" in scene.notes[1]


def test_offset_comes_from_the_metadata_never_from_the_name(tmp_path: Path) -> None:
    name = "S2A_MSIL1C_20180105T101319_N0206_R022_T33UUP_20240105T110000.SAFE"
    safe, _ = write_safe(tmp_path, name=name, baseline="05.00", offset=-1000)
    with open_scene(safe) as scene:
        assert scene.describe()["bands"]["blue"]["offset"] == -0.1
    safe, _ = write_safe(tmp_path / "old", baseline="02.06", offset=None)
    with open_scene(safe) as scene:
        assert scene.describe()["bands"]["blue"]["offset"] == 0


def test_products_before_2016_name_bands_without_their_folders(tmp_path: Path) -> None:
    """IMAGE_ID is a name in the granule's own folder, and the metadata file has the product's own name."""
    safe, data = write_safe(tmp_path, baseline="02.01", offset=None, bands=("B2", "B3", "B4", "B8"))
    folder = safe / "GRANULE" / "S2B_TL_A" / "IMG_DATA"
    folder.mkdir(parents=True)
    text = (safe / "MTD_MSIL1C.xml").read_text()
    for band in safe.rglob("*.jp2"):
        text = text.replace(str(band.relative_to(safe).with_suffix("")), band.stem)
        band.rename(folder / band.name)
    old = safe / "S2A_OPER_MTD_SAFL1C_PDMC_20151005T101319_R022_V20151005T101319.xml"
    old.write_text(text.replace("IMAGE_FILE>", "IMAGE_ID>"))
    (safe / "MTD_MSIL1C.xml").unlink()
    with open_scene(safe) as scene:
        assert_twin(scene, reflectance(data, 0), data["B2"] > 0)


@pytest.mark.parametrize("baseline", ["99.99", "", "04.00"])
def test_unknown_offset_is_one_sentence_and_can_be_given(tmp_path: Path, baseline: str) -> None:
    safe, _ = write_safe(tmp_path, baseline=baseline, offset=None)
    with pytest.raises(InputError, match=r"gives no offsets, so its scale cannot be told; give --scale"):
        open_scene(safe)
    with open_scene(safe, SceneOptions(scale=1e-4, offset=-0.1)) as scene:
        assert scene.describe()["bands"]["red"]["from"] == "given"


def test_a_newer_baseline_is_read_by_its_metadata_with_a_note(tmp_path: Path) -> None:
    safe, _ = write_safe(tmp_path, baseline="07.01", offset=-500)
    with open_scene(safe) as scene:
        assert "07.01 is not known" in scene.notes[1]
        assert scene.describe()["bands"]["blue"]["offset"] == pytest.approx(-0.05)


def test_a_missing_band_is_named(tmp_path: Path) -> None:
    safe, _ = write_safe(tmp_path, bands=("B2", "B3", "B8"), named=["GRANULE/X/IMG_DATA/T33UUP_20240105T101319_B04"])
    with pytest.raises(InputError, match=r"has no red band \(red: B4, named as GRANULE/X/IMG_DATA/T33UUP.*_B04\)"):
        open_scene(safe)


def test_paths_that_climb_out_are_not_followed(tmp_path: Path) -> None:
    write_safe(tmp_path, name="other.SAFE")
    safe, _ = write_safe(tmp_path, bands=("B2", "B3"), named=["../other.SAFE/GRANULE/../x_B04"])
    with pytest.raises(InputError, match="has no red band"):
        open_scene(safe)


def test_entities_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    safe, _ = write_safe(tmp_path)
    text = (safe / "MTD_MSIL1C.xml").read_text().replace("?>", f"?>{bomb}", 1)
    (safe / "MTD_MSIL1C.xml").write_text(text)
    with pytest.raises(InputError, match="is not XML that can be trusted"):
        open_scene(safe)


def test_what_is_no_product_says_so(tmp_path: Path) -> None:
    (tmp_path / "S1A_IW.SAFE").mkdir()
    with pytest.raises(InputError, match=r"has no MTD_MSIL1C\.xml or MTD_MSIL2A\.xml"):
        open_scene(tmp_path / "S1A_IW.SAFE")
    band_file(tmp_path / "S1A_IW.SAFE" / "measurement" / "s1a-iw-grd-vv.tiff", numbers(40, 1))
    with pytest.raises(InputError, match="so it is no Sentinel-2 product"):
        open_scene(tmp_path / "S1A_IW.SAFE")
    broken = tmp_path / "product.zip"
    broken.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match="is not an archive that can be read"):
        open_scene(broken)


def test_band_files_are_read_where_the_metadata_are_not_those_of_esa(tmp_path: Path) -> None:
    safe = tmp_path / "S2A_MSIL2F_20230625T234621_N9999_R073_T31TFJ_20230626T022157.SAFE"
    data = {band: numbers(40, seed) for seed, band in enumerate(("B02", "B03", "B04", "B8A"))}
    for band, values in data.items():
        name = f"L2F_T31TFJ_20230625T234621_S2A_R073_{band}_20m.TIF"
        band_file(safe / "GRANULE" / "L2F_T31TFJ" / "IMG_DATA" / name, values)
    with open_scene(safe, SceneOptions(offset=0)) as scene:
        np.testing.assert_allclose(read_all(scene).data, np.stack([*data.values()]) / 10000, atol=1e-6)


def test_bands_can_be_given_by_their_names(tmp_path: Path) -> None:
    safe, _ = write_safe(tmp_path, bands=("B2", "B3", "B4", "B8", "B8A"))
    with open_scene(safe, SceneOptions({"blue": "B2", "green": "B3", "red": "B4", "nir": "B8A"})) as scene:
        assert scene.describe()["bands"]["nir"]["file"].endswith("_B8A.jp2")
    with pytest.raises(UsageError, match="band blue=9 is not in"):
        open_scene(safe, SceneOptions({"blue": 9}))
