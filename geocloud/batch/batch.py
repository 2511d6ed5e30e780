"""detect_many: thousands of scenes on Dask, a task each, with a manifest that any end resumes from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geocloud.batch.cluster import connect, require_dask
from geocloud.batch.manifest import BatchProgress, Manifest, Record, read_manifest, tell_nobody
from geocloud.batch.options import BatchOptions
from geocloud.batch.plan import make_plan
from geocloud.batch.run import run_plan
from geocloud.batch.summary import write_summary
from geocloud.writers.stac import require_pystac

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch left."""

    folder: Path
    records: tuple[Record, ...]
    """Of the scenes that were run."""
    kept: tuple[Record, ...]
    """Of the scenes that were done before and left out."""
    seconds: float

    @property
    def done(self) -> tuple[Record, ...]:
        """Run, and done."""
        return tuple(record for record in self.records if record.status == "done")

    @property
    def failed(self) -> tuple[Record, ...]:
        """Run, and failed."""
        return tuple(record for record in self.records if record.status == "failed")


def detect_many(
    scenes: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: BatchOptions | None = None,
    *,
    client: Client | None = None,
    progress: BatchProgress = tell_nobody,
) -> BatchResult:
    """Find the clouds of many scenes; one that fails, or takes its worker with it, fails nothing else.

    Into `out` go each scene's outputs as of `detect` with a STAC item, `manifest.jsonl`, and at the end `summary.csv`,
    `footprints.gpkg` and `collection.json` of all scenes in the manifest. Pixels never pass through the scheduler:
    workers read scenes and write outputs themselves, so both must be where they can reach them.

    Args:
        scenes: paths and URLs, each as `detect` takes it; may be empty with `options.retry_failed`.
        out: folder of the outputs.
        options: how; defaults where None.
        client: a Dask client; None: one of the scheduler that the options name, else of workers started here.
        progress: called as scenes end.

    Returns:
        What was run and what was kept; scenes that failed are in it and raise nothing.

    Raises:
        UsageError, ModelError, OutputError, EnvironmentProblem, MissingExtraError: the batch cannot begin or go on.
        Cancelled: raised by `progress`; the manifest holds what ended until then.
    """
    options = options or BatchOptions()
    folder = Path(out).absolute()
    require_dask()
    require_pystac()
    plan = make_plan(scenes, folder, options, read_manifest(folder))
    with Manifest(folder, anew=options.detect.overwrite) as manifest:
        records: tuple[Record, ...] = ()
        seconds = 0.0
        if plan.todo:
            with nullcontext(client) if client else connect(options) as used:
                records, seconds = run_plan(plan, used, manifest, progress)
        write_summary(folder, list(read_manifest(folder).values()))
    return BatchResult(folder, records, plan.kept, seconds)
