"""What one scene, a side file or another user of the machine may do to a batch."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import Cluster, wait_for
from testutils import PATIENCE, write_scene

from geocloud import BatchOptions, DetectOptions, detect_many
from geocloud.batch.cluster import connect
from geocloud.batch.manifest import Manifest, OutputFile, Record, read_manifest
from geocloud.batch.scene_lists import read_list
from geocloud.batch.summary import write_summary
from geocloud.errors import OutputError, UsageError
from geocloud.writers.stac import parse_time

pytest.importorskip("distributed")


@pytest.mark.faults
def test_the_workers_of_a_batch_listen_to_it_alone() -> None:
    """Without the key, or with another one, nobody gets a word in."""
    from distributed import Client
    from distributed.security import Security

    with connect(BatchOptions(workers=1)) as client:
        assert client.submit(len, "four").result(PATIENCE) == 4
        address = client.scheduler.address
        assert address.startswith("tls://")
        for other in (address.replace("tls://", "tcp://"), address):
            security = Security.temporary() if other == address else None
            with pytest.raises((OSError, ValueError)):
                Client(other, security=security, timeout=3)


@pytest.mark.faults
@pytest.mark.skipif(os.name == "nt", reason="ulimit")
def test_workers_that_cannot_be_started_are_one_sentence(tmp_path: Path) -> None:
    scene, program = write_scene(tmp_path / "s.tif"), f"{sys.executable} -m geocloud"
    done = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -n 20; {program} batch {scene} --model brightness --workers 1 --out {tmp_path}/out"],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"error: the workers cannot be started \(\w[^)]*\); give fewer --workers", done.stderr)
    assert done.stderr.count("\n") == 1


@pytest.mark.faults
@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_utf8_costs_one_scene(tmp_path: Path) -> None:
    scenes = [write_scene(tmp_path / f"s{n}.tif") for n in (1, 2)]
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.tif")
    scenes[0].with_name("copy").write_bytes(scenes[0].read_bytes())
    scenes[0].with_name("copy").rename(bad)
    options = BatchOptions(DetectOptions(model="brightness"), workers=1, retries=0)
    result = detect_many([scenes[0], bad, scenes[1]], tmp_path / "out", options)
    assert [record.status for record in sorted(result.records, key=lambda one: one.scene)] == ["failed", "done", "done"]
    assert read_manifest(tmp_path / "out")[bad].status == "failed"
    assert len((tmp_path / "out" / "summary.csv").read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.faults
@pytest.mark.skipif(os.name == "nt", reason="other errors there")
def test_a_name_that_is_too_long_costs_one_scene(tmp_path: Path) -> None:
    options = BatchOptions(DetectOptions(model="brightness"), workers=1, retries=0)
    result = detect_many([write_scene(tmp_path / "s.tif"), tmp_path / ("y" * 300)], tmp_path / "out", options)
    assert {Path(record.scene).name[0]: record.status for record in result.records} == {"s": "done", "y": "failed"}


def test_a_list_with_a_line_that_is_no_path_is_refused(tmp_path: Path) -> None:
    names = tmp_path / "scenes.txt"
    names.write_text("a.tif\n" + "x" * 9000, encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 2 of .*scenes.txt has 9000 letters"):
        read_list(str(names))


@pytest.mark.faults
@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_a_lost_scheduler_is_one_sentence(tmp_path: Path) -> None:
    """Dask's own log of it, a traceback, stays away; what ended before is in the manifest."""
    cluster = Cluster(tmp_path)
    try:
        scenes = [write_scene(tmp_path / f"s{number}.tif", shape=(600, 600)) for number in range(30)]
        out, command = tmp_path / "out", [sys.executable, "-m", "geocloud", "batch", *map(str, scenes)]
        command += ["--out", str(out), "--model", "brightness", "--scheduler", cluster.address, "--progress", "none"]
        batch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: bool(read_manifest(out)), "a scene to end")
        cluster.kill_scheduler()
        _, errors = batch.communicate(timeout=PATIENCE)
    finally:
        cluster.close()
    assert batch.returncode == 1
    assert errors.startswith("error: the ")
    assert errors.count("\n") == 1, errors
    assert "--resume" in errors


