"""`--outline smooth`: polygons that follow P(cloud), beside a mask that stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from testutils import run_cli, write_scene

from geocloud import DetectOptions, PolygonizeOptions, detect, polygonize
from geocloud.errors import UsageError


@pytest.fixture
def hills(tmp_path: Path) -> Path:
    """Round bright clouds with soft edges, one at the scene's corner, and a corner of nodata."""
    rows, cols = np.mgrid[:230, :310]
    p = np.zeros(rows.shape)
    for row, col, size in ((60, 70, 40), (150, 200, 55), (0, 309, 50), (200, 40, 22), (120, 300, 30)):
        p = np.maximum(p, 1 / (1 + np.exp((np.hypot(rows - row, cols - col) - size) / 4)))
    data = np.repeat((500 + 6000 * p).astype(np.uint16)[None], 4, axis=0)
    data[:, 180:, 250:] = 0
    return write_scene(tmp_path / "s.tif", data=data, nodata=0)


INSIDE = {"bounds": (500_205, 4_997_905, 502_805, 4_999_795), "resolution": 20.0}


@pytest.mark.parametrize("more", [{}, {"resolution": 20.0}, {"min_area": 200_000.0}, {"dilate": 4}, INSIDE])
def test_areas_are_the_mask_s_within_one_percent(hills: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    made = {}
    for outline in ("pixel", "smooth"):
        options = DetectOptions(model="brightness", outline=outline, **more)
        made[outline] = detect(hills, tmp_path / outline, options)
    pixel, smooth = (made[name].polygons.to_crs("EPSG:32633") for name in ("pixel", "smooth"))
    assert len(pixel) == len(smooth) == made["smooth"].polygon_count > 2
    assert smooth.geometry.is_valid.all()
    assert smooth["area_m2"].sum() == pytest.approx(pixel["area_m2"].sum(), rel=0.01)
    for one in smooth.itertuples():
        other = pixel[pixel.geometry.intersects(one.geometry)]
        assert one.area_m2 == pytest.approx(other["area_m2"].sum(), rel=0.02)
        assert one.mean_score == pytest.approx(other["mean_score"].iloc[0], abs=0.02)
    masks = []
    for found in made.values():
        with rasterio.open(found.mask_path) as mask:
            masks.append(mask.read(1))
    np.testing.assert_array_equal(*masks)
    assert np.median([_sharp_turns(outline) for outline in pixel.geometry]) == pytest.approx(90, abs=1)
    assert np.median([_sharp_turns(outline) for outline in smooth.geometry]) < (60 if more == INSIDE else 46)


def _sharp_turns(polygon: shapely.Polygon) -> float:
    """What the turns of an outline come to in nine of ten, in degrees."""
    steps = np.diff(np.asarray(polygon.exterior.coords), axis=0)
    angles = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
    return float(np.percentile(np.abs((np.diff(angles) + 180) % 360 - 180), 90))


def test_a_mask_and_its_score_give_the_same_outlines(hills: Path, tmp_path: Path) -> None:
    options = DetectOptions(model="brightness", outline="smooth", score=True, resolution=20.0, polygons="gpkg")
    found = detect(hills, tmp_path / "out", options)
    again = tmp_path / "again.gpkg"
    polygonize(found.mask_path, again, PolygonizeOptions(score=found.files["score"], outline="smooth"))
    one, other = found.polygons, geopandas.read_file(again)
    assert len(one) == len(other)
    np.testing.assert_allclose(one["area_m2"], other["area_m2"], rtol=0.002)  # the score has 250 steps
    with pytest.raises(UsageError, match="give --score-file"):
        polygonize(found.mask_path, again, PolygonizeOptions(outline="smooth", overwrite=True))


def test_further_classes_are_refused_and_the_command_has_it(hills: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of cloud only"):
        DetectOptions(outline="smooth", classes=("cloud", "shadow"))
    result = run_cli("detect", hills, "--out", tmp_path / "o", "--model", "brightness", "--outline", "smooth")
    assert result.returncode == 0, result.stderr
    with pytest.raises(UsageError, match="exists with --outline smooth instead of none"):
        detect(hills, tmp_path / "o", DetectOptions(model="brightness"))
