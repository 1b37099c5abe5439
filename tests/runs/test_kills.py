"""What happens when parts are killed: with real processes, but a child that trains nothing."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time

import psutil
import pytest

from ssrl_core import stores
from ssrl_core.runs.folder.locks import Lock, is_held, require_working_locks
from ssrl_core.runs.folder.state import StateWriter
from ssrl_core.runs.queue import registry, stopping
from ssrl_core.runs.worker import watch
from tests.kit import ROOT
from tests.runs.conftest import FAKE_CHILD

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by POSIX signals")

COORDINATOR = """
import sys
sys.path.insert(0, {root!r})
from ssrl_core.runs.worker import coordinator
from ssrl_core.runs.worker.engines.local import LocalEngine
command = lambda folder: [sys.executable, {child!r}, str(folder), "--end-with-parent"]
coordinator.open_engine = lambda settings: LocalEngine(1, command)
sys.exit(coordinator.main(once={once}))
"""


def value_after(steps):
    """What an uninterrupted fake training ends with."""
    value = "start"
    for step in range(steps):
        value = hashlib.sha256(f"{value}{step}".encode()).hexdigest()
    return value


def until(condition, *, seconds=60.0, each=lambda: None):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        each()
        time.sleep(0.02)
    return found


def start_coordinator(*, once=True):
    return subprocess.Popen(
        [sys.executable, "-c", COORDINATOR.format(root=str(ROOT), child=str(FAKE_CHILD), once=once)], cwd=ROOT
    )


def children_of(run):
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(FAKE_CHILD) in (process.info["cmdline"] or []) and str(run.path) in process.info["cmdline"]
    ]


def state(run):
    return registry.require(run.id)["state"]


@pytest.mark.slow
def test_child_killed_at_random_moments_ends_with_the_same_result(queued, local):
    run = queued(behave={"steps": 80, "step_s": 0.02})
    chance = random.Random(0)
    kills = 0
    checkpoint = run.path / "checkpoint.pt.sha256"
    seen = ""
    while kills < 4 and state(run) != "done":
        local.tick()
        active, now = local.watch.active_runs.get(run.id), checkpoint.read_text() if checkpoint.exists() else ""
        if active is None or now == seen:
            continue
        seen = now
        time.sleep(chance.uniform(0.0, 0.1))
        if active.job.poll() is None:
            kills += 1
            active.job.kill()
    until(lambda: state(run) == "done", each=local.tick)
    assert (run.path / "encoder.safetensors").read_text() == value_after(80)
    assert registry.require(run.id)["attempt"] == kills + 1


@pytest.mark.slow
def test_silent_child_is_killed_and_its_run_goes_on_from_the_checkpoint(queued, local, monkeypatch):
    monkeypatch.setattr(watch, "SILENT_S", 3.0)
    run = queued(behave={"steps": 30, "silent_at": 12})
    until(lambda: state(run) == "done", each=local.tick)
    assert (run.path / "encoder.safetensors").read_text() == value_after(30)
    assert registry.require(run.id)["attempt"] == 2


@pytest.mark.slow
def test_run_is_stopped_and_resumed(queued, local):
    run = queued(behave={"steps": 120, "step_s": 0.05})  # long enough to be stopped on a busy machine
    until(lambda: run.state()["step"] >= 6, each=local.tick)
    registry.change(run.id, wanted="stop")
    until(lambda: state(run) == "stopped", each=local.tick)
    assert run.state()["state"] == "stopped"
    stopping.resume(run.id, start=False)
    until(lambda: state(run) == "done", each=local.tick)
    assert (run.path / "encoder.safetensors").read_text() == value_after(120)


@pytest.mark.slow
def test_failure_is_told_in_the_childs_own_words(queued, local):
    run, other = queued(behave={"fail_at": 3}), queued(seed=6, behave={"steps": 5})
    until(lambda: state(other) == "done", each=local.tick)
    assert (state(run), registry.require(run.id)["reason"]) == ("failed", "It failed as planned.")


@pytest.mark.slow
def test_child_that_always_crashes_is_given_up(queued, local):
    run = queued(behave={"crash_at": 7})
    until(lambda: state(run) == "failed", each=local.tick)
    assert registry.require(run.id)["attempt"] == 3
    assert run.state()["state"] == "failed"


@pytest.mark.slow
def test_killed_coordinator_takes_its_children_with_it_and_the_next_one_resumes(queued):
    run = queued(behave={"steps": 60, "step_s": 0.05})
    first = start_coordinator()
    until(lambda: (run.path / "checkpoint.pt").exists())
    child = children_of(run)[0]
    first.kill()
    first.wait()
    until(lambda: not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE, seconds=3.0)
    assert not is_held(stores.models_root() / "coordinator.lock")
    assert start_coordinator().wait(timeout=60) == 0
    assert state(run) == "done"
    assert (run.path / "encoder.safetensors").read_text() == value_after(60)


@pytest.mark.slow
def test_second_coordinator_refuses_to_start(queued):
    run = queued(behave={"steps": 100, "step_s": 0.1})
    first = start_coordinator()
    until(lambda: children_of(run))
    code = COORDINATOR.format(root=str(ROOT), child=str(FAKE_CHILD), once=True)
    second = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert second.returncode != 0
    assert "a coordinator looks after this store already" in second.stderr
    first.terminate()
    assert first.wait(timeout=40) == 0
    assert not children_of(run)
    assert state(run) == "queued"


@pytest.mark.slow
def test_everything_killed_at_once_then_started_again_loses_no_run(queued):
    runs = [queued(seed=seed, behave={"steps": 12, "step_s": 0.02}) for seed in range(5)]
    chance = random.Random(1)
    for _ in range(4):
        coordinator = start_coordinator()
        time.sleep(chance.uniform(0.8, 2.0))
        coordinator.kill()
        for run in runs:
            for child in children_of(run):
                child.kill()
        coordinator.wait()
    assert start_coordinator().wait(timeout=60) == 0
    for run in runs:
        assert state(run) == "done"
        assert (run.path / "encoder.safetensors").read_text() == value_after(12)


def test_state_is_renewed_by_a_thread_while_the_loop_is_silent(tmp_path, monkeypatch):
    monkeypatch.setattr("ssrl_core.runs.folder.state.BEAT_S", 0.05)
    writer = StateWriter(tmp_path, {})
    first = stores.read_json(tmp_path / "state.json")
    until(lambda: stores.read_json(tmp_path / "state.json")["alive_at"] > first["alive_at"], seconds=5.0)
    assert stores.read_json(tmp_path / "state.json")["updated_at"] == first["updated_at"]
    writer.end("done")
    assert stores.read_json(tmp_path / "state.json")["state"] == "done"


def test_a_new_phase_is_written_at_once(tmp_path):
    """A child in the phase `load` may be silent for long: it must not be seen there when it has gone on."""
    writer = StateWriter(tmp_path, {})
    writer.update(phase="train", step=1)
    writer.update(phase="train", step=2)
    written = stores.read_json(tmp_path / "state.json")
    assert (written["phase"], written["step"]) == ("train", 1)
    writer.close()


def test_full_disk_does_not_stop_the_signs_of_life(tmp_path, monkeypatch):
    writer = StateWriter(tmp_path, {})

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stores, "write_json", full)
        writer.update(now=True, step=7)
        assert not writer.end("failed", {"message": "full"})
    assert writer.end("failed", {"message": "full"})
    assert stores.read_json(tmp_path / "state.json")["step"] == 7


def test_locks_keep_others_out_and_notice_a_replaced_file(tmp_path):
    lock, other = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert lock.take()
    assert not other.take()
    assert is_held(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").touch()
    assert not lock.still_ours()
    lock.give_back()
    assert not is_held(tmp_path / "lock")
    require_working_locks(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("kind", ["no locks at all", "locks that keep nobody out"])
def test_file_system_without_working_locks_is_refused_with_the_reason(tmp_path, monkeypatch, kind):
    import fcntl

    from ssrl_core.errors import RunError

    def flock(fd, operation):
        if kind == "no locks at all":
            raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RunError, match="no working locks"):
        require_working_locks(tmp_path)
