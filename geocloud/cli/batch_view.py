"""How a batch shows itself: counts on the bar, events for programs, and lines at the end."""

from __future__ import annotations

import time
from typing import Any

from geocloud.batch.batch import BatchResult
from geocloud.batch.manifest import BatchCounts, Record
from geocloud.cli.common import arrow
from geocloud.cli.reporter import Reporter

PROGRESS_SECONDS = 1.0
MAX_LISTED = 20
"""Failures named at the end; all of them stand in summary.csv."""


class BatchView:
    """Tells a reporter of a batch."""

    def __init__(self, reporter: Reporter) -> None:
        """Nothing is shown before the first progress."""
        self._reporter = reporter
        self._last = 0.0

    def progress(self, tally: BatchCounts, record: Record | None) -> None:
        """A scene event for each record and a progress event at most once a second; the bar with counts."""
        self._reporter.bar(tally.ended, tally.total, counts(tally))
        if record is not None:
            self._reporter.event("scene", **scene_event(record))
        if record is None or time.monotonic() - self._last >= PROGRESS_SECONDS or tally.ended == tally.total:
            self._last = time.monotonic()
            self._reporter.event("progress", **progress_event(tally))

    def result(self, result: BatchResult) -> None:
        """The failures, as many as a person reads, then the whole."""
        self._reporter.result(summary(result), sentence(result), details(result))
        for record in result.failed[:MAX_LISTED]:
            self._reporter.listed(named(record))
        if len(result.failed) > MAX_LISTED:
            more = len(result.failed) - MAX_LISTED
            self._reporter.total(f"… and {more} more failures, in {result.folder / 'summary.csv'}")


def counts(tally: BatchCounts) -> str:
    """`17 of 400 done, 1 failed, 8 running · 35.2 Mpx/s · 0:12:40 left`."""
    left = tally.seconds_left
    kept = f", {tally.kept} kept" if tally.kept else ""
    remaining = "" if left is None else f" · {duration(left)} left"
    return (
        f"{tally.done} of {tally.total} done, {tally.failed} failed, {tally.running} running{kept} · "
        f"{tally.mpx_per_second:.1f} Mpx/s{remaining}"
    )


def named(record: Record) -> str:
    """A failure's sentence, with the scene before it where it does not say which."""
    error = str(record.error)
    return error if record.scene in error else f"{record.scene}: {error}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as 0:12:40."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def progress_event(tally: BatchCounts) -> dict[str, Any]:
    """JSON values of a tally."""
    return {
        "percent": round(100 * tally.ended / tally.total, 1) if tally.total else 100.0,
        "stage": "inference",
        "done": tally.ended,
        "total": tally.total,
        "failed": tally.failed,
        "kept": tally.kept,
        "running": tally.running,
        "mpx_per_second": round(tally.mpx_per_second, 2),
        "seconds_left": None if tally.seconds_left is None else round(tally.seconds_left, 1),
    }


def scene_event(record: Record) -> dict[str, Any]:
    """JSON values of a record; files by their path in the folder."""
    return {
        "scene": record.scene,
        "status": record.status,
        "cloud_percent": record.cloud_percent,
        "seconds": record.seconds,
        "outputs": {key: file.path for key, file in record.outputs.items()},
        "error": record.error,
    }


def summary(result: BatchResult) -> dict[str, Any]:
    """JSON values of a whole batch."""
    pixels = sum(record.pixels for record in result.done)
    return {
        "out": result.folder,
        "done": len(result.done),
        "failed": len(result.failed),
        "kept": len(result.kept),
        "cloud_percent": mean_cover(result),
        "pixels": pixels,
        "seconds": round(result.seconds, 2),
        "mpx_per_second": round(pixels / 1e6 / result.seconds, 2) if result.seconds else None,
        "failures": [{"scene": record.scene, "error": record.error} for record in result.failed],
    }


def mean_cover(result: BatchResult) -> float | None:
    """Mean cloud % of the scenes done and kept, each scene alike; None where none has any."""
    covers = [record.cloud_percent for record in (*result.done, *result.kept) if record.cloud_percent is not None]
    return round(sum(covers) / len(covers), 3) if covers else None


def sentence(result: BatchResult) -> str:
    """The same for a person."""
    cover = mean_cover(result)
    parts = [f"{len(result.done)} done"]
    parts += [f"{len(result.failed)} failed"] if result.failed else []
    parts += [f"{len(result.kept)} kept from before"] if result.kept else []
    parts += [] if cover is None else [f"mean {cover:.1f} % cloud"]
    scenes = len(result.records) + len(result.kept)
    return f"{scenes} scene{'' if scenes == 1 else 's'}: {', '.join(parts)} {arrow()} {result.folder}"


def details(result: BatchResult) -> str:
    """What --verbose adds."""
    whole = summary(result)
    rate = whole["mpx_per_second"]
    speed = "" if rate is None else f", {rate:.1f} Mpx/s"
    return f"{whole['pixels'] / 1e6:,.1f} million pixels in {duration(result.seconds)}{speed}"
