"""Which band is which: by all that a scene says, together."""

from __future__ import annotations

import re

import pytest

from geocloud.errors import InputError, UsageError
from geocloud.readers.bands.choosing import choose_bands, given_bands, nearest_hints
from geocloud.readers.bands.evidence import BandHint, read_evidence
from geocloud.readers.bands.names import name_wavelength
from geocloud.readers.bands.sensors import SENSORS

S2 = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]
L2A = [name for name in S2 if name != "B10"]
FOUR = {"blue": 1, "green": 2, "red": 3, "nir": 4}
SIX = {**FOUR, "swir16": 5, "swir22": 6}
S2_BANDS = {"blue": 2, "green": 3, "red": 4, "nir": 8}
L8 = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir16": 6, "swir22": 7}
MODIS = {"red": 1, "nir": 2, "blue": 3, "green": 4, "swir16": 6, "swir22": 7}


def scored(names: list[str], texts: str = "") -> dict[str, int]:
    found = read_evidence([BandHint(name) for name in names], texts).numbers()
    return {band: number for band, number in found.items() if band not in ("coastal", "rededge")}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["COASTAL", "BLUE", "GREEN", "YELLOW", "RED", "REDEDGE", "NEAR-IR1", "NEAR-IR2"],
            {"blue": 2, "green": 3, "red": 5, "nir": 7},
        ),
        (["blue", "green", "red", "nir"], FOUR),
        (["Blue", "GREEN", "Red", "NIR08"], FOUR),
        (["B02", "B03", "B04", "B08"], FOUR),
        (["B2_median", "B3_median", "B4_median", "B8_median"], FOUR),
        (["0_B2", "0_B3", "0_B4", "0_B8"], FOUR),
        (["blue_1", "green_1", "red_1", "nir_1"], FOUR),
        (["B2", "B3", "B4", "B5"], FOUR),
        (["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"], SIX),
        (["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"], SIX),
        (["B2", "B3", "B4", "B5", "B6", "B7"], SIX),
        (["B2", "B3", "B4", "B8", "B11", "B12"], SIX),
        (["B1", "B2", "B3", "B4", "B5", "B7"], SIX),
        (["B04", "B03", "B02"], {"blue": 3, "green": 2, "red": 1}),
        (["B3", "B2", "B1"], {"blue": 3, "green": 2, "red": 1}),
        (["B02", "B03", "B04", "B8A"], FOUR),
        (["B8A", "B08", "B04", "B03", "B02"], {"blue": 5, "green": 4, "red": 3, "nir": 2}),
        (["B02 (10 m)", "T33_B03_10m", "b4", "B8"], FOUR),
        (["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A"], {"blue": 1, "green": 2, "red": 3, "nir": 7}),
        (S2, {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 12, "swir22": 13, "cirrus": 11}),
        (L2A, {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 11, "swir22": 12}),
        (
            [name for name in L2A if name != "B8A"],
            {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 10, "swir22": 11},
        ),
        (
            ["coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"],
            {"blue": 2, "green": 4, "red": 6, "nir": 8},
        ),
        (["Blue", "Green", "Red", "Near Infra-Red", "Short Wave Infrared 1"], {**FOUR, "swir16": 5}),
        (
            [f"sur_refl_b0{n}" for n in range(1, 8)],
            {"red": 1, "nir": 2, "blue": 3, "green": 4, "swir16": 6, "swir22": 7},
        ),
        ([f"nbart_{n}" for n in ("blue", "green", "red", "nir_1", "swir_2", "swir_3")], SIX),
        ([f"nbart_{n}" for n in ("blue", "green", "red", "nir", "swir_1", "swir_2")], SIX),
        (["BAND5", "BAND6", "BAND7", "BAND8"], FOUR),
        (["M3", "M4", "M5", "M7", "M10", "M11"], SIX),
        (["rhos_492", "rhos_560", "rhos_665", "rhos_833"], FOUR),
        (["450 nm", "555 nm", "660 nm", "850 nm"], {"green": 2, "red": 3, "nir": 4}),
        (["", "", ""], {}),
        (["vv", "vh", "angle"], {}),
        (["Band 1", "Band 2", "Band 3"], {}),
        (["Band_1", "Band_2", "Band_3", "Band_4"], {}),
        (["B1", "B2", "B3", "B4", "B5", "B6", "B7"], {}),
        ([*L2A, "SCL", "MSK_CLDPRB", "QA60", "MSK_CLASSI_CIRRUS"], {**S2_BANDS, "swir16": 11, "swir22": 12}),
        ([f"B{n}" for n in range(1, 12)], {**L8, "cirrus": 9}),
        ([*(f"B{n}" for n in range(1, 12)), "QA_PIXEL", "SAA"], {**L8, "cirrus": 9}),
        (["B1", "B2", "B3", "B4", "B5", "B6_VCID_1", "B6_VCID_2", "B7", "B8", "QA_PIXEL"], {**SIX, "swir22": 8}),
        (["B1", "B2", "B3", "B4", "B5", "B7", "B8"], {**SIX}),
        ([f"Nadir_Reflectance_Band{n}" for n in range(1, 8)], MODIS),
        ([f"Oa{n:02d}_reflectance" for n in (3, 4, 6, 8, 17)], {"blue": 2, "green": 3, "red": 4, "nir": 5}),
        ([f"500m Surface Reflectance Band {n}" for n in range(1, 8)], MODIS),
        ([f"LC08_CU_003008_20161026_20181222_C01_V01_SRB{n}" for n in range(2, 8)], SIX),
        ([f"LC08_CU_003008_20161026_20181222_C01_V01_TAB{n}" for n in range(2, 8)], SIX),
        (["Band 2 Blue", "Band 3 Green", "Band 4 Red", "Band 5 NIR", "Band 6 SWIR 1", "Band 7 SWIR 2"], SIX),
        (["Azul", "Verde", "Rojo", "Infrarrojo cercano", "SWIR 1", "SWIR 2"], SIX),
        (["Bleu", "Vert", "Rouge", "Proche infrarouge", "SWIR1", "SWIR2"], SIX),
        (
            ["Blauer Kanal", "Grüner Kanal", "Roter Kanal", "Nahes Infrarot", "Kurzwelliges Infrarot 1"],
            {**FOUR, "swir16": 5},
        ),
        (["Banda azul", "Banda verde", "Banda roja", "Infrarrojo cercano", "Infrarrojo medio"], FOUR),
        (["Blau", "Grün", "Rot", "Mittleres Infrarot"], {"blue": 1, "green": 2, "red": 3}),
        (
            ["Blue-444", "Blue-475", "Green-560", "Red-650", "Red-668", "Red edge-740", "NIR-842"],
            {"blue": 2, "green": 3, "red": 5, "nir": 7},
        ),
        (["Gray Index", "Band 2", "Band 3", "Band 4"], {}),
        (["blue_2020", "green_2020", "red_2020"], {"blue": 1, "green": 2, "red": 3}),
        (["Blau", "Grün", "Rot", "Nahes Infrarot", "SWIR 1", "SWIR 2"], SIX),
        (["Blu", "Verde", "Rosso", "Infrarosso vicino", "SWIR 1", "SWIR 2"], SIX),
        (["Azul", "Verde", "Vermelho", "Infravermelho próximo", "SWIR 1", "SWIR 2"], SIX),
        ([f"LC08_L1TP_044034_20140318_20170307_01_T1_sr_band{n}" for n in range(2, 8)], SIX),
        (["blue", "green", "red", "nir_1", "swir_2", "swir_3"], SIX),
        (["blue", "green", "red", "nir", "SWIR1", "SWIR2", "SWIR3"], FOUR),
        (["Blau", "Grün", "Rot", "NIR"], FOUR),
        (["cirrus_mask", "cloud prob", "blue", "green", "red"], {"blue": 3, "green": 4, "red": 5}),
    ],
)
def test_names_are_read_together(names: list[str], expected: dict[str, int]) -> None:
    assert scored(names) == expected


