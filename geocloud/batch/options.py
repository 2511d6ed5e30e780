"""How a batch runs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from geocloud.errors import UsageError
from geocloud.pipeline.detection import DetectOptions

SPLIT_SIDE = 50_000


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to detect many scenes; the defaults need nothing."""

    detect: DetectOptions = field(default_factory=DetectOptions)
    """How each scene is detected. STAC items are always written and each task scores on one thread, so `stac` and
    `threads` have no effect here; `overwrite` begins a folder's batch anew."""
    workers: int | None = None
    """Workers of one thread to start on this machine; None: as many as cores and memory allow."""
    scheduler: str | None = None
    """Address of a Dask scheduler to use instead, such as tcp://host:8786."""
    scheduler_file: str | os.PathLike[str] | None = None
    """File that a Dask scheduler wrote, to use it instead."""
    retries: int = 1
    """How often a scene is tried again after an error that may pass; also after its worker died, where geocloud starts
    the workers itself. A scheduler of the user's own keeps its `allowed-failures`."""
    resume: bool = False
    """Leave out what the manifest calls done with the same fingerprint and parameters and whose files are whole."""
    retry_failed: bool = False
    """Run only the scenes that the manifest calls failed."""
    split: int = SPLIT_SIDE
    """Rasters with more pixels than this along a side are scored in strips of rows, one task each."""
    lists: tuple[str | os.PathLike[str], ...] = ()
    """Files that the scenes were named in: no output replaces one, also with `overwrite`."""

    def __post_init__(self) -> None:
        """Numbers a user can mistype, and wishes that contradict."""
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
        """What each task is given: whether a scene runs at all is the manifest's to say, not the files'."""
        return replace(self.detect, threads=1, overwrite=True, stac=True)
