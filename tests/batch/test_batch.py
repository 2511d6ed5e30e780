"""Many scenes on a real scheduler with worker processes: failures, dying workers, resuming."""

from __future__ import annotations

import csv
import json
import operator
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas
import pytest
from clusters import Cluster, lines, products, wait_for
from rio_cogeo import cog_validate
from testutils import PATIENCE, events, run_cli, run_program, write_scene

import geocloud
from geocloud import BatchOptions, DetectOptions
from geocloud.errors import Cancelled
from geocloud.models.registry import load_once

FAST = DetectOptions(model="brightness")
RESUME = BatchOptions(FAST, resume=True)


@pytest.fixture(scope="module")
def survived(cluster: Cluster, twenty: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Twenty scenes, one broken, while one of two workers is killed in the middle."""
    from distributed import Client

    out = tmp_path_factory.mktemp("survived")
    killed = []

    def kill_one(tally, record) -> None:
        if tally.done == 3 and not killed:
            killed.append(cluster.kill_worker(0))

    with Client(cluster.address, timeout=PATIENCE) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
        result = geocloud.detect_many(twenty, out, BatchOptions(FAST), client=client, progress=kill_one)
    assert killed
    return out, result


def copied(folder: Path, to: Path) -> Path:
    return shutil.copytree(folder, to / "copy")


def test_a_broken_scene_and_a_dying_worker_fail_nothing_else(survived: tuple[Path, Any], twenty: list[Path]) -> None:
    out, result = survived
    assert (len(result.done), len(result.failed)) == (19, 1)
    assert result.failed[0].scene == str(twenty[7])
    assert "scene_07.tif" in result.failed[0].error
    assert sum(cog_validate(out / f"{scene.stem}_cloudmask.tif")[0] for scene in twenty if scene != twenty[7]) == 19
    assert not list(out.glob(".geocloud-*"))
    recorded = lines(out)
    assert len({record["scene"] for record in recorded}) == len(recorded) == 20
    assert all(record["fingerprint"] and record["parameters"] and record["seconds"] >= 0 for record in recorded)


def test_a_batch_finds_what_detect_finds(survived: tuple[Path, Any], twenty: list[Path], tmp_path: Path) -> None:
    geocloud.detect(twenty[3], tmp_path, FAST)
    one, many = products(tmp_path), products(survived[0])
    assert len(one) == 4
    assert {name: many[name] for name in one} == one


def test_the_summary_names_all_scenes(survived: tuple[Path, Any], twenty: list[Path]) -> None:
    import pystac

    out, _ = survived
    with (out / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["scene"] for row in rows] == list(map(str, twenty))
    assert [row["scene"] for row in rows if row["status"] == "failed"] == [str(twenty[7])]
    outlines = geopandas.read_file(out / "footprints.gpkg")
    assert len(outlines) == 19
    assert outlines.crs == "EPSG:4326"
    assert float(outlines.cloud_percent[0]) == pytest.approx(float(rows[0]["cloud_percent"]))
    west, south, east, north = outlines.to_crs("EPSG:32633").total_bounds
    assert (west, north) == pytest.approx((500000, 5000000), abs=1)
    assert (east, south) == pytest.approx((505120, 4996160), abs=1)
    collection = pystac.Collection.from_file(out / "collection.json")
    assert len(list(collection.get_items())) == 19
    assert collection.extent.spatial.bboxes[0] == pytest.approx(list(outlines.total_bounds), abs=1e-6)
    assert set(collection.assets) == {"footprints", "summary"}


def test_each_worker_loads_the_model_once(client: Any, twenty: list[Path], tmp_path: Path) -> None:
    def loads() -> list[tuple[int, int]]:
        found = client.run(operator.methodcaller("cache_info"), load_once)
        return [(info.hits + info.misses, info.misses) for info in found.values()]

    options = DetectOptions(model="hot", polygons="none")
    before = loads()
    geocloud.detect_many(twenty[:6], tmp_path, BatchOptions(options), client=client)
    after = loads()
    assert sum(calls for calls, _ in after) - sum(calls for calls, _ in before) == 6
    assert all(now - then <= 1 for (_, now), (_, then) in zip(after, before, strict=True))


def test_retry_failed_runs_what_failed_and_nothing_else(
    client: Any, survived: tuple[Path, Any], twenty: list[Path], tmp_path: Path
) -> None:
    out = copied(survived[0], tmp_path)
    retry = BatchOptions(FAST, retry_failed=True)
    result = geocloud.detect_many([], out, retry, client=client)
    assert [record.scene for record in result.records] == [record.scene for record in result.failed] == [str(twenty[7])]
    broken, stat = twenty[7].read_bytes(), twenty[7].stat()
    shutil.copy(twenty[8], twenty[7])
    try:
        result = geocloud.detect_many(twenty, out, retry, client=client)
        assert [record.scene for record in result.done] == [str(twenty[7])]
        assert not geocloud.detect_many(twenty, out, retry, client=client).records
        kept = geocloud.detect_many(twenty, out, RESUME, client=client)
        assert (len(kept.records), len(kept.kept)) == (0, 20)
    finally:
        twenty[7].write_bytes(broken)
        os.utime(twenty[7], ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_resume_runs_what_is_not_whole_or_has_changed(
    client: Any, survived: tuple[Path, Any], twenty: list[Path], tmp_path: Path
) -> None:
    out = copied(survived[0], tmp_path)
    (out / "scene_00_cloudmask.tif").unlink()
    half = out / "scene_01_cloudmask.tif"
    half.write_bytes(half.read_bytes()[:-500])
    swapped = out / "scene_02_clouds.geojson"
    swapped.write_bytes(b" " + swapped.read_bytes()[1:])
    (out / "scene_03_cloudmask.tif").touch()  # another time, the same bytes: whole
    os.utime(twenty[4])
    result = geocloud.detect_many(twenty, out, RESUME, client=client)
    assert sorted(Path(record.scene).stem for record in result.done) == [f"scene_0{n}" for n in (0, 1, 2, 4)]
    assert [record.scene for record in result.failed] == [str(twenty[7])]
    assert len(result.kept) == 15
    assert products(out) == products(survived[0])
    other = BatchOptions(DetectOptions(model="brightness", threshold=0.3), resume=True)
    assert len(geocloud.detect_many(twenty[:2], out, other, client=client).done) == 2


def test_cancelling_leaves_a_manifest_that_resumes(
    client: Any, survived: tuple[Path, Any], twenty: list[Path], tmp_path: Path
) -> None:
    def stop(tally, record) -> None:
        if tally.done == 2:
            raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        geocloud.detect_many(twenty, tmp_path, BatchOptions(FAST), client=client, progress=stop)
    done = {record["scene"] for record in lines(tmp_path) if record["status"] == "done"}
    assert len(done) == 2
    result = geocloud.detect_many(twenty, tmp_path, RESUME, client=client)
    assert {record.scene for record in result.records} == set(map(str, twenty)) - done
    assert products(tmp_path) == products(survived[0])


@pytest.mark.slow
def test_a_killed_client_resumes_to_the_same_bytes(
    cluster: Cluster, survived: tuple[Path, Any], twenty: list[Path], tmp_path: Path
) -> None:
    out, listed = tmp_path / "out", tmp_path / "scenes.txt"
    listed.write_text("# all of them\n\n" + "\n".join(map(str, twenty)) + "\n")
    arguments = ["batch", "--list", listed, "--out", out, "--model", "brightness", "--scheduler", cluster.address]
    command = [sys.executable, "-m", "geocloud", *map(str, arguments)]
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(lines(out)) >= 3, "three scenes")
    client.send_signal(signal.SIGKILL)
    client.wait()
    with (out / "manifest.jsonl").open("a") as file:
        file.write('{"scene": "half a li')  # as a kill in the middle of a write leaves it
    done = {record["scene"] for record in map(json.loads, (out / "manifest.jsonl").read_text().splitlines()[:-1])}
    assert 3 <= len(done) < 20
    again = run_program(*arguments, "--resume")
    assert again.returncode == 1
    assert "scene_07.tif" in again.stderr
    told = json.loads(again.stdout)
    assert told["kept"] == len(done - {str(twenty[7])})
    assert told["done"] + told["kept"] == 19
    assert products(out) == products(survived[0])


def test_the_command_takes_the_scheduler_of_the_environment(
    cluster: Cluster, twenty: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", cluster.address)
    folder = tmp_path / "scenes"  # a folder of several scenes runs each
    folder.mkdir()
    for scene in twenty[:2]:
        shutil.copy(scene, folder)
    arguments = ("batch", folder, "--out", tmp_path / "out", "--model", "brightness", "--progress", "json")
    result = run_program(*arguments)
    assert result.returncode == 0, result.stderr
    said = events(result.stdout)
    assert [event["event"] for event in said if event["event"] != "progress"] == ["start", "scene", "scene", "result"]
    last = [event for event in said if event["event"] == "progress"][-1]
    assert (last["done"], last["total"], last["failed"], last["percent"]) == (2, 2, 0, 100)
    assert last["mpx_per_second"] > 0
    again = run_cli(*arguments[:-2])
    assert again.returncode == 2
    assert "lists 2 scenes; pass --resume to go on" in again.stderr


@pytest.mark.slow
def test_the_command_starts_workers_of_its_own(twenty: list[Path], tmp_path: Path) -> None:
    result = run_program("batch", twenty[0], twenty[7], "--out", tmp_path, "--model", "brightness", "--workers", 1)
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert (told["done"], told["failed"]) == (1, 1)
    assert told["failures"][0]["scene"] == str(twenty[7])
    assert f"error: {twenty[7]}" in result.stderr
    assert "Traceback" not in result.stderr
    assert "distributed" not in result.stderr


@pytest.mark.slow  # the same in one process: test_strips.py
def test_a_raster_in_bands_is_joined_to_the_same_bytes(client: Any, mosaic: Path, tmp_path: Path) -> None:
    small = write_scene(tmp_path / "small.tif", shape=(300, 300))
    plain = DetectOptions(model="brightness", score=True, quicklook=True)
    options = BatchOptions(plain, split=700)
    result = geocloud.detect_many([mosaic, small], tmp_path / "split", options, client=client)
    assert len(result.done) == 2
    for path in (mosaic, small):
        geocloud.detect(path, tmp_path / "whole", plain)
    assert products(tmp_path / "split") == products(tmp_path / "whole")
    assert not list((tmp_path / "split").glob(".geocloud-*"))
