"""Files and answers of others beside scenes: labels, zones, recipes, servers. None leads elsewhere, hangs, crashes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import geopandas
import pytest
import shapely
from click import BadParameter
from faults.bad_scenes import vrt
from testutils import PATIENCE, run_cli, run_program, write_scene

from geocloud import DetectOptions, SearchOptions, detect, open_scene, search
from geocloud.batch.scene_lists import read_list
from geocloud.cli.config import _table
from geocloud.datasets.folder import DataSet, read_names
from geocloud.datasets.labels import read_codes
from geocloud.errors import InputError
from geocloud.evaluation.samples import DataOptions
from geocloud.evaluation.suite import read_suite
from geocloud.readers.dates import mask_day
from geocloud.readers.polygons import read_polygons
from geocloud.training.unmix.trainer import read_recipe

DATA = DataOptions()
DEEP = "[" * 100_000


def test_a_label_or_picture_that_is_a_document_names_nothing_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").mkdir()
    secret = write_scene(tmp_path / "elsewhere" / "secret.tif")
    label = tmp_path / "data" / "label.tif"
    label.write_text(vrt(str(secret)))
    with pytest.raises(InputError, match="not beside or below"):
        read_codes(label)
    with DataSet(label.parent) as data, pytest.raises(InputError, match="not beside or below"):
        data.is_scene(data.files[0])


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
def test_zones_that_are_a_pipe_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "zones.gpkg")
    with pytest.raises(InputError, match="is a pipe"):
        read_polygons(tmp_path / "zones.gpkg")


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
@pytest.mark.parametrize("name", ["s.tif.aux.xml", "s.tif.ovr", "s.tfw", "s.IMD", "L_MTL.txt", "METADATA.DIM"])
def test_a_pipe_beside_a_scene_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """GDAL and geocloud look there for metadata, and would wait for them for ever."""
    scene = write_scene(tmp_path / "s.tif")
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=re.escape(name)):
        open_scene(scene)


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
def test_a_pipe_that_is_none_of_a_scene_s_files_stops_nothing(tmp_path: Path) -> None:
    """Of other programs in its folder, and in the folder of the outputs where something of ours could be."""
    scene = write_scene(tmp_path / "s.tif")
    os.mkfifo(tmp_path / "control")
    out = tmp_path / "out"
    (out / ".geocloud-s-x.partial").mkdir(parents=True)
    os.mkfifo(out / ".geocloud-s-x.partial" / "journal.json")
    mask = detect(scene, out, DetectOptions(model="brightness", polygons=None)).mask_path
    os.mkfifo(mask.with_suffix(".json"))
    assert not mask_day(mask, {})


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in folders")
def test_a_list_that_is_a_pipe_or_a_device_is_refused_but_for_a_shell_s(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "names")
    for place in (str(tmp_path / "names"), "/dev/zero"):
        for read in (read_names, lambda path: read_list(str(path)), lambda path: read_suite(str(path), tmp_path, DATA)):
            with pytest.raises(InputError, match="is a pipe"):
                read(Path(place))
    listed = "<(echo a.tif) <(echo b.tif)"
    code = (
        "import sys; from pathlib import Path; from geocloud.datasets.folder import read_names as names;"
        "from geocloud.batch.scene_lists import read_list; print(*names(Path(sys.argv[1])), *read_list(sys.argv[2]))"
    )
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "{code}" {listed}'],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.stdout == "a b.tif\n", done.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_of_names_from_windows(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "names.txt").write_text("s1.tif\r\ns2.tif\r\n", encoding)
    assert read_names(tmp_path / "names.txt") == ("s1", "s2")


def test_a_list_that_names_nothing_is_one_sentence(tmp_path: Path) -> None:
    """Also of an option that is read before the command begins."""
    (tmp_path / "none.txt").write_text("# nothing\n")
    done = run_program("evaluate", tmp_path, "--only", tmp_path / "none.txt", "--model", "brightness")
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}/none.txt names no scene; write one name per line\n"


def test_zones_of_mapinfo_that_are_made_of_other_tables_are_refused(tmp_path: Path) -> None:
    """A seamless table holds the paths of others, whose features would be read in its place."""
    for name, attribute in (("secret", "word"), ("zones", "Table")):
        box = geopandas.GeoDataFrame({attribute: ["../secret/t.tab"]}, geometry=[shapely.box(15, 45, 16, 46)], crs=4326)
        (tmp_path / name).mkdir()
        box.to_file(tmp_path / name / "t.tab", driver="MapInfo File")
    table = tmp_path / "zones" / "t.tab"
    assert list(read_polygons(table)["Table"]) == ["../secret/t.tab"]
    plain = table.read_text()
    view = '!table\nOpen Table "../secret/t.tab" Hide\nCreate View v As\nSelect word\nFrom t, t\n'
    for text in (f'{plain}\nbegin_metadata\n"\\IsSeamless" = "TRUE"\nend_metadata\n', view):
        table.write_text(text)
        with pytest.raises(InputError, match="is made of other files"):
            read_polygons(table)


ZONE = '{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [[%s]]}}'


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("z.geojson", '{"type": "Polygon", "coordinates": ' + "[" * 300_000, "is not a vector file that can be read"),
        ("z.geojson", ZONE % "[1e308, 4], [-1e308, 4], [6, 1e308], [1e308, 4]", "which lie nowhere on the Earth"),
        ("z.vrt", "<OGRVRTDataSource><OGRVRTLayer name='z'><SrcDataSource>p</SrcDataSource>", "names other files"),
        ("z.xml", "<OGRWFSDataSource><URL>http://127.0.0.1:9/</URL></OGRWFSDataSource>", "names other files"),
    ],
    ids=["brackets", "far away", "of a pipe", "of a server"],
)
def test_hostile_zones_are_one_sentence(tmp_path: Path, name: str, content: str, told: str) -> None:
    """Without a crash of GDAL, without waiting for a pipe, without a word to a server."""
    os.mkfifo(tmp_path / "p")
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=told):
        read_polygons(tmp_path / name)


@pytest.mark.parametrize("form", ["table", "view of it", "in an archive", "GeoPackage"])
def test_zones_whose_tables_are_other_files_are_refused(tmp_path: Path, form: str) -> None:
    """SpatiaLite's VirtualShape shows any shapefile as a table of the database, its features as those of the zones."""
    box = geopandas.GeoDataFrame({"word": ["canary"]}, geometry=[shapely.box(15, 45, 16, 46)], crs=4326)
    (tmp_path / "elsewhere").mkdir()
    box.to_file(tmp_path / "elsewhere" / "t.shp")
    zones = tmp_path / ("z.gpkg" if form == "GeoPackage" else "z.sqlite")
    box.to_file(zones, driver="GPKG" if form == "GeoPackage" else "SQLite", layer="z")
    assert list(read_polygons(zones)["word"]) == ["canary"]
    with closing(sqlite3.connect(zones)) as database:
        table = f"CREATE VIRTUAL TABLE other USING VirtualShape('{tmp_path}/elsewhere/t', UTF-8, 4326)"
        database.execute("PRAGMA writable_schema = ON")
        database.execute("INSERT INTO sqlite_master VALUES ('table', 'other', 'other', 0, ?)", (table,))
        if form != "GeoPackage":
            database.execute("CREATE VIEW shown AS SELECT 1 AS ogc_fid, word, geometry FROM other")
            database.execute("UPDATE geometry_columns SET f_table_name = ?", ("other" if form == "table" else "shown",))
        database.commit()
    if form == "in an archive":
        with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(zones, "z.sqlite")
        zones = tmp_path / "z.zip"
    with pytest.raises(InputError, match=r"which reads other files|holds the database"):
        read_polygons(zones)


