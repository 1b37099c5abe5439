"""Kills a real run at random moments of its whole life, then compares: `python -m tests.faults.campaign --kills 200`.

A run is queued, trained, evaluated and laid out once undisturbed, and then again and again while its child, its worker
or both are killed (SIGKILL). Whatever is killed, the run must end with the same bytes, nothing half-written may be left
in its folder, and no process of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from ssrl_core import stores
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import processes, registry, stopping, submitting
from ssrl_core.specs.run import RunSpec

SPEC: dict[str, Any] = {
    "dataset": "digits",
    "backbone": "tiny_cnn",
    "method": "simclr",
    "terms": "mnist-first-set",
    "batch_size": 64,
    "limit_train": 256,
    "epochs": 4,
    "keep": {"checkpoint": "always", "embedding": "all"},
    "evaluate": {"clusters": [3, 10], "layouts": ["tsne"], "linear": {"mode": "cached", "epochs": 5}},
}
_NOT_COMPARED = ("seconds", "images_per_s")
_LONGEST_S = 900.0


def campaign(kills: int, *, seed: int = 0, say: Any = print) -> Counter[str]:
    """Kill until that many parts were killed; each run that was hit is brought to its end and compared.

    Returns:
        How often each part was killed, and in which phase.
    """
    chance, killed = random.Random(seed), Counter[str]()
    expected = _ended(_queued())
    while sum(killed.values()) < 2 * kills:  # each counts as a part and as a phase
        run = _queued()
        for _ in range(chance.randint(1, 4)):
            if not _wait(run, chance.uniform(0.0, 25.0)):
                break
            part = chance.choice(("child", "worker", "both"))
            phase = str(run.state()["phase"] or "queued")
            if _kill(run, part):
                killed[part] += 1
                killed[f"in {phase}"] += 1
                say(f"{part} killed in {phase}")
        found = _ended(run)
        assert found == expected, sorted(name for name in expected if found.get(name) != expected[name])
    return killed


def _queued() -> RunFolder:
    """The run, queued once more from nothing, with a worker."""
    run_id = submitting.identify(RunSpec.from_mapping(SPEC)).id
    if RunFolder(run_id).exists:
        stopping.delete(run_id)
    submitting.submit(RunSpec.from_mapping(SPEC))
    return RunFolder(run_id)


def _wait(run: RunFolder, seconds: float) -> bool:
    """Let it go on for some time; False once it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if registry.require(run.id)["state"] in ("done", "failed"):
            return False
        time.sleep(0.05)
    return True


def _kill(run: RunFolder, part: str) -> bool:
    """Kill a part, or both; False where it was not there."""
    pids = list(_pids(run, part))
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return bool(pids)


def _pids(run: RunFolder, part: str) -> Iterator[int]:
    about, state = processes.about(), run.state()
    if about and part in ("worker", "both"):
        yield int(about["pid"])
    if state["state"] == "running" and state["pid"] and part in ("child", "both") and psutil.pid_exists(state["pid"]):
        yield int(state["pid"])


def _ended(run: RunFolder) -> dict[str, str]:
    """Bring a run to its end; the digest of everything that lasts. A worker that was killed is started again."""
    until = time.monotonic() + _LONGEST_S
    while registry.require(run.id)["state"] != "done":
        row = registry.require(run.id)
        assert row["state"] != "failed", row["reason"]
        assert time.monotonic() < until, f"not done after {_LONGEST_S:g} s: {row['state']}, {row['reason']}"
        processes.start_coordinator()
        time.sleep(0.2)
    left = [path.name for path in run.path.rglob("*") if path.name.endswith(".tmp")]
    assert left == []
    return digests(run)


def digests(run: RunFolder) -> dict[str, str]:
    """The digest of everything in a run folder that lasts, without what a clock says."""
    return {
        path.name: _digest(path)
        for path in sorted(run.path.iterdir())
        if path.suffix in (".npy", ".safetensors", ".json") and path.name not in ("state.json", "queue.json")
    }


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".json":
        content = json.dumps(_lasting(json.loads(content)), sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def _lasting(value: Any) -> Any:
    """What is said without what a clock says."""
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in _NOT_COMPARED}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def orphans() -> list[int]:
    """Processes that work for this store though its worker is gone."""
    place = str(stores.models_root())
    found = []
    for one in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(one.info["cmdline"] or [])
        try:
            if "ssrl_core.runs.child" in words and one.environ().get("SSRL_MODELS") == place:
                found.append(one.pid)
        except psutil.Error:
            continue
    return found


def main() -> int:
    """The campaign, in stores of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ.update(SSRL_DATA=f"{folder}/data", SSRL_MODELS=f"{folder}/models")
        try:
            killed = campaign(args.kills, seed=args.seed)
        finally:
            processes.ask_to_end()
        time.sleep(3.0)
        assert orphans() == []
    print(f"same bytes every time; {dict(sorted(killed.items()))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
