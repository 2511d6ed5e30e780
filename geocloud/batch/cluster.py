"""Connect to the Dask workers of a batch: new ones on this machine, or those of an existing scheduler."""

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
"""Memory of a worker: `detect` of a Sentinel-2 tile on one thread peaks below 1 GB, and Dask needs a margin."""
CONNECT_SECONDS = 20


@contextmanager
def connect(options: BatchOptions) -> Iterator[Client]:
    """A Dask client of the scheduler that the options name, or else of new local workers; it is closed at the end.

    If the options name neither a scheduler nor a number of workers, Dask's setting `scheduler-address`
    (DASK_SCHEDULER_ADDRESS) is used if it is set.

    Raises:
        UsageError: the scheduler file does not exist.
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
    """MissingExtraError if dask or distributed is not installed."""
    try:
        import distributed  # noqa: F401 - only to say what is missing
    except ImportError as error:
        raise MissingExtraError("dask and distributed", "batch", "A batch") from error


def tasks_on(client: Client) -> Callable[[Callable[[T], R], Sequence[T]], Iterator[R]]:
    """A function for `tasks` of `composite`: it works on a client's workers and gives results in order of the tasks.

    At most two tasks per worker are submitted at once, so that results do not pile up on either side.
    """

    def run(work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        limit = 2 * max(1, len(client.scheduler_info()["workers"]))
        waiting: deque[Any] = deque()
        remaining = iter(tasks)
        try:
            while True:
                waiting.extend(
                    client.submit(work, task, pure=False) for task in islice(remaining, limit - len(waiting))
                )
                if not waiting:
                    return
                yield waiting[0].result()
                waiting.popleft()
        finally:
            for future in waiting:
                future.cancel()

    return run


def silence_dask() -> None:
    """Keep Dask's log off the terminal; what matters is reported as records and errors.

    Dask sets the level of each of its loggers on import, so setting the level of their parent has no effect.
    """
    require_dask()
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    for name in ("distributed", "tornado.application", "asyncio", *names):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def free_bytes() -> int:
    """Bytes of memory for new processes: what is free on the machine, within the limit of this process."""
    import psutil
    from distributed.system import MEMORY_LIMIT

    return min(int(psutil.virtual_memory().available), int(MEMORY_LIMIT))


def default_workers() -> int:
    """Number of workers that cores and memory allow, at least 1."""
    return max(1, min(cores(), free_bytes() // WORKER_BYTES))


@contextmanager
def _remote(address: str | None, scheduler_file: str | os.PathLike[str] | None) -> Iterator[Client]:
    """A client of an existing scheduler."""
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
    """A client of new local workers: processes of one thread, each limited to an equal share of the free memory.

    They communicate over TLS, with a key that only these processes have: any user of the machine can reach the ports,
    and anyone who can talk to a Dask scheduler can run code as its user.
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
        "distributed.scheduler.worker-saturation": 1.0,  # a waiting scene is not blamed when its worker dies
        "distributed.worker.memory.target": False,  # workers keep nothing that could be spilled
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.scheduler.http.routes": [],  # no pages, which would show the names of scenes to anyone
        "distributed.worker.http.routes": [],
    }

    def started() -> LocalCluster:
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=free_bytes() // workers,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
                security=security,
            )
        except (OSError, RuntimeError) as error:
            raise EnvironmentProblem(
                f"the workers cannot be started ({_first_cause(error)}); give fewer --workers, allow this shell more "
                "files and processes (ulimit), or make /dev/shm and the current folder accessible"
            ) from error

    with dask.config.set(settings), started() as cluster, Client(cluster) as client:
        yield client


def _first_cause(error: BaseException) -> str:
    """The message of the error that an error began with, or its type where it has none."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
