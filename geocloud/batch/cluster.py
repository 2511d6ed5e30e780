"""Where a batch runs: workers of its own on this machine, or a Dask scheduler that is there already."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from geocloud.batch.options import BatchOptions
from geocloud.errors import EnvironmentProblem, MissingExtraError, UsageError
from geocloud.pipeline.scoring import cores

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")
WORKER_BYTES = 1_250_000_000
"""What a worker may need: `detect` of a Sentinel-2 tile on one thread peaks below 1 GB, and Dask wants some above."""
CONNECT_SECONDS = 20


@contextmanager
def connect(options: BatchOptions) -> Iterator[Client]:
    """A Dask client of the scheduler that the options name, else of own workers; closed at the end.

    Where they name neither, Dask's setting `scheduler-address` (DASK_SCHEDULER_ADDRESS) is used.

    Raises:
        UsageError: there is no such scheduler file.
        EnvironmentProblem: the scheduler does not answer.
        MissingExtraError: dask or distributed is not installed.
    """
    require_dask()
    import dask

    address = options.scheduler
    if address is None and options.workers is None:
        address = dask.config.get("scheduler-address", None)
    if options.scheduler_file is not None or address is not None:
        with _remote(address, options.scheduler_file) as client:
            yield client
    else:
        with _local(options.workers or default_workers(), options.retries) as client:
            yield client


def require_dask() -> None:
    """MissingExtraError where dask or distributed is not installed."""
    try:
        import distributed  # noqa: F401 - only to say what is missing
    except ImportError as error:
        raise MissingExtraError("dask and distributed", "batch", "A batch") from error


def tasks_on(client: Client) -> Callable[[Callable[[T], R], Sequence[T]], Iterator[R]]:
    """What `composite` takes as `tasks`: work on a client's workers, its results in the order of the tasks.

    A few more tasks are under way than there are workers, so that neither side holds all results.
    """

    def run(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        ahead = 2 * max(1, len(client.scheduler_info()["workers"]))
        waiting: deque[Any] = deque()
        left = iter(tasks)
        try:
            while True:
                waiting.extend(client.submit(work, task, pure=False) for task in islice(left, ahead - len(waiting)))
                if not waiting:
                    return
                yield waiting[0].result()
                waiting.popleft()
        finally:
            for future in waiting:
                future.cancel()

    return run


def silence_dask() -> None:
    """Keep Dask's own log from the terminal: what matters of it comes back as records and errors.

    Dask gives each of its loggers a level of its own as it is imported, so that of their parent says nothing.
    """
    require_dask()
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    for name in ("distributed", "tornado.application", "asyncio", *names):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def free_bytes() -> int:
    """Memory that new processes may take: of the machine, and within this process's own limit."""
    import psutil
    from distributed.system import MEMORY_LIMIT

    return min(int(psutil.virtual_memory().available), int(MEMORY_LIMIT))


def default_workers() -> int:
    """As many as there are cores, and as memory has room for; at least one."""
    return max(1, min(cores(), free_bytes() // WORKER_BYTES))


@contextmanager
def _remote(address: str | None, scheduler_file: str | os.PathLike[str] | None) -> Iterator[Client]:
    from distributed import Client

    place = scheduler_file or address
    if scheduler_file is not None and not Path(scheduler_file).is_file():
        raise UsageError(f"{scheduler_file} does not exist; give the file that dask scheduler --scheduler-file wrote")
    try:
        if scheduler_file is not None:
            client = Client(scheduler_file=str(scheduler_file), timeout=CONNECT_SECONDS)
        else:
            client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"no Dask scheduler answers at {place} ({error}); check the address, and that versions of Dask agree"
        ) from error
    with client:
        yield client


@contextmanager
def _local(workers: int, retries: int) -> Iterator[Client]:
    """Processes of one thread each; their limit is their share of the memory that is free.

    They talk over TLS with a key that is in the memory of these processes only: any user of the machine can reach the
    ports, and whom a Dask scheduler listens to runs code as its user.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    try:
        security = Security.temporary()
    except ImportError as error:
        raise MissingExtraError("cryptography", "batch", "A batch on workers of its own") from error

    settings = {
        "distributed.scheduler.allowed-failures": retries,
        "distributed.scheduler.worker-saturation": 1.0,  # a scene that waits is not blamed for a worker's death
        "distributed.worker.memory.target": False,  # nothing is kept in workers that could be spilt
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.scheduler.http.routes": [],  # pages that tell anyone the scenes' names
        "distributed.worker.http.routes": [],
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=free_bytes() // workers,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            security=security,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
