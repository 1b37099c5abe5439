"""A run on several devices is the run on one: losses, gradients and states, for every method, on two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import distributed

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SpecError
from ssrl_core.learning import loop
from ssrl_core.learning.ranks import ALONE, Ranks, how_many, join, share_norms
from ssrl_core.learning.training import Training
from ssrl_core.runs.folder.state import RANK_LOST
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import dump_run
from ssrl_core.specs.run_fit import check_fit
from tests.learning.tiny_runs import events, measured, small_images, small_spec

ROOT = Path(__file__).parents[2]
RELATIVE = 1e-5
_LAST_BITS = 5e-7  # four times the last bit of float32 numbers of size 1, as a mean of cosines may be nearly 0
Taken = dict[str, Any]


CASES = [*METHODS, *(f"{method} told" for method in METHODS), "vicreg paired", "moco_v2_plus paired"]
_STEPS = [{"transform": "rotation", "degrees": 20}, {"transform": "gaussian_noise"}]
_PAIRED = {"version": 1, "name": "paired", "pair": "kind", "steps": _STEPS}


def steps_of(case: str, images: ImageSet, ranks: Ranks) -> Taken:
    """Two steps of a method: losses, the first step's gradients as one vector, and what it keeps."""
    method, _, how = case.partition(" ")
    changes: dict[str, Any] = {"accumulate": 1 + (method == "moco_v2_plus")}
    changes |= {"condition": "draws"} if how == "told" else {}
    changes |= {"terms": [{"composition": _PAIRED, "weight": 1.0}]} if how == "paired" else {}
    spec = small_spec(method, optimizer={"name": "sgd", "lr": 0.001}, **changes)
    training = Training(spec, images, ranks=ranks)
    gradients: list[torch.Tensor] = []
    take = training.optimizer.step

    def recorded() -> None:
        found = [p.grad for group in training.optimizer.param_groups for p in group["params"] if p.grad is not None]
        gradients.append(torch.cat([gradient.flatten() for gradient in found]))
        take()

    training.optimizer.step = recorded  # type: ignore[method-assign,assignment]
    training.begin_epoch(0)
    training.method.epoch = 2  # queues are used, nothing is frozen
    losses = [training.step(number).loss for number in range(2)]
    return {"losses": torch.stack(losses), "gradients": gradients[0], "state": training.method.state_dict()}


_RANK = """
import sys, torch
from ssrl_core.datasets import store
from ssrl_core.learning.ranks import join
from tests.learning.test_ranks import CASES, steps_of
rank, meeting, file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ranks = join(rank, 2, meeting, torch.device("cpu"))
torch.save({case: steps_of(case, store.load("kit"), ranks) for case in CASES}, file)
ranks.leave()
"""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Taken], dict[str, Taken], ImageSet]:
    """What both ranks found, and the images."""
    folder = tmp_path_factory.mktemp("ranks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSRL_DATA", str(folder / "data"))
        images = small_images(24)
        here = dict(os.environ)
    here = {**here, "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "", "OMP_NUM_THREADS": "1"}
    files = [folder / f"{rank}.pt" for rank in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RANK, str(rank), (folder / "meeting").as_uri(), str(file)], cwd=ROOT, env=here
        )
        for rank, file in enumerate(files)
    ]
    assert [process.wait(timeout=600) for process in processes] == [0, 0]
    first, second = (torch.load(file, weights_only=True) for file in files)
    return first, second, images


@pytest.mark.parametrize("method", CASES)
def test_two_ranks_take_the_step_of_one(method: str, together: tuple[Any, Any, ImageSet]) -> None:
    first, second, images = together
    alone = steps_of(method, images, ALONE)
    torch.testing.assert_close(first[method]["losses"][0], alone["losses"][0], rtol=RELATIVE, atol=_LAST_BITS)
    torch.testing.assert_close(first[method]["losses"][1], alone["losses"][1], rtol=10 * RELATIVE, atol=_LAST_BITS)
    apart = (first[method]["gradients"] - alone["gradients"]).norm() / alone["gradients"].norm()
    assert float(apart) < RELATIVE
    for key, value in alone["state"].items():
        torch.testing.assert_close(first[method]["state"][key], value, rtol=1e-4, atol=1e-4, msg=key)
        assert torch.equal(first[method]["state"][key], second[method]["state"][key]), key


