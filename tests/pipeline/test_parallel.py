from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from geocloud.pipeline.scoring import map_ordered
from geocloud.pipeline.tiling import read_ahead


def test_order_is_kept_whatever_takes_longest() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * 10

    assert list(map_ordered(slow_first, range(20), 3)) == [number * 10 for number in range(20)]
    assert list(read_ahead((number for number in range(50)), 2)) == list(range(50))


def test_at_most_a_few_items_are_under_way() -> None:
    made, taken, most = 0, 0, 0

    def produce() -> Generator[int, None, None]:
        nonlocal made
        for number in range(30):
            made += 1
            yield number

    for _ in map_ordered(lambda number: number, read_ahead(produce(), 1), 2):
        taken += 1
        most = max(most, made - taken)
        time.sleep(0.002)
    assert most <= 6


def test_an_error_in_the_reader_or_the_work_reaches_the_caller() -> None:
    def broken() -> Generator[int, None, None]:
        yield 1
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(read_ahead(broken(), 1))
    with pytest.raises(ZeroDivisionError):
        list(map_ordered(lambda number: 1 // number, iter([1, 0, 1]), 2))


def test_leaving_early_ends_the_thread() -> None:
    before = set(threading.enumerate())  # those that other tests left may end meanwhile
    ended = threading.Event()

    def produce() -> Generator[int, None, None]:
        try:
            while True:
                yield 0
        finally:
            ended.set()

    endless = read_ahead(map_ordered(lambda number: number, read_ahead(produce(), 1), 2), 3)
    assert next(endless) == 0
    endless.close()
    assert set(threading.enumerate()) <= before
    assert ended.is_set()
