"""What the batch command shows: counts on the bar, events for programs, lines at the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geocloud.batch.batch import BatchResult
from geocloud.batch.manifest import BatchCounts, Record
from geocloud.cli.batch_view import MAX_LISTED, BatchView, counts_text, details, duration, progress_event, sentence
from geocloud.cli.reporter import make_reporter

HALF = BatchCounts(total=40, kept=2, done=18, failed=2, running=8, pixels=600_000_000, seconds=60.0)
GOOD = Record("a.tif", "done", "p", cloud_percent=30.0, pixels=4_000_000)
BAD = Record("b.tif", "failed", "p", error="b.tif is empty (0 bytes); fetch it again")


def test_a_line_of_counts() -> None:
    assert counts_text(HALF) == "18 of 40 done, 2 failed, 8 running, 2 kept · 10.0 Mpx/s · 0:01:00 left"
    assert counts_text(BatchCounts(total=3)) == "0 of 3 done, 0 failed, 0 running · 0.0 Mpx/s"
    assert duration(3 * 3600 + 62.4) == "3:01:02"


def test_events_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = make_reporter("json")
    view = BatchView(reporter)
    view.progress(HALF, BAD)
    view.result(BatchResult(Path("out"), (GOOD, BAD), (), 2.0))
    reporter.close()
    start, scene, progress, result = map(json.loads, capsys.readouterr().out.splitlines())
    assert start["protocol"] == 2
    assert (scene["scene"], scene["status"], scene["error"]) == ("b.tif", "failed", BAD.error)
    assert progress == {"event": "progress", **progress_event(HALF)}
    assert (progress["percent"], progress["mpx_per_second"], progress["seconds_left"]) == (50, 10, 60)
    assert (result["done"], result["failed"], result["cloud_percent"], result["mpx_per_second"]) == (1, 1, 30, 2)


def test_failures_are_listed_but_not_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    BatchView(make_reporter("none", as_json=True)).result(BatchResult(Path("out"), (BAD,) * (MAX_LISTED + 3), (), 1.0))
    said = capsys.readouterr()
    assert said.err.count("error: b.tif is empty") == MAX_LISTED
    assert "… and 3 more failures, in out/summary.csv" in said.err
    assert json.loads(said.out)["failed"] == MAX_LISTED + 3


def test_the_end_for_a_person() -> None:
    result = BatchResult(Path("out"), (GOOD, BAD), (GOOD,), 2.0)
    assert sentence(result).startswith("3 scenes: 1 done, 1 failed, 1 kept from before, mean 30.0 % cloud ")
    assert details(result) == "4.0 million pixels in 0:00:02, 2.0 Mpx/s"
