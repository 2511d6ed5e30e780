"""One cloud-free image of several dates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pystac
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rasterio.transform import from_origin
from rio_cogeo import cog_validate
from testutils import UTM, run_cli, write_scene

from geocloud import CompositeOptions, SceneOptions, composite, open_scene
from geocloud.errors import InputError, UsageError

DAYS = ("2023-08-10", "2023-08-13", "2023-08-15")
NUMBERS = (19579, 19582, 19584)
"""Days since 1970-01-01."""


def write_dates(folder: Path) -> list[Path]:
    """Dates of 1000, 2000 and 3000 DN with masks: cloud at the top left, on the first also shadow; nodata rows."""
    (folder / "masks").mkdir()
    paths = []
    for number, day in enumerate(DAYS):
        data = np.full((4, 100, 130), 1000 * (number + 1), dtype=np.uint16)
        data[:, 95:] = 0
        path = write_scene(folder / f"site_{day}.tif", data=data, nodata=0)
        codes = np.zeros((1, 100, 130), dtype=np.uint8)
        codes[:, :20, :30] = 1
        codes[:, 50:60] = 5 if number == 0 else 0
        mask = folder / "masks" / f"site_{day}_cloudmask.tif"
        write_scene(mask, data=codes, nodata=255, names=None)
        paths.append(path)
    return paths


def read(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "nir", "count", "date")
        return dataset.read(), dataset.tags()


def test_masks_in_no_folder_are_refused(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path)
    for masks in (tmp_path / "mask", scenes[0]):
        with pytest.raises(InputError, match="is no folder of masks"):
            composite(scenes, tmp_path / "clear.tif", CompositeOptions(masks=masks))


def test_values_counts_and_dates(tmp_path: Path) -> None:
    scenes, out = write_dates(tmp_path), tmp_path / "clear.tif"
    made = composite(scenes, out, CompositeOptions(masks=tmp_path / "masks"))
    assert made.dates == DAYS
    assert made.filled_percent == pytest.approx(100 * (95 * 130 - 600) / (95 * 130))
    bands, tags = read(out)
    np.testing.assert_allclose(bands[:, 80, 50], [0.2, 0.2, 0.2, 0.2, 3, NUMBERS[1]], rtol=1e-6)
    np.testing.assert_allclose(bands[:4, 55, 50], 0.25, rtol=1e-6)
    assert bands[4, 55, 50] == 2
    for gap in (np.s_[5, 5], np.s_[97, 50]):
        assert np.isnan(bands[:4, *gap]).all()
        assert np.isnan(bands[5][gap])
        assert bands[4][gap] == 0
    assert tags["GEOCLOUD_COMPOSITE"] == "median"
    valid, errors, _ = cog_validate(out)
    assert valid, errors


def test_it_does_not_depend_on_the_windows_and_best_prefers_what_is_far_from_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes, options = write_dates(tmp_path), CompositeOptions(method="best", masks=tmp_path / "masks")
    composite(scenes, tmp_path / "whole.tif", options)
    monkeypatch.setattr("geocloud.series.compose.MEMORY", 1 << 18)
    composite(scenes, tmp_path / "parts.tif", options)
    whole, parts = read(tmp_path / "whole.tif")[0], read(tmp_path / "parts.tif")[0]
    np.testing.assert_array_equal(whole, parts)
    assert whole[5, 62, 50] == NUMBERS[1]  # beside the first date's shadow
    assert whole[5, 85, 120] == NUMBERS[0]


def test_masks_that_are_missing_are_made_and_not_kept(tmp_path: Path) -> None:
    scenes = [write_scene(tmp_path / f"{day}.tif", seed=seed) for seed, day in enumerate(DAYS)]
    made = composite(scenes, tmp_path / "out" / "clear.tif", CompositeOptions(model="brightness"))
    bands, _ = read(made.path)
    assert np.isnan(bands[0, 30, 50])
    assert bands[4, 70, 30] == 3
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clear.tif"]


def test_scenes_without_a_place_are_composed_pixel_by_pixel(tmp_path: Path) -> None:
    data = np.full((4, 30, 40), 800, dtype=np.uint16)
    scenes = [
        write_scene(tmp_path / f"2023-08-1{day}.tif", data=data + 100 * day, crs=None, transform=None)
        for day in range(3)
    ]
    found = composite(
        scenes, tmp_path / "out.tif", CompositeOptions(model="brightness", scene=SceneOptions(scale=1e-4))
    )
    with rasterio.open(found.path) as dataset:
        assert dataset.crs is None
        assert dataset.read(1) == pytest.approx(0.09)
    with pytest.raises(UsageError, match="no scene was given"):
        composite([], tmp_path / "none.tif")


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    scenes, out = write_dates(tmp_path), tmp_path / "clear.tif"
    options = CompositeOptions(masks=tmp_path / "masks")
    with pytest.raises(UsageError, match="name it"):
        composite(scenes, tmp_path / "clear.png", options)
    with pytest.raises(UsageError, match="is given twice"):
        composite([*scenes, scenes[0]], out, options)
    far = write_scene(tmp_path / "far_2023-09-01.tif", transform=from_origin(700_000, 5_000_000, 10, 10))
    with pytest.raises(InputError, match="far apart"):
        composite([*scenes, far], out, options)
    with pytest.raises(InputError, match="no pixel of the composite"):
        composite(scenes, out, replace(options, aoi="10,10,11,11"))
    write_scene(tmp_path / "masks" / f"site_{DAYS[0]}_cloudmask.tif", data=np.zeros((1, 9, 9), np.uint8), names=None)
    with pytest.raises(InputError, match="not on the grid"):
        composite(scenes, out, options)
    assert not out.exists()


def test_an_area_is_that_part_of_the_whole(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path)
    for method in ("median", "best"):
        options = CompositeOptions(method=method, masks=tmp_path / "masks")
        composite(scenes, tmp_path / f"{method}.tif", options)
        circle = geopandas.GeoDataFrame(geometry=[shapely.Point(500_600, 4_999_400).buffer(300)], crs=UTM).to_crs(4326)
        made = composite(scenes, tmp_path / f"{method}_part.tif", replace(options, aoi=circle))
        whole, (part, tags) = read(tmp_path / f"{method}.tif")[0], read(made.path)
        assert "polygons" in tags["GEOCLOUD_AOI"]
        with rasterio.open(made.path) as dataset:
            row, col = (4_999_990 - dataset.bounds.top) / 10 + 1, (dataset.bounds.left - 500_000) / 10
        window = whole[:, int(row) : int(row) + part.shape[1], int(col) : int(col) + part.shape[2]]
        inside = part[4] > 0
        assert 2500 < inside.sum() < 2900  # pi 30², less nothing
        np.testing.assert_array_equal(part[:, inside], window[:, inside])
        assert np.isnan(part[:4, 0, 0]).all()  # the corner of a circle's box


def test_another_utm_zone_a_shifted_grid_and_two_tiles_of_a_day_come_onto_one_grid(tmp_path: Path) -> None:
    """A plane of reflectance that rises with longitude and latitude is the same from whichever grid it is seen."""

    def plane(crs: str, west: float, north: float, name: str, shape: tuple[int, int] = (120, 150)) -> Path:
        transform = from_origin(west, north, 20, 20)
        cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
        lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(*(transform @ (cols, rows)))
        values = 10000 * (0.2 + 2 * (lon - 18) + (lat - 45))
        path = tmp_path / f"{name}.tif"
        data = np.repeat(values.round().astype(np.uint16)[None], 4, axis=0)
        write_scene(path, data=data, nodata=0, crs=crs, transform=transform)
        write_scene(
            tmp_path / "masks" / f"{name}_cloudmask.tif", data=np.zeros((1, *shape), np.uint8), nodata=255,
            names=None, crs=crs, transform=transform,
        )  # fmt: skip
        return path

    (tmp_path / "masks").mkdir()
    here = Transformer.from_crs(4326, 32634, always_xy=True).transform(18.0, 45.1)
    there = Transformer.from_crs(4326, 32633, always_xy=True).transform(18.0, 45.1)
    west, north = (round(number / 20) * 20 for number in here)
    scenes = [
        plane("EPSG:32634", west, north, "one_2023-08-01"),
        plane("EPSG:32633", there[0] + 7, there[1] - 3, "two_2023-08-02"),
        plane("EPSG:32634", west + 2400, north, "tile_a_2023-08-03"),
        plane("EPSG:32634", west + 3000, north, "tile_b_2023-08-03"),
    ]
    made = composite(scenes, tmp_path / "clear.tif", CompositeOptions(masks=tmp_path / "masks"))
    assert made.dates == ("2023-08-01", "2023-08-02", "2023-08-03")
    with rasterio.open(made.path) as dataset:
        bands, transform = dataset.read(), dataset.transform
        assert dataset.crs.to_epsg() == 32634
    assert (transform.c - west) % 20 == (transform.f - north) % 20 == 0
    rows, cols = np.nonzero(bands[4] > 0)
    lon, lat = Transformer.from_crs(32634, 4326, always_xy=True).transform(*(transform @ (cols + 0.5, rows + 0.5)))
    np.testing.assert_allclose(bands[0, rows, cols], 0.2 + 2 * (lon - 18) + (lat - 45), atol=4e-4)  # below a pixel
    assert bands[4].max() == 3
    row, col = int((transform.f - north) / 20) + 60, int((west - transform.c) / 20)
    assert list(bands[4, row, [col + 75, col + 130, col + 200]]) == [2, 3, 1]  # two tiles of a day are one date


def test_a_stac_item_and_the_tags_say_what_it_is_made_of(tmp_path: Path) -> None:
    scenes, out = write_dates(tmp_path), tmp_path / "clear.tif"
    made = composite(scenes, out, CompositeOptions(masks=tmp_path / "masks", stac=True))
    assert made.item_path == tmp_path / "clear.json"
    item = pystac.Item.from_file(str(made.item_path))
    assert any("processing" in extension for extension in item.stac_extensions)
    assert item.properties["start_datetime"][:10] == DAYS[0]
    assert item.properties["end_datetime"][:10] == DAYS[2]
    links = [link.href for link in item.links if link.rel == "derived_from"]
    assert [Path(link).name for link in links] == [path.name for path in scenes]
    assert "cloud mask by" not in item.properties["processing:lineage"]
    tags = read(out)[1]
    assert tags["GEOCLOUD_SOURCES"].split(",") == [path.stem for path in scenes]
    assert tags["GEOCLOUD_DATES"].split(",") == list(DAYS)
    with pytest.raises(UsageError, match="--overwrite"):
        composite(scenes, out, CompositeOptions(masks=tmp_path / "masks", stac=True))
    composite(scenes, out, CompositeOptions(masks=tmp_path / "masks", overwrite=True))
    assert not made.item_path.exists(), "it tells of the composite that was replaced"


def test_dask_gives_the_same(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    from geocloud.batch.cluster import tasks_on

    scenes = write_dates(tmp_path)
    options = CompositeOptions(method="mean", model="brightness")  # masks are made, with P(cloud) as weight
    here = composite(scenes, tmp_path / "here.tif", options)
    in_a_thread = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.Client(**in_a_thread) as client:
        there = composite(scenes, tmp_path / "there.tif", options, tasks=tasks_on(client))
        with pytest.raises(UsageError, match="by path or URL"), open_scene(scenes[0]) as scene:
            composite([scene, *scenes[1:]], tmp_path / "no.tif", options, tasks=tasks_on(client))
    np.testing.assert_array_equal(read(here.path)[0], read(there.path)[0])


def test_the_command(tmp_path: Path) -> None:
    scenes, out = write_dates(tmp_path), tmp_path / "clear.tif"
    done = run_cli("composite", *scenes, "--out", out, "--mask-dir", tmp_path / "masks", "--method", "medoid")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dates"] == list(DAYS)


def test_dates_that_are_all_cloudy_give_nodata_and_say_so(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path)
    for mask in (tmp_path / "masks").iterdir():
        write_scene(mask, data=np.ones((1, 100, 130), dtype=np.uint8), nodata=255, names=None)
    for method in ("median", "medoid", "best", "mean"):
        out = tmp_path / f"{method}.tif"
        made = composite(scenes, out, CompositeOptions(method=method, masks=tmp_path / "masks"))
        bands, _ = read(out)
        assert made.filled_percent == 0
        assert (bands[4] == 0).all()
        assert np.isnan(bands[[0, 1, 2, 3, 5]]).all()


def test_only_bands_that_all_dates_have_are_composed(tmp_path: Path) -> None:
    scenes = write_dates(tmp_path)
    with rasterio.open(scenes[0]) as dataset:
        three = dataset.read([1, 2, 3])
    write_scene(scenes[0], data=three, nodata=0)
    composite(scenes, tmp_path / "clear.tif", CompositeOptions(masks=tmp_path / "masks"))
    with rasterio.open(tmp_path / "clear.tif") as dataset:
        assert dataset.descriptions == ("blue", "green", "red", "count", "date")
