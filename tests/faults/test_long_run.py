"""What a kernel does again and again leaves nothing behind: no descriptor, no thread, no object of ours."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.long_run import hits, loads, on_and_off, sizes

pytestmark = pytest.mark.slow
SPARE = 20
"""Objects that come and go."""


@pytest.mark.parametrize(("work", "times"), [(on_and_off, 24), (loads, 12)])
def test_lives_of_the_cache_leave_nothing(
    work: Callable[[Path], Iterator[Callable[[], object]]], times: int, tmp_path: Path
) -> None:
    first, last = list(sizes(work, tmp_path, times, 3))[1:]
    assert last.descriptors <= first.descriptors
    assert last.threads <= first.threads
    assert last.objects <= first.objects + SPARE


def test_hits_leave_a_lookup_each_and_nothing_else(tmp_path: Path) -> None:
    times = 600
    first, *_, last = list(sizes(hits, tmp_path, times, 3))
    assert last.descriptors <= first.descriptors
    assert last.threads <= first.threads
    assert last.objects <= first.objects + 3 * times  # those of the latest 10,000 lookups are kept
