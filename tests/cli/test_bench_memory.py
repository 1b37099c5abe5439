"""The memory that `bench views` tells: the highest of the work, not what stays."""

import sys

import numpy as np
import pytest

from bench.support import memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the highest memory of a process")
MB = 1 << 20


def test_the_highest_is_told_and_what_was_freed_before_does_not_hide_it():
    def needs(megabytes: int) -> float:
        return memory.highest(lambda: np.ones(megabytes * MB // 8)) / MB

    assert memory.can_measure()
    assert needs(64) == pytest.approx(64, abs=4)
    assert needs(64) == pytest.approx(64, abs=4)
    assert memory.highest(lambda: (np.ones(32 * MB // 8).sum(), np.ones(32 * MB // 8).sum())) / MB == pytest.approx(
        32, abs=4
    )


@pytest.mark.slow
def test_a_view_needs_at_most_itself_and_one_more():
    assert 1 <= memory.of_views("ours", "full", 512) <= 2
