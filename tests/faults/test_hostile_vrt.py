"""Virtual rasters made by a grammar, each of which tries to have a file outside its folder read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from testutils import write_scene

from geocloud import SceneOptions, open_scene
from geocloud.errors import GeocloudError
from geocloud.raster import Window

CANARY = 54321
OPTIONS = SceneOptions(bands={"blue": 1, "green": 2, "red": 3}, scale=1.0, offset=0.0)
ELEMENTS = (
    *("SourceFilename", "SourceDataset", "Dataset", "DstDataset", "DestinationDataset", "DEMPath", "Argument", "Step"),
    *("OpenOptions", "OOI", "Input", "OutputBands", "ProcessingSteps", "Algorithm", "LUTFilename", "Path", "Filename"),
    *("IndexDataset", "GDALTileIndexDataset", "LocationField", "SourceDatasetName", "GeolocationDataset", "Cutline"),
    *("CutlineBlendDist", "RPCTransformer", "GeoLocTransformer", "GCPTransformer", "TPSTransformer", "Metadata", "MDI"),
    *("PansharpeningOptions", "PanchroBand", "SpectralBand", "Array", "Group", "ArraySource", "SingleSourceArray"),
    *("SourceArray", "InlineValuesWithValueElement", "Overview", "MaskBand", "PixelFunctionCode", "BufferRadius"),
    *("SRS", "SourceSRS", "TargetSRS", "GCPList", "PixelFunctionType", "PixelFunctionArguments", "ImageOffset"),
    *("RelativeToVRT", "SimpleSource", "ComplexSource", "Transformer", "Option", "Description", "xi:include"),
)
"""Elements of GDAL's virtual rasters of every kind, and some of its other documents."""
PLACES = ("dataset", "band", "source", "mask", "overview", "warp", "transformer")
"""Where an element is put."""


def variants(element: str, outside: str) -> Iterator[tuple[str, str]]:
    """(how, XML) of an element that names a file, as text, attribute, child or option, in other letter case too."""
    for name in dict.fromkeys((element, element.lower())):
        yield f"{name} text", f'<{name} relativeToVRT="0">{outside}</{name}>'
        yield f"{name} attribute", f'<{name} name="{outside}" SourceFilename="{outside}" key="X_DATASET"/>'
        yield f"{name} child", f"<{name}><SourceFilename>{outside}</SourceFilename></{name}>"
        yield (
            f"{name} option",
            f'<{name}><OOI key="ROOT_PATH">{outside}</OOI><Option name="CUTLINE">{outside}</Option></{name}>',
        )


def document(place: str, inner: str) -> str:
    """A virtual raster of the file beside it with something more at one place."""
    put = {name: inner if name == place else "" for name in PLACES}
    source = (
        f"{put['source']}<SourceFilename relativeToVRT='1'>beside.tif</SourceFilename><SourceBand>{{}}</SourceBand>"
    )
    bands = "".join(
        f"<VRTRasterBand dataType='UInt16' band='{n}'>{put['band']}<SimpleSource>{source.format(n)}</SimpleSource>"
        + (f"<Overview>{put['overview']}</Overview>" if put["overview"] else "")
        + "</VRTRasterBand>"
        for n in (1, 2, 3)
    )
    mask = f"<MaskBand><VRTRasterBand dataType='Byte'>{put['mask']}</VRTRasterBand></MaskBand>" if put["mask"] else ""
    warp = ""
    if put["warp"] or put["transformer"]:
        transformer = f"<Transformer><GenImgProjTransformer>{put['transformer']}</GenImgProjTransformer></Transformer>"
        warp = f"<GDALWarpOptions>{put['warp']}{transformer}</GDALWarpOptions>"
    kind = " subClass='VRTWarpedDataset'" if warp else ""
    return f"<VRTDataset rasterXSize='60' rasterYSize='60'{kind}>{put['dataset']}{warp}{mask}{bands}</VRTDataset>"


