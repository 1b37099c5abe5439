"""A run whose ranks `torchrun` starts: warned, robbed of a rank, and started when nothing is left to train."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ssrl_core.learning.loop import fit
from ssrl_core.specs.run import dump_run
from tests.kit import ROOT
from tests.learning.tiny_runs import events, small_images, small_spec

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="signals, and a loopback called lo")]
_COMMAND = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ssrl_core.runs.child.train"]


def _torchrun(folder: Path) -> subprocess.Popen[bytes]:
    told = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    with open(folder / "torchrun.txt", "ab") as said:
        return subprocess.Popen([sys.executable, *_COMMAND, str(folder)], cwd=ROOT, env=told, stdout=said, stderr=said)


def _until(ready: Callable[[], bool], agent: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while not ready():
        assert agent.poll() is None, "torchrun ended before its time"
        assert time.monotonic() < deadline, "nothing came in four minutes"
        time.sleep(0.1)


def _ranks(agent: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    return {child.environ()["RANK"]: child for child in psutil.Process(agent.pid).children()}


def test_a_run_under_torchrun_is_preempted_loses_a_rank_and_lets_its_ranks_go_where_nothing_is_left(
    tmp_path: Path,
) -> None:
    images = small_images(24)
    folder, log = tmp_path / "run", tmp_path / "run" / "log.txt"
    folder.mkdir()
    quiet = {"clusters": [3], "linear": None, "layouts": [], "online_every_epochs": 0}
    (folder / "spec.yaml").write_text(dump_run(small_spec("byol", epochs=8000, evaluate=quiet)), encoding="utf-8")

    agent = _torchrun(folder)
    _until(lambda: log.is_file() and "images/s" in log.read_text(), agent)
    agent.send_signal(signal.SIGTERM)  # as a cluster takes a machine back: all ranks are told
    agent.wait(timeout=60)
    assert "pre-empted" in log.read_text()
    assert len(events(folder, "stop")) == 1
    assert (folder / "checkpoint.pt").is_file()

    agent = _torchrun(folder)
    _until(lambda: bool(events(folder, "resume")), agent)
    _ranks(agent)["1"].kill()
    assert agent.wait(timeout=120) != 0
    assert "the process of another device was lost" in log.read_text()
    assert "failed" not in log.read_text()

    for kept in (*folder.glob("checkpoint.*"), folder / "metrics.jsonl"):
        kept.unlink(missing_ok=True)
    short = small_spec("byol", epochs=1, evaluate=quiet)
    (folder / "spec.yaml").write_text(dump_run(short), encoding="utf-8")
    fit(short, images, folder)
    assert _torchrun(folder).wait(timeout=240) == 0, (folder / "torchrun.txt").read_text()  # rank 1 is told to go
    assert log.read_text().rstrip().endswith("done")
