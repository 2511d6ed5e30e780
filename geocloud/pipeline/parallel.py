"""Bounded concurrency: read ahead, and map over threads in order, with at most a few items in memory."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from queue import Empty, Full, Queue
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_END = object()


def read_ahead(items: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """The items, produced by a thread of their own that stays at most `depth` ahead.

    An error in the producer is raised here in its turn; closing the iterator early ends the thread and the items.
    """
    queue: Queue[object] = Queue(depth)
    stop = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> None:
        while not stop.is_set():
            try:
                return queue.put(item, timeout=0.1)
            except Full:
                continue
        return None

    def produce() -> None:
        try:
            with closing(items):
                for item in items:
                    put(item)
                    if stop.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - handed to the consumer
            failure.append(error)
        put(_END)

    thread = threading.Thread(target=produce, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        stop.set()
        _drain(queue)
        thread.join()


def map_ordered(function: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R, None, None]:
    """function(item) of each item in order, on `threads` threads, with at most threads + 1 items under way."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)


def _drain(queue: Queue[object]) -> None:
    while True:
        try:
            queue.get_nowait()
        except Empty:
            return


M_ARENA_MAX = -8
"""glibc's mallopt parameter: number of heaps (malloc.h)."""


def bound_heaps() -> None:
    """One heap for all threads: glibc otherwise keeps what each thread has freed, some 100 MB here."""
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def trim_heap() -> None:
    """Return what was freed to the system: else a tall scene, and the writing of outputs, take 100 MB more."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _glibc(name: str) -> Any | None:  # noqa: ANN401 - a C function
    """A function of the C library; None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
