"""Kills parts at random while short runs go through, then counts: `python -m tests.runs.chaos --runs 300`.

Parts are a training child, the coordinator, and everything at once (a power cut). In the end every run must be done,
with the result of an undisturbed one, and no process may be left over.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry, sweeps
from ssrl_core.specs.sweep import SweepSpec
from tests.kit import ROOT, make_imageset

FAKE_CHILD = Path(__file__).with_name("fake_child.py")
STEPS = 12
_MOST_KILLS_A_RUN = 5  # each is waited for longer; kills from outside are not the run's fault
_COORDINATOR = """
import sys
sys.path.insert(0, {root!r})
from ssrl_core.runs.worker import coordinator
from ssrl_core.runs.worker.engines.local import LocalEngine
command = lambda folder: [sys.executable, {child!r}, str(folder), "--end-with-parent"]
coordinator.open_engine = lambda settings: LocalEngine(2, command)
sys.exit(coordinator.main(once=True))
"""


def chaos(runs: int, *, kills: int, seed: int = 0) -> Counter[str]:
    """Let runs go through while parts are killed.

    Returns:
        How often each part was killed.
    """
    chance = random.Random(seed)
    ids = _queue(runs)
    killed: Counter[str] = Counter()
    of_run: Counter[str] = Counter()
    coordinator = _start()
    while sum(killed.values()) < kills and registry.counts().get("done", 0) < runs:
        time.sleep(chance.uniform(0.3, 1.5))
        what = chance.choice(["child", "child", "coordinator", "everything"])
        victims = [one for one in _children() if of_run[_run_of(one)] < _MOST_KILLS_A_RUN]
        if what == "child" and not victims:
            continue
        killed[what] += 1
        if what == "child":
            of_run[_run_of(victims[0])] += 1
            _kill(victims[0])
            continue
        coordinator.kill()
        for child in _children() if what == "everything" else []:
            _kill(child)
        coordinator.wait()
        coordinator = _start()
    if coordinator.wait(timeout=60 + 10 * runs):
        coordinator = _start()
        coordinator.wait(timeout=60 + 10 * runs)
    assert len(ids) == runs
    return killed


def undisturbed() -> str:
    """What a run that nobody kills ends with."""
    import hashlib

    value = "start"
    for step in range(STEPS):
        value = hashlib.sha256(f"{value}{step}".encode()).hexdigest()
    return value


def verdict() -> dict[str, int]:
    """What there is in the end: runs by state, runs with the right result, processes left over."""
    rows = registry.list_runs(demo=False)
    right = sum(_result(row["id"]) == undisturbed() for row in rows)
    return {**registry.counts(), "right": right, "folders": len(rows), "left over": len(_children())}


def _queue(runs: int) -> list[str]:
    """Runs of a sweep, with a fake training of a fifth of a second each."""
    plain = {"dataset": "kit", "backbone": "tiny_cnn", "method": "simclr", "terms": "identity", "batch_size": 8}
    swept = sweeps.submit(SweepSpec.from_mapping({**plain, "seeds": list(range(runs)), "vary": {}}), start=False)
    for run_id in swept["runs"]:
        folder = RunFolder(run_id).require().path
        (folder / "behave.json").write_text(f'{{"steps": {STEPS}, "step_s": 0.02}}')
    return list(swept["runs"])


def _start() -> subprocess.Popen[bytes]:
    code = _COORDINATOR.format(root=str(ROOT), child=str(FAKE_CHILD))
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)


def _children() -> list[psutil.Process]:
    """Training children of this store that live."""
    from ssrl_core import stores

    here = str(stores.runs_root())
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if str(FAKE_CHILD) in words and any(word.startswith(here) for word in words):
            found.append(process)
    return found


def _run_of(child: psutil.Process) -> str:
    return Path((child.info["cmdline"] or ["", "", "unknown"])[2]).name


def _kill(child: psutil.Process) -> None:
    try:
        child.kill()
    except psutil.NoSuchProcess:
        return


def _result(run_id: str) -> str:
    file = RunFolder.own(run_id).path / "encoder.safetensors"
    return file.read_text() if file.is_file() else ""


def main() -> int:
    """Run it in a store of its own and say what is left; 0 when every run is done exactly once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(SSRL_DATA=f"{folder}/data", SSRL_MODELS=f"{folder}/models")
        make_imageset()
        started = time.monotonic()
        killed = chaos(args.runs, kills=args.kills, seed=args.seed)
        found = verdict()
        print(f"killed {dict(killed)} in {time.monotonic() - started:.0f} s: {found}")
        whole = {"done": args.runs, "right": args.runs, "folders": args.runs, "left over": 0}
        return int(found != whole)


if __name__ == "__main__":
    sys.exit(main())
