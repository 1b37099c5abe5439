"""Trainings of seconds for the tests: 64 images of 16 px, tiny_cnn, heads of a few dozen units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import Stopped
from ssrl_core.learning.loop import fit
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import RunSpec
from tests.kit import make_imageset

SMALL = {
    "hidden_dim": 24,
    "projection_dim": 16,
    "predictor_dim": 24,
    "queue_size": 32,
    "prototypes": 6,
    "whitening_groups": 4,
    "queue_from_epoch": 1,
    "slices": 16,
}
UNEQUAL_TIMES = ("time_s", "images_per_s")


def small_method(name: str) -> dict[str, Any]:
    settings = {row.name for row in METHODS[name].settings}
    own = {"projection_dim": 4, "whitening_size": 8} if name == "w_mse" else {}  # a group has more rows than dimensions
    return {"name": name, **{key: value for key, value in {**SMALL, **own}.items() if key in settings}}


def small_spec(method: str | dict[str, Any] = "simclr", **changes: Any) -> RunSpec:
    return RunSpec.from_mapping(
        {
            "dataset": "kit",
            "backbone": "tiny_cnn",
            "method": small_method(method) if isinstance(method, str) else method,
            "terms": [{"composition": _composition(), "weight": 1.0}],
            "optimizer": {"name": "adam", "lr": 0.002},
            "batch_size": 8,
            "epochs": 3,
            "device": "cpu",
            "evaluate": {"online_every_epochs": 2},
            **changes,
        }
    )


def _composition() -> dict[str, Any]:
    steps = [
        {"transform": "rotation", "degrees": 20},
        {"transform": "invert", "p": 0.5},
        {"transform": "resized_crop", "scale": [0.5, 1.0]},
    ]
    return {"version": 1, "name": "test", "steps": steps}


def small_images(n: int = 64, **changes: Any) -> ImageSet:
    return make_imageset(n, side=16, **changes)


def measured(folder: Path) -> list[dict[str, Any]]:
    """Step and eval lines without what the clock decides."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in UNEQUAL_TIMES} for line in lines if line["kind"] != "event"]


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line.get("name") == name]


def final_state(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def assert_same_bits(a: Any, b: Any, path: str = "checkpoint") -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            if key != "metrics_bytes":
                assert_same_bits(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same_bits(x, y, f"{path}[{i}]")
    else:
        assert a == b, path


def stop_at(folder: Path, spec: Any, images: Any, step: int) -> None:
    asked = iter(range(10_000))
    with pytest.raises(Stopped):
        fit(spec, images, folder, should_stop=lambda: next(asked) == step)


def assert_same_run(whole: Path, broken: Path) -> None:
    assert_same_bits(final_state(whole), final_state(broken))
    assert measured(whole) == measured(broken)
    assert (whole / "encoder.safetensors").read_bytes() == (broken / "encoder.safetensors").read_bytes()
