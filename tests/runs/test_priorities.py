"""A run's place in the queue is kept with the run, so that the order is the same when the registry is lost."""

from __future__ import annotations

import errno
import os
import shutil
import threading

import pytest

from ssrl_core import stores
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.queue import ordering, registry, stopping, submitting, sweep_files, sweeps
from tests.runs.conftest import spec
from tests.runs.test_after import lose_the_registry
from tests.runs.test_queue import sweep


def kept(run_id):
    return wanted.read(stores.runs_root() / run_id).priority


def placed():
    return {row["id"]: row["priority"] for row in registry.query("SELECT id, priority FROM runs")}


def test_a_registry_deleted_in_the_middle_of_a_queue_keeps_the_order(queued, coordinator, engine, clock):
    slow, usual = queued(seed=11), queued(seed=12)
    urgent = submitting.submit(spec(seed=13), priority=5, start=False)["id"]
    asked = sweeps.submit(sweep(), start=False)["runs"]
    assert ordering.to_the_front(asked[4:]) == 2
    assert ordering.set_priority([slow.id], -1) == 1
    before = placed()
    assert before == {slow.id: -1, usual.id: 0, urgent: 5, **dict.fromkeys(asked[:4], 0), **dict.fromkeys(asked[4:], 6)}
    engine.slots = 3
    coordinator.tick()
    started = [job.folder.name for job in engine.jobs]
    assert set(started) == {*asked[4:], urgent}
    lose_the_registry()
    assert {run_id: placed()[run_id] for run_id in before if run_id not in started} == {
        run_id: number for run_id, number in before.items() if run_id not in started
    }
    rows = registry.query(ordering.READY, [20])
    waiting = [row["id"] for row in rows if row["id"] not in started]
    assert waiting[-1] == slow.id
    assert set(waiting) == {usual.id, slow.id, *asked[:4]}


def test_a_sweep_that_goes_first_still_does(kit_images):
    runs = sweeps.submit(sweep(), priority=3, start=False)["runs"]
    lose_the_registry()
    assert placed() == dict.fromkeys(runs, 3)
    sweeps.submit(sweep(), start=False)  # asked again: its file is written anew
    lose_the_registry()
    assert placed() == dict.fromkeys(runs, 3)
    assert ordering.set_priority(runs[:2], 0) == 2
    lose_the_registry()
    assert sorted(placed().values()) == [0, 0, 3, 3, 3, 3]


def test_the_folder_of_a_run_says_its_place(kit_images):
    asked = sweeps.submit(sweep(), priority=4, start=False)
    first = asked["runs"][0]
    assert kept(first) == 4
    assert ordering.set_priority([first], 9) == 1
    assert kept(first) == 9
    lose_the_registry()
    assert placed()[first] == 9


def test_older_files_of_a_folder_are_read_and_put_together_at_the_next_change(queued):
    first, run = queued(seed=11), queued()
    for name, said in (("priority.json", {"priority": 3}), ("after.json", {"after": [first.id]})):
        stores.write_json(run.path / name, {"version": 1, **said})
    lose_the_registry()
    assert placed() == {first.id: 0, run.id: 3}
    assert registry.query("SELECT on_id FROM depends WHERE run_id = ?", [run.id]) == [{"on_id": first.id}]
    assert ordering.set_priority([run.id], 5) == 1
    assert wanted.read(run.path) == wanted.Wanted(priority=5, after=(first.id,))
    assert run.files() == ["queue.json", "spec.yaml"]


def test_the_usual_place_leaves_no_file(queued):
    run = queued()
    assert run.files() == ["spec.yaml"]
    ordering.set_priority([run.id], 2)
    ordering.set_priority([run.id], 0)
    assert run.files() == ["spec.yaml"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 1}', '{"priority": "high"}', '{"priority": true}', '{"version": 2}']
)
@pytest.mark.parametrize("name", ["queue.json", "priority.json"])
def test_a_damaged_file_stops_nothing(queued, text, name):
    run = queued()
    (run.path / name).write_text(text, encoding="utf-8")
    lose_the_registry()
    assert placed() == {run.id: 0}


@pytest.mark.parametrize("said", [3, ["x"], {"x": 1.5}])
def test_damaged_places_in_an_older_sweeps_file_stop_nothing(kit_images, said):
    asked = sweeps.submit(sweep(), start=False)
    for run_id in asked["runs"]:
        shutil.rmtree(stores.runs_root() / run_id)
    data = sweep_files.read(asked["id"]) | {"priorities": said, "out": said}
    stores.write_json(sweep_files.path_of(asked["id"]), data)
    lose_the_registry()
    assert placed() == dict.fromkeys(asked["runs"], 0)


CHANGES = {
    "note deleted": lambda sweep_id, run_id: sweep_files.note_deleted([run_id]),
    "put in place": lambda sweep_id, run_id: sweep_files.put_in_place(sweep_id, run_id, "another"),
    "write": lambda sweep_id, run_id: sweep_files.write(sweep_id, sweep(), []),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_run_added_while_the_sweeps_file_is_changed_is_there_afterwards(kit_images, monkeypatch, how):
    asked = sweeps.submit(sweep(), start=False)
    save, others = sweep_files._save, []

    def slowly(sweep_id, data):
        if not others:
            others.append(threading.Thread(target=sweep_files.extend, args=(sweep_id, [("new", 1, {})])))
            others[0].start()
            others[0].join(timeout=1.0)
        save(sweep_id, data)

    monkeypatch.setattr(sweep_files, "_save", slowly)
    CHANGES[how](asked["id"], asked["runs"][0])
    others[0].join()
    data = sweep_files.read(asked["id"])
    assert data["runs"][-1]["id"] == "new"
    assert {
        "note deleted": data["deleted"] == [asked["runs"][0]],
        "put in place": data["runs"][0]["id"] == "another",
        "write": len(data["runs"]) == 1,
    }[how]


def test_a_sweep_that_is_deleted_and_asked_for_again_has_the_usual_place(kit_images):
    asked = sweeps.submit(sweep(), priority=3, start=False)["runs"]
    stopping.delete_all(asked)
    sweeps.submit(sweep(), start=False)
    before = placed()
    assert before == dict.fromkeys(asked, 0)
    lose_the_registry()
    assert placed() == before


def test_two_sessions_of_one_page_may_place_a_run_at_once(queued, monkeypatch):
    run, put, others = queued(), os.replace, []

    def while_another_does(source, target):
        if not others:
            others.append(threading.Thread(target=wanted.change, args=(run.path,), kwargs={"priority": 2}))
            others[0].start()
            others[0].join()
        put(source, target)

    monkeypatch.setattr(os, "replace", while_another_does)
    wanted.change(run.path, priority=7)
    assert kept(run.id) == 7
    assert not list(run.path.glob("*.tmp"))


def test_a_full_disk_leaves_the_place_that_was_there_and_nothing_beside_it(queued, monkeypatch):
    run = queued()
    wanted.change(run.path, priority=2)

    def full(source, target):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="full"):
            wanted.change(run.path, priority=7)
    assert kept(run.id) == 2
    assert not list(run.path.glob(".queue*"))
