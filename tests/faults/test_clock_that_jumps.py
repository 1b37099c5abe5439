"""A clock that is set ahead or back while runs wait and train: nobody is lost, and first come is first served.

The clock of the test and of every process that it starts is moved by `ahead.txt` (seconds); what counts seconds evenly
(`time.monotonic`), and the file system's own clock, are left as they are.
"""

from __future__ import annotations

import datetime as dates
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pages.ui.kit import sign_in
from pages.ui.kit.sign_in import Gate
from pages.ui.train import run_list
from ssrl_core import stores
from ssrl_core.access import EDITOR, Person
from ssrl_core.runs import jobs
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.queue import ordering, registry, stopping, submitting
from ssrl_core.specs.run import RunSpec
from tests.kit import make_imageset, make_run

DAY = 24 * 3600.0
SPEC: dict[str, Any] = {
    "dataset": "kit",
    "backbone": "tiny_cnn",
    "method": "simclr",
    "terms": "mnist-first-set",
    "batch_size": 8,
    "epochs": 3,
}
MOVED = """
import os, time
plain_time, plain_ns, file = time.time, time.time_ns, os.environ["TEST_CLOCK"]

def ahead():
    with open(file) as moved:
        return float(moved.read() or 0)

time.time = lambda: plain_time() + ahead()
time.time_ns = lambda: plain_ns() + int(ahead() * 1e9)
"""


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets it so many seconds ahead of the true one, here and in every process that is started from now on."""
    (tmp_path / "sitecustomize.py").write_text(MOVED)
    file = tmp_path / "ahead.txt"
    file.write_text("0")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TEST_CLOCK", str(file))
    monkeypatch.setattr(time, "time", time.time)  # put back afterwards
    monkeypatch.setattr(time, "time_ns", time.time_ns)
    exec(MOVED, {})
    return lambda ahead: stores.replace(file, str(ahead))


def test_who_comes_later_does_not_go_first(set_clock):
    make_imageset(60)
    set_clock(DAY)
    first = submitting.submit(RunSpec.from_mapping(SPEC), start=False)["id"]
    set_clock(-DAY)
    second, third = (
        submitting.submit(RunSpec.from_mapping({**SPEC, "seed": seed}), start=False)["id"] for seed in (6, 7)
    )
    stopping.stop(second)
    stopping.resume(second, start=False)
    order = [first, third, second]
    assert [row["id"] for row in registry.query(ordering.READY, [9])] == order
    assert [row["id"] for row in registry.list_runs()] == order[::-1]


def test_a_sign_of_life_from_the_future_does_not_look_alive_for_a_day(set_clock, monkeypatch):
    row = {"id": "one", "state": "running", "alive_at": stores.utc_now()}
    assert not registry.is_lost(row)
    set_clock(-DAY)  # and whoever signed is gone
    assert registry.is_lost(row)
    assert not registry.is_lost({**row, "alive_at": stores.utc_now()})
    set_clock(DAY)  # until the next sign what was seen to come counts
    assert not registry.is_lost({**row, "alive_at": stores.utc_text(dates.datetime(2020, 1, 1))})
    monkeypatch.setattr(registry, "LOST_AFTER_S", 0.01)
    time.sleep(0.02)
    assert registry.is_lost({**row, "alive_at": stores.utc_text(dates.datetime(2020, 1, 1))})


def test_who_has_signed_in_stays_so_and_no_longer(set_clock):
    gate = Gate(sign_in="password")
    sealed = gate.seal(Person("", EDITOR))
    for ahead in (DAY, -DAY):
        set_clock(ahead)
        assert gate.unseal(sealed) is not None
        assert gate.unseal(gate.seal(Person("", EDITOR), now=sign_in._now() - DAY)) is None


def test_files_of_tomorrow_are_not_overlooked(monkeypatch):
    """What was written before the clock was set back seems to come from the future."""
    folder, tomorrow = make_run(n=60), time.time() + DAY
    (folder / "spec.yaml").write_bytes(bytes(40))
    os.utime(folder / "spec.yaml", (tomorrow, tomorrow))
    assert registry.list_runs()[0]["reason"].startswith("spec.yaml is damaged")
    os.utime(registry.path(), (tomorrow, tomorrow))
    registry.list_runs()
    assert registry.path() in registry._last  # else ten thousand runs would be read again by every page
    monkeypatch.setattr(annotations, "MOST_KEPT", 1)
    names = []
    for last in (1, 3):
        names.append(annotations.selection_name(np.arange(0, 4000, 2) + last))
        kept = stores.models_root() / "selections" / f"{names[-1].removeprefix('@')}.npy"
        if last == 1:
            os.utime(kept, (tomorrow, tomorrow))
    assert len(annotations.read_selection(names[-1], 5000)) == 2000


def test_a_run_that_ended_before_it_began_took_no_time_that_is_known():
    rows = [{"id": "a", "state": "done", "started_at": "2026-01-02T00:00:00.000000Z"}]
    rows[0]["finished_at"] = "2026-01-01T00:00:00.000000Z"
    assert run_list._took(rows).isna().all()


def test_a_job_whose_number_another_process_has_is_over():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        report = {"version": 1, "state": "running", "progress": 0.5, "message": "", "pid": other.pid}
        stores.write_json(jobs.file_of("gone"), report)
        assert jobs.state_of("gone")["state"] == "failed"
        other.communicate(b"\n")
