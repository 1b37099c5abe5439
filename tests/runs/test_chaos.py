"""Parts killed at random while runs go through; `SSRL_TEST_SCALE=full` does it with 300 runs."""

from __future__ import annotations

import os

import pytest

from tests.kit import FULL
from tests.runs.chaos import chaos, verdict

RUNS, KILLS = (300, 100) if FULL else (16, 8)


@pytest.mark.slow
@pytest.mark.timeout(3600 if FULL else 600)
@pytest.mark.skipif(os.name == "nt", reason="kills by POSIX signals")
def test_every_run_is_done_exactly_once_whatever_is_killed(kit_images):
    killed = chaos(RUNS, kills=KILLS)
    assert sum(killed.values()) >= 3
    assert verdict() == {"done": RUNS, "right": RUNS, "folders": RUNS, "left over": 0}
