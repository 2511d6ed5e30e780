from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from testutils import PATIENCE

from geocloud.errors import OutputError
from geocloud.writers.staging import clear_leftovers, staged


def test_outputs_appear_on_commit_and_the_staging_folder_goes(tmp_path: Path) -> None:
    final, side = tmp_path / "out" / "mask.tif", tmp_path / "other" / "mask.json"
    with staged("mask") as staging:
        staging.path(final).write_text("mask")
        staging.path(side).write_text("side")
        staging.scratch(final, "work").write_text("work")
        assert not final.exists()
        staging.commit(last=final)
    assert (final.read_text(), side.read_text()) == ("mask", "side")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mask.tif"]


def test_a_failed_run_leaves_the_old_output_alone(tmp_path: Path) -> None:
    final = tmp_path / "mask.tif"
    final.write_text("old")
    with pytest.raises(RuntimeError), staged("mask") as staging:
        staging.path(final).write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["mask.tif"]
    assert final.read_text() == "old"


def _hold(folder: str, ready: multiprocessing.Event, go: multiprocessing.Event) -> None:
    with staged("scene") as staging:
        staging.path(Path(folder) / "mask.tif").write_text("theirs")
        ready.set()
        go.wait()


def test_leftovers_of_dead_runs_are_cleared_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    dead = tmp_path / ".geocloud-scene-dead.partial"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "mask.tif").write_text("half")
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    living = context.Process(target=_hold, args=(str(tmp_path), ready, go), daemon=True)
    living.start()
    assert ready.wait(PATIENCE)
    clear_leftovers(tmp_path, "scene")
    assert not dead.exists()
    assert len(list(tmp_path.glob(".geocloud-scene-*"))) == 1
    go.set()
    living.join()
    assert not list(tmp_path.glob(".geocloud-*"))


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), staged("x") as staging:
        staging.path(tmp_path / "file" / "mask.tif")
