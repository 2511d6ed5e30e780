"""polygonize, apply-mask and patches, through the program."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio import features
from rasterio.merge import merge
from rio_cogeo import cog_validate
from testutils import run_cli, write_scene

Make = Callable[..., Path]


@pytest.fixture
def masked(make_scene: Make, tmp_path: Path) -> tuple[Path, Path]:
    """A scene and its mask."""
    scene = make_scene(nodata=0)
    result = run_cli("detect", scene, "--out", tmp_path / "out", "--model", "brightness", "--polygons", "none")
    return scene, Path(json.loads(result.stdout)["mask"])


def test_polygonize_gives_the_mask_back(masked: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "clouds.gpkg"
    result = run_cli("polygonize", masked[1], "--out", out)
    assert json.loads(result.stdout)["polygon_count"] == 2
    frame = geopandas.read_file(out)
    assert set(frame.columns) == {"class", "area_m2", "mean_score", "scene", "geometry"}
    assert frame["scene"][0] == "scene"
    with rasterio.open(masked[1]) as mask:
        assert (features.rasterize(frame.geometry, mask.shape, transform=mask.transform) == mask.read(1)).all()
    assert "exists" in run_cli("polygonize", masked[1], "--out", out).stderr
    run_cli("polygonize", masked[1], "--out", out, "--min-area", 10000, "--overwrite")
    assert len(geopandas.read_file(out)) == 1


def test_polygonize_refuses_what_is_no_mask_and_unknown_suffixes(masked: tuple[Path, Path], tmp_path: Path) -> None:
    assert (
        "a mask is one band of whole numbers" in run_cli("polygonize", masked[0], "--out", tmp_path / "a.gpkg").stderr
    )
    assert "written as .geojson, .gpkg" in run_cli("polygonize", masked[1], "--out", tmp_path / "a.shp").stderr


@pytest.mark.parametrize(
    ("values", "encoding"), [((0, 255), "binary"), ((0, 100), "binary"), ((1, 3), "omnicloudmask")]
)
def test_masks_of_other_programs_need_their_codes_named(
    masked: tuple[Path, Path], tmp_path: Path, values: tuple[int, int], encoding: str
) -> None:
    with rasterio.open(masked[1]) as mask:
        cloud, profile = mask.read(1) == 1, mask.profile
    foreign = tmp_path / "foreign.tif"
    with rasterio.open(foreign, "w", **{**profile, "nodata": None}) as other:
        other.write(np.where(cloud, values[-1] if encoding == "binary" else 1, 0).astype(np.uint8), 1)
        if encoding == "omnicloudmask":
            other.write(np.full((1, 5, 5), 3, np.uint8), window=((95, 100), (0, 5)))
    refused = run_cli("polygonize", foreign, "--out", tmp_path / "a.gpkg")
    assert refused.returncode == 1
    assert f"holds the code {values[-1]} and does not say whose codes they are" in refused.stderr
    found = run_cli("polygonize", foreign, "--encoding", encoding, "--out", tmp_path / "a.gpkg")
    assert json.loads(found.stdout)["polygon_count"] == 2 + (encoding == "omnicloudmask")
    removed = run_cli("apply-mask", masked[0], foreign, "--encoding", encoding, "--out", tmp_path / "clear.tif")
    shadow = 25 if encoding == "omnicloudmask" else 0
    assert json.loads(removed.stdout)["removed_percent"] == pytest.approx(100 * (1250 + shadow) / 13000, abs=0.001)


def test_apply_mask_changes_cloud_and_nothing_else(masked: tuple[Path, Path], tmp_path: Path) -> None:
    scene, mask = masked
    with rasterio.open(scene, "r+") as dataset:
        dataset.update_tags(PROJECT="alpine")
        dataset.scales = (1e-4,) * 4
    out = tmp_path / "clear.tif"
    result = run_cli("apply-mask", scene, mask, "--out", out)
    assert json.loads(result.stdout)["removed_percent"] == pytest.approx(100 * 1250 / 13000, abs=0.001)
    with rasterio.open(scene) as before, rasterio.open(out) as after, rasterio.open(mask) as codes:
        cloud = codes.read(1) == 1
        assert (after.read()[:, cloud] == 0).all()
        assert (after.read()[:, ~cloud] == before.read()[:, ~cloud]).all()
        assert (after.dtypes, after.descriptions, after.scales) == (before.dtypes, before.descriptions, before.scales)
        assert (after.crs, after.transform, after.nodata) == (before.crs, before.transform, 0)
        assert after.tags()["PROJECT"] == "alpine"
    assert cog_validate(out)[0]


def test_a_mask_of_the_neighbouring_zone_is_refused(masked: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_scene(tmp_path / "other.tif", crs="EPSG:32634", nodata=0)
    applied = run_cli("apply-mask", other, masked[1], "--out", tmp_path / "x.tif")
    assert applied.returncode == 1
    assert "EPSG:32634" in applied.stderr
    made = run_cli("detect", other, "--out", tmp_path, "--model", "brightness", "--polygons", "none", "--score")
    score = json.loads(made.stdout)["score"]
    polygons = run_cli("polygonize", masked[1], "--score-file", score, "--out", tmp_path / "a.gpkg")
    assert polygons.returncode == 1
    assert "does not lie on the grid of its mask (EPSG:32634" in polygons.stderr


def test_a_mask_of_another_scene_is_refused(masked: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_scene(tmp_path / "other.tif", shape=(50, 50))
    result = run_cli("apply-mask", other, masked[1], "--out", tmp_path / "x.tif")
    assert result.returncode == 1
    assert "is not on the grid of" in result.stderr
    assert not (tmp_path / "x.tif").exists()


def test_patches_put_together_again_are_the_scene(make_scene: Make, tmp_path: Path) -> None:
    data = np.random.default_rng(5).integers(1, 9000, (4, 150, 200)).astype(np.uint16)
    data[:, :64, :64] = 0
    scene = make_scene(data=data, nodata=0)
    result = run_cli("patches", scene, "--out", tmp_path / "patches")
    files = sorted((tmp_path / "patches").iterdir())
    assert json.loads(result.stdout)["patches"] == len(files) == 3 * 4 - 1
    whole, transform = merge(files)
    with rasterio.open(scene) as dataset:
        assert transform == dataset.transform
        assert (whole == dataset.read()).all()


@pytest.mark.parametrize(("data", "nodata"), [((1, 256), 0), ((0, 255), 255), ((0, 256), None)])
def test_without_a_nodata_value_a_free_one_or_an_internal_mask_is_taken(
    make_scene: Make, tmp_path: Path, data: tuple[int, int], nodata: int | None
) -> None:
    pixels = np.random.default_rng(1).integers(*data, (3, 130, 150)).astype(np.uint8)
    pixels[:, :40, :40] = 240
    scene = make_scene(data=pixels, names=("red", "green", "blue"))
    mask = json.loads(run_cli("detect", scene, "--out", tmp_path, "--model", "brightness").stdout)["mask"]
    assert run_cli("apply-mask", scene, mask, "--out", tmp_path / "clear.tif").returncode == 0
    with rasterio.open(tmp_path / "clear.tif") as clear, rasterio.open(mask) as codes:
        cloud = codes.read(1) == 1
        assert clear.nodata == nodata
        assert ((clear.dataset_mask() == 0) == cloud).all()
        assert (clear.read()[:, ~cloud] == pixels[:, ~cloud]).all()