def test_what_is_stated_decides_between_sensors() -> None:
    names = [f"B{n}" for n in range(1, 8)]
    assert scored(names, "LT05_L2SP_1.tif") == {**FOUR, "swir16": 5, "swir22": 7}
    assert scored(names, "platform landsat-8") == {
        "blue": 2, "green": 3, "red": 4, "nir": 5, "swir16": 6, "swir22": 7,
    }  # fmt: skip
    ali = scored([f"B{n}" for n in range(2, 11)], "EO1A0150322010138110KF_1T.tif")
    assert ali == {"blue": 2, "green": 3, "red": 4, "nir": 6, "swir16": 8, "swir22": 9}
    assert scored(["B02", "B03", "B04", "B05"], "sentinel-2a") == {"blue": 1, "green": 2, "red": 3}
    assert scored(["Band 1", "Band 2", "Band 3"], "LT05_L2SP_1.tif") == {}


def test_a_wavelength_after_swir() -> None:
    names = ["blue", "green", "red", "nir", "swir_1600", "swir_2200"]
    assert scored(names) == {"blue": 1, "green": 2, "red": 3, "nir": 4, "swir16": 5, "swir22": 6}


def test_short_wave_infrared_without_a_number_is_the_first_beside_the_second() -> None:
    names = ["blue", "green", "red", "nir", "SWIR", "SWIR2"]
    assert scored(names) == {"blue": 1, "green": 2, "red": 3, "nir": 4, "swir16": 5, "swir22": 6}
    alone = choose_bands([BandHint(name) for name in names[:5]], names[:5], "scene.tif")
    assert alone.unnamed == ("SWIR",)


