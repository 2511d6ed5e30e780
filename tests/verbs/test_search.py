"""A search of a STAC API that runs on this machine, and a batch over what it found."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from products import write_item
from servers import serve

import geocloud
from geocloud import BatchOptions, DetectOptions, SearchOptions, search
from geocloud.batch.scene_lists import read_list
from geocloud.cli.main import cli
from geocloud.errors import InputError, UsageError

pytest.importorskip("pystac_client")
pytest.importorskip("stac_fastapi.api")
pytest.importorskip("uvicorn")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

LAND = SearchOptions(collections=("land",))


def item(number: int, day: str, cloud: float | None, west: float, assets: dict[str, Any]) -> dict[str, Any]:
    """An item of one degree at 45 N."""
    ring = [[west, 45], [west + 1, 45], [west + 1, 46], [west, 46], [west, 45]]
    properties: dict[str, Any] = {"datetime": f"{day}T10:00:00Z"}
    if cloud is not None:
        properties["eo:cloud_cover"] = cloud
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": f"scene-{number:03d}",
        "collection": "land", "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, 45, west + 1, 46], "properties": properties, "assets": assets, "links": [],
    }  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """230 items; the assets of all are those of one product, which a web server holds."""
    from stac_server import stac_api

    folder = tmp_path_factory.mktemp("served")
    path, _ = write_item(folder)
    document = json.loads(Path(path).read_text())
    with serve(folder) as site:
        assets = copy.deepcopy(document["assets"])
        for asset in assets.values():
            asset["href"] = f"{site.url}/{asset['href'].removeprefix('./')}"
        items = [
            item(n, f"2023-{1 + n % 12:02d}-{1 + n // 12 % 28:02d}", n % 100, 10 + n % 5, assets) for n in range(229)
        ]
        items.append(item(229, "2023-08-25", None, 10, assets))
        for one in items:
            one["properties"] |= {
                key: value for key, value in document["properties"].items() if key not in ("datetime", "eo:cloud_cover")
            }
        with stac_api(items) as served:
            yield served


def test_all_pages_come_in_the_order_of_time(api: Any) -> None:
    found = search(api.url, None, SearchOptions(collections=("land",), limit=1000))
    assert len(found) == len(api.items) == len({scene.url for scene in found})
    assert [scene.date for scene in found] == sorted(scene.date for scene in found)


def test_area_time_and_cloud_are_kept_to(api: Any, tmp_path: Path) -> None:
    options = SearchOptions(
        collections=("land",), datetime="2023-08-01/2023-08-31", aoi="10.2,45.2,10.4,45.4", max_cloud=50
    )
    found = search(api.url, None, options)
    expected = [
        one["id"]
        for one in api.items
        if one["properties"]["datetime"].startswith("2023-08")
        and one["bbox"][0] == 10
        and one["properties"].get("eo:cloud_cover", 100) <= 50
    ]
    assert 0 < len(expected) < 20
    assert {scene.name for scene in found} == set(expected)
    import geopandas
    import shapely

    fields = tmp_path / "fields.gpkg"
    geopandas.GeoDataFrame(geometry=[shapely.box(10.2, 45.2, 10.4, 45.4)], crs=4326).to_crs(3857).to_file(fields)
    again = search(api.url, None, SearchOptions(("land",), "2023-08-01/2023-08-31", fields, 50))
    assert again == found


def test_a_busy_server_is_asked_again(api: Any) -> None:
    before, api.busy = api.searches, 2
    assert len(search(api.url, None, SearchOptions(("land",), limit=3))) == 3
    assert api.searches == before + 3


def test_a_batch_reads_the_list(api: Any, tmp_path: Path) -> None:
    scenes = tmp_path / "scenes.txt"
    arguments = [
        "search",
        api.url,
        "--collection",
        "land",
        "--datetime",
        "2023-03",
        "--limit",
        "2",
        "--out",
        str(scenes),
    ]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["date"][:7] for line in lines] == ["2023-03", "2023-03"]
    assert read_list(str(scenes)) == [line["url"] for line in lines]
    assert "there may be more, --limit is 2" in result.stderr
    assert "# 2023-03" in scenes.read_text()
    detect = DetectOptions(model="brightness", polygons="none")
    done = geocloud.detect_many(read_list(str(scenes)), tmp_path / "out", BatchOptions(detect=detect, workers=1)).done
    assert len(done) == 2
    assert (tmp_path / "out" / f"{lines[0]['name']}_cloudmask.tif").exists()
    assert CliRunner().invoke(cli, arguments).exit_code == 2
    assert CliRunner().invoke(cli, [*arguments, "--overwrite"]).exit_code == 0


def test_for_programs_each_scene_is_a_result(api: Any) -> None:
    arguments = ["search", api.url, "--collection", "land", "--limit", "3", "--progress", "json"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0
    events = [json.loads(line) for line in done.stdout.splitlines()]
    results = [event for event in events if event["event"] == "result"]
    found = search(api.url, None, SearchOptions(("land",), limit=3))
    assert [one["name"] for one in results] == [scene.name for scene in found]


def test_nothing_found_writes_nothing(api: Any, tmp_path: Path) -> None:
    out = tmp_path / "scenes.txt"
    assert search(api.url, out, SearchOptions(("land",), aoi="-60,-10,-59,-9")) == ()
    assert not out.exists()


@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        ("", {"collections": ("sea",)}, "has no collection sea, but land"),
        ("", {"datetime": "last summer"}, "give --datetime as"),
        ("/absent", {}, "is no STAC API that answers"),
        ("http://127.0.0.1:9/", {}, "is no STAC API that answers"),
        ("catalog.json", {}, "is no URL of a STAC API"),
    ],
)
def test_a_search_that_cannot_be_made_is_one_sentence(
    api: Any, monkeypatch: pytest.MonkeyPatch, url: str, options: dict[str, Any], error: str
) -> None:
    monkeypatch.setattr("geocloud.verbs.search.BACKOFF_SECONDS", 0.01)
    full = url if url.startswith(("http", "catalog")) else f"{api.url}{url}"
    with pytest.raises((InputError, UsageError), match=error) as raised:
        search(full, None, SearchOptions(**{"collections": ("land",), **options}))
    assert "\n" not in str(raised.value)


def test_files_of_the_planetary_computer_are_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sas = pytest.importorskip("planetary_computer.sas")
    from geocloud.readers.products.stac import signed

    blob = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/33/T/WL/B04.tif"
    theirs = {"links": [{"rel": "root", "href": "https://planetarycomputer.microsoft.com/api/stac/v1/"}]}
    token = {"msft:expiry": "2099-01-01T00:00:00Z", "token": "sig=abc"}
    with serve(tmp_path) as site:
        place = tmp_path / "sentinel2l2a01" / "sentinel2-l2"
        place.parent.mkdir()
        place.write_text(json.dumps(token))
        monkeypatch.setenv("PC_SDK_SAS_URL", site.url)
        sas.Settings.get.cache_clear()
        sas.TOKEN_CACHE.clear()
        assert signed(blob, theirs) == f"{blob}?sig=abc"
        assert signed(blob, {"links": []}) == blob
        assert signed("https://example.com/B04.tif", theirs) == "https://example.com/B04.tif"
        assert signed(str(tmp_path / "B04.tif"), theirs) == str(tmp_path / "B04.tif")
        place.unlink()
        sas.TOKEN_CACHE.clear()
        with pytest.raises(InputError, match="needs a token, which the Planetary Computer does not give"):
            signed(blob, theirs)
    sas.Settings.get.cache_clear()
    sas.TOKEN_CACHE.clear()


@pytest.mark.parametrize("options", [{"collections": ()}, {"limit": 0}, {"max_cloud": 101}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SearchOptions(**{"collections": ("land",), **options})
