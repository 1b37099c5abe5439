"""`train`, `sweep`, `worker`, `runs …`: documents, exit codes, identity of runs, and one training from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil
import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.queue import processes, registry, submitting
from tests.kit import ROOT, make_imageset, make_run

SPEC = """
dataset: kit
backbone: tiny_cnn
method: {name: simclr, hidden_dim: 16, projection_dim: 8}
terms: identity
optimizer: adam
batch_size: 8
epochs: 1
device: cpu
evaluate: {clusters: [3], layouts: [pca], linear: {epochs: 2}, knn: {k: 5}}
"""
ROW = {
    *("id", "name", "state", "wanted", "phase", "progress", "eta_s", "dataset", "method", "backbone", "seed"),
    *("sweep", "knn_top1", "ami", "lost", "verdict"),
}


@pytest.fixture
def run(capsys):
    def call(*words):
        code = main([*map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def spec(tmp_path):
    make_imageset()
    path = tmp_path / "run.yaml"
    path.write_text(SPEC)
    return path


def document(out):
    assert out.count("\n") == 1
    return json.loads(out)


def test_train_queues_a_run_and_the_same_spec_is_the_same_run(run, spec):
    code, out, _ = run("train", spec, "--no-start", "--json")
    first = document(out)
    assert (code, first["ok"], first["command"]) == (0, True, "train")
    assert set(first["data"]) == {"id", "spec_hash", "state", "created"}
    assert (first["data"]["state"], first["data"]["created"]) == ("queued", True)
    second = document(run("train", spec, "--no-start", "--json")[1])["data"]
    assert (second["id"], second["created"]) == (first["data"]["id"], False)
    again = document(run("train", spec, "--no-start", "--again", "--json")[1])["data"]
    assert (again["id"], again["created"]) == (f"{first['data']['id']}-2", True)
    assert "was there already" in run("train", spec, "--no-start")[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "readable file"),
        ("", "empty file"),
        ("just words", "mapping"),
        (SPEC.replace("epochs: 1", "epochs: 0"), "epochs must be"),
        (SPEC + "unknown: 1\n", "unknown"),
        (SPEC.replace("dataset: kit", "dataset: nowhere"), "nowhere"),
        (SPEC.replace("terms: identity", "terms: no-such-composition"), "no-such-composition"),
        ("a: [1, 2\n", "YAML"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_reason(run, tmp_path, text, words):
    make_imageset()
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text)
    code, out, _ = run("train", path, "--no-start", "--json")
    answer = document(out)
    assert (code, answer["ok"]) == (2, False)
    assert words in answer["error"]["message"]
    code, out, err = run("train", path, "--no-start")
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert registry.list_runs() == []


def test_list_and_show(run, spec):
    done = make_run().name
    run("train", spec, "--no-start")
    rows = document(run("runs", "list", "--json")[1])["data"]
    assert all(set(row) == ROW for row in rows)
    assert {row["id"]: row["state"] for row in rows}[done] == "done"
    assert {row["id"]: row["knn_top1"] for row in rows}[done] == 0.95
    shown = document(run("runs", "show", done, "--json")[1])["data"]
    assert set(shown) == {"state", "spec", "results", "files", "torn"}
    assert shown["spec"]["dataset"]["name"] == "kit"
    assert "embedding.npy" in shown["files"]
    assert shown["state"]["state"] == "done"
    code, out, _ = run("runs", "show", done[:-3])
    assert code == 0
    assert "results:" in out


def test_run_is_stopped_resumed_and_deleted(run, spec):
    run_id = document(run("train", spec, "--no-start", "--json")[1])["data"]["id"]
    assert document(run("runs", "stop", run_id, "--json")[1])["data"] == {"id": run_id, "state": "stopped"}
    assert document(run("runs", "resume", run_id, "--no-start", "--json")[1])["data"]["state"] == "queued"
    assert document(run("runs", "delete", run_id, "--json")[1])["data"]["state"] == "deleted"
    assert not (stores.runs_root() / run_id).exists()
    code, out, _ = run("runs", "show", run_id, "--json")
    assert code == 2
    assert "There are no runs yet" in document(out)["error"]["message"]


def test_unknown_and_ambiguous_ids_name_what_may_be_meant(run, spec):
    first = document(run("train", spec, "--no-start", "--json")[1])["data"]["id"]
    second = document(run("train", spec, "--no-start", "--again", "--json")[1])["data"]["id"]
    for word in ("nothing-like-it", "kit-"):
        code, _, err = run("runs", "show", word)
        assert code == 2
        assert first in err
        assert second in err


@pytest.mark.parametrize("action", ["stop", "resume", "delete"])
def test_demo_runs_are_read_only(run, action):
    demo = make_run(stores.demo_root() / "demo-run").name
    code, _, err = run("runs", action, demo)
    assert code == 2
    assert "read-only" in err
    assert "demo-run" in run("runs", "list")[1]


@pytest.mark.parametrize(("state", "code"), [("stopped", 3), ("failed", 1), ("done", 0)])
def test_waiting_ends_with_the_runs_own_end(run, spec, monkeypatch, state, code):
    folder = make_run()

    def wait(run_id, on_change=None):
        end = {"type": "RunError", "where": "x", "message": "It failed as planned.", "remedy": "None."}
        now = stores.read_json(folder / "state.json") | {"id": run_id, "error": end if state == "failed" else None}
        if state != "done":
            stores.write_json(stores.runs_root() / run_id / "state.json", now | {"state": state})
        else:
            (folder / "results.json").replace(stores.runs_root() / run_id / "results.json")
        on_change(now | {"state": "running", "phase": "train", "reason": None})
        on_change(now | {"state": state, "reason": None})
        return state

    monkeypatch.setattr(submitting, "wait", wait)
    found, out, err = run("train", spec, "--no-start", "--wait", "--json")
    answer = document(out)
    assert found == code
    assert "train  100 %" in err
    if state == "done":
        assert answer["data"]["results"]["knn"]["top1"] == 0.95
    else:
        assert answer["error"]["type"] == {"stopped": "Stopped", "failed": "RunError"}[state]
    if state == "failed":
        assert "It failed as planned." in answer["error"]["message"]


def test_waiting_without_a_worker_is_said(run, spec, monkeypatch):
    monkeypatch.setattr(submitting, "wait", lambda run_id, on_change=None: "done")
    assert "No worker is alive" in run("train", spec, "--no-start", "--wait")[2]


def test_sweep_queues_every_run_once_and_the_same_sweep_adds_nothing(run, tmp_path):
    from ssrl_core import runs

    make_imageset()
    path = tmp_path / "sweep.yaml"
    path.write_text(f"name: Rates\n{SPEC}seeds: [5, 6]\nvary: {{optimizer.lr: [0.001, 0.002, 0.004]}}\n")
    first = document(run("sweep", path, "--no-start", "--json")[1])["data"]
    assert set(first) == {"id", "runs", "created", "existing"}
    assert (len(first["runs"]), first["created"], first["existing"]) == (6, 6, 0)
    second = document(run("sweep", path, "--no-start", "--json")[1])["data"]
    assert second == first | {"created": 0, "existing": 6}
    rows = document(run("runs", "list", "--json")[1])["data"]
    assert {row["sweep"] for row in rows} == {first["id"]}
    results, classes = runs.results_table(first["id"]), runs.classes_table(first["id"])
    assert list(results.columns) == [
        *("run", "sweep", "dataset", "backbone", "method", "seed", "state", "vary.optimizer.lr"),
        *("top1", "knn_top1", "ami", "silhouette"),
    ]
    assert results["vary.optimizer.lr"].tolist() == [0.001, 0.001, 0.002, 0.002, 0.004, 0.004]
    assert results["seed"].tolist() == [5, 6] * 3
    assert len(classes) == 0
    registry.path().unlink()
    assert {row["sweep"] for row in document(run("runs", "list", "--json")[1])["data"]} == {first["id"]}


def test_tables_of_a_sweep_hold_the_results_of_its_runs(run, tmp_path):
    from ssrl_core import runs

    folder = make_run()
    data = {"version": 1, "id": "s", "name": "s", "spec": "{}", "created_at": stores.utc_now()}
    member = {"id": folder.name, "seed": 5, "values": {"optimizer.lr": 0.1}}
    stores.write_json(stores.models_root() / "sweeps" / "s.json", data | {"runs": [member]})
    table = runs.classes_table("s")
    assert list(table.columns) == [
        *("run", "dataset", "backbone", "method", "seed", "vary.optimizer.lr", "probe", "class", "superclass"),
        *("n", "correct", "accuracy"),
    ]
    assert len(table) == 6
    assert runs.results_table("s")["ami"].tolist() == [0.9]


def test_bad_sweep_queues_nothing(run, tmp_path):
    make_imageset()
    path = tmp_path / "sweep.yaml"
    path.write_text(f"{SPEC}vary: {{optimizer.lr: [0.001, -1.0]}}\n")
    assert run("sweep", path, "--no-start")[0] == 2
    assert registry.list_runs() == []


def test_second_worker_refuses_to_start(run):
    lock = Lock(processes.lock_path())
    assert lock.take()
    code, _, err = run("worker")
    lock.give_back()
    assert code == 1
    assert "looks after this store already" in err
    assert run("worker", "--engine", "abacus")[0] == 2


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="ends the worker by its process id")
def test_training_from_the_command_line_in_one_go(spec):
    command = [sys.executable, "-m", "ssrl_core", "train", str(spec), "--wait", "--json"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
        answer = document(done.stdout)
        assert done.returncode == 0, done.stderr
        assert answer["data"]["state"] == "done"
        assert answer["data"]["results"]["n"] == 12
        assert "done" in done.stderr
        assert processes.is_alive()
        assert registry.require(answer["data"]["id"])["state"] == "done"
        once_more = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert document(once_more.stdout)["data"]["created"] is False
    finally:
        about = processes.about()
        if about:
            worker = psutil.Process(about["pid"])
            worker.terminate()
            worker.wait(timeout=40)
    assert not processes.is_alive()


def test_a_dry_run_says_what_a_run_would_take_and_queues_nothing(run, spec):
    told = document(run("train", spec, "--dry-run", "--memory", "4", "--json")[1])["data"]
    assert told["memory_bytes"] > 1e6
    assert told["largest_batch"] > 100
    assert "images at a time fit" in run("train", spec, "--dry-run", "--memory", "4")[1]
    assert registry.list_runs() == []


def test_a_search_is_waited_for_to_its_last_run(monkeypatch):
    from ssrl_core.cli import train
    from ssrl_core.runs.queue import submitting, sweeps

    asked, waited = ["a", "b"], []

    def wait(run_id, *_):
        waited.append(run_id)
        if len(asked) < 5:  # the result of each leads to another
            asked.append("abcde"[len(asked)])
        return "done"

    monkeypatch.setattr(submitting, "wait", wait)
    monkeypatch.setattr(train, "_state", lambda run_id: {"state": "done", "phase": "", "progress": 1.0, "eta_s": None})
    monkeypatch.setattr(submitting, "progress_line", lambda state: "done")
    monkeypatch.setattr(sweeps, "members", lambda sweep: [{"id": name} for name in asked])
    monkeypatch.setattr(sweeps, "unfinished_tuned", lambda: [("search", 1)] if len(asked) < 5 else [])
    train._wait(["a", "b"], lambda: train._later("search", 2))
    assert waited == list("abcde")
    train._wait(["a"], lambda: train._later("grid", 5))
    assert waited == [*"abcde", "a"]