def test_a_wavelength_goes_before_a_name_and_the_nearest_is_read() -> None:
    hints = [
        BandHint("B2", 0.49),
        BandHint("B3", 0.56),
        BandHint("B4", 0.665),
        BandHint("B5", 0.704),
        BandHint("B9", 0.945),
    ]
    assert read_evidence(hints).numbers() == {"blue": 1, "green": 2, "red": 3, "rededge": 4}
    hints = [BandHint(wavelength=w) for w in (0.456, 0.488, 0.56, 0.62, 0.66, 0.77, 0.84)]
    assert read_evidence(hints).numbers() == {"blue": 2, "green": 3, "red": 5, "nir": 7}


def test_colours_go_after_names_and_before_running_numbers() -> None:
    colours = ("red", "green", "blue")
    running = [BandHint(f"Band_{n}", colour=colour) for n, colour in enumerate(colours, start=1)]
    assert read_evidence(running).numbers() == {"red": 1, "green": 2, "blue": 3}
    named = [BandHint(name, colour=colour) for name, colour in zip(("B2", "B3", "B4"), colours, strict=True)]
    assert read_evidence(named).numbers() == {"blue": 1, "green": 2, "red": 3}


def test_what_stays_ambiguous_is_refused_with_the_lines_to_type() -> None:
    names = [f"B{n}" for n in range(1, 8)]
    with pytest.raises(InputError) as refused:
        choose_bands([BandHint(name) for name in names], names, "a.tif")
    assert "if they are Landsat 8-9's, --bands blue=2,green=3,red=4,nir=5,swir16=6,swir22=7" in str(refused.value)
    assert "if they are Landsat 4-7's, --bands blue=1,green=2,red=3,nir=4,swir16=5,swir22=7" in str(refused.value)


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (3, "--bands red=1,green=2,blue=3 (pictures)"),
        (4, "--bands blue=1,green=2,red=3,nir=4 (PlanetScope)"),
        (5, "--bands blue=1,green=2,red=3,nir=5 (RapidEye, MicaSense)"),
        (8, "--bands blue=2,green=4,red=6,nir=8 (SuperDove)"),
    ],
)
def test_bands_without_names_are_refused_with_lines_of_products_that_have_so_many(count: int, line: str) -> None:
    with pytest.raises(InputError, match=re.escape(line)):
        choose_bands([BandHint()] * count, [""] * count, "a.tif")


@pytest.mark.parametrize(
    ("name", "count", "product", "bands"),
    [
        (
            *("20230101_101112_30_24a1_3B_AnalyticMS_SR_8b_clip.tif", 8, "PlanetScope, 8 bands"),
            {"blue": 2, "green": 4, "red": 6, "nir": 8},
        ),
        ("20170101_101112_0e0e_3B_Analytic.tif", 3, "PlanetScope, 3 bands", {"red": 1, "green": 2, "blue": 3}),
        (
            *("S2A2A_20190723_022_Barbados_BOA_10.tif", 11, "sen2r"),
            {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 10, "swir22": 11},
        ),
        (
            *("S2A2A_20190723_022_Barbados_BOA_10.tif", 12, "sen2r"),  # Level 2A has no cirrus band
            {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 11, "swir22": 12},
        ),
        (
            *("S2A1C_20190723_022_Barbados_TOA_10.tif", 12, "sen2r"),
            {"blue": 2, "green": 3, "red": 4, "nir": 8, "swir16": 11, "swir22": 12, "cirrus": 10},
        ),
        ("T33TUN_20200601T100031_TCI_10m.jp2", 3, "Sentinel-2's true colour", {"red": 1, "green": 2, "blue": 3}),
        (
            *("GF1_PMS1_E116.5_N39.4_20200601_L1A0004837-MSS1.tiff", 4, "Gaofen"),
            {"blue": 1, "green": 2, "red": 3, "nir": 4},
        ),
        (
            *("20JUN01101010-M2AS-010203040010_01_P001.TIF", 8, "Maxar"),
            {"blue": 2, "green": 3, "red": 5, "nir": 7},
        ),
    ],
)
def test_a_files_name_tells_the_order_of_its_bands(name: str, count: int, product: str, bands: dict[str, int]) -> None:
    chosen = choose_bands([BandHint()] * count, [""] * count, name, file_name=name)
    assert {band: n for band, n in chosen.numbers.items() if band in {*SIX, "cirrus"}} == bands
    assert product in chosen.guess