@pytest.mark.parametrize(
    ("view", "fits"),
    [
        ("SELECT fid, geom, word FROM z WHERE upper(\"word\") IN ('CANARY')", True),
        ("WITH c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS fid, geom FROM c, z", False),
        ("SELECT fid, geom, ogr_datasource_load_layers('elsewhere/t.shp') AS word FROM z", False),
        ("SELECT fid, geom, \"readfile\" ('/etc/passwd') AS word FROM z", False),
    ],
    ids=["chosen", "endless", "of GDAL", "of a file"],
)
def test_a_view_of_the_zones_only_chooses_among_them(tmp_path: Path, view: str, *, fits: bool) -> None:
    zones = tmp_path / "z.gpkg"
    box = geopandas.GeoDataFrame({"word": ["canary"]}, geometry=[shapely.box(15, 45, 16, 46)], crs=4326)
    box.to_file(zones, layer="z")
    with closing(sqlite3.connect(zones)) as database:
        database.execute(f"CREATE VIEW v AS {view}")
        for table in ("gpkg_contents", "gpkg_geometry_columns"):
            columns = [str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")]
            same = ", ".join("'v'" if name in ("table_name", "identifier") else name for name in columns)
            database.execute(f"INSERT INTO {table} SELECT {same} FROM {table}")  # noqa: S608 - of the test's own
        database.execute("DELETE FROM gpkg_geometry_columns WHERE table_name = 'z'")
        database.execute("DELETE FROM gpkg_contents WHERE table_name = 'z'")
        database.commit()
    if fits:
        assert list(read_polygons(zones)["word"]) == ["canary"]
    else:
        with pytest.raises(InputError, match="holds the view v, which does more than choose rows"):
            read_polygons(zones)


def test_zones_of_several_layers_say_which_is_read(tmp_path: Path) -> None:
    """In a note, not in a warning of the library."""
    for layer in ("fields", "woods"):
        box = geopandas.GeoDataFrame({"word": [layer]}, geometry=[shapely.box(15, 45, 16, 46)], crs=4326)
        box.to_file(tmp_path / "z.gpkg", layer=layer)
    write_scene(tmp_path / "s.tif")
    done = run_program("detect", "s.tif", "--model", "brightness", "--aoi", "z.gpkg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "of its 2 layers the first, fields, is read" in done.stderr
    assert "UserWarning" not in done.stderr


@pytest.mark.parametrize("suffix", ["dbf", "shx", "prj", "cpg"])
def test_a_pipe_beside_a_shapefile_is_refused_at_once(tmp_path: Path, suffix: str) -> None:
    geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file(tmp_path / "z.shp")
    (tmp_path / f"z.{suffix}").unlink()
    os.mkfifo(tmp_path / f"z.{suffix}")
    with pytest.raises(InputError, match="is a pipe, a socket or a device beside"):
        read_polygons(tmp_path / "z.shp")


def test_documents_that_nest_without_end_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(f"a = {DEEP}")
    with pytest.raises(InputError, match="is no recipe"):
        read_recipe(path)
    with pytest.raises(InputError, match="is no suite"):
        read_suite(str(path), tmp_path, DataOptions())
    with pytest.raises(BadParameter, match="is no TOML file"):
        _table(path)
    (tmp_path / "m.json").write_text(DEEP)
    assert not mask_day(tmp_path / "m.tif", {})


def test_a_recipe_that_extends_itself_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(InputError, match="extends itself"):
        read_recipe(tmp_path / "a.toml")


def test_a_damaged_zarr_store_is_one_sentence(tmp_path: Path) -> None:
    """Also where several of its arrays are damaged, which zarr opens at once."""
    pytest.importorskip("zarr")
    store = tmp_path / "s.zarr"
    for band in ("blue", "green", "red"):
        (store / band).mkdir(parents=True)
        array = {"zarr_format": 2, "shape": [9, 9], "chunks": [9, 9], "dtype": "<u2", "compressor": {"id": "pickle"}}
        (store / band / ".zarray").write_text(json.dumps({**array, "fill_value": 0, "order": "C", "filters": None}))
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    done = run_cli("info", store)
    assert done.returncode == 1
    assert done.stderr.startswith("error:")
    assert len(done.stderr.strip().splitlines()) == 1


class HostileApi(BaseHTTPRequestHandler):
    """A STAC API that gives what it was told to."""

    items: list[Any]

    def do_GET(self) -> None:
        here = f"http://127.0.0.1:{self.server.server_port}"
        self._answer({
            "type": "Catalog", "id": "c", "description": "d", "stac_version": "1.0.0",
            "conformsTo": ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"],
            "links": [{"rel": rel, "href": f"{here}/{rel}", "type": "application/json"} for rel in ("self", "root")]
            + [{"rel": "search", "href": f"{here}/search", "type": "application/geo+json", "method": "POST"}],
        })  # fmt: skip

    def do_POST(self) -> None:
        self._answer({"type": "FeatureCollection", "features": self.items, "links": []})

    def _answer(self, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def hostile_api() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), HostileApi)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def item(**more: Any) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": [10, 45]}
    links = [{"rel": "self", "href": "https://example.org/items/a"}]
    return {"type": "Feature", "id": "a", "geometry": point, "properties": {}, "links": links, **more}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (item(links=[{"rel": "self", "href": "/etc/passwd"}]), "none on a network"),
        (item(links=[{"rel": "self", "href": "file:///etc/passwd"}]), "none on a network"),
        (item(links=[{"rel": "self", "href": "/vsicurl/https://example.org/a"}]), "none on a network"),
        (item(links=[{"rel": "self", "href": "https://example.org/a\n/etc/passwd"}]), "none on a network"),
        (item(links=[{"rel": "self", "href": "https://example.org/\x1b]0;x\x07"}]), "none on a network"),
        (item(links=[{"rel": "self"}]), "an item that is none"),
        (item(links=["self"]), "an item that is none"),
        (item(properties=[]), None),
        (item(properties=["x"]), "an item that is none"),
        (item(geometry={"type": "Polygon", "coordinates": 3}), "an outline that is none"),
        (item(geometry={"type": "Nothing"}), "an outline that is none"),
        (item(geometry=["x"]), "an outline that is none"),
    ],
)
def test_a_server_s_list_holds_addresses_alone(
    hostile_api: str, tmp_path: Path, given: dict[str, Any], sentence: str | None
) -> None:
    pytest.importorskip("pystac_client")
    HostileApi.items = [given]
    out = tmp_path / "scenes.txt"
    options = SearchOptions(("any",), aoi="9,44,11,46")
    if sentence is None:
        assert [scene.url for scene in search(hostile_api, out, options)] == ["https://example.org/items/a"]
        return
    with pytest.raises(InputError, match=sentence) as caught:
        search(hostile_api, out, options)
    assert str(caught.value).isprintable()
    assert not out.exists()
