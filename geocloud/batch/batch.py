"""detect_many: detect clouds in thousands of scenes on Dask, one task per scene, with a manifest to resume from."""

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
    """Result of a batch."""

    folder: Path
    records: tuple[Record, ...]
    """One per scene that was run."""
    kept: tuple[Record, ...]
    """One per scene that was left out because it was done before."""
    seconds: float
    """Duration of the run."""

    @property
    def done(self) -> tuple[Record, ...]:
        """Records of the scenes that were run and are done."""
        return tuple(record for record in self.records if record.status == "done")

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of the scenes that were run and failed."""
        return tuple(record for record in self.records if record.status == "failed")


def detect_many(
    scenes: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: BatchOptions | None = None,
    *,
    client: Client | None = None,
    progress: BatchProgress = tell_nobody,
) -> BatchResult:
    """Find the clouds of many scenes. A scene that fails, or kills its worker, does not affect the others.

    The outputs of each scene, as from `detect` with a STAC item, and `manifest.jsonl` are written to `out`; at the end
    also `summary.csv`, `footprints.gpkg` and `collection.json` for all scenes of the manifest. Pixels never pass
    through the scheduler: workers read scenes and write outputs themselves, so they must have access to both.

    Args:
        scenes: paths and URLs, as for `detect`; may be empty with `options.retry_failed`.
        out: folder of the outputs.
        options: how to run; None: the defaults.
        client: a Dask client; None: a client of the scheduler that the options name, or of new local workers.
        progress: called whenever a scene ends.

    Returns:
        The scenes that were run and those that were kept. Failed scenes are among them and raise nothing.

    Raises:
        UsageError, ModelError, OutputError, EnvironmentProblem, MissingExtraError: the batch cannot begin or go on.
        Cancelled: raised by `progress`; the manifest holds all scenes that ended before.
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