def tricks(outside: str) -> Iterator[tuple[str, str]]:
    """Whole documents in which XML parsers, or GDAL and XML, see different names."""
    plain = document("none", "")
    name = "<SourceFilename relativeToVRT='1'>beside.tif</SourceFilename>"
    for how, other in {
        "comment": f"<SourceFilename>{outside}<!-- --></SourceFilename>",
        "cdata": f"<SourceFilename><![CDATA[{outside}]]></SourceFilename>",
        "number": f"<SourceFilename>&#47;{outside[1:]}</SourceFilename>",
        "case": f"<sourcefilename>{outside}</sourcefilename>",
        "attribute": f"<SimpleSource SourceFilename='{outside}'/>",
        "relative 2": f"<SourceFilename relativeToVRT='2'>../{Path(outside).name}</SourceFilename>",
        "RELATIVE": f"<SourceFilename RELATIVETOVRT='1'>../{Path(outside).name}</SourceFilename>",
        "namespace": f"<x:SourceFilename xmlns:x='x'>{outside}</x:SourceFilename>",
        "blank": f"<SourceFilename> {outside} </SourceFilename>",
        "twice": f"<SourceFilename>{outside}</SourceFilename>{name}",
        "link": "<SourceFilename relativeToVRT='1'>link.tif</SourceFilename>",
        "nested": "<SourceFilename relativeToVRT='1'>inner.vrt</SourceFilename>",
        "tile index": "<SourceFilename relativeToVRT='1'>index.gti</SourceFilename>",
        "mask beside": "<SourceFilename relativeToVRT='1'>masked.tif</SourceFilename>",
        "metadata beside": "<SourceFilename relativeToVRT='1'>told.tif</SourceFilename>",
        "pipe": "<SourceFilename relativeToVRT='1'>pipe</SourceFilename>",
        "device": "<SourceFilename>/dev/zero</SourceFilename>",
    }.items():
        yield how, plain.replace(name, other)
    for encoding in ("utf-16", "cp037", "latin-1", "utf-7"):
        yield f"encoding {encoding}", f"<?xml version='1.0' encoding='{encoding}'?>{plain.replace(name, other)}"
    for kind in ("VRTProcessedDataset", "VRTPansharpenedDataset", "vrtprocesseddataset"):
        yield kind, plain.replace("<VRTDataset ", f"<VRTDataset subClass='{kind}' ")
    yield (
        "raw band",
        plain.replace("band='1'", "band='1' subClass='VRTRawRasterBand'").replace("beside.tif", "../canary.tif"),
    )
    yield (
        "root in lower case",
        plain.replace("VRTDataset", "vrtdataset").replace(name, f"<SourceFilename>{outside}</SourceFilename>"),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a scene in it, and a canary outside."""
    folder = tmp_path / "in"
    folder.mkdir()
    kinds = {"shape": (60, 60)}
    write_scene(tmp_path / "canary.tif", data=np.full((3, 60, 60), CANARY, np.uint16), names=())
    for name in ("beside.tif", "masked.tif", "told.tif"):
        write_scene(folder / name, data=np.full((3, 60, 60), 700, np.uint16), names=(), **kinds)
    (folder / "link.tif").symlink_to(tmp_path / "canary.tif")
    outside = str(tmp_path / "canary.tif")
    (folder / "inner.vrt").write_text(
        document("source", f"<OpenOptions><OOI key='ROOT_PATH'>{outside}</OOI></OpenOptions>")
    )
    (folder / "index.gti").write_text(
        f"<GDALTileIndexDataset><IndexDataset>{outside}</IndexDataset></GDALTileIndexDataset>"
    )
    mask = document("none", "").replace("<SourceFilename relativeToVRT='1'>beside.tif", f"<SourceFilename>{outside}")
    (folder / "masked.tif.msk").write_text(mask)
    (folder / "told.tif.aux.xml").write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{outside}</MDI></Metadata></PAMDataset>'
    )
    if sys.platform != "win32":
        import os

        os.mkfifo(folder / "pipe")
    return folder


def hostile(outside: str) -> Iterator[tuple[str, str]]:
    for element in ELEMENTS:
        for place in PLACES:
            for how, inner in variants(element, outside):
                yield f"{how} in {place}", document(place, inner)
    yield from tricks(outside)


@pytest.mark.faults
def test_no_document_of_the_grammar_reads_the_canary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for what is quick, below."""
    tried, read = try_all(folder, list(hostile(str(folder.parent / "canary.tif"))))
    with capsys.disabled():
        sys.stdout.write(f"\n{tried} hostile documents tried, {read} of them read without the canary\n")
    assert tried >= 500


def test_no_trick_reads_the_canary(folder: Path) -> None:
    outside = str(folder.parent / "canary.tif")
    known = [(how, document(place, inner)) for element, place in (
        ("OpenOptions", "source"), ("Argument", "dataset"), ("DEMPath", "transformer"), ("SourceDataset", "warp"),
    ) for how, inner in variants(element, outside)]  # fmt: skip
    try_all(folder, [*known, *tricks(outside)])


def test_what_gdal_itself_writes_is_read(folder: Path) -> None:
    """Plain and warped virtual rasters of the file beside them."""
    (folder / "plain.vrt").write_text(document("none", ""))
    with open_scene(folder / "plain.vrt", OPTIONS) as scene:
        assert (scene.read(Window(0, 0, 60, 60), scene.bands).data == 700).all()
    import rasterio
    from rasterio.shutil import copy
    from rasterio.vrt import WarpedVRT

    with rasterio.open(folder / "beside.tif") as dataset, WarpedVRT(dataset, crs="EPSG:32632") as warped:
        copy(warped, folder / "warped.vrt", driver="VRT")
    with open_scene(folder / "warped.vrt", OPTIONS) as scene:
        assert 700 in scene.read(Window(0, 0, *scene.georef.shape), scene.bands).data


def try_all(folder: Path, documents: list[tuple[str, str]]) -> tuple[int, int]:
    """Open each; (how many, how many were read)."""
    read = 0
    for how, text in documents:
        (folder / "m.vrt").write_text(text)
        try:
            with open_scene(folder / "m.vrt", OPTIONS) as scene:
                raster = scene.read(Window(0, 0, *scene.georef.shape), scene.bands)
        except GeocloudError:
            continue
        read += 1
        assert not (raster.data == CANARY).any(), how
        assert "masked" not in text, how  # there the mask would come from outside
    return len(documents), read
