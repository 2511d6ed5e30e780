"""Documents as bytes and as JSON of any shape, by hypothesis: what reads them raises geocloud's errors or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from faults.bad_scenes import vrt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geocloud.batch.manifest import MANIFEST, OutputFile, Record, read_manifest
from geocloud.errors import GeocloudError, InputError, ModelError
from geocloud.models.registry import SHIPPED, default_name
from geocloud.readers.files.tree import parse_xml
from geocloud.readers.files.vrt import named_files
from geocloud.readers.products.mtl import lookup, read_mtl
from geocloud.readers.products.sentinel2 import safe_files, safe_radiometry
from geocloud.readers.products.stac import choose_assets
from geocloud.readers.products.stac_item import is_item, item_time, load_item
from geocloud.scorers.card import CARD_FILE, read_card

pytestmark = pytest.mark.fuzz
MANY = settings(max_examples=400, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
RECORD = Record("a.tif", "done", "p", outputs={"mask": OutputFile("a.tif", 1, 2, "x")})
LINE = RECORD.to_json().encode()
CARD = json.loads((SHIPPED / default_name() / CARD_FILE).read_text())
BAND = {"name": "blue", "common_name": "blue", "scale": 1e-4, "offset": 0.0, "nodata": 0}
ASSET = {"href": "a.tif", "type": "image/tiff", "roles": ["data"], "bands": [BAND], "gsd": 10, "raster:bands": [BAND]}
ITEM = {
    "type": "Feature", "id": "a", "stac_version": "1.1.0", "assets": {"blue": ASSET},
    "properties": {"datetime": "2024-01-01T00:00:00Z", "s2:processing_baseline": "04.00", "eo:bands": [BAND]},
}  # fmt: skip
MTL = (
    b'GROUP = L\n GROUP = A\n  SPACECRAFT_ID = "LANDSAT_8"\n  SUN_ELEVATION = 40\n END_GROUP = A\nEND_GROUP = L\nEND\n'
)
SAFE = (
    b"<n:P xmlns:n='u'><PROCESSING_BASELINE>05.10</PROCESSING_BASELINE><Granule granuleIdentifier='g'>"
    b"<IMAGE_FILE>GRANULE/T_B02</IMAGE_FILE></Granule><QUANTIFICATION_VALUE>10000</QUANTIFICATION_VALUE></n:P>"
)


@st.composite
def harmed_bytes(draw: st.DrawFn, seed: bytes) -> bytes:
    """A whole document with a few runs of bytes replaced."""
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
    return bytes(content)


@st.composite
def harmed_json(draw: st.DrawFn, seed: Any) -> Any:
    """A whole document with one value anywhere replaced by any JSON."""
    document = json.loads(json.dumps(seed))
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            place[key] = draw(JSON)
            return document
        place = place[key]


@MANY
@given(content=st.binary(max_size=300) | harmed_bytes(LINE) | harmed_json(json.loads(LINE)))
def test_manifests(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    """A line that is no record is passed over; the others stay."""
    folder = tmp_path_factory.getbasetemp()
    line = content if isinstance(content, bytes) else json.dumps(content).encode()
    good = Record("good.tif", "done", "p").to_json().encode()
    (folder / MANIFEST).write_bytes(line + b"\n" + good + b"\n")
    found = read_manifest(folder)
    assert "good.tif" in found
    for record in found.values():
        record.is_whole(folder)


@MANY
@given(content=st.binary(max_size=300) | harmed_bytes(json.dumps(CARD).encode()) | harmed_json(CARD))
def test_cards(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / CARD_FILE).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    try:
        card = read_card(folder)
    except ModelError:
        return
    assert card.bands
    assert str(card.calibration.rule)
    assert 0 <= card.halo <= 512


@MANY
@given(content=st.binary(max_size=300) | harmed_bytes(json.dumps(ITEM).encode()) | harmed_json(ITEM))
def test_items(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "item.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    try:
        item = load_item(str(path))
        choose_assets(item)
        item_time(item)
    except InputError:
        return
    assert is_item(item)


@MANY
@given(content=harmed_bytes(MTL), suffix=st.sampled_from(("txt", "xml", "json")))
def test_landsat_metadata(content: bytes, suffix: str) -> None:
    try:
        groups = read_mtl(content, f"a_MTL.{suffix}")
    except InputError:
        return
    assert isinstance(lookup(groups, "SUN_ELEVATION"), str)


@MANY
@given(content=harmed_bytes(SAFE))
def test_safe_metadata(content: bytes) -> None:
    try:
        root = parse_xml(content, "MTD_MSIL1C.xml")
        safe_files(root, "a.SAFE")
        safe_radiometry(root, "B2", "a.SAFE")
    except InputError:
        return


@MANY
@given(content=harmed_bytes(vrt("a.tif").encode()))
def test_virtual_rasters(content: bytes) -> None:
    try:
        list(named_files(str(Path("m.vrt").absolute()), content))
    except GeocloudError:
        return
