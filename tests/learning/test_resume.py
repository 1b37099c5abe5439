"""A run that is stopped, killed or damaged ends as if nothing had happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError
from ssrl_core.learning import checkpoint
from ssrl_core.learning.loop import fit
from ssrl_core.specs.methods import METHODS
from tests.learning.tiny_runs import (
    assert_same_run,
    events,
    final_state,
    small_images,
    small_spec,
    stop_at,
)

FIRST = ("simclr", "moco_v2_plus", "byol")


@pytest.mark.parametrize("method", [m if m in FIRST else pytest.param(m, marks=pytest.mark.slow) for m in METHODS])
def test_stopped_run_resumes_bit_for_bit(method: str, tmp_path: Path) -> None:
    images, spec = small_images(), small_spec(method)
    fit(spec, images, tmp_path / "whole")
    rng = np.random.default_rng(sum(method.encode()))
    for stop in rng.integers(0, 6, size=3):  # of at most 15 steps, each counted from the resume before
        stop_at(tmp_path / "broken", spec, images, int(stop))
    fit(spec, images, tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    assert len(events(tmp_path / "broken", "stop")) == 3


def test_a_run_whose_projector_is_told_of_the_draws_resumes_bit_for_bit(tmp_path: Path) -> None:
    images, spec = small_images(), small_spec("byol", condition="draws")
    fit(spec, images, tmp_path / "whole")
    stop_at(tmp_path / "broken", spec, images, 7)
    fit(spec, images, tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    plain = fit(small_spec("byol"), images, tmp_path / "plain").state_dict()
    told = fit(spec, images, tmp_path / "again").state_dict()
    assert {name: value.shape for name, value in told.items()} == {name: value.shape for name, value in plain.items()}


@pytest.mark.parametrize("optimizer", ["sgd", "lars", "adamw"])
def test_every_optimizer_resumes_bit_for_bit(optimizer: str, tmp_path: Path) -> None:
    images = small_images()
    spec = small_spec("byol", optimizer={"name": optimizer, "lr": 0.05 if optimizer in ("sgd", "lars") else 0.001})
    fit(spec, images, tmp_path / "whole")
    stop_at(tmp_path / "broken", spec, images, 7)
    fit(spec, images, tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_damaged_checkpoint_is_noticed_and_the_one_before_is_used(tmp_path: Path) -> None:
    images, spec = small_images(), small_spec("moco_v2_plus")
    fit(spec, images, tmp_path / "whole")
    broken = tmp_path / "broken"
    stop_at(broken, spec, images, 4)
    stop_at(broken, spec, images, 5)
    content = bytearray((broken / checkpoint.NAME).read_bytes())
    content[len(content) // 2] ^= 1
    (broken / checkpoint.NAME).write_bytes(content)
    fit(spec, images, broken)
    assert "damaged" in events(broken, "checkpoint")[1]["message"]
    assert events(broken, "resume")[-1]["step"] == 4
    assert_same_run(tmp_path / "whole", broken)


def test_damaged_checkpoint_never_becomes_the_one_before(tmp_path: Path) -> None:
    checkpoint.write_checkpoint(tmp_path, {"step": 1})
    checkpoint.write_checkpoint(tmp_path, {"step": 2})
    (tmp_path / checkpoint.NAME).write_bytes(b"damaged")
    state, complaints = checkpoint.read_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert len(complaints) == 1
    checkpoint.write_checkpoint(tmp_path, {"step": 3})
    (tmp_path / checkpoint.NAME).unlink()
    state, _ = checkpoint.read_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1


def test_two_damaged_checkpoints_start_the_run_anew(tmp_path: Path) -> None:
    images, spec = small_images(), small_spec()
    fit(spec, images, tmp_path / "whole")
    broken = tmp_path / "broken"
    stop_at(broken, spec, images, 3)
    stop_at(broken, spec, images, 3)
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (broken / name).write_bytes(b"nothing")
    fit(spec, images, broken)
    assert "step 0" in events(broken, "resume")[-1]["message"]
    assert_same_run(tmp_path / "whole", broken)


def test_full_disk_leaves_the_old_checkpoints_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.write_checkpoint(tmp_path, {"step": 1})
    checkpoint.write_checkpoint(tmp_path, {"step": 2})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(RunError, match="Free space"):
        checkpoint.write_checkpoint(tmp_path, {"step": 3})
    monkeypatch.undo()
    state, complaints = checkpoint.read_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 2
    assert not complaints
    assert {path.name for path in tmp_path.iterdir()} == set(before)


def _full(handle: int) -> None:
    raise OSError(28, "No space left on device")


RENAMES = ("previous", "previous checksum", "current", "current checksum")


@pytest.mark.parametrize("step", RENAMES)
def test_a_crash_between_any_two_writes_leaves_a_whole_checkpoint(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.write_checkpoint(tmp_path, {"step": 1})
    checkpoint.write_checkpoint(tmp_path, {"step": 2})
    left = RENAMES.index(step)
    replace = os.replace

    def failing(*args: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        replace(*args)

    monkeypatch.setattr(os, "replace", failing)
    monkeypatch.setattr(stores.os, "replace", failing)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write_checkpoint(tmp_path, {"step": 3})
    monkeypatch.undo()
    state, _ = checkpoint.read_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 2


def test_checkpoint_of_another_spec_is_refused(tmp_path: Path) -> None:
    images = small_images()
    stop_at(tmp_path, small_spec(), images, 2)
    with pytest.raises(SpecError, match="another folder"):
        fit(small_spec(seed=6), images, tmp_path)


def test_checkpoint_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    fit(small_spec("moco_v2_plus"), small_images(), tmp_path)
    fields = "version spec_hash step epoch model momentum method optimizer schedule rng metrics_bytes way"
    assert set(final_state(tmp_path)) == set(fields.split())
