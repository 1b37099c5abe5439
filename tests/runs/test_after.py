"""What a run waits for is kept in its folder, so that it still waits when the registry is lost."""

from __future__ import annotations

import shutil

import pytest

from ssrl_core import stores
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.queue import ordering, registry, stopping, submitting, sweeps
from tests.runs.conftest import spec
from tests.runs.test_queue import sweep


def lose_the_registry():
    for file in stores.models_root().glob("runs.db*"):
        file.unlink()


def kept(run_id):
    return list(wanted.read(stores.runs_root() / run_id).after)


def depends():
    return [tuple(row.values()) for row in registry.query("SELECT run_id, on_id FROM depends ORDER BY run_id, on_id")]


def ask(on, **changes):
    return submitting.submit(spec(**changes), after=on, start=False)["id"]


def test_a_lost_registry_still_knows_what_waits_for_what(queued, coordinator, engine):
    first, third = queued(), queued(seed=8)
    second = ask([first.id], seed=6)
    assert ask([third.id], seed=6) == second  # asked again: it waits for both
    before = depends()
    assert before == sorted([(second, first.id), (second, third.id)])
    lose_the_registry()
    assert depends() == before
    engine.slots = 5
    coordinator.tick()
    assert sorted(job.folder.name for job in engine.jobs) == sorted([first.id, third.id])
    assert "Waits until" in registry.require(second)["waits_for"]


def test_a_run_of_a_sweep_that_waits_has_its_folder_at_once(kit_images, queued):
    first = queued(seed=9)
    asked = sweeps.submit(sweep(), start=False)
    member = submitting.submit(sweep().runs()[0].spec, after=[first.id], start=False)["id"]
    assert member in asked["runs"]
    assert kept(member) == [first.id]
    lose_the_registry()
    assert depends() == [(member, first.id)]
    assert registry.counts() == {"queued": 7}


def test_a_folder_that_is_copied_in_waits_too(queued, tmp_path):
    first = queued()
    second = ask([first.id], seed=6)
    away = tmp_path / "away"
    shutil.copytree(stores.runs_root() / second, away)
    stopping.delete(second)
    assert depends() == []
    shutil.copytree(away, stores.runs_root() / second)
    assert second in [row["id"] for row in registry.list_runs()]
    registry.reconcile()
    assert depends() == [(second, first.id)]


@pytest.mark.parametrize("delete", [stopping.delete, lambda run_id: stopping.delete_all([run_id])])
@pytest.mark.parametrize("lost", [False, True])
def test_what_waits_for_a_run_that_was_deleted_says_so(queued, coordinator, engine, delete, lost):
    first = queued()
    second = ask([first.id], seed=6)
    delete(first.id)
    if lost:
        lose_the_registry()
    coordinator.tick()
    assert engine.jobs == []
    assert "which was deleted" in registry.require(second)["waits_for"]
    queued()  # trained again: the same spec is the same run
    coordinator.tick()
    assert [job.folder.name for job in engine.jobs] == [first.id]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 1, "after": 3}', '{"after": [1, "x"]}'])
@pytest.mark.parametrize("name", ["queue.json", "after.json"])
def test_a_damaged_file_stops_nothing(queued, text, name):
    run = queued()
    (run.path / name).write_text(text, encoding="utf-8")
    lose_the_registry()
    assert registry.counts() == {"queued": 1}
    assert kept(run.id) == (["x"] if "x" in text else [])


def test_a_run_whose_folder_was_deleted_by_hand_starts_anew(queued):
    first = queued()
    second = ask([first.id], seed=6)
    shutil.rmtree(stores.runs_root() / second)
    queued(seed=6)
    assert depends() == []
    assert ordering.blocked() == {}