def test_bands_are_given_by_number_or_by_what_the_scene_calls_them() -> None:
    labels = ["T33_B02_10m.jp2", "T33_B03_10m.jp2", "T33_B04_10m.jp2"]
    for bands in ({"blue": 1, "green": 2, "red": 3}, {"blue": "B02", "green": "b03", "red": labels[2]}):
        assert dict(given_bands(bands, labels, "a").numbers) == {"blue": 1, "green": 2, "red": 3}
    with pytest.raises(UsageError, match=r"band blue=B09 is not in a, whose bands are T33_B02_10m\.jp2"):
        given_bands({"blue": "B09", "green": 2, "red": 3}, labels, "a")


@pytest.mark.parametrize(
    "name", ["LM05_190027_19840615.tif", "AST_L1T_00301052020.tif", "CBERS_4_PAN10M_2020.tif", "R2_LISS3_2023.tif"]
)
def test_sensors_without_blue_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="which has no blue band"):
        choose_bands([BandHint(f"B{n}") for n in range(1, 5)], ["B1", "B2", "B3", "B4"], name, name)


def test_colours_of_false_colour_pictures_are_not_believed() -> None:
    names = ["NIR", "Red", "Green"]
    hints = [BandHint(name, colour=colour) for name, colour in zip(names, ("red", "green", "blue"), strict=True)]
    with pytest.raises(InputError, match=r"has green, red, nir, but no blue \(1='NIR'"):
        choose_bands(hints, names, "cir.tif")


@pytest.mark.parametrize("text", ["{:.2f} nm", "Band {} ({:.1f})", "{:.2f} Nanometers", "X{:.1f}.Nanometers"])
def test_a_spectrometers_bands_are_told_by_numbers_in_their_names(text: str) -> None:
    waves = [400 + 5.5 * n for n in range(370)]
    names = [text.format(n, wave) if "{}" in text else text.format(wave) for n, wave in enumerate(waves, start=1)]
    hints = nearest_hints([BandHint(name) for name in names], "", lambda number: number != 18)
    found = {band: waves[number - 1] for band, number in read_evidence(hints).numbers().items()}
    nearest = {"blue": 488.0, "green": 559.5, "red": 664.0, "nir": 840.0, "swir16": 1610.0, "swir22": 2198.5}
    assert found == {band: pytest.approx(wave) for band, wave in nearest.items()}


def test_a_spectrometers_bands_without_wavelengths_are_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match=r"name the bands nearest 490, 560, 665"):
        choose_bands([BandHint()] * 200, [""] * 200, "cube.tif")


def test_every_sensor_names_blue_green_and_red() -> None:
    for sensor in SENSORS:
        assert {"blue", "green", "red"} <= set(sensor.bands.values()), sensor.sensor


WAVES = {0.4927: "blue", 0.5598: "green", 0.6646: "red", 0.74: "rededge", 0.8328: "nir", 1.3735: "cirrus"}


@pytest.mark.parametrize(
    ("micrometres", "name"), [*WAVES.items(), (1.6137, "swir16"), (2.2024, "swir22"), (0.945, ""), (10.9, "")]
)
def test_sentinel_2_wavelengths(micrometres: float, name: str) -> None:
    assert name_wavelength(micrometres) == name


def test_bands_of_an_item_are_given_by_asset_or_by_name() -> None:
    labels = ["B02_10m B02", "B03_10m B03", "B04_10m B04"]
    for given in ("B04_10m", "B04", "B04_10m B04"):
        assert given_bands({"red": given}, labels, "item.json").numbers == {"red": 3}


def test_nine_running_numbers_may_be_landsat_8_with_its_panchromatic_band() -> None:
    names = [f"B{n}" for n in range(1, 10)]
    with pytest.raises(InputError, match=r"Sentinel-2's, --bands .*nir=8; if they are Landsat 8-9's, --bands .*nir=5,"):
        choose_bands([BandHint(name) for name in names], names, "scene.tif")


def test_bands_are_given_with_and_without_a_zero() -> None:
    assert given_bands({"blue": "B02", "nir": "b8a"}, ["B2", "B8", "B8A"], "a").numbers == {"blue": 1, "nir": 3}
    assert given_bands({"blue": "B2"}, ["B02", "B12"], "a").numbers == {"blue": 1}
    with pytest.raises(UsageError, match="band blue=B03 is not in a"):
        given_bands({"blue": "B03"}, ["B2", "B13"], "a")
