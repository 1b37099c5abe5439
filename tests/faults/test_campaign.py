"""A run that is killed at random moments of its life ends with the same bytes (`campaign.py` has the long one)."""

import pytest

from ssrl_core.runs.queue import processes
from tests.faults import campaign
from tests.kit import FULL


@pytest.mark.slow
def test_a_run_ends_with_the_same_bytes_whatever_is_killed():
    try:
        killed = campaign.campaign(200 if FULL else 1, say=lambda words: None)
    finally:
        processes.ask_to_end()
    assert sum(killed.values()) >= 2
    assert campaign.orphans() == []
