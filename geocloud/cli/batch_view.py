"""The display of a batch: counts on the progress bar, events for programs, and lines at the end."""

from __future__ import annotations

import time
from typing import Any

from geocloud.batch.batch import BatchResult
from geocloud.batch.manifest import BatchCounts, Record
from geocloud.cli.common import arrow
from geocloud.cli.reporter import Reporter

PROGRESS_SECONDS = 1.0
"""Least time between two progress events."""
MAX_LISTED = 20
"""Failures listed at the end; summary.csv has all of them."""


class BatchView:
    """Passes the progress and result of a batch to a reporter."""

    def __init__(self, reporter: Reporter) -> None:
        """Show nothing before the first progress."""
        self._reporter = reporter
        self._last = 0.0

    def progress(self, counts: BatchCounts, record: Record | None) -> None:
        """Show the counts on the bar, an event for each record, and a progress event at most once a second."""
        self._reporter.bar(counts.ended, counts.total, counts_text(counts))
        if record is not None:
            self._reporter.event("scene", **scene_event(record))
        if record is None or time.monotonic() - self._last >= PROGRESS_SECONDS or counts.ended == counts.total:
            self._last = time.monotonic()
            self._reporter.event("progress", **progress_event(counts))

    def result(self, result: BatchResult) -> None:
        """Show the result, and the first MAX_LISTED failures."""
        self._reporter.result(summary(result), sentence(result), details(result))
        for record in result.failed[:MAX_LISTED]:
            self._reporter.listed(named(record))
        if len(result.failed) > MAX_LISTED:
            more = len(result.failed) - MAX_LISTED
            self._reporter.total(f"… and {more} more failures, in {result.folder / 'summary.csv'}")


def counts_text(counts: BatchCounts) -> str:
    """Such as `17 of 400 done, 1 failed, 8 running · 35.2 Mpx/s · 0:12:40 left`."""
    left = counts.seconds_left
    kept = f", {counts.kept} kept" if counts.kept else ""
    remaining = "" if left is None else f" · {duration(left)} left"
    return (
        f"{counts.done} of {counts.total} done, {counts.failed} failed, {counts.running} running{kept} · "
        f"{counts.mpx_per_second:.1f} Mpx/s{remaining}"
    )


def named(record: Record) -> str:
    """The error of a failed scene, with the scene in front if the error does not name it."""
    error = str(record.error)
    return error if record.scene in error else f"{record.scene}: {error}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, such as 0:12:40."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def progress_event(counts: BatchCounts) -> dict[str, Any]:
    """JSON values of a progress event."""
    return {
        "percent": round(100 * counts.ended / counts.total, 1) if counts.total else 100.0,
        "stage": "inference",
        "done": counts.ended,
        "total": counts.total,
        "failed": counts.failed,
        "kept": counts.kept,
        "running": counts.running,
        "mpx_per_second": round(counts.mpx_per_second, 2),
        "seconds_left": None if counts.seconds_left is None else round(counts.seconds_left, 1),
    }


def scene_event(record: Record) -> dict[str, Any]:
    """JSON values of a scene event; paths of outputs are relative to the batch's folder."""
    return {
        "scene": record.scene,
        "status": record.status,
        "cloud_percent": record.cloud_percent,
        "seconds": record.seconds,
        "outputs": {key: file.path for key, file in record.outputs.items()},
        "error": record.error,
    }


def summary(result: BatchResult) -> dict[str, Any]:
    """JSON values of the result of a batch."""
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
    """Mean cloud cover in percent of the scenes done and kept, with equal weights; None if no scene has a cover."""
    covers = [record.cloud_percent for record in (*result.done, *result.kept) if record.cloud_percent is not None]
    return round(sum(covers) / len(covers), 3) if covers else None


def sentence(result: BatchResult) -> str:
    """The result of a batch as one line for a person."""
    cover = mean_cover(result)
    parts = [f"{len(result.done)} done"]
    parts += [f"{len(result.failed)} failed"] if result.failed else []
    parts += [f"{len(result.kept)} kept from before"] if result.kept else []
    parts += [] if cover is None else [f"mean {cover:.1f} % cloud"]
    scenes = len(result.records) + len(result.kept)
    return f"{scenes} scene{'' if scenes == 1 else 's'}: {', '.join(parts)} {arrow()} {result.folder}"


def details(result: BatchResult) -> str:
    """What --verbose adds to the line."""
    whole = summary(result)
    rate = whole["mpx_per_second"]
    speed = "" if rate is None else f", {rate:.1f} Mpx/s"
    return f"{whole['pixels'] / 1e6:,.1f} million pixels in {duration(result.seconds)}{speed}"
