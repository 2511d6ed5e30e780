from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocloud.datasets.folder import DataFile
from geocloud.datasets.split import choose_part
from geocloud.errors import UsageError

FILES = tuple(DataFile(f"class/{number}.png", Path("x")) for number in range(400))


@given(st.integers(0, 10**9), st.floats(0.1, 0.9))
def test_the_parts_share_nothing_and_leave_nothing(seed, fraction):
    seen, unseen = (choose_part(FILES, part, fraction, seed) for part in ("train", "held-out"))
    assert set(seen) | set(unseen) == set(FILES)
    assert not set(seen) & set(unseen)
    assert abs(len(unseen) / len(FILES) - fraction) < 0.15


def test_a_file_stays_in_its_part_whatever_else_is_there():
    some = set(choose_part(FILES[:50], "held-out", 0.3, 5))
    assert some == set(choose_part(FILES, "held-out", 0.3, 5)) & set(FILES[:50])
    assert some != set(choose_part(FILES[:50], "held-out", 0.3, 6))


def test_an_empty_part_is_refused_with_the_way_out():
    with pytest.raises(UsageError, match="none of 1 files falls into the part 'held-out'"):
        choose_part(FILES[:1], "held-out", 0.0, 0)
    with pytest.raises(UsageError, match="at least 0 and below 1"):
        choose_part(FILES, "all", 1.5, 0)
