"""The same scene, model and options give the same bytes, whatever the threads; only the STAC item holds a time."""

from __future__ import annotations

from pathlib import Path

import pytest

import geocloud
from geocloud import DetectOptions


@pytest.mark.parametrize("kind", ["geojson", "gpkg", "fgb", "parquet"])
def test_two_runs_give_the_same_bytes(sample: Path, tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    runs = []
    for number, threads in enumerate((1, 3)):
        options = DetectOptions(polygons=kind, score=True, quicklook=True, threads=threads, min_area=2000)
        geocloud.detect(sample, tmp_path / str(number), options)
        runs.append({path.name: path.read_bytes() for path in (tmp_path / str(number)).iterdir()})
    assert len(runs[0]) == 6
    assert [name for name in runs[0] if runs[0][name] != runs[1][name]] == []
