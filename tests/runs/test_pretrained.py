"""A network from elsewhere, evaluated and explored like one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones import build
from ssrl_core.learning.encoders import save_encoder
from ssrl_core.runs.evaluation.parts import missing_parts
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.queue import submitting
from ssrl_core.runs.worker.estimate import estimate
from ssrl_core.specs.run import RunSpec, dump_run
from ssrl_core.specs.yaml_files import parse_yaml
from tests.kit import make_imageset, missing
from tests.runs.test_phases import work

ASKED = {"clusters": [3], "layouts": ["pca"], "linear": {"epochs": 2}, "knn": {"k": 5}, "finetune": [0.5]}


def _spec(**changes) -> RunSpec:
    return RunSpec.from_mapping(
        {"dataset": "kit", "method": "pretrained", "device": "cpu", "evaluate": ASKED, **changes}
    )


def _measured(spec: RunSpec) -> RunFolder:
    run = RunFolder(submitting.submit(spec, start=False)["id"])
    work(run)
    assert not missing_parts(run, spec, imageset_of(spec))
    return run


def _file(folder: Path, name: str = "tiny_cnn", **settings) -> Path:
    encoder = build(name, channels=1, side=16, mean=[0.5], sd=[0.2], seed=77, **settings)
    save_encoder(folder / "foreign.safetensors", encoder, {})
    return folder / "foreign.safetensors"


def test_a_foreign_encoder_is_measured_and_mapped_without_training(tmp_path):
    make_imageset()
    spec = _spec(backbone={"name": "tiny_cnn", "weights": str(_file(tmp_path))})
    assert (spec.epochs, spec.terms[0].composition.name) == (0, "identity")
    assert RunSpec.from_mapping(parse_yaml(dump_run(spec), "spec")) == spec
    run = _measured(spec)
    results = run.results().data
    assert run.id.startswith("kit-pretrained-tiny_cnn-s5-")
    assert results["knn"]["top1"] > 0.5
    assert set(results["finetune"]) == {"0.5"}
    assert set(results["finetune"]["0.5"]) == {"top1", "mode", "epochs", "labels", "classes", "confusion"}
    x, _ = run.embedding()
    less = {"clusters": [], "layouts": [], "linear": None}
    other, _ = _measured(_spec(backbone="tiny_cnn", evaluate=less)).embedding()
    assert not np.allclose(x, other)
    assert results["references"]["untrained"] is not None
    assert estimate(spec, imageset_of(spec)).train_s == 0


def test_what_is_not_used_does_not_make_another_run():
    first = _spec(backbone="tiny_cnn")
    again = _spec(backbone="tiny_cnn", epochs=7, batch_size=3, optimizer="adam")
    assert first.spec_hash("f") == again.spec_hash("f")
    assert first.spec_hash("f") != _spec(backbone="resnet18").spec_hash("f")


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "module.encoder_q."])
def test_keys_of_other_code_bases_are_recognised(prefix, tmp_path):
    own = build("resnet18", channels=3, side=32, mean=[0.5] * 3, sd=[0.2] * 3, seed=1).body.state_dict()
    state = {prefix + key: value for key, value in own.items()} | {prefix + "fc.weight": torch.zeros(2, 2)}
    if prefix.endswith("q."):
        state |= {key.replace("_q.", "_k."): torch.zeros_like(value) for key, value in state.items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.pth")
    found = build(
        "resnet18", channels=3, side=32, weights=str(tmp_path / "w.pth"), mean=[0.5] * 3, sd=[0.2] * 3, seed=2
    )
    assert found.stem == "small"  # told by its first convolution
    assert all(torch.equal(value, own[key]) for key, value in found.body.state_dict().items())


def test_an_encoder_of_ours_says_its_own_stem(tmp_path):
    file = _file(tmp_path, stem="small")
    found = build("tiny_cnn", channels=1, side=100, weights=str(file), mean=[0.5], sd=[0.2], seed=2)
    assert found.stem == "small"


def test_a_timm_network_by_name(tmp_path):
    try:
        import timm  # noqa: F401
    except ImportError:
        missing("timm", "pip install timm")
    make_imageset()
    with pytest.raises(SpecError, match="Did you mean timm/resnet10t"):
        submitting.submit(_spec(backbone="timm/resnet10tt"), start=False)
    run = _measured(_spec(backbone="timm/resnet10t", evaluate={"clusters": [3], "layouts": [], "linear": None}))
    assert run.id.startswith("kit-pretrained-timm-resnet10t-s5-")
    assert run.results().data["dim"] == 512


def test_timm_that_is_not_installed_is_named(monkeypatch):
    import importlib.util

    make_imageset()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "timm" else find(name, *a))
    with pytest.raises(SpecError, match="pip install timm"):
        submitting.submit(_spec(backbone="timm/resnet10t"), start=False)
