"""What cannot train is refused before it is queued: from the library, the command line and the Train page alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.errors import SpecError
from ssrl_core.runs.queue import registry, submitting, sweeps
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec
from ssrl_core.specs.yaml_files import dump_yaml
from tests.kit import make_imageset

PLAIN: dict[str, Any] = {
    "dataset": "kit",
    "backbone": "tiny_cnn",
    "method": "simclr",
    "terms": "identity",
    "batch_size": 8,
    "epochs": 2,
}


def _multi(local: int, *, role: str = "local", method_size: int | None = None) -> dict[str, Any]:
    views = [
        {"name": "whole", "count": 2 if role == "local" else 1, "size": method_size, "steps": []},
        {"name": "part", "count": 2 if role == "local" else 1, "size": local, "role": role, "steps": []},
    ]
    return {"name": "multi", "views": views}


HUE = {"name": "hue", "steps": [{"transform": "hue_jitter", "hue": 0.2}]}
BAD = [
    ({"method": {"name": "moco_v2_plus", "queue_size": 30}}, "queue_size", "Take 32"),
    ({"method": {"name": "deepcluster_v2", "prototypes": 3000}}, "prototypes", "Set prototypes to"),
    ({"batch_size": 1}, "batch_size", "The default is 256"),
    ({"batch_size": 64}, "batch_size", "Lower batch_size to 32"),
    ({"optimizer": {"name": "sgd", "lr": 1e6}}, "lr", "Lower lr"),
    ({"optimizer": {"name": "adam", "lr": 1e6}}, "lr", "Lower lr"),
    ({"terms": [{"composition": "identity", "weight": 0}, {"composition": "identity", "weight": 0}]}, "terms", "Raise"),
    ({"terms": [{"composition": _multi(8)}]}, "composition", "swav, deepcluster_v2 or dino"),
    ({"terms": [{"composition": _multi(8, role="global")}]}, "size", "Give both groups size: 16"),
    ({"terms": [{"composition": HUE}]}, "channels", "Use color_jitter with"),
    (
        {"method": {"name": "swav", "prototypes": 6}, "terms": [{"composition": _multi(24)}]},
        "size of view group part",
        "Lower it",
    ),
]


@pytest.mark.parametrize(("change", "field", "remedy"), BAD)
def test_the_command_line_refuses_with_the_remedy_and_queues_nothing(
    change: dict[str, Any], field: str, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_imageset()
    file = tmp_path / "spec.yaml"
    file.write_text(dump_yaml({**PLAIN, **change}), encoding="utf-8")
    assert main(["train", str(file), "--no-start", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["field"] == field
    assert remedy in error["remedy"]
    assert not registry.list_runs()
    assert not [path for path in stores.runs_root().iterdir() if path.is_dir()]


def test_three_thousand_prototypes_on_2450_images_are_refused() -> None:
    make_imageset(3500, side=8)
    change = {"method": "deepcluster_v2", "batch_size": 35}
    with pytest.raises(SpecError, match=r"at most 2450, .* got 3000. Set prototypes to 245 or fewer"):
        submitting.submit(RunSpec.from_mapping({**PLAIN, **change}), start=False)


def test_swav_takes_any_queue() -> None:
    make_imageset()
    method = {"name": "swav", "prototypes": 6, "queue_size": 30}
    assert submitting.submit(RunSpec.from_mapping({**PLAIN, "method": method}), start=False)["created"]


def test_a_sweep_with_one_run_that_cannot_train_queues_none() -> None:
    make_imageset()
    sweep = SweepSpec.from_mapping({**PLAIN, "seeds": [5], "vary": {"batch_size": [8, 512]}})
    with pytest.raises(SpecError, match="Lower batch_size"):
        sweeps.submit(sweep, start=False)
    assert not registry.list_runs()


def test_a_queue_that_is_larger_than_the_image_set_is_named_and_queued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_imageset()
    file = tmp_path / "spec.yaml"
    file.write_text(dump_yaml({**PLAIN, "method": {"name": "moco_v2_plus", "queue_size": 4096}}), encoding="utf-8")
    assert main(["train", str(file), "--no-start", "--json"]) == 0
    assert "queue_size 4,096 is more than the" in capsys.readouterr().err
