"""A run's folder and its sweep's file are the truth: older stores, crashes, disks that cannot be written."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import folder_rows, registry, stopping, submitting, sweep_files, sweeps
from tests.runs.conftest import spec
from tests.runs.test_after import lose_the_registry
from tests.runs.test_coordinator import says
from tests.runs.test_queue import contents, folders, states, sweep

OLDER = json.loads(Path(__file__).with_name("older_store.json").read_text(encoding="utf-8"))
SWEEP, NAME = "sweep-396acc", "kit-simclr-tiny_cnn-s"
THEN = {  # as the older version said them: a sweep of eight, two of them laid, two deleted, and two runs alone
    f"{NAME}0-423a149d": ("stopped", 0),
    f"{NAME}1-17c80509": ("queued", 7),
    f"{NAME}2-f2ca7b73": ("queued", 7),
    f"{NAME}3-ec986f9b": ("stopped", 0),
    f"{NAME}2-9074e638": ("queued", 0),
    f"{NAME}3-44a2a583": ("queued", 0),
    f"{NAME}20-f50b7465": ("queued", 2),
    f"{NAME}21-04baf2fa": ("queued", 0),
}
DELETED = [f"{NAME}0-863c06e7", f"{NAME}1-081f842e"]


@pytest.fixture
def older_store(kit_images):
    """A store of version 0.1: a sweep partly without folders, `out`, `priorities`, `priority.json`, `after.json`."""
    for name, text in OLDER["files"].items():
        stores.replace(stores.models_root() / name, text)
    with closing(sqlite3.connect(registry.path(), isolation_level=None)) as connection:
        connection.executescript("\n".join(OLDER["registry"]) + "PRAGMA user_version = 1; PRAGMA journal_mode = WAL;")


def listed():
    return {row["id"]: (row["state"], row["priority"]) for row in registry.list_runs()}


def test_an_older_store_is_listed_as_it_was_and_not_changed_by_that(older_store, capsys):
    registry.counts()
    before = contents()
    assert listed() == THEN
    unlaid = sorted(THEN.keys() - set(folders()))
    assert unlaid
    for run_id in unlaid:
        assert main(["runs", "show", run_id, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)["data"]
        assert (shown["state"]["state"], shown["spec"]["dataset"]["name"]) == (THEN[run_id][0], "kit")
    assert contents() == before


@pytest.mark.parametrize("lost", [False, True])
def test_runs_of_an_older_store_get_their_folders_and_keep_what_was_said_of_them(older_store, lost):
    if lost:
        lose_the_registry()
    registry.reconcile()
    assert listed() == THEN
    assert folders() == sorted(THEN)
    data = sweep_files.read(SWEEP)
    assert (sorted(data["deleted"]), "out" in data, "priorities" in data) == (sorted(DELETED), False, False)
    assert all(
        registry.require(entry["id"])["sweep_id"] == SWEEP for entry in data["runs"] if entry["id"] not in DELETED
    )
    assert wanted.read(stores.runs_root() / f"{NAME}21-04baf2fa").after == (f"{NAME}20-f50b7465",)
    for _ in range(2):
        lose_the_registry()
        assert listed() == THEN


def test_an_older_store_goes_on(older_store, coordinator, engine):
    engine.slots = 20
    coordinator.tick()
    waiting = {run_id for run_id, (state, _) in THEN.items() if state == "queued"} - {f"{NAME}21-04baf2fa"}
    assert {job.folder.name for job in engine.jobs} == waiting
    assert [job.folder.name for job in engine.jobs[:2]] == [f"{NAME}1-17c80509", f"{NAME}2-f2ca7b73"]
    stopping.resume(f"{NAME}3-ec986f9b", start=False)
    again = sweeps.submit(sweep_files.spec_of(SWEEP), start=False)
    assert (again["created"], len(again["runs"])) == (2, 8)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("left", [0, 2, 5])
def test_a_sweep_cut_short_between_its_file_and_its_folders_is_whole_afterwards(kit_images, monkeypatch, left, lost):
    registry.counts()
    made = []

    def cut_short(folder, *args):
        if len(made) == left:
            raise KeyboardInterrupt  # nothing is tidied up then, as after a kill
        made.append(folder)
        create(folder, *args)

    create = wanted.create
    with monkeypatch.context() as patch:
        patch.setattr(wanted, "create", cut_short)
        with pytest.raises(KeyboardInterrupt):
            sweeps.submit(sweep(), start=False)
    assert len(folders()) == left
    if lost:
        lose_the_registry()
    registry.reconcile()
    asked = sweeps.submit(sweep(), start=False)
    assert (asked["created"], asked["existing"]) == (0, 6)
    assert (states(), folders()) == ({"queued": 6}, sorted(asked["runs"]))
    assert {registry.require(run_id)["sweep_id"] for run_id in asked["runs"]} == {asked["id"]}


def test_folders_that_a_power_cut_emptied_are_written_again(kit_images):
    asked = sweeps.submit(sweep(), start=False)["runs"]
    texts = {run_id: (stores.runs_root() / run_id / "spec.yaml").read_text() for run_id in asked}
    (stores.runs_root() / asked[0] / "spec.yaml").write_text("")
    shutil.rmtree(stores.runs_root() / asked[1])
    registry.reconcile(thorough=True)
    assert {run_id: (stores.runs_root() / run_id / "spec.yaml").read_text() for run_id in asked} == texts
    assert states() == {"queued": 6}


def test_a_full_disk_queues_a_sweep_whole_or_not_at_all(kit_images, monkeypatch):
    registry.counts()
    create, count = wanted.create, []

    def full(*args):
        count.append(args)
        if len(count) == 4:
            raise OSError(errno.ENOSPC, "full")
        create(*args)

    with monkeypatch.context() as patch:
        patch.setattr(wanted, "create", full)
        with pytest.raises(OSError, match="full"):
            sweeps.submit(sweep(), start=False)
    registry.reconcile()
    assert (folders(), states(), registry.query("SELECT * FROM sweeps")) == ([], {}, [])
    assert list(sweep_files.each()) == []


def test_a_run_of_a_sweep_deleted_by_hand_stays_deleted(kit_images, coordinator, engine):
    asked = sweeps.submit(sweep(), start=False)
    coordinator.tick()
    says(RunFolder(asked["runs"][0]), state="failed")
    engine.jobs[0].code = 1
    coordinator.tick()
    shutil.rmtree(stores.runs_root() / asked["runs"][0])
    registry.reconcile()
    assert registry.require(asked["runs"][0])["reason"] == folder_rows.GONE
    assert sweep_files.read(asked["id"])["deleted"] == asked["runs"][:1]
    lose_the_registry()
    assert asked["runs"][0] not in listed()
    assert folders() == sorted(asked["runs"][1:])


def test_a_run_deleted_from_two_sweeps_stays_deleted(kit_images):
    first, longer = (sweeps.submit(sweep(seeds=n), start=False) for n in (3, 4))
    stopping.delete(first["runs"][0])
    lose_the_registry()
    registry.reconcile()
    assert first["runs"][0] not in listed()
    assert len(longer["runs"]) == 8
    assert states() == {"queued": 7}


@pytest.mark.parametrize("end", ["failed", "stopped", "done"])
def test_a_lost_registry_still_knows_that_a_run_was_asked_to_go_on(queued, coordinator, engine, end):
    run = queued()
    coordinator.tick()
    says(run, state=end)
    if end == "stopped":
        stopping.stop(run.id)
    engine.jobs[0].code = {"done": 0, "failed": 1, "stopped": 3}[end]
    coordinator.tick()
    assert registry.require(run.id)["state"] == end
    lose_the_registry()
    assert listed()[run.id][0] == end
    if end == "done":
        submitting.submit(spec(evaluate={"clusters": [3]}), start=False)
    else:
        stopping.resume(run.id, start=False)
    assert listed()[run.id][0] == "queued"
    lose_the_registry()
    assert listed()[run.id][0] == "queued"
    stopping.stop(run.id)
    stands = "done" if end == "done" else "stopped"
    assert listed()[run.id][0] == stands
    lose_the_registry()
    assert listed()[run.id][0] == stands


def test_a_lost_registry_still_knows_that_a_waiting_run_was_stopped(queued):
    run = queued()
    stopping.stop(run.id)
    lose_the_registry()
    assert (registry.require(run.id)["state"], registry.require(run.id)["wanted"]) == ("stopped", "stop")


@pytest.mark.parametrize("registry_there", [True, False])
def test_reading_goes_on_where_nothing_can_be_written(queued, monkeypatch, registry_there):
    run, other = queued(), queued(seed=6)
    stopping.stop(other.id)
    if not registry_there:
        lose_the_registry()
    connect = sqlite3.connect

    def read_only(address, *args, **kwargs):
        if address == ":memory:" or "mode=ro" in str(address):
            return connect(address, *args, **kwargs)
        raise sqlite3.OperationalError("unable to open database file")

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(sqlite3, "connect", read_only)
    monkeypatch.setattr(registry, "_scored", set())
    for name in ("replace", "write_json", "sync_folder"):
        monkeypatch.setattr(stores, name, refuse)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert {row["id"]: row["state"] for row in registry.list_runs()} == {run.id: "queued", other.id: "stopped"}
    assert registry.require(other.id)["wanted"] == "stop"
    assert registry.counts() == {"queued": 1, "stopped": 1}
