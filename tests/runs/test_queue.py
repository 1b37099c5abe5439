"""The queue by itself: sweeps of many runs, order, pause, dependencies, stopping and resuming many at once."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import identity, ordering, registry, stopping, submitting, sweep_files, sweeps
from ssrl_core.runs.worker.coordinator import Tuner
from ssrl_core.specs.run import dump_run
from ssrl_core.specs.sweep import SweepSpec
from tests.runs.conftest import spec
from tests.runs.test_coordinator import says


def sweep(seeds=3, lrs=(0.1, 0.2), **changes):
    base = spec().to_mapping() | changes
    return SweepSpec.from_mapping({**base, "seeds": list(range(seeds)), "vary": {"optimizer.lr": list(lrs)}})


@pytest.fixture
def swept(kit_images):
    return sweeps.submit(sweep(), start=False)


def states():
    return registry.counts()


def contents():
    """Every file of the store of runs with its content, but for what SQLite keeps beside its file while it is open."""
    files = (file for file in stores.models_root().rglob("*") if file.is_file() and "runs.db-" not in file.name)
    return {str(file): file.read_bytes() for file in files}


def folders():
    return sorted(entry.name for entry in stores.runs_root().iterdir())


def test_runs_of_a_sweep_are_identified_as_each_by_itself_would_be(kit_images):
    specs = [item.spec for item in sweep(notes='a "seed":1,"terms": in a text').runs()]
    together = identity.identify_all(specs)
    for one, spec_ in zip(together, specs, strict=True):
        alone = submitting.identify(spec_)
        assert (one.id, one.spec_hash, one.spec) == (alone.id, alone.spec_hash, alone.spec)
        assert identity.spec_of_text(one.text) == spec_
        assert one.text == alone.text == dump_run(spec_)


def test_runs_of_a_sweep_have_their_folders_at_once_and_start_in_its_order(swept, coordinator, engine):
    assert (swept["created"], states(), folders()) == (6, {"queued": 6}, sorted(swept["runs"]))
    assert all([entry.name for entry in (stores.runs_root() / run).iterdir()] == ["spec.yaml"] for run in swept["runs"])
    coordinator.tick()
    assert engine.jobs[0].folder.name == swept["runs"][0]


def test_same_sweep_again_and_a_longer_one_add_only_what_is_new(swept):
    assert sweeps.submit(sweep(), start=False)["created"] == 0
    longer = sweeps.submit(sweep(seeds=4), start=False)
    assert (longer["created"], longer["existing"]) == (2, 6)
    assert states() == {"queued": 8}


def test_looking_into_a_waiting_run_changes_nothing(swept):
    run = RunFolder(swept["runs"][2])
    before = contents()
    assert run.spec().seed == 2
    assert (run.state()["state"], run.files()) == ("queued", ["spec.yaml"])
    registry.list_runs()
    assert contents() == before
    assert registry.require(run.id)["state"] == "queued"


def test_lost_registry_brings_back_waiting_runs_but_not_what_was_stopped_or_deleted(swept, coordinator, engine):
    coordinator.tick()
    engine.jobs[0].code = 1
    coordinator.watch.look(1e9)
    stopping.stop(swept["runs"][3])
    stopping.delete(swept["runs"][4])
    for name in ("runs.db", "runs.db-wal", "runs.db-shm"):
        (stores.models_root() / name).unlink(missing_ok=True)
    assert states() == {"queued": 3, "failed": 1, "stopped": 1}
    assert registry.get(swept["runs"][4]) is None
    assert registry.require(swept["runs"][5])["sweep_id"] == swept["id"]
    assert "made again from 5 run folders" in registry.last_note()["message"]
    assert "missing" not in registry.last_note()["message"]
    stopping.resume(swept["runs"][3], start=False)
    assert sweep_files.read(swept["id"])["deleted"] == [swept["runs"][4]]


def test_whole_sweep_is_stopped_resumed_and_deleted_at_once(swept, coordinator, engine, clock):
    coordinator.tick()
    running = RunFolder(swept["runs"][0])
    says(running)
    clock.now += 2
    coordinator.tick()
    ids = stopping.of_sweep(swept["id"])
    assert stopping.stop_all(ids) == 6
    assert states()["stopped"] >= 5
    assert stopping.resume_all(ids, failed_only=True, start=False) == 0
    assert stopping.resume_all(ids, start=False) >= 5
    coordinator.watch.active_runs.clear()
    engine.jobs.clear()
    count, troubles = stopping.delete_sweep(swept["id"])
    assert (count, troubles, states(), folders()) == (6, [], {}, [])
    assert not sweep_files.path_of(swept["id"]).exists()


def test_runs_that_two_sweeps_share_stay_when_one_is_deleted(swept):
    longer = sweeps.submit(sweep(seeds=4), start=False)
    assert stopping.delete_sweep(longer["id"])[0] == 2
    assert states() == {"queued": 6}


def test_paused_queue_starts_nothing_and_goes_on(queued, coordinator, engine, clock):
    queued()
    ordering.pause()
    coordinator.tick()
    assert not engine.jobs
    clock.now += 10_000
    assert coordinator.reason_to_end()  # nothing to do: it need not stay for a paused queue
    ordering.unpause()
    coordinator.tick()
    assert len(engine.jobs) == 1


def test_run_put_first_goes_first(queued, coordinator, engine):
    queued(seed=1), queued(seed=2)
    last = queued(seed=3)
    assert ordering.to_the_front([last.id]) == 1
    coordinator.tick()
    assert engine.jobs[0].folder.name == last.id
    assert ordering.set_priority([last.id], 3) == 0  # it waits no more


def test_run_waits_for_others_and_says_so(queued, kit_images, coordinator, engine, clock):
    first = queued()
    second = submitting.submit(spec(seed=6), after=[first.id], start=False)["id"]
    engine.slots = 2
    coordinator.tick()
    assert [job.folder.name for job in engine.jobs] == [first.id]
    assert registry.require(second)["waits_for"] == f"Waits until {first.id} is done."
    engine.jobs[0].code = 1
    for _ in range(2):
        clock.now += 10
        coordinator.tick()
    assert "has failed" in registry.require(second)["waits_for"]
    stopping.resume(first.id, start=False)
    coordinator.tick()
    says(first, state="done", attempt=2)
    engine.jobs[1].code = 0
    coordinator.tick()
    assert engine.jobs[-1].folder.name == second


def test_runs_that_would_wait_for_each_other_are_refused(queued, kit_images):
    first = queued()
    second = submitting.submit(spec(seed=6), after=[first.id], start=False)["id"]
    with pytest.raises(SpecError, match="does not wait for this one"):
        submitting.submit(spec(), after=[second], start=False)
    with pytest.raises(SpecError, match="a run of this store"):
        submitting.submit(spec(seed=7), after=["nothing"], start=False)
    assert registry.get(submitting.identify(spec(seed=7)).id) is None


def test_list_is_kept_until_something_changes(swept, monkeypatch):
    monkeypatch.setattr(registry, "_SETTLED_NS", -1)
    first = registry.list_runs()
    first[0]["state"] = "spoilt by a caller"
    assert registry.list_runs()[0]["state"] == "queued"
    with monkeypatch.context() as patch:
        patch.setattr(registry, "_read", lambda: pytest.fail("nothing has changed"))
        registry.list_runs()
    stopping.stop(swept["runs"][0])
    assert {row["state"] for row in registry.list_runs()} == {"queued", "stopped"}


def command(capsys, *words):
    code = main(["runs", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_commands_order_the_queue(swept, capsys):
    one = swept["runs"][3]
    assert command(capsys, "pause")[1]["data"] == {"paused": True}
    assert command(capsys, "first", one)[1]["data"] == {"count": 1}
    assert command(capsys, "priority", "7", "--sweep", swept["id"])[1]["data"] == {"count": 6}
    assert command(capsys, "stop", "--sweep", swept["id"])[1]["data"]["count"] == 6
    rows = command(capsys, "list", "--sweep", swept["id"], "--state", "stopped")[1]["data"]
    assert len(rows) == 6
    assert {registry.require(row["id"])["priority"] for row in rows} == {7}
    assert command(capsys, "resume", "--sweep", swept["id"], "--no-start")[1]["data"]["count"] == 6
    assert command(capsys, "go", "--no-start")[1]["data"] == {"paused": False}
    assert command(capsys, "delete", "--sweep", swept["id"])[1]["data"]["count"] == 6
    assert command(capsys, "stop")[0] == 2
    assert command(capsys, "stop", "--sweep", "nothing")[0] == 2


def test_log_is_searched(queued, capsys):
    run = queued()
    (run.path / "log.txt").write_text("epoch 1  loss 0.5\ncheckpoint\nepoch 2  LOSS 0.4\n")
    assert command(capsys, "log", run.id, "--search", "loss")[1]["data"]["lines"] == [
        "epoch 1  loss 0.5",
        "epoch 2  LOSS 0.4",
    ]


def test_another_spec_object_with_equal_fields_is_no_neighbour(kit_images):
    first = spec()
    other = dataclasses.replace(spec(epochs=3), seed=9)
    ids = [run.id for run in identity.identify_all([first, other])]
    assert ids == [submitting.identify(first).id, submitting.identify(other).id]


def finish(run_id, top1, classes=3):
    """Results of a run as its child would leave them, copied by the registry."""
    RunFolder(run_id).require()
    counted = {"n": 10, "low": 0.0, "high": 1.0}
    entries = {f"class {k}": {**counted, "correct": k, "accuracy": k / 10} for k in range(classes)}
    linear = {"top1": top1, "mode": "cached", "epochs": 1, "classes": entries, "confusion": [[1, 2], [3.5, 4]]}
    clusters = {"3": {"ami": 0.5, "silhouette": 0.1}}
    results = {"clusters": clusters, "knn": {"top1": top1, "classes": {}}, "linear": linear}
    registry.change(run_id, state="done", results=json.dumps(results))


def test_table_of_a_sweep_is_filtered_summed_up_and_written(swept, capsys, tmp_path):
    for number, run_id in enumerate(swept["runs"][:5]):
        finish(run_id, 0.1 * number)
    rows = command(capsys, "table", swept["id"])[1]["data"]["rows"]
    assert [row["top1"] for row in rows] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, None], nan_ok=True)
    means = command(capsys, "table", swept["id"], "--mean")[1]["data"]["rows"]
    assert [(row["vary.optimizer.lr"], row["n"], row["runs"]) for row in means] == [(0.1, 3, 3), (0.2, 2, 3)]
    assert means[0]["top1"] == pytest.approx(0.1)
    assert means[0]["top1_sd"] == pytest.approx(0.1)
    chosen = command(capsys, "table", swept["id"], "--where", "lr=0.2")[1]["data"]["rows"]
    assert [row["seed"] for row in chosen] == [0, 1, 2]
    classes = command(capsys, "table", swept["id"], "--classes")[1]["data"]["rows"]
    assert len(classes) == 15
    assert list(classes[0]) == [
        *("run", "dataset", "backbone", "method", "seed", "vary.optimizer.lr"),
        *("probe", "class", "superclass", "n", "correct", "accuracy"),
    ]
    assert classes[4]["accuracy"] == 0.1
    for name in ("t.csv", "t.parquet"):
        assert command(capsys, "table", swept["id"], "--out", str(tmp_path / name))[1]["data"]["rows"] == 6
    read = [pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")]
    assert read[0]["top1"].tolist()[:5] == pytest.approx(read[1]["top1"].tolist()[:5])
    assert command(capsys, "table", swept["id"], "--out", str(tmp_path / "t.xlsx"))[0] == 2
    assert command(capsys, "table", swept["id"], "--where", "colour=red")[0] == 2
    assert command(capsys, "sweeps")[1]["data"][0]["done"] == 5


def test_difference_of_two_specs_is_told_field_by_field(swept, capsys):
    rows = command(capsys, "diff", swept["runs"][0], swept["runs"][4])[1]["data"]
    assert rows == [
        {"path": "optimizer.lr", "first": 0.1, "second": 0.2},
        {"path": "seed", "first": 0, "second": 1},
    ]
    three = command(capsys, "diff", *swept["runs"][:2], swept["runs"][4])[1]["data"]
    assert three == [
        {"path": "optimizer.lr", "values": [0.1, 0.1, 0.2]},
        {"path": "seed", "values": [0, 1, 1]},
    ]
    assert main(["runs", "diff", *swept["runs"][:2], swept["runs"][4]]) == 0
    assert capsys.readouterr().out.split()[:4] == ["path", "A", "B", "C"]
    code, document = command(capsys, "diff", swept["runs"][0])
    assert (code, document["error"]["rule"]) == (2, "two to 8 runs")
    assert command(capsys, "diff", *swept["runs"], *swept["runs"])[0] == 2


def tuned(count=6, **sampler):
    base = spec().to_mapping()
    vary = {"optimizer.lr": {"from": 1e-4, "to": 1e-1, "log": True}, "optimizer.name": ["sgd", "adam"]}
    chosen = {"name": "optuna", "count": count, "goal": "knn.top1", **sampler}
    return SweepSpec.from_mapping({**base, "seeds": [1, 2], "vary": vary, "sampler": chosen})


def test_optuna_is_asked_for_points_as_runs_end_and_finds_what_is_better(kit_images):
    from ssrl_core.runs.queue import sweeps

    asked = sweeps.submit(tuned(count=24), start=False)
    assert (len(asked["runs"]), states()) == (4, {"queued": 4})
    assert sweeps.unfinished_tuned() == [(asked["id"], 2)]
    while sweeps.unfinished_tuned():
        for member in sweeps.members(asked["id"]):
            lr = member["values"]["optimizer.lr"]
            if registry.require(member["id"])["state"] != "done":
                finish(member["id"], 1.0 - abs(np.log10(lr) + 2) / 3)  # best at 0.01
        sweeps.ask_for_points(asked["id"], 2)
    members = sweeps.members(asked["id"])
    assert len(members) == 48
    far = [abs(np.log10(member["values"]["optimizer.lr"]) + 2) for member in members[::2]]
    assert np.mean(far[-8:]) < np.mean(far[:8])
    assert sweeps.submit(tuned(count=24), start=False)["created"] == 0
    assert sweeps.ask_for_points(asked["id"], 2) == []


def test_coordinator_asks_for_points_in_a_process_of_its_own(kit_images, monkeypatch):

    asked = sweeps.submit(tuned(), start=False)
    for run_id in asked["runs"]:
        finish(run_id, 0.5)
    tuner = Tuner()
    assert tuner.tick(100.0, 2) == 1
    (process,) = tuner._processes.values()
    assert process.wait(timeout=120) == 0
    assert states() == {"done": 4, "queued": 4}
    stopping.stop_all(stopping.of_sweep(asked["id"]))
    assert tuner.tick(200.0, 2) == 0  # somebody stopped it: no more points


def test_optuna_that_is_not_installed_is_said(kit_images, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match="pip install optuna"):
        sweeps.submit(tuned(), start=False)
    assert states() == {}


@pytest.mark.parametrize(
    "sampler",
    [
        {"name": "optuna"},
        {"name": "optuna", "count": 3, "direction": "up"},
        {"name": "optuna", "count": 0},
        {"name": "tpe", "count": 3},
        {"name": "random", "count": 3, "goal": "knn.top1"},
    ],
)
def test_bad_samplers_are_refused(sampler):
    with pytest.raises(SpecError, match="sampler must be"):
        SweepSpec.from_mapping({**spec().to_mapping(), "sampler": sampler})


def test_random_sampler_draws_from_ranges_within_their_ends():
    vary = {"optimizer.lr": {"from": 1e-4, "to": 1e-1, "log": True}, "terms.0.weight": {"from": 0.2, "to": 0.4}}
    plain = {**spec().to_mapping(), "vary": vary, "sampler": {"name": "random", "count": 40, "seed": 3}}
    runs = SweepSpec.from_mapping(plain).runs()
    assert len(runs) == SweepSpec.from_mapping(plain).count == 40
    assert runs == SweepSpec.from_mapping(plain).runs()
    lrs = np.array([run.values["optimizer.lr"] for run in runs])
    assert lrs.min() >= 1e-4
    assert lrs.max() <= 1e-1
    assert 0.2 < np.mean(lrs < 10**-2.5) < 0.8  # uniform in the logarithm
    with pytest.raises(SpecError, match="count"):
        SweepSpec.from_mapping({**plain, "sampler": {"name": "grid"}})


@pytest.mark.parametrize("allowed", [True, False])
def test_run_without_memory_goes_on_in_smaller_parts_only_where_that_is_allowed(
    kit_images, coordinator, engine, allowed
):
    tags = {"on_memory": "accumulate"} if allowed else {}
    asked = sweeps.submit(sweep(seeds=1, lrs=(0.1,), tags=tags), start=False)
    coordinator.tick()
    engine.jobs[0].words = {"message": "batch_size must be small. 4 at a time fit: set accumulate to 2, or batch_size."}
    engine.jobs[0].code = 1
    coordinator.tick()
    assert registry.require(asked["runs"][0])["state"] == "failed"
    if not allowed:
        assert len(engine.jobs) == 1
        return
    smaller = engine.jobs[1].folder.name
    assert smaller in registry.require(asked["runs"][0])["reason"]
    assert RunFolder(smaller).spec().accumulate == 2
    assert [member["id"] for member in sweeps.members(asked["id"])] == [smaller]
    assert registry.require(smaller)["sweep_id"] == asked["id"]
