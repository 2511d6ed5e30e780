"""Very large rasters: scored in bands of rows and joined, they are the same bytes as scored whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from clusters import products
from rio_cogeo.cogeo import cog_validate

import geocloud
from geocloud import BatchOptions, DetectOptions
from geocloud.batch.manifest import Record
from geocloud.batch.plan import make_plan
from geocloud.batch.strips import Split
from geocloud.batch.tasks import SceneFailed, join_strips, run_scene, run_strip

PLAIN = DetectOptions(model="brightness", score=True, quicklook=True)


def in_bands(path: Path, out: Path, options: DetectOptions) -> tuple[Split, Record]:
    """All tasks of a raster that is split, in this process."""
    task = make_plan([path], out, BatchOptions(options, split=700), {}).todo[0]
    split = run_scene(task)
    assert isinstance(split, Split)
    assert len(split.bands) > 1
    seconds = [run_strip(task, split, number) for number in reversed(range(len(split.bands)))]
    return split, join_strips(task, split, seconds)


@pytest.mark.parametrize(
    "options",
    [
        PLAIN,
        replace(PLAIN, model="default", precision="fp32"),
        replace(PLAIN, min_area=2000, dilate=3),
        replace(PLAIN, resolution=20, encoding="scl", polygons="none"),
    ],
    ids=["plain", "network", "least area and dilation", "coarse"],
)
def test_joined_bands_are_the_same_bytes(mosaic: Path, tmp_path: Path, options: DetectOptions) -> None:
    geocloud.detect(mosaic, tmp_path / "whole", options)
    split, record = in_bands(mosaic, tmp_path / "split", options)
    assert record.status == "done"
    assert record.pixels == 1300 * 420
    assert products(tmp_path / "split") == products(tmp_path / "whole")
    assert cog_validate(tmp_path / "split" / "mosaic_cloudmask.tif")[0]
    assert not split.folder.exists()


def test_a_band_that_is_there_is_not_scored_again(mosaic: Path, tmp_path: Path) -> None:
    task = make_plan([mosaic], tmp_path / "out", BatchOptions(PLAIN, split=700), {}).todo[0]
    split = run_scene(task)
    assert isinstance(split, Split)
    run_strip(task, split, 1)
    stamp = split.file(1).stat().st_mtime_ns
    run_strip(task, split, 1)
    assert split.file(1).stat().st_mtime_ns == stamp
    other = make_plan([mosaic], tmp_path / "out", BatchOptions(replace(PLAIN, model="hot"), split=700), {}).todo[0]
    assert run_scene(other) != split


def test_a_split_raster_is_refused_before_bands_are_scored(mosaic: Path, tmp_path: Path) -> None:
    task = make_plan([mosaic], tmp_path, BatchOptions(replace(PLAIN, threshold="magic"), split=700), {}).todo[0]
    record = run_scene(task)
    assert isinstance(record, Record)
    assert "threshold rule 'magic' is not in the card" in str(record.error)


def test_a_raster_cut_off_below_fails_as_one_scene(mosaic: Path, tmp_path: Path) -> None:
    mosaic.write_bytes(mosaic.read_bytes()[:3_000_000])
    task = make_plan([mosaic], tmp_path / "out", BatchOptions(PLAIN, split=700), {}).todo[0]
    with pytest.raises(SceneFailed) as failed:
        split = run_scene(task)
        assert isinstance(split, Split)
        for number in range(3):
            run_strip(task, split, number)
    assert failed.value.record.status == "failed"
    assert "mosaic.tif" in str(failed.value.record.error)
