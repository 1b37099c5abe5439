"""The registry: its table, its many users, and its being made again from the folders."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError
from ssrl_core.runs.queue import folder_rows, registry, stopping, submitting
from tests.kit import make_run

CONTRACT = """
id kind of_run params sweep_id spec_hash name dataset method backbone seed tags spec priority state wanted phase reason
waits_for worker device attempt created_at queued_at started_at finished_at alive_at progress eta_s results
"""


def test_table_is_that_of_the_contract(queued):
    queued()
    with closing(sqlite3.connect(registry.path())) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        assert columns == CONTRACT.split()
        assert [row[1] for row in connection.execute("PRAGMA table_info(sweeps)")] == [
            "id",
            "name",
            "spec",
            "created_at",
        ]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_same_spec_is_the_same_run(queued):
    first, second = queued(name="one name"), queued(name="another")
    assert first.id == second.id
    assert first.id.startswith("kit-simclr-tiny_cnn-s5-")
    row = registry.require(first.id)
    assert row["spec_hash"].startswith(first.id.rsplit("-", 1)[1])
    assert row["name"] == "another"
    assert queued(seed=6).id != first.id


def test_again_makes_a_run_beside_the_first(queued, kit_images):
    from tests.runs.conftest import spec

    first = queued()
    assert submitting.submit(spec(), again=True, start=False)["id"] == f"{first.id}-2"
    assert submitting.submit(spec(), again=True, start=False)["id"] == f"{first.id}-3"


def test_newest_run_is_listed_first_and_demo_runs_last(queued):
    older, newer = queued(), queued(seed=6)
    demo = make_run(stores.demo_root() / "demo-run")
    listed = registry.list_runs()
    assert [row["id"] for row in listed] == [newer.id, older.id, demo.name]
    assert [row["demo"] for row in listed] == [False, False, True]
    assert listed[2]["knn_top1"] == 0.95
    with pytest.raises(SpecError, match="read-only"):
        stopping.delete(demo.name)
    assert demo.is_dir()


def test_folder_that_was_copied_in_is_listed_with_its_results(kit_images):
    folder = make_run()
    row = registry.list_runs()[0]
    assert (row["id"], row["state"], row["knn_top1"], row["ami"]) == (folder.name, "done", 0.95, 0.9)


@pytest.mark.parametrize("damage", ["deleted", "garbage", "truncated", "empty"])
def test_registry_is_made_again_from_the_folders(queued, damage):
    done, waiting = make_run(), queued(seed=9)
    registry.list_runs()
    before = {row["id"]: row["state"] for row in registry.list_runs()}
    file = registry.path()
    if damage == "deleted":
        file.unlink()
    elif damage == "garbage":
        file.write_bytes(b"this is no database" * 100)
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:5000])
    else:
        file.write_bytes(b"")
    for name in ("runs.db-wal", "runs.db-shm"):
        file.with_name(name).unlink(missing_ok=True)
    assert (
        {row["id"]: row["state"] for row in registry.list_runs()} == before == {done.name: "done", waiting.id: "queued"}
    )
    assert "made again from 2 run folders" in registry.last_note()["message"]
    assert len(list(file.parent.glob("runs.damaged-*"))) == (damage in ("garbage", "truncated"))
    assert not list(file.parent.glob(".runs.db*"))


def test_newer_registry_is_refused(queued):
    queued()
    with closing(sqlite3.connect(registry.path())) as connection:
        connection.execute("PRAGMA user_version = 2")
        connection.commit()
    with pytest.raises(SpecError, match="Update Viewloom"):
        registry.list_runs()


def test_many_threads_at_once_lose_nothing(queued, kit_images):
    from tests.runs.conftest import spec

    errors = []

    def submit(seed):
        try:
            submitting.submit(spec(seed=seed // 2), start=False)  # every run asked for twice, by two threads
        except Exception as error:  # noqa: BLE001 (shown below)
            errors.append(error)

    threads = [threading.Thread(target=submit, args=[seed]) for seed in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(row["seed"] for row in registry.list_runs()) == list(range(12))


def test_lost_is_computed_and_never_stored(queued):
    run = queued()
    long_ago = (datetime.now(UTC) - timedelta(seconds=40)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    registry.change(run.id, state="running", alive_at=long_ago)
    assert registry.list_runs()[0]["lost"]
    assert registry.query("SELECT state FROM runs")[0]["state"] == "running"
    registry.change(run.id, alive_at=stores.utc_now())
    assert not registry.list_runs()[0]["lost"]


def test_folder_deleted_by_hand_is_said_and_can_come_back(queued, tmp_path):
    run = queued()
    shutil.move(run.path, tmp_path / "away")
    row = registry.list_runs()[0]
    assert (row["state"], row["reason"]) == ("failed", folder_rows.GONE)
    shutil.move(tmp_path / "away", run.path)
    assert registry.list_runs()[0]["state"] == "queued"


def test_run_whose_folder_was_deleted_can_be_asked_for_anew(queued):
    run = queued()
    shutil.rmtree(run.path)
    assert registry.list_runs()[0]["state"] == "failed"
    assert queued().id == run.id
    assert registry.list_runs()[0]["state"] == "queued"


def test_full_disk_is_an_error_in_words(queued):
    queued()

    def fill(connection):
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("INSERT INTO sweeps VALUES ('x', ?, '', '')", ["y" * 1_000_000])

    with pytest.raises(RunError, match=r"full.*Make room"):
        registry.transact(fill)
    assert registry.query("SELECT * FROM sweeps") == []


@pytest.mark.parametrize("delete", [stopping.delete, lambda run_id: stopping.delete_all([run_id])])
def test_a_run_can_be_deleted_on_a_full_disk(queued, monkeypatch, delete):
    """Its folder goes first, which makes the room that the registry needs to write that it went."""
    run, transact = queued(), registry.transact

    def while_full(work):
        if run.path.is_dir():
            raise RunError("the registry of runs cannot be used: database or disk is full")
        return transact(work)

    monkeypatch.setattr(registry, "transact", while_full)
    delete(run.id)
    assert not run.path.exists()
    assert registry.list_runs(demo=False) == []


def test_asking_a_done_run_for_more_queues_it_once_more():
    folder = make_run(spec={"keep": {"embedding": "test"}})
    from tests.runs.conftest import spec

    same = {"keep": {"embedding": "test"}, "evaluate": {"clusters": [3], "layouts": ["pca"]}}
    results = json.loads((folder / "results.json").read_text())
    assert list(results["clusters"]) == ["3"]
    (folder / "encoder.safetensors").write_bytes(b"")
    stores.write_json(folder / "state.json", stores.read_json(folder / "state.json"))
    asked = submitting.submit(spec(**same), start=False)
    assert (asked["id"], asked["created"]) == (folder.name, False)
    more = same | {"evaluate": {"clusters": [4], "layouts": ["pca"]}}
    assert submitting.submit(spec(**more), start=False)["state"] == "queued"
    assert "clusters: [10, 3, 4]" in (folder / "spec.yaml").read_text()
