"""The sample scene as the products that people have: a SAFE folder, a Landsat archive, single bands.

usage: /usr/bin/python3 make_products.py SCENE FOLDER
"""

import sys
import tarfile
from pathlib import Path

from osgeo import gdal

gdal.UseExceptions()
SAFE = "S2B_MSIL1C_20240105T101319_N0510_R022_T33UUP_20240105T110000.SAFE"
LANDSAT = "LC09_L1TP_192027_20240105_20240105_02_T1"
NUMBERS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")


def make_safe(scene, folder):
    """Level 1C with four bands; reflectance = (DN - 1000) / 10000."""
    granule, names = "GRANULE/L1C_T33UUP_A035700_20240105T101316/IMG_DATA", []
    (folder / SAFE / granule).mkdir(parents=True)
    for number, band in enumerate(("B02", "B03", "B04", "B08"), start=1):
        names.append(f"{granule}/T33UUP_20240105T101319_{band}")
        raised = {"scaleParams": [[0, 50000, 1000, 51000]], "outputType": gdal.GDT_UInt16}
        gdal.Translate("/vsimem/raised.tif", scene, bandList=[number], **raised)
        options = ["QUALITY=100", "REVERSIBLE=YES"]
        target = str(folder / SAFE / f"{names[-1]}.jp2")
        gdal.Translate(target, "/vsimem/raised.tif", format="JP2OpenJPEG", creationOptions=options)
    files = "".join(f"<IMAGE_FILE>{name}</IMAGE_FILE>" for name in names)
    offsets = "".join(f'<RADIO_ADD_OFFSET band_id="{i}">-1000</RADIO_ADD_OFFSET>' for i in range(13))
    spectral = "".join(f'<Spectral_Information bandId="{i}" physicalBand="{b}"/>' for i, b in enumerate(NUMBERS))
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-1C_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product.xsd"><n1:General_Info>
<PROCESSING_LEVEL>Level-1C</PROCESSING_LEVEL><PROCESSING_BASELINE>05.10</PROCESSING_BASELINE>
<DATATAKE_SENSING_START>2024-01-05T10:13:19.024Z</DATATAKE_SENSING_START>
<Granule granuleIdentifier="S2B_TL_A">{files}</Granule>
<SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
<QUANTIFICATION_VALUE>10000</QUANTIFICATION_VALUE>
{offsets}{spectral}</n1:General_Info></n1:Level-1C_User_Product>"""
    (folder / SAFE / "MTD_MSIL1C.xml").write_text(text, encoding="utf-8")


def make_landsat(scene, folder):
    """A Collection 2 Level 1 archive with four bands; reflectance = DN * 2e-5 - 0.1, the sun overhead."""
    names = [f"{LANDSAT}_{band}.TIF" for band in ("B2", "B3", "B4", "B5")]
    product = folder / LANDSAT
    product.mkdir()
    for number, name in enumerate(names, start=1):
        scaled = {"scaleParams": [[0, 10000, 5000, 55000]], "outputType": gdal.GDT_UInt16}
        gdal.Translate(str(product / name), scene, bandList=[number], **scaled)
    files = "".join(f'    FILE_NAME_BAND_{name[-5]} = "{name}"\n' for name in names)
    gains = "".join(
        f"    REFLECTANCE_MULT_BAND_{name[-5]} = 2.0000E-05\n    REFLECTANCE_ADD_BAND_{name[-5]} = -0.100000\n"
        for name in names
    )
    text = f"""GROUP = LANDSAT_METADATA_FILE
  GROUP = PRODUCT_CONTENTS
    LANDSAT_PRODUCT_ID = "{LANDSAT}"
    PROCESSING_LEVEL = "L1TP"
    COLLECTION_NUMBER = 02
{files}  END_GROUP = PRODUCT_CONTENTS
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "LANDSAT_9"
    DATE_ACQUIRED = 2024-01-05
    SCENE_CENTER_TIME = "03:14:15.0000000Z"
    SUN_ELEVATION = 90.0
  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = LEVEL1_RADIOMETRIC_RESCALING
{gains}  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING
END_GROUP = LANDSAT_METADATA_FILE
END
"""
    (product / f"{LANDSAT}_MTL.txt").write_text(text, encoding="utf-8")
    with tarfile.open(folder / f"{LANDSAT}.tar", "w") as archive:
        for path in sorted(product.iterdir()):
            archive.add(path, path.name)


def make_bands(scene, folder):
    """Files that say nothing of their bands."""
    for number, name in enumerate(("first", "second", "third"), start=1):
        target = str(folder / f"{name}.tif")
        gdal.Translate(target, scene, bandList=[number])
        dataset = gdal.Open(target, gdal.GA_Update)
        dataset.GetRasterBand(1).SetDescription("")
        del dataset


if __name__ == "__main__":
    made = Path(sys.argv[2])
    for make in (make_safe, make_landsat, make_bands):
        make(sys.argv[1], made)
