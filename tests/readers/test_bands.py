from __future__ import annotations

import pytest

from geocloud.readers.bands.names import name_bands, name_wavelength

FOUR = {"blue": 1, "green": 2, "red": 3, "nir": 4}


@pytest.mark.parametrize(
    ("descriptions", "expected"),
    [
        (["blue", "green", "red", "nir"], FOUR),
        (["Blue", "GREEN", "Red", "NIR08"], FOUR),
        (["B02", "B03", "B04", "B08"], FOUR),
        (["B2", "B3", "B4", "B5"], FOUR),
        (["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"], {**FOUR, "swir16": 5, "swir22": 6}),
        (["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"], {**FOUR, "swir16": 5, "swir22": 6}),
        (["B04", "B03", "B02"], {"blue": 3, "green": 2, "red": 1}),
        (["B02", "B03", "B04", "B8A"], FOUR),
        (["B8A", "B08", "B04", "B03", "B02"], {"blue": 5, "green": 4, "red": 3, "nir": 2}),
        (["B02 (10 m)", "T33_B03_10m", "b4", "B8"], FOUR),
        ([None, None, None], {}),
        (["vv", "vh", "angle"], {}),
    ],
)
def test_names_that_products_and_people_use(descriptions: list[str | None], expected: dict[str, int]) -> None:
    assert name_bands(descriptions) == expected


def test_all_thirteen_sentinel_bands() -> None:
    names = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]
    found = name_bands(names)
    assert {found[band] for band in ("blue", "green", "red", "nir", "cirrus", "swir16", "swir22")} == {
        2, 3, 4, 8, 11, 12, 13,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("micrometres", "name"), [(0.4927, "blue"), (0.5598, "green"), (0.6646, "red"), (0.8328, "nir"),
                              (1.3735, "cirrus"), (1.6137, "swir16"), (2.2024, "swir22"), (0.74, ""), (10.9, "")],
)  # fmt: skip
def test_sentinel_2_wavelengths(micrometres: float, name: str) -> None:
    assert name_wavelength(micrometres) == name
