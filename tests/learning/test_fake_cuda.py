"""The whole way over a GPU, on a machine without one: nothing on the wrong device, and no step that waits for it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from ssrl_core import stores
from ssrl_core.compositions import graphs, lpips, perceptual
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.learning.backbones import build
from ssrl_core.learning.devices import PixelBank
from ssrl_core.learning.embedding import embed, embed_views
from ssrl_core.learning.features import build as build_bank
from ssrl_core.learning.loop import _Run
from ssrl_core.learning.methods import vicreg
from ssrl_core.learning.metrics import Divergence, MetricsFile
from ssrl_core.learning.probes import finetune
from ssrl_core.learning.probes.linear import linear_probe_through
from ssrl_core.learning.solving import moments_of
from ssrl_core.specs.composition import load, preset_names
from ssrl_core.specs.methods import METHODS
from tests.compositions.test_views import EVERYTHING, mixed
from tests.compositions.workbench import composition, step
from tests.kit import shared
from tests.learning.fake_card import CARD, FakeTraining, HostWaits, fake_card
from tests.learning.tiny_runs import small_images, small_spec


@pytest.mark.parametrize("condition", ["none", "draws"])
@pytest.mark.parametrize("method", METHODS)
def test_no_step_of_a_method_waits_for_the_device(method: str, condition: str) -> None:
    optimizer = {"name": "lars", "lr": 0.1}
    spec, images = small_spec(method, precision="bf16", optimizer=optimizer, condition=condition), small_images(24)
    with fake_card() as waits:
        training = FakeTraining(spec, images, device=CARD)
        divergence, begun = Divergence(CARD), len(waits.found)
        training.begin_epoch(0)
        for number, epoch in enumerate((0, 2)):  # later: queues are used, nothing is frozen
            training.method.epoch = epoch
            divergence.see(number, training.step(number).loss)
        training.begin_epoch(1)
        assert waits.found[begun:] == []
        assert all(value.is_cuda for value in training.method.state_dict().values())
        assert {p.dtype for p in training.method.parameters()} == {torch.float32}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_no_optimizer_waits_and_float32_and_parts_of_a_batch_do_not_either(optimizer: str) -> None:
    terms = [{"composition": "identity", "weight": 0.4}, {"composition": "mnist-rotation-crop", "weight": 1.0}]
    changes: dict[str, Any] = {"optimizer": {"name": optimizer, "lr": 0.1}, "precision": "float32", "terms": terms}
    spec = small_spec("byol", accumulate=2, heads="per_term", **changes)
    images = small_images(24)
    with fake_card(free_bytes=0) as waits:  # pixels come from the file, batch by batch
        training = FakeTraining(spec, images, device=CARD)
        begun = len(waits.found)
        assert training.bank.resident is None
        training.step(0)
        assert waits.found[begun:] == []


def test_a_line_of_metrics_waits_once(tmp_path: Any) -> None:
    images = small_images(24)
    with fake_card() as waits:
        run = _Run(FakeTraining(small_spec(), images, device=CARD), tmp_path, lambda progress: None)
        run.metrics = MetricsFile(tmp_path / "metrics.jsonl", 0)
        result = run.training.step(0)
        begun = len(waits.found)
        run._line(result)
        run.close()
        assert [(wait.operation, wait.place.split(":")[0]) for wait in waits.found[begun:]] == [
            ("copy", "learning/metrics.py")
        ]


def _compositions() -> list[Any]:
    made = [(name, lambda name=name: load(name)) for name in preset_names()]
    single = [(name, lambda name=name: composition(step(name, **EVERYTHING[name]))) for name in EVERYTHING]
    return [pytest.param(make, id=name) for name, make in [*made, *single]]


@pytest.mark.parametrize("carry", [None, graphs.carried], ids=["stepwise", "graph"])
@pytest.mark.parametrize("make", _compositions())
def test_no_view_waits_for_the_device(make: Callable[[], Any], carry: Any) -> None:
    composed = make()
    drawn = draw(composed, np.arange(5), seed=5, epoch=1)
    with fake_card() as waits:
        pixels = torch.empty((5, 3, 30, 30), dtype=torch.uint8, device=CARD)
        made = make_views(pixels, drawn, composed, max_value=255, carry=carry)
        assert all(views.is_cuda and views.dtype == torch.float32 for views in made)
        assert waits.found == []


def test_sixteen_bit_pixels_go_the_same_way() -> None:
    composed = mixed()
    drawn = draw(composed, np.arange(3), seed=5, epoch=1)
    images = small_images(12, dtype="uint16", c=3)
    with fake_card() as waits:
        bank = PixelBank(images.pixels, np.arange(12), CARD)
        begun = len(waits.found)
        make_views(bank.batch(np.arange(3)), drawn, composed, max_value=4095)
        assert waits.found[begun:] == []


def _encoder() -> Any:
    return build("tiny_cnn", channels=1, side=16, mean=[0.5], sd=[0.2], seed=0)


def test_embedding_waits_once_a_batch_for_its_rows() -> None:
    encoder, images = _encoder(), small_images(24)
    ids, composed = np.arange(20), load("mnist-rotation-crop")
    with fake_card() as waits:
        begun = len(encoder.to(CARD).state_dict())
        rows = embed(encoder, images.pixels, ids, max_value=255, device=CARD, batch_size=10)
        embed_views(encoder, images, ids, composed, seed=1, device=CARD, batch_size=10)
        assert rows.shape == (20, 128)
    assert (
        len(waits.found[begun:]) == 2 * 2 * 2
    )  # pixels there and rows back, two batches, whole and through the composition


def test_probes_and_closed_form_keep_to_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    images = small_images(48)
    ids, terms = np.arange(48), small_spec().terms
    bank = build_bank("random", torch.zeros(4, 1, 16, 16), seed=0, mean=[0.5], sd=[0.2])
    monkeypatch.setattr(finetune, "_FEWEST_STEPS", 2)
    encoder = _encoder()
    with fake_card():
        tuned = finetune.fine_tune(encoder, images, ids[:32], ids[32:], share=1.0, epochs=1, device=CARD)
        probed = linear_probe_through(encoder, images, ids[:32], ids[32:], epochs=2, device=CARD)
        assert tuned.shape == probed.shape == (16,)
        moments = moments_of(images, ids, terms, bank, views=2, seed=0, device=CARD)
    assert moments.images == 48


def test_lpips_keeps_to_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    name = lpips.NETWORKS["alex"].files[0]
    shutil.copy(shared(f"data/weights/{name}"), stores.weights_root() / name)
    here = copy.deepcopy(perceptual.network("alex", torch.device("cpu")))
    with fake_card() as waits:
        stages = tuple(stage.to(CARD) for stage in here.stages)
        weights = tuple(weight.to(CARD) for weight in here.weights)
        there = perceptual.Network(stages, here.shift.to(CARD), here.scale.to(CARD), weights)
        monkeypatch.setattr(perceptual, "network", lambda *asked: there)
        begun = len(waits.found)
        assert perceptual.pairwise(torch.empty((3, 4, 1, 32, 32), device=CARD)).is_cuda
        assert waits.found[begun:] == []


# What the tests above are worth: each fault that they are there for is slipped in.


def _step_of_vicreg(loss: Callable[[Tensor, Tensor], Tensor]) -> list[Any]:
    images = small_images(24)
    with fake_card() as waits, mock.patch.object(vicreg, "vicreg_loss", lambda z1, z2, **weights: loss(z1, z2)):
        training = FakeTraining(small_spec("vicreg"), images, device=CARD)
        begun = len(waits.found)
        training.step(0)
        return waits.found[begun:]


def test_a_tensor_on_the_wrong_device_is_refused() -> None:
    with pytest.raises(RuntimeError, match="same device"):
        _step_of_vicreg(lambda z1, z2: (z1 * torch.ones(z1.shape)).mean())


@pytest.mark.parametrize(
    ("loss", "operation"),
    [
        (lambda z1, z2: (z1 - z2).mean() * z1.mean().item(), "item"),
        (lambda z1, z2: (z1 - z2).mean() if z1.sum() < 0 else (z1 + z2).mean(), "item"),
        (lambda z1, z2: (z1 * z1.detach().cpu().to(z1.device, non_blocking=True)).mean(), "copy"),
        (lambda z1, z2: (z1 * torch.from_numpy(np.ones(16, np.float32)).to(z1.device)).mean(), "copy"),
    ],
)
def test_a_hidden_wait_is_named_with_file_and_line(loss: Callable[[Tensor, Tensor], Tensor], operation: str) -> None:
    waits = _step_of_vicreg(loss)
    assert [wait.operation for wait in waits] == [operation]
    file, line = waits[0].place.split(":")
    assert file.endswith("test_fake_cuda.py")
    assert int(line) == loss.__code__.co_firstlineno


def test_a_shape_that_depends_on_values_is_refused_with_file_and_line() -> None:
    with pytest.raises(AssertionError, match=r"test_fake_cuda\.py:\d+: a shape that depends on values"):
        _step_of_vicreg(lambda z1, z2: z1[z1 > 0].mean())


def test_an_honest_step_on_the_processor_is_no_wait() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True), HostWaits() as waits:
        assert torch.ones(3).to(torch.float64).dtype == torch.float64
        assert waits.found == []
