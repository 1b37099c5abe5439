"""A batch in parts is the whole batch, where a method lets it be; terms share heads or have their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssrl_core.learning import training as training_module
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.loop import fit
from ssrl_core.learning.optimizers import LARS, build_optimizer
from ssrl_core.learning.training import Training
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.run import RunSpec
from tests.learning.tiny_runs import assert_same_run, small_images, small_spec, stop_at

TWO = [{"composition": "identity", "weight": 0.4}, {"composition": "mnist-rotation-crop", "weight": 1.0}]


class _WithoutNorm(nn.Module):
    """(B,C,S,S) to (B,8) without batch norm: an image does not see the others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, 8, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = torch.relu(self.layer(images))
        return maps.mean(dim=(2, 3))


def _encoder(spec: RunSpec, imageset: Any) -> Encoder:
    torch.manual_seed(0)
    settings = {"name": "none", "dim": 8, "channels": 1, "side": 16, "stem": "small", "mean": [0.5], "sd": [0.2]}
    return Encoder(_WithoutNorm(1), **settings)


# These compare a view with a teacher or a queue, never with the other images of its part, and have no batch norm.
EXACT = ("moco_v2_plus", "ressl", "dino")


@pytest.mark.parametrize("method", EXACT)
def test_a_batch_in_parts_is_the_whole_batch(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "fresh_encoder", _encoder)
    images = small_images()
    states = []
    for accumulate in (1, 2, 4):
        training = Training(small_spec(method, accumulate=accumulate, optimizer={"name": "sgd", "lr": 0.1}), images)
        for step in range(3):
            training.method.epoch = 1
            loss = training.step(step).loss
        states.append((training.method.state_dict(), loss))
    for state, loss in states[1:]:
        torch.testing.assert_close(loss, states[0][1], rtol=1e-5, atol=1e-6)
        for key, value in state.items():
            torch.testing.assert_close(value, states[0][0][key], rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize("method", ["swav", "nnclr", "nnbyol", "moco_v2_plus"])
def test_queues_move_once_a_batch_and_hold_its_images_in_order(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = small_images()
    queues = []
    for accumulate in (1, 2):
        training = Training(small_spec(method, accumulate=accumulate), images)
        training.method.eval()
        monkeypatch.setattr(training.method, "train", lambda mode=True: None)  # keep batch norm still
        training.step(0)
        queues.append(training.method.states.state_dict())
    for key, value in queues[0].items():
        torch.testing.assert_close(queues[1][key], value, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize("method", METHODS)
def test_terms_share_their_heads_or_have_their_own(method: str) -> None:
    images = small_images()
    shared = Training(small_spec(method, terms=TWO), images)
    own = Training(small_spec(method, terms=TWO, heads="per_term"), images)
    names = list(shared.method.heads)
    assert list(own.method.heads) == [*names, *(f"{name}_1" for name in names)]
    taught = [name for name in shared.method.teacher if name != "encoder"]
    assert set(own.method.teacher) == {*shared.method.teacher, *(f"{name}_1" for name in taught)}
    before = {key: value.clone() for key, value in own.method.heads.state_dict().items()}
    own.begin_epoch(0)
    own.method.epoch = 3
    for step in range(2):
        own.step(step)
    moved = {key.split(".")[0] for key, value in own.method.heads.state_dict().items() if not value.equal(before[key])}
    assert moved >= {"projector", "projector_1"}
    first, second = (own.method.heads[name].state_dict() for name in ("projector", "projector_1"))
    assert any(not value.equal(second[key]) for key, value in first.items())


def test_own_heads_are_another_run_and_one_term_is_the_same_run() -> None:
    assert small_spec(terms=TWO).spec_hash("f") != small_spec(terms=TWO, heads="per_term").spec_hash("f")
    assert small_spec().spec_hash("f") == small_spec(heads="per_term").spec_hash("f")
    assert small_spec(terms=TWO, heads="per_term").to_mapping()["heads"] == "per_term"


def test_simsiams_predictors_keep_their_rate_in_every_term() -> None:
    training = Training(small_spec("simsiam", terms=TWO, heads="per_term"), small_images())
    constant = next(group for group in training.optimizer.param_groups if group["constant_lr"])
    predictors = [p for name in ("predictor", "predictor_1") for p in training.method.heads[name].parameters()]
    assert {id(p) for p in constant["params"]} == {id(p) for p in predictors}


def test_a_run_with_own_heads_resumes_bit_for_bit(tmp_path: Path) -> None:
    images, spec = small_images(), small_spec("byol", terms=TWO, heads="per_term", epochs=2)
    fit(spec, images, tmp_path / "whole")
    stop_at(tmp_path / "broken", spec, images, 6)
    fit(spec, images, tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_lars_leaves_a_layer_without_gradient_alone() -> None:
    layer = nn.Linear(3, 2, bias=False)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.zeros_like(before)
    LARS(layer.parameters(), lr=0.5, weight_decay=0.1).step()
    assert torch.equal(layer.weight, before)


def test_optimizers_take_the_heads_of_every_term() -> None:
    training = Training(small_spec("simclr", terms=TWO, heads="per_term"), small_images())
    optimizer = build_optimizer("lars", training.method, lr=0.1, weight_decay=0.0)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert {id(p) for p in training.method.heads.parameters()} <= held
