"""The coordinator's decisions, tick by tick, with children that do what the test says."""

from __future__ import annotations

import errno
import json
import os
import shutil
from types import SimpleNamespace

import pytest

from ssrl_core import stores
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.folder.state import empty_state
from ssrl_core.runs.queue import folder_rows, registry, stopping, submitting
from ssrl_core.runs.worker import coordinator as coordinator_module
from ssrl_core.runs.worker import watch
from ssrl_core.runs.worker.coordinator import Coordinator
from ssrl_core.runs.worker.metrics import prometheus
from tests.runs.conftest import FakeEngine, spec


def says(run, **fields):
    """What the child of a run writes into its state.json."""
    state = empty_state(run.id) | {"state": "running", "attempt": 1, "alive_at": stores.utc_now()} | fields
    stores.write_json(run.path / "state.json", state)


def row(run):
    return registry.require(run.id)


def test_queued_run_is_started_watched_and_done(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    assert row(run)["state"] == "submitted"
    says(run, phase="train", progress=0.5, eta_s=10.0, device="cpu")
    clock.now += 2
    coordinator.tick()
    assert {name: row(run)[name] for name in ("state", "phase", "progress", "eta_s", "device", "attempt")} == {
        "state": "running", "phase": "train", "progress": 0.5, "eta_s": 10.0, "device": "cpu", "attempt": 1,
    }  # fmt: skip
    says(run, state="done", progress=1.0)
    engine.jobs[0].code = 0
    coordinator.tick()
    assert (row(run)["state"], row(run)["phase"], row(run)["progress"]) == ("done", None, 1.0)
    assert row(run)["finished_at"]
    assert not coordinator.watch.active_runs


def test_priority_goes_before_age_and_slots_are_not_overfilled(queued, kit_images, coordinator, engine):
    first, second = queued(), queued(seed=6)
    urgent = submitting.submit(spec(seed=7), priority=5, start=False)["id"]
    for expected in (urgent, first.id, second.id):
        coordinator.tick()
        coordinator.tick()
        assert engine.jobs[-1].folder.name == expected
        engine.jobs[-1].code = 0
    assert len(engine.jobs) == 3


def test_two_slots_take_two_runs(queued, clock):
    engine = FakeEngine(slots=2)
    for seed in range(3):
        queued(seed=seed)
    Coordinator(engine, clock=clock).tick()
    assert len(engine.jobs) == 2


@pytest.mark.parametrize(
    ("code", "state"),
    [(1, "failed"), (2, "failed"), (4, "queued"), (5, "queued"), (3, "queued"), (-9, "queued"), (-11, "queued")],
)
def test_exit_codes_mean_what_the_contract_says(queued, coordinator, engine, code, state):
    run = queued()
    coordinator.tick()
    engine.jobs[0].code = code
    engine.jobs[0].words = {"type": "SpecError", "message": "The spec is bad.", "where": "x", "remedy": "Mend it."}
    coordinator.watch.look(0.0)
    assert row(run)["state"] == state
    if state == "failed":
        assert row(run)["reason"] == "The spec is bad."
        assert run.state()["error"]["remedy"] == "Mend it."


def test_failed_run_does_not_stop_the_next(queued, coordinator, engine):
    bad, good = queued(), queued(seed=6)
    coordinator.tick()
    engine.jobs[0].code = 2
    coordinator.tick()
    assert row(bad)["state"] == "failed"
    assert row(good)["state"] == "submitted"


def test_killed_child_is_started_again_but_not_for_ever(queued, coordinator, engine, clock):
    run = queued()
    for number in range(3):
        coordinator.tick()
        assert len(engine.jobs) == number + 1
        engine.jobs[-1].code = -11
        coordinator.tick()
        if number == 1:
            assert len(engine.jobs) == 2  # the second crash in a row: it waits a little
            clock.now += 5
    coordinator.tick()
    assert len(engine.jobs) == 3
    assert row(run)["state"] == "failed"
    assert "SIGSEGV" in row(run)["reason"]
    assert "3 times without progress" in row(run)["reason"]


def test_a_child_killed_when_all_was_written_has_done_its_run(queued, coordinator, engine):
    run = queued()
    coordinator.tick()
    says(run, state="done", progress=1.0)
    engine.jobs[0].code = -15
    coordinator.tick()
    assert (row(run)["state"], row(run)["reason"]) == ("done", None)
    assert row(run)["finished_at"]
    submitting.ask_more(run.id, {"read": True})
    coordinator.tick()
    engine.jobs[1].code = -15  # what stands in the folder is the attempt before
    coordinator.tick()
    assert row(run)["state"] != "done"


def test_kills_from_outside_are_not_the_runs_fault_and_it_says_when_it_tries_again(queued, coordinator, engine, clock):
    run = queued()
    for number in range(10):
        coordinator.tick()
        assert len(engine.jobs) == number + 1
        engine.jobs[-1].code = (-9, -15)[number % 2]
        coordinator.tick()
        clock.now += 301
    assert row(run)["state"] == "queued"
    assert "from outside (SIGTERM), which is not the run's fault" in row(run)["reason"]
    assert "Next try in 300 s" in row(run)["reason"]


def test_a_kill_for_memory_counts_as_the_runs_own(queued, coordinator, engine, clock, monkeypatch):
    run, kills = queued(), iter(range(100))
    monkeypatch.setattr(watch, "oom_kills", lambda: 10**9 + next(kills))
    for _ in range(3):
        coordinator.tick()
        engine.jobs[-1].code = -9
        coordinator.tick()
        clock.now += 301
    assert row(run)["state"] == "failed"
    assert "the memory was full" in row(run)["reason"]


def test_crashes_with_progress_between_them_do_not_count(queued, coordinator, engine, clock):
    run = queued()
    for number in range(6):
        coordinator.tick()
        (run.path / "checkpoint.pt.sha256").write_text(str(number))
        engine.jobs[-1].code = -9
        clock.now += 1
    coordinator.tick()
    assert len(engine.jobs) == 7
    assert row(run)["state"] == "submitted"


def test_child_that_says_nothing_is_killed_and_its_run_queued_again(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    says(run, phase="train")
    for _ in range(20):
        clock.now += 1
        coordinator.tick()
    assert engine.jobs[0].code is None
    clock.now += 20
    coordinator.tick()
    assert engine.jobs[0].code == -9
    coordinator.tick()
    assert len(engine.jobs) == 2
    assert row(run)["attempt"] == 2
    assert "No sign of life" in (row(run)["reason"] or "No sign of life")


def test_child_that_loads_libraries_may_be_silent_longer(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    says(run, phase="load")
    coordinator.tick()
    clock.now += 60
    coordinator.tick()
    assert engine.jobs[0].code is None
    clock.now += 60
    coordinator.tick()
    assert engine.jobs[0].code == -9


def test_child_that_gives_signs_of_life_is_left_alone(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    for second in range(0, 300, 20):
        says(run, alive_at=f"2030-01-01T00:{second // 60:02d}:{second % 60:02d}.000000Z")
        clock.now += 20
        coordinator.tick()
    assert engine.jobs[0].code is None


def test_stop_writes_the_stop_file_and_the_run_stays_stopped_until_resumed(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    says(run)
    Lock(run.path / "lock").take()
    registry.change(run.id, wanted="stop")
    clock.now += 2
    coordinator.tick()
    assert (run.path / "STOP").exists()
    engine.jobs[0].code = 3
    coordinator.tick()
    assert row(run)["state"] == "stopped"
    assert stopping.resume(run.id, start=False) == "queued"
    clock.now += 10
    coordinator.tick()
    assert not (run.path / "STOP").exists()


def test_child_that_does_not_stop_is_killed_in_the_end(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    registry.change(run.id, wanted="stop")
    for second in range(0, 140, 10):
        says(run, alive_at=f"2030-01-01T00:{second // 60:02d}:{second % 60:02d}.000000Z")
        clock.now += 10
        coordinator.tick()
    assert engine.jobs[0].code == -9
    coordinator.tick()
    assert row(run)["state"] == "stopped"
    assert len(engine.jobs) == 1


def test_run_that_waits_is_stopped_at_once(queued, coordinator, engine):
    run = queued()
    assert stopping.stop(run.id) == "stopped"
    coordinator.tick()
    assert not engine.jobs


def test_folder_deleted_while_it_runs_is_said_and_the_child_ended(queued, coordinator, engine, clock):
    run, other = queued(), queued(seed=6)
    coordinator.tick()
    says(run)
    shutil.rmtree(run.path)
    clock.now += 2
    coordinator.tick()
    assert engine.jobs[0].code == -9
    coordinator.tick()
    assert (row(run)["state"], row(run)["reason"]) == ("failed", folder_rows.GONE)
    assert row(other)["state"] == "submitted"


def test_spec_edited_by_hand_while_it_waits_is_refused(queued, coordinator, engine):
    run, other = queued(), queued(seed=6)
    path = run.path / "spec.yaml"
    path.write_text(path.read_text().replace("epochs: 2\n", "epochs: 3\n", 1))
    coordinator.tick()
    assert row(run)["state"] == "failed"
    assert "edited by hand" in row(run)["reason"]
    assert engine.jobs[0].folder.name == other.id


def test_another_name_written_into_a_waiting_spec_is_taken(queued, coordinator, engine):
    run = queued()
    path = run.path / "spec.yaml"
    path.write_text(path.read_text().replace("name: null", "name: renamed", 1))
    coordinator.tick()
    assert row(run)["state"] == "submitted"


@pytest.mark.parametrize("text", ["", "not: [a spec", "dataset: kit\nunknown: 1\n"])
def test_spec_that_was_spoilt_while_it_waits_is_refused(queued, coordinator, engine, text):
    run = queued()
    (run.path / "spec.yaml").write_text(text)
    coordinator.tick()
    assert row(run)["state"] == "failed"
    assert "spec.yaml cannot be used" in row(run)["reason"]


def test_run_that_somebody_trains_by_hand_is_left_to_him(queued, coordinator, engine, clock):
    run = queued()
    by_hand = Lock(run.path / "lock")
    assert by_hand.take()
    coordinator.tick()
    assert not engine.jobs
    assert "Another process" in row(run)["waits_for"]
    by_hand.give_back()
    clock.now += 10
    coordinator.tick()
    assert len(engine.jobs) == 1


def test_new_coordinator_takes_up_what_a_killed_one_left(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    says(run)
    clock.now += 2
    coordinator.tick()
    assert row(run)["state"] == "running"
    second = FakeEngine()
    Coordinator(second, clock=clock).tick()
    assert [job.folder.name for job in second.jobs] == [run.id]
    assert row(run)["attempt"] == 2


def test_end_that_the_killed_coordinator_did_not_see_is_read_from_the_folder(queued, coordinator, clock):
    run = queued()
    coordinator.tick()
    says(run, state="done", progress=1.0)
    second = FakeEngine()
    Coordinator(second, clock=clock).tick()
    assert row(run)["state"] == "done"
    assert not second.jobs


def test_full_disk_is_said_and_the_coordinator_lives_on(queued, coordinator, engine, monkeypatch, caplog):
    run = queued()
    coordinator.tick()
    engine.jobs[0].code, engine.jobs[0].words = 1, {"message": "The disk is full."}

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stores, "write_json", full)
        patch.setattr(registry, "transact", full)
        for _ in range(3):
            coordinator.tick()
    assert coordinator.watch.trouble
    coordinator.tick()
    assert (row(run)["state"], row(run)["reason"]) == ("failed", "The disk is full.")
    assert coordinator.watch.trouble == ""


@pytest.mark.parametrize(
    "said", ["The disk is full (results.json). Make room.", "checkpoint must be written, got 'No space left on device'"]
)
def test_the_queue_waits_while_the_disk_is_full_and_goes_on_when_there_is_room(
    queued, coordinator, engine, clock, monkeypatch, said
):
    """One run found it full; the others do not fail one after another."""
    run, *others = queued(), queued(seed=6), queued(seed=7)
    free = SimpleNamespace(free=60_000_000)
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda folder: free)
    coordinator.tick()
    engine.jobs[0].code, engine.jobs[0].words = 1, {"message": said}
    for _ in range(3):
        clock.now += 6
        coordinator.tick()
    assert row(run)["state"] == "failed"
    assert [row(one)["state"] for one in others] == ["queued", "queued"]
    assert "it starts when 100 MB are free" in row(others[0])["waits_for"]
    free.free = 400_000_000
    clock.now += 6
    coordinator.tick()
    assert row(others[0])["state"] == "submitted"
    assert row(others[0])["waits_for"] is None


def test_a_quota_holds_the_queue_too(queued, coordinator, engine, clock, monkeypatch):
    """It is not seen in what is free."""
    queued()
    other = queued(seed=6)
    coordinator.tick()
    engine.jobs[0].code, engine.jobs[0].words = 1, {"message": "The disk is full (checkpoint.pt). Make room."}

    def refuse(*args):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        for _ in range(3):
            clock.now += 6
            coordinator.tick()
        assert row(other)["state"] == "queued"
    clock.now += 6
    coordinator.tick()
    assert row(other)["state"] == "submitted"


def test_bug_in_one_run_leaves_the_others_alone(queued, coordinator, engine, monkeypatch):
    run, other = queued(), queued(seed=6)
    coordinator.tick()

    def bug(*args, **kwargs):
        raise ZeroDivisionError("planted")

    engine.jobs[0].code = 0
    with monkeypatch.context() as patch:
        patch.setattr(coordinator.watch, "_settle", bug)
        coordinator.tick()
    assert "planted" in row(run)["reason"]
    assert row(other)["state"] == "submitted"


def test_engine_that_cannot_start_a_process_is_asked_again_later(queued, coordinator, engine, clock, monkeypatch):
    run = queued()

    def refuse(folder):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "start", refuse)
        coordinator.tick()
    assert "Cannot allocate memory" in row(run)["waits_for"]
    clock.now += 10
    coordinator.tick()
    assert row(run)["state"] == "submitted"


def test_more_that_is_asked_while_it_runs_is_not_forgotten(queued, kit_images, coordinator, engine):
    run = queued()
    coordinator.tick()
    submitting.submit(spec(evaluate={"clusters": [4]}), start=False)
    says(run, state="done")
    engine.jobs[0].code = 0
    coordinator.tick()
    assert len(engine.jobs) == 2


def test_it_ends_when_idle_for_long_but_not_while_a_run_waits(queued, coordinator, engine, clock):
    coordinator.tick()
    assert coordinator.reason_to_end() is None
    clock.now += 1000
    assert "nothing to do" in coordinator.reason_to_end()
    queued()
    coordinator.tick()
    clock.now += 1000
    assert coordinator.reason_to_end() is None


def test_it_ends_when_its_lock_file_is_no_longer_the_one_at_its_path(queued, engine, clock):
    queued()
    lock = Lock(stores.models_root() / "coordinator.lock")
    assert lock.take()
    coordinator = Coordinator(engine, lock, clock=clock)
    coordinator.tick()
    lock.path.unlink()
    assert "moved or deleted" in coordinator.reason_to_end()
    lock.give_back()


def test_children_are_asked_to_write_a_checkpoint_when_it_ends(queued, coordinator, engine):
    run = queued()
    coordinator.tick()
    coordinator.watch.end_all()
    assert engine.jobs[0].asked
    assert row(run)["state"] == "queued"


def test_delete_stops_a_running_run_first(queued, coordinator, engine, clock):
    run = queued()
    coordinator.tick()
    says(run)
    stopping.delete(
        run.id, timeout_s=5.0
    )  # no coordinator is alive in this store, so the lost child's run is settled here
    assert registry.get(run.id) is None
    assert not run.path.exists()
    assert not [name for name in stores.runs_root().iterdir() if name.name.startswith(".gone")]


def test_a_log_for_machines_names_the_run_of_each_line(queued, monkeypatch):
    run = queued()
    monkeypatch.setenv("VIEWLOOM_LOG", "json")
    handler = coordinator_module._log_to_file(echo=False)
    try:
        coordinator_module.LOG.warning("%s: killed: %s", run.id, "No sign of life.")
        coordinator_module.LOG.info("ends: told to end")
    finally:
        coordinator_module.LOG.removeHandler(handler)
        handler.close()
    lines = (stores.models_root() / "coordinator.log").read_text(encoding="utf-8").splitlines()
    first, second = (json.loads(line) for line in lines[-2:])
    assert (first["run"], first["level"], first["message"]) == (run.id, "warning", "killed: No sign of life.")
    assert (second["run"], second["message"]) == (None, "ends: told to end")


def test_metrics_say_what_the_worker_does(queued, coordinator):
    run = queued()
    coordinator.tick()
    says(run, images_per_s=123.5, progress=0.25)
    coordinator.tick(1000.0)
    text = prometheus()
    assert 'viewloom_runs{state="queued"} 0' in text
    assert f'viewloom_run_images_per_second{{run="{run.id}"}} 123.5' in text
    assert text.count("# TYPE viewloom_runs gauge") == 1
