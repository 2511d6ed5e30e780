"""Run a plan on a Dask client: submit tasks and collect their records."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from geocloud.batch.manifest import BatchCounts, BatchProgress, Manifest, Record
from geocloud.batch.plan import Plan, SceneTask
from geocloud.batch.strips import Split
from geocloud.batch.tasks import SceneFailed, join_strips, run_scene, run_strip
from geocloud.errors import EnvironmentProblem

if TYPE_CHECKING:
    from distributed import Client, Future

WINDOW = 1000
"""Minimum number of submitted scenes: enough for clusters to grow, while the scheduler stays small."""
TICK_SECONDS = 1.0


def run_plan(
    plan: Plan, client: Client, manifest: Manifest, progress: BatchProgress
) -> tuple[tuple[Record, ...], float]:
    """Run the scenes of a plan; returns their records, in the order in which they ended, and the duration in seconds.

    Raises:
        EnvironmentProblem: the scheduler was lost.
        OutputError: the manifest cannot be written.
        Cancelled: raised by `progress`.
    """
    run = _Run(client, plan)
    records = []
    try:
        progress(run.counts(), None)
        for record in run.records():
            if record is not None:
                manifest.add(record)
                records.append(record)
            progress(run.counts(), record)
    except BaseException:
        run.cancel()
        raise
    return tuple(records), run.seconds


class _Run:
    """The futures of a plan that is running."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self._client, self._plan = client, plan
        self._waiting = iter(plan.todo)
        self._running: dict[Future[Any], SceneTask] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._group, self._number = f"geocloud-{uuid.uuid4().hex[:12]}", 0
        self._done = self._failed = self._pixels = 0
        self._started = time.perf_counter()
        self._threads = 0

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self._started

    def counts(self) -> BatchCounts:
        """The progress so far."""
        return BatchCounts(
            len(self._plan.todo), len(self._plan.kept), self._done, self._failed,
            min(self._threads, len(self._running)), self._pixels, self.seconds,
        )  # fmt: skip

    def records(self) -> Iterator[Record | None]:
        """Yields the record of each scene when it ends, and None about once per second while none ends."""
        self._fill()
        while self._running:
            try:
                future = self._ended.get(timeout=TICK_SECONDS)
            except Empty:
                self._count_threads()
                yield None
                continue
            task = self._running.pop(future)
            record = self._take(future, task)
            if record is not None:
                self._count(record)
                yield record
            self._fill()

    def cancel(self) -> None:
        """Cancel the tasks that no worker has begun."""
        if self._client.status == "running":
            self._client.cancel(list(self._running))

    def _fill(self) -> None:
        """Submit scenes until enough of them are running or waiting."""
        if not self._threads:
            self._count_threads()
        while len(self._running) < max(WINDOW, 4 * self._threads):
            task = next(self._waiting, None)
            if task is None:
                return
            self._watch(self._submit(run_scene, task, task), task)

    def _submit(self, function: Callable[..., Any], task: SceneTask, *arguments: Any) -> Future[Any]:  # noqa: ANN401
        self._number += 1
        key = (self._group, self._number)  # one task group, so that Dask keeps waiting tasks on the scheduler
        return self._client.submit(function, *arguments, key=key, retries=task.options.retries, pure=False)

    def _watch(self, future: Future[Any], task: SceneTask) -> None:
        """Put a future into the queue when it ends."""
        self._running[future] = task
        future.add_done_callback(self._ended.put)

    def _take(self, future: Future[Any], task: SceneTask) -> Record | None:
        """The record of a future that ended; None if its scene is split, and then submits its strips."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            result: Record | Split = future.result()
        except SceneFailed as error:
            return error.record
        except KilledWorker as error:
            sentence = (
                f"{task.source} took its worker with it {error.allowed_failures + 1} times, as when memory "
                "runs out; start fewer workers, with more memory each"
            )
            return Record(task.source, "failed", task.parameters, error=sentence)
        except FutureCancelledError as error:
            raise EnvironmentProblem(
                f"the scheduler was lost or dropped {task.source} ({error.reason}); start it again and pass --resume"
            ) from error
        except Exception as error:  # noqa: BLE001 - an error of Dask in one task must not stop the others
            return Record(task.source, "failed", task.parameters, error=f"{type(error).__name__}: {error}")
        if isinstance(result, Record):
            return result
        numbers = range(len(result.bands))
        seconds = [self._submit(run_strip, task, task, result, number) for number in numbers]
        self._watch(self._submit(join_strips, task, task, result, seconds), task)
        return None

    def _count(self, record: Record) -> None:
        """Add a record to the counts."""
        self._done += record.status == "done"
        self._failed += record.status == "failed"
        self._pixels += record.pixels

    def _count_threads(self) -> None:
        """Count the threads of the workers; EnvironmentProblem if the scheduler is gone."""
        if self._client.status not in ("running", "connecting"):
            raise EnvironmentProblem("the connection to the Dask scheduler was lost; start it again and pass --resume")
        if self._client.status == "running":
            self._threads = sum(self._client.nthreads().values())