@pytest.mark.slow
def test_a_lost_rank_ends_the_attempt_and_the_run_goes_on_with_another_number_of_devices(tmp_path: Path) -> None:
    small_images(24)
    changes: dict[str, Any] = {"epochs": 4000, "evaluate": {"clusters": [3], "layouts": [], "online_every_epochs": 0}}
    spec = small_spec("moco_v2_plus", devices=2, **changes)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "spec.yaml").write_text(dump_run(spec), encoding="utf-8")
    child = _child(folder)
    _until(lambda: (folder / "checkpoint.pt").is_file(), child)
    (other,) = psutil.Process(child.pid).children()
    other.kill()
    assert child.wait(timeout=120) == RANK_LOST
    assert "the process of device 1 was lost" in (folder / "log.txt").read_text()
    (folder / "spec.yaml").write_text(dump_run(small_spec("moco_v2_plus", **changes)), encoding="utf-8")
    child = _child(folder)
    _until(lambda: bool(events(folder, "resume")), child)
    assert events(folder, "resume")[0]["step"] > 0
    (folder / "STOP").touch()
    assert child.wait(timeout=120) == 3
    steps = [line["step"] for line in measured(folder) if line["kind"] == "step"]
    assert steps == sorted(set(steps))
    assert all(np.isfinite(line["loss"]) for line in measured(folder) if line["kind"] == "step")


def _child(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ssrl_core.runs.child.train", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _until(ready: Any, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except json.JSONDecodeError:  # a line that is being written
            pass
        assert child.poll() is None, "the child ended before its time"
        time.sleep(0.05)
    raise AssertionError("nothing came in five minutes")


def test_the_number_of_devices_is_not_part_of_a_runs_identity() -> None:
    assert small_spec(devices=2).spec_hash("f") == small_spec().spec_hash("f")
    assert small_spec(devices="auto").to_mapping()["devices"] == "auto"
    assert small_spec().devices == 1


def test_auto_takes_as_many_cards_as_share_a_batch_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    card = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 6)
    assert [how_many("auto", card, part) for part in (256, 60, 7)] == [4, 6, 1]
    assert how_many("auto", torch.device("cpu"), 256) == 1
    assert how_many(2, torch.device("cpu"), 256) == 2
    with pytest.raises(SpecError, match="at most 6, the cards"):
        how_many(8, card, 256)


def test_a_rank_of_another_machine_takes_the_card_of_its_place_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[torch.device] = []

    def begun(spec: Any, imageset: Any, *, device: torch.device, ranks: Ranks) -> Training:
        taken.append(device)
        raise ConnectionAbortedError

    monkeypatch.setattr(distributed, "init_process_group", lambda *args, **ways: None)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(loop, "pick_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(loop, "Training", begun)
    ranks = join(5, 8, "env://", torch.device("cuda"), place=1)
    with pytest.raises(ConnectionAbortedError):
        loop.fit(small_spec(), small_images(24), tmp_path, ranks=ranks)
    assert taken == [torch.device("cuda:1")]


# What batch norm cannot take is refused when a spec is read or queued, never in the middle of a training.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 1}, "batch_size must be .*2"),
        ({"batch_size": 8, "accumulate": 8}, "leaves 2 images a part"),
        ({"batch_size": 8, "devices": 3}, "divisor of the 8 images of one pass.*Take 2"),
        ({"batch_size": 8, "devices": 16}, "divisor of the 8 images of one pass.*Take 8"),
        ({"batch_size": 8, "accumulate": 4, "devices": 4}, "divisor of the 2 images of one pass.*Take 2"),
        ({"devices": 0}, "devices must be"),
        ({"devices": "all"}, "devices must be"),
    ],
)
def test_batches_that_batch_norm_cannot_take_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        small_spec(**changes)


@pytest.mark.parametrize("images", [0, 1, 7])
def test_fewer_images_than_a_batch_are_refused_before_the_queue(images: int) -> None:
    with pytest.raises(SpecError, match="batch_size"):
        check_fit(small_spec(), images, (1, 16, 16))


def test_a_last_batch_of_one_is_dropped() -> None:
    images = small_images(12)
    training = Training(small_spec(batch_size=len(images.split_ids("train")) - 1), images)
    assert training.steps_per_epoch == 1


def test_a_norm_of_another_kind_is_refused_on_several_devices() -> None:
    with pytest.raises(SpecError, match="Use one device, or another backbone"):
        share_norms(torch.nn.Sequential(torch.nn.SyncBatchNorm(3)), Ranks(0, 2))
