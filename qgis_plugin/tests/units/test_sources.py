"""Layers and the scenes they stand for."""

import pytest
from geocloud_qgis.sources import scene_source

SAFE = "/d/S2A_MSIL1C.SAFE"


@pytest.mark.parametrize(
    ("path", "bands", "expected"),
    [
        ("/d/scene one.tif", 4, "/d/scene one.tif"),
        ("/d/mask.tif", 1, "/d/mask.tif"),
        (f"{SAFE}/GRANULE/L1C/IMG_DATA/T33_B02.jp2", 1, SAFE),
        (f"SENTINEL2_L1C:{SAFE}/MTD_MSIL1C.xml:10m:EPSG_32633", 4, SAFE),
        ("/d/LC08/LC08_L1TP_193024_B4.TIF", 1, "/d/LC08"),
        ("/d/S2/B8A.tif", 1, "/d/S2"),
        ("/vsicurl/https://example.org/scene.tif", 4, "/vsicurl/https://example.org/scene.tif"),
    ],
)
def test_source(path, bands, expected):
    assert scene_source(path, bands) == expected
