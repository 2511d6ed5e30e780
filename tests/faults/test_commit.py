"""The commit of a scene's outputs: nothing lost and nothing mixed, wherever it is stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from faults.running import assert_one_sentence, contents, detect, speckled, start
from testutils import PATIENCE

from geocloud.errors import OutputError
from geocloud.writers.commit import heal_folder
from geocloud.writers.locks import locked
from geocloud.writers.staging import staged

linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, and locks a folder")
SCORE = ("--score", "--polygons", "gpkg")


@linux
@pytest.mark.faults
def test_a_failure_at_every_file_operation_loses_and_mixes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed, a full disk, no permission, interrupted; and killed again while the next run puts back what was there."""
    result = subprocess.run(
        [sys.executable, Path(__file__).with_name("commit_points.py"), tmp_path / "out", "--twice"],
        capture_output=True, text=True, check=True, timeout=3 * PATIENCE,
    )  # fmt: skip
    points = [json.loads(line) for line in result.stdout.splitlines()]
    with capsys.disabled():
        sys.stdout.write(f"\n{len(points)} points tried: {dict(Counter(point['strike'] for point in points))}\n")
    assert len(points) >= 60
    assert not [point for point in points if point["problem"]]
    assert {point["strike"] for point in points} == {"killed", "full disk", "not permitted", "interrupted"}


@linux
def test_a_place_that_cannot_be_replaced_leaves_the_old_set(tmp_path: Path) -> None:
    """A folder stands in the mask's place."""
    (tmp_path / "mask.tif").mkdir()
    (tmp_path / "score.tif").write_text("old")
    with pytest.raises(OutputError, match=r"mask\.tif is no plain file"), staged("s") as staging:
        for name in ("score.tif", "mask.tif"):
            staging.path(tmp_path / name).write_text("new")
        staging.commit(tmp_path / "mask.tif")
    assert contents(tmp_path) == {"score.tif": b"old"}


@linux
@pytest.mark.faults
def test_an_immutable_mask_leaves_the_old_set(tmp_path: Path) -> None:
    scene, out = speckled(tmp_path / "scene.tif", 200), tmp_path / "out"
    assert detect(scene, out, *SCORE).returncode == 0
    before, mask = contents(out), out / "scene_cloudmask.tif"
    if subprocess.run(["chattr", "+i", mask], check=False, capture_output=True).returncode:
        pytest.skip("files cannot be made immutable here")
    try:
        assert_one_sentence(detect(scene, out, *SCORE, "--threshold", "0.5", "--overwrite"), "cloudmask.tif")
    finally:
        subprocess.run(["chattr", "-i", mask], check=True)
    assert contents(out) == before


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="was written by another run in the meantime"), staged("s") as staging:
        staging.path(tmp_path / "mask.tif").write_text("new")
        (tmp_path / "mask.tif").write_text("theirs")
        staging.commit(tmp_path / "mask.tif", overwrite=False)
    assert contents(tmp_path) == {"mask.tif": b"theirs"}


def test_files_of_an_earlier_run_go_with_its_mask(tmp_path: Path) -> None:
    for name in ("mask.tif", "clouds.gpkg"):
        (tmp_path / name).write_text("old")
    with staged("s") as staging:
        staging.path(tmp_path / "mask.tif").write_text("new")
        staging.commit(tmp_path / "mask.tif", retired=lambda: [tmp_path / "clouds.gpkg", tmp_path / "none.json"])
    assert contents(tmp_path) == {"mask.tif": b"new"}


@linux
def test_a_commit_waits_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geocloud.writers.locks.LOCK_SECONDS", 0.1)
    with locked(tmp_path), pytest.raises(OutputError, match="another run is writing"), locked(tmp_path):
        pytest.fail("both hold it")


def test_a_planted_journal_moves_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Names with a folder in them, and a staging folder that is a link."""
    (tmp_path / "precious").write_text("precious")
    out = tmp_path / "out"
    staging = out / ".geocloud-x-y.partial"
    staging.mkdir(parents=True)
    (staging / "old").write_text("evil")
    for final in ("../precious", "../../precious", str(tmp_path / "precious"), "..", ""):
        (staging / "journal.json").write_text(json.dumps({"main": "", "others": [], "moves": [[final, "", "old"]]}))
        heal_folder(out)
    for text in ("[]", "{}", '{"main": 1, "others": 3, "moves": 4}', "{" * 100_000, '{"main": "", "moves": [[1]]}'):
        (staging / "journal.json").write_text(text)
        heal_folder(out)
    assert (tmp_path / "precious").read_text() == "precious"


@linux
def test_a_very_long_name_stages(tmp_path: Path) -> None:
    name = "n" * 251
    with staged(name) as staging:
        staging.path(tmp_path / f"{name}.tif").write_text("new")
        staging.commit(tmp_path / f"{name}.tif")
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


@linux
@pytest.mark.faults
def test_two_runs_of_different_thresholds_leave_the_outputs_of_one(tmp_path: Path) -> None:
    scene, out = speckled(tmp_path / "scene.tif", 200), tmp_path / "out"
    wholes = []
    for threshold in ("0.25", "0.6"):
        assert detect(scene, tmp_path / threshold, *SCORE, "--threshold", threshold).returncode == 0
        wholes.append(contents(tmp_path / threshold))
    assert wholes[0] != wholes[1]
    for _ in range(6):
        runs = [start(scene, out, *SCORE, "--threshold", threshold, "--overwrite") for threshold in ("0.25", "0.6")]
        while any(run.poll() is None for run in runs):
            seen = {path.name for path in out.glob("[!.]*")}
            assert seen <= set(wholes[0])
            time.sleep(0.02)
        assert [run.communicate() and run.returncode for run in runs] == [0, 0]
        assert contents(out) in wholes