RECORD = Record(
    "a", "done", "p", outputs={"stac": OutputFile("a.json", 1, 1, ""), "item": OutputFile("a.json", 1, 1, "")}
)


@pytest.mark.parametrize("content", [b"{", b"II*\x00\xff\xfe", b"[]", b'{"geometry": 3, "properties": {}}', b"null"])
def test_a_damaged_item_costs_its_outline_only(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("pystac")
    (tmp_path / "a.json").write_bytes(content)
    write_summary(tmp_path, [RECORD, replace(RECORD, scene="b", outputs={})])
    assert [row["scene"] for row in csv.DictReader((tmp_path / "summary.csv").read_text().splitlines())] == ["a", "b"]


def test_a_cell_never_begins_a_formula(tmp_path: Path) -> None:
    pytest.importorskip("pystac")
    outputs = {"mask": OutputFile("=1+1_cloudmask.tif", 1, 1, "")}
    write_summary(
        tmp_path,
        [
            replace(RECORD, scene="@x", outputs=outputs, error="+1"),
            replace(RECORD, scene="b\udcff", error="\n=1"),
            replace(RECORD, scene="\uff1d1"),
        ],
    )
    with (tmp_path / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1][0] == "'@x"
    assert len(rows) == 4
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@", "\n", "\uff1d")]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_manifest_that_is_a_link_leaves_the_other_file_alone(
    tmp_path: Path, link: Callable[[Path, Path], None], *, anew: bool
) -> None:
    other = tmp_path / "precious"
    other.write_text(RECORD.to_json() + "\n")
    before = other.read_bytes()
    link(other, tmp_path / "manifest.jsonl")
    with Manifest(tmp_path, anew=anew) as manifest:
        manifest.add(replace(RECORD, scene="new"))
    assert other.read_bytes() == before
    assert list(read_manifest(tmp_path)) == (["new"] if anew else [RECORD.scene, "new"])


@pytest.mark.skipif(os.name == "nt", reason="has no named pipes in folders")
def test_a_manifest_that_is_a_pipe_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.jsonl")
    with pytest.raises(OutputError, match="is no plain file"):
        Manifest(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cloud_percent", "many"),
        ("pixels", "x"),
        ("seconds", None),
        ("error", 3),
        ("notes", [3]),
        ("cloud_percent", []),
    ],
)
def test_a_line_of_odd_types_is_passed_over(tmp_path: Path, key: str, value: object) -> None:
    good = json.loads(RECORD.to_json())
    lines = [json.dumps({**good, key: value}), json.dumps({**good, "scene": "b"})]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    assert list(read_manifest(tmp_path)) == ["b"]


def test_a_list_from_windows_and_one_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfs1.tif\r\n# no\r\ns\xff.tif\r\n")
    assert read_list(str(tmp_path / "list.txt")) == ["s1.tif", "s\udcff.tif"]
    for order in ("utf-16-le", "utf-16-be"):
        (tmp_path / "list.txt").write_bytes("\ufeffs1.tif\r\nné.tif\r\n".encode(order))
        assert read_list(str(tmp_path / "list.txt")) == ["s1.tif", "né.tif"]


def test_a_time_at_the_end_of_the_calendar_is_none() -> None:
    assert parse_time("9999-12-31T23:59:59-12:00") is None


@pytest.mark.skipif(os.name == "nt", reason="limits of a process")
def test_a_manifest_or_summary_that_cannot_grow_is_named(tmp_path: Path) -> None:
    """Closing a file writes what it still holds, and a bare OSError blamed the text on stdout."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    record = Record("s.tif", "failed", "p", error="no")
    manifest = Manifest(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        for write in (lambda: manifest.add(record), manifest.close, lambda: write_summary(tmp_path, [record])):
            with pytest.raises(OutputError, match=r"cannot be written \(File too large\)"):
                write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path.name for path in tmp_path.iterdir() if path.name != "manifest.jsonl"]
