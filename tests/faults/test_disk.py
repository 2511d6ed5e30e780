"""A full disk, a file-size limit, a folder that may not be written: outputs whole or absent, the old ones untouched."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.running import assert_one_sentence, contents, detect, give_up_rights, speckled
from testutils import run_program

from geocloud.models.registry import SHIPPED, default_name

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")]
FORMATS = ("geojson", "gpkg", "fgb", "parquet")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speckled(tmp_path_factory.mktemp("scene") / "scene.tif", 400)


def limit_files(size: int) -> None:
    """In a child: no file may grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"this user may not mount a small disk: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("kind", FORMATS)
def test_files_that_may_not_grow_are_whole_or_absent(scene: Path, tmp_path: Path, kind: str) -> None:
    """Limits all the way up to just below what each file needs: the last bytes are written while it is closed."""
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    more = ("--score", "--polygons", kind, "--quicklook", "--min-area", "300")
    whole = tmp_path / "whole"
    assert detect(scene, whole, *more).returncode == 0
    expected = contents(whole)
    sizes = {name: len(content) for name, content in expected.items()}
    long = sorted(sizes.values())[-2:]
    for limit in sorted({5000, *(int(size * part) for size in long for part in (0.97, 0.9999))}):
        out = tmp_path / "out"
        result = detect(
            scene, out, *more, before=lambda top=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (top, top))
        )
        found = contents(out)
        if result.returncode == 0:
            assert found == expected, f"limit {limit}: {[name for name in found if found[name] != expected[name]]}"
        else:
            assert_one_sentence(result, "cannot be written")
            assert ".partial" not in result.stderr
            assert not found, f"limit {limit}"
        shutil.rmtree(out, ignore_errors=True)


def test_a_full_disk_leaves_nothing_and_the_old_output(scene: Path, full_disk: Path) -> None:
    small = speckled(scene.with_name("small.tif"), 100)
    assert detect(small, full_disk).returncode == 0
    before = contents(full_disk)
    room = shutil.disk_usage(full_disk).free
    (full_disk / "ballast").write_bytes(bytes(max(room - 60_000, 0)))
    small.write_bytes(scene.read_bytes())
    result = detect(small, full_disk, "--overwrite", "--score")
    assert_one_sentence(result, "cannot be written")
    assert ".partial" not in result.stderr
    assert "ERROR" not in result.stderr, "GDAL's own lines"
    (full_disk / "ballast").unlink()
    assert contents(full_disk) == before


@pytest.mark.parametrize("room", [0, 20_000, 120_000])
@pytest.mark.parametrize("command", ["apply-mask", "patches", "polygonize", "composite"])
def test_a_full_disk_is_named_as_one(scene: Path, full_disk: Path, command: str, room: int) -> None:
    """Not as a damaged scene."""
    out = scene.parent / "masked"
    assert detect(scene, out, "--overwrite").returncode == 0
    mask = out / "scene_cloudmask.tif"
    arguments = {
        "apply-mask": (scene, mask, "--out", full_disk / "a.tif"),
        "patches": (scene, "--out", full_disk),
        "polygonize": (mask, "--out", full_disk / "a.gpkg"),
        "composite": (
            scene,
            speckled(scene.with_name("b.tif"), 400),
            "--model",
            "brightness",
            "--out",
            full_disk / "c.tif",
        ),
    }[command]
    (full_disk / "ballast").write_bytes(bytes(max(0, shutil.disk_usage(full_disk).free - room)))
    assert_one_sentence(run_program(command, *arguments), str(full_disk), "cannot be written")
    assert [path.name for path in full_disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize(
    "command", ["detect", "apply-mask", "patches", "polygonize", "composite", "series", "cover", "batch"]
)
def test_a_folder_that_may_not_be_written(scene: Path, tmp_path: Path, command: str) -> None:
    mask = tmp_path / "mask"
    assert detect(scene, mask).returncode == 0
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    mask_file, zones = mask / "scene_cloudmask.tif", mask / "scene_clouds.geojson"
    others = [shutil.copy(scene, tmp_path / f"{number}.tif") for number in range(2)]
    arguments = {
        "detect": (scene, "--out", closed, "--model", "brightness"),
        "apply-mask": (scene, mask_file, "--out", closed / "a.tif"),
        "patches": (scene, "--out", closed),
        "polygonize": (mask_file, "--out", closed / "a.gpkg"),
        "composite": (scene, "--out", closed / "a.tif", "--model", "brightness"),
        "series": (scene, *others, "--out", closed, "--model", "brightness"),
        "cover": (mask_file, "--zones", zones, "--out", closed / "a.csv"),
        "batch": (scene, "--out", closed, "--model", "brightness", "--workers", 1),
    }[command]
    result = subprocess.run(
        [sys.executable, "-m", "geocloud", command, *map(str, arguments)],
        capture_output=True, text=True, check=False, preexec_fn=give_up_rights,
    )  # fmt: skip
    assert_one_sentence(result, "closed", "cannot be written", "Permission denied")
    assert not contents(closed)


def test_a_threshold_that_cannot_be_kept_leaves_the_model(tmp_path: Path) -> None:
    model = tmp_path / "m"
    shutil.copytree(SHIPPED / default_name(), model)
    before = contents(model)
    result = run_program(
        "threshold", "--model", model, "--keep", model, "--threshold", -1, preexec_fn=lambda: limit_files(1000)
    )
    assert_one_sentence(result, "cannot be written")
    assert contents(model) == before


def test_an_output_that_may_not_be_replaced_stays(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert detect(scene, out).returncode == 0
    before = contents(out)
    out.chmod(0o555)
    try:
        assert_one_sentence(
            detect(scene, out, "--overwrite", "--dilate", "2", before=give_up_rights), "Permission denied"
        )
    finally:
        out.chmod(0o755)
    assert contents(out) == before
