"""All methods, killed with -9 at random moments, end with the bits of a run that nobody disturbed.

One process imports once what a training takes and forks a child for each attempt; it watches the child's metrics and
kills it when they have grown by a random number of bytes: in the middle of a step, of a line or of a checkpoint.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import dump_run
from tests.learning.tiny_runs import assert_same_run, events, small_images, small_spec

LONG = ("simclr", "moco_v2_plus", "byol")  # of many epochs
_FORKING = """
import json, os, random, signal, sys, time
from pathlib import Path
import scipy.linalg
import torch._dynamo  # at an optimizer's first step
from ssrl_core.compositions.kernels import resampling, values
from ssrl_core.datasets import store
from ssrl_core.learning import loop
from ssrl_core.specs.run import load_run

images, root = store.load("kit"), Path(sys.argv[1])


def attempt(spec, folder, often):
    child = os.fork()
    if child == 0:
        code = 1
        if often:  # a checkpoint after every step
            loop.CHECKPOINT_EVERY_S = loop._EPOCH_CHECKPOINT_AFTER_S = 0.0
            loop._CHECKPOINT_SHARE = 1e9
        try:
            loop.fit(spec, images, folder)
            code = 0
        finally:
            os._exit(code)
    return child


def grown(folder):
    file = folder / "metrics.jsonl"
    return file.stat().st_size if file.exists() else 0


def disturb(spec, folder, more):
    start, child, end = grown(folder), attempt(spec, folder, True), time.monotonic() + 240
    while grown(folder) < start + more and time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


killed = {}
for file in sorted(root.glob("*.yaml")):
    spec, rng = load_run(file), random.Random(file.stem)
    least, most = (200, 1800) if spec.epochs == 3 else (2000, 6000)
    killed[file.stem] = sum(disturb(spec, root / f"{file.stem}-broken", rng.randrange(least, most)) for _ in range(2))
    for name in ("whole", "broken"):
        assert os.waitpid(attempt(spec, root / f"{file.stem}-{name}", False), 0)[1] == 0, (file.stem, name)
print(json.dumps(killed))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_every_method_killed_at_random_moments_ends_with_the_same_bits(tmp_path: Path) -> None:
    small_images(40)
    root = tmp_path / "runs"
    root.mkdir()
    for method in METHODS:
        spec = small_spec(method, epochs=30 if method in LONG else 3)
        (root / f"{method}.yaml").write_text(dump_run(spec), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORKING, str(root)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    killed = json.loads(done.stdout)
    assert sum(killed.values()) >= len(METHODS)
    for method, times in killed.items():
        broken = root / f"{method}-broken"
        assert_same_run(root / f"{method}-whole", broken)
        assert (method in LONG) <= len(events(broken, "resume")) <= times
