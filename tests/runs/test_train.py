"""The real training child, as processes: killed, stopped, pre-empted, out of disk, and the same numbers in the end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry, stopping, submitting
from ssrl_core.runs.queue.processes import child_environment
from ssrl_core.runs.worker.coordinator import Coordinator
from ssrl_core.runs.worker.engines.local import LocalEngine
from tests.kit import ROOT, make_imageset
from tests.runs.conftest import spec
from tests.runs.test_kills import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals")]
CHILD = Path(__file__).with_name("real_child.py")
SMALL = {
    "batch_size": 8,
    "epochs": 2,
    "device": "cpu",
    "method": {"name": "moco_v2_plus", "hidden_dim": 16, "projection_dim": 8, "queue_size": 32},
    "optimizer": "adam",
    "terms": "mnist-rotation-crop",
    "evaluate": {
        "clusters": [3],
        "layouts": ["pca"],
        "linear": {"epochs": 2},
        "knn": {"k": 5},
        "online_every_epochs": 1,
    },
}


def command(folder):
    return [sys.executable, str(CHILD), str(folder), "--end-with-parent"]


def submit(behave=None, *, again=False, **changes):
    run = RunFolder(submitting.submit(spec(**{**SMALL, **changes}), again=again, start=False)["id"])
    (run.path / "behave.json").write_text(json.dumps(behave or {}))
    return run


def by_hand(run):
    """The child as a person starts it."""
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(run.path)], cwd=ROOT, env=child_environment(), stderr=subprocess.DEVNULL
    )


def lines(run):
    """Metrics that must be equal: all but times and events."""
    found = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in ("time_s", "images_per_s")}
        for line in found
        if line["kind"] != "event"
    ]


def state(run):
    return registry.require(run.id)["state"]


@pytest.fixture
def local():
    made = Coordinator(LocalEngine(command=command))
    yield made
    for active in made.watch.active_runs.values():
        active.job.kill()
        active.job.last_words()


def test_killed_run_resumes_bit_for_bit(local):
    make_imageset()
    chance = random.Random(3)
    killed, calm = submit({"step_s": 0.15}), submit(again=True)
    kills = 0
    while kills < 2 and state(killed) != "done":
        local.tick()
        active = local.watch.active_runs.get(killed.id)
        if active and killed.state()["attempt"] > kills and (killed.path / "checkpoint.pt.sha256").exists():
            time.sleep(chance.uniform(0.0, 0.6))
            active.job.kill()
            kills += 1
        time.sleep(0.05)
    until(lambda: {state(calm), state(killed)} <= {"done", "failed"}, seconds=480.0, each=local.tick)
    assert (state(calm), state(killed), registry.require(killed.id)["attempt"]) == ("done", "done", kills + 1)
    assert any("goes on from step" in str(message) for message in killed.metrics()["message"])
    for name in ("encoder.safetensors", "embedding.npy", "embedding_ids.npy", "clusters_kmeans_k3_s0.npy"):
        assert (killed.path / name).read_bytes() == (calm.path / name).read_bytes(), name
    assert lines(killed) == lines(calm)
    first, second = (run.results().data for run in (killed, calm))
    for name in ("clusters", "knn", "linear", "references", "view"):
        assert first[name] == second[name]
    assert np.array_equal(killed.layouts()["pca"][0], calm.layouts()["pca"][0], equal_nan=True)


def test_full_disk_while_writing_a_checkpoint_fails_the_run_and_nothing_else(local):
    make_imageset()
    full, other = submit({"disk_full": True}), submit(seed=6, epochs=1)
    until(lambda: state(other) == "done", seconds=240.0, each=local.tick)
    row = registry.require(full.id)
    assert row["state"] == full.state()["state"] == "failed"
    assert "No space left" in row["reason"]
    assert "resume" in full.state()["error"]["remedy"]
    assert not list(full.path.glob(".*.tmp"))
    (full.path / "behave.json").write_text("{}")
    stopping.resume(full.id, start=False)
    until(lambda: state(full) == "done", seconds=240.0, each=local.tick)


def test_child_started_by_hand_stops_by_signal_and_by_file_and_goes_on():
    make_imageset()
    run = submit({"step_s": 0.3})
    child = by_hand(run)
    until(lambda: run.state()["phase"] == "train" and run.state()["step"] >= 1, seconds=120.0)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == 5
    assert (run.path / "checkpoint.pt").exists()
    assert run.state()["state"] == "running"  # pre-empted: it is not over, somebody goes on with it
    child = by_hand(run)
    until(lambda: run.state()["attempt"] == 2 and run.state()["phase"] == "train", seconds=120.0)
    stores.replace(run.path / "STOP", "")
    assert child.wait(timeout=60) == 3
    assert run.state()["state"] == "stopped"
    (run.path / "behave.json").write_text("{}")
    child = by_hand(run)
    assert child.wait(timeout=120) == 0
    assert run.state()["state"] == "done"
    assert registry.list_runs()[0]["state"] in ("queued", "done")


def test_exit_codes_of_what_cannot_be_trained():
    make_imageset()
    bad = submit()
    text = (bad.path / "spec.yaml").read_text()
    (bad.path / "spec.yaml").write_text(text.replace("epochs: 2\n", "epochs: 0\n", 1))
    assert by_hand(bad).wait(timeout=60) == 2
    assert "epochs must be" in bad.state()["error"]["message"]
    locked = submit(seed=6)
    lock = Lock(locked.path / "lock")
    assert lock.take()
    assert by_hand(locked).wait(timeout=60) == 4
    lock.give_back()
    assert subprocess.run([*command(locked.path / "nothing")], cwd=ROOT, capture_output=True).returncode == 2
