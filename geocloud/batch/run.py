"""A plan on a Dask client: tasks handed on, records taken in as they come."""

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
"""Scenes handed to the scheduler at once, at least: it stays small however many there are, and clusters can grow."""
TICK_SECONDS = 1.0


def run_plan(
    plan: Plan, client: Client, manifest: Manifest, progress: BatchProgress
) -> tuple[tuple[Record, ...], float]:
    """Run all that is to be done; the records in the order they ended, and the seconds it took.

    Raises:
        EnvironmentProblem: the scheduler was lost.
        OutputError: the manifest cannot be written.
        Cancelled: raised by `progress`.
    """
    run = _Run(client, plan)
    records = []
    try:
        progress(run.tally(), None)
        for record in run.records():
            if record is not None:
                manifest.add(record)
                records.append(record)
            progress(run.tally(), record)
    except BaseException:
        run.cancel()
        raise
    return tuple(records), run.seconds


class _Run:
    """Futures under way."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self._client, self._plan = client, plan
        self._waiting = iter(plan.todo)
        self._under_way: dict[Future[Any], SceneTask] = {}
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._group, self._number = f"geocloud-{uuid.uuid4().hex[:12]}", 0
        self._done = self._failed = self._pixels = 0
        self._started = time.perf_counter()
        self._threads = 0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def tally(self) -> BatchCounts:
        return BatchCounts(
            len(self._plan.todo), len(self._plan.kept), self._done, self._failed,
            min(self._threads, len(self._under_way)), self._pixels, self.seconds,
        )  # fmt: skip

    def records(self) -> Iterator[Record | None]:
        """Each record as its scene ends; None about once a second where nothing ends."""
        self._fill()
        while self._under_way:
            try:
                future = self._ended.get(timeout=TICK_SECONDS)
            except Empty:
                self._look_at_workers()
                yield None
                continue
            task = self._under_way.pop(future)
            record = self._take(future, task)
            if record is not None:
                self._count(record)
                yield record
            self._fill()

    def cancel(self) -> None:
        """Take back what no worker has begun."""
        if self._client.status == "running":
            self._client.cancel(list(self._under_way))

    def _fill(self) -> None:
        if not self._threads:
            self._look_at_workers()
        while len(self._under_way) < max(WINDOW, 4 * self._threads):
            task = next(self._waiting, None)
            if task is None:
                return
            self._watch(self._submit(run_scene, task, task), task)

    def _submit(self, function: Callable[..., Any], task: SceneTask, *arguments: Any) -> Future[Any]:  # noqa: ANN401
        self._number += 1
        key = (self._group, self._number)  # one task group: Dask then keeps waiting tasks on the scheduler
        return self._client.submit(function, *arguments, key=key, retries=task.options.retries, pure=False)

    def _watch(self, future: Future[Any], task: SceneTask) -> None:
        self._under_way[future] = task
        future.add_done_callback(self._ended.put)

    def _take(self, future: Future[Any], task: SceneTask) -> Record | None:
        """The record of a future that ended; None where its scene goes on in bands."""
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
        except Exception as error:  # noqa: BLE001 - what Dask itself makes of one task fails no other
            return Record(task.source, "failed", task.parameters, error=f"{type(error).__name__}: {error}")
        if isinstance(result, Record):
            return result
        numbers = range(len(result.bands))
        seconds = [self._submit(run_strip, task, task, result, number) for number in numbers]
        self._watch(self._submit(join_strips, task, task, result, seconds), task)
        return None

    def _count(self, record: Record) -> None:
        self._done += record.status == "done"
        self._failed += record.status == "failed"
        self._pixels += record.pixels

    def _look_at_workers(self) -> None:
        if self._client.status not in ("running", "connecting"):
            raise EnvironmentProblem("the connection to the Dask scheduler was lost; start it again and pass --resume")
        if self._client.status == "running":
            self._threads = sum(self._client.nthreads().values())
