"""Options of a batch."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from geocloud.errors import UsageError
from geocloud.pipeline.detection import DetectOptions

SPLIT_SIDE = 50_000
"""Pixels; see `BatchOptions.split`."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to detect many scenes; the defaults work without any choice."""

    detect: DetectOptions = field(default_factory=DetectOptions)
    """How each scene is detected. STAC items are always written, and each task scores on one thread, so `stac` and
    `threads` have no effect here. `overwrite` starts the batch of a folder anew."""
    workers: int | None = None
    """Number of workers, of one thread each, to start on this machine; None: as many as cores and memory allow."""
    scheduler: str | None = None
    """Address of a Dask scheduler to use instead, such as tcp://host:8786."""
    scheduler_file: str | os.PathLike[str] | None = None
    """File that a Dask scheduler wrote, to use this scheduler instead."""
    retries: int = 1
    """How often a scene is repeated after an error that may be temporary, and after its worker died. A scheduler that
    geocloud did not start uses its own `allowed-failures` for workers that died."""
    resume: bool = False
    """Leave out scenes that are done by the manifest, with the same fingerprint and parameters and unchanged files."""
    retry_failed: bool = False
    """Run only the scenes that failed by the manifest."""
    split: int = SPLIT_SIDE
    """Rasters with more pixels than this along a side are scored in strips of rows, one task each."""
    lists: tuple[str | os.PathLike[str], ...] = ()
    """Files that listed the scenes; no output may replace one of them, even with `overwrite`."""

    def __post_init__(self) -> None:
        """UsageError for values that are not allowed, and for options that exclude each other."""
        if self.retries < 0:
            raise UsageError(f"retries {self.retries} must be 0 or more")
        if self.split < 1:
            raise UsageError(f"split {self.split} must be 1 or more pixels")
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"workers {self.workers} must be 1 or more")
        if sum(given is not None for given in (self.workers, self.scheduler, self.scheduler_file)) > 1:
            raise UsageError("--workers, --scheduler and --scheduler-file exclude each other; give one of them")
        if self.resume and self.retry_failed:
            raise UsageError("--resume runs all that is left, --retry-failed only what failed; give one of them")
        if self.detect.overwrite and (self.resume or self.retry_failed):
            raise UsageError("--overwrite begins anew; leave it out with --resume and --retry-failed")

    def of_scene(self) -> DetectOptions:
        """Options of each task. It always overwrites: the manifest decides whether a scene runs, not existing files."""
        return replace(self.detect, threads=1, overwrite=True, stac=True)
