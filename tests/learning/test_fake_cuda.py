"""The whole way over a GPU, on a machine without one: nothing on the wrong device, and no step that waits for it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from ssrl_core import stores
from ssrl_core.compositions import lpips, perceptual
from ssrl_core.compositions import views as graphs
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.learning import embedding, solving
from ssrl_core.learning.backbones import build
from ssrl_core.learning.devices import PixelBank
from ssrl_core.learning.embedding import embed
from ssrl_core.learning.features import Bank
from ssrl_core.learning.features import empty as empty_bank
from ssrl_core.learning.loop import _Run
from ssrl_core.learning.methods import vicreg
from ssrl_core.learning.metrics import Divergence, MetricsFile
from ssrl_core.learning.probes import finetune
from ssrl_core.learning.probes.linear import linear_probe_through
from ssrl_core.learning.solving import moments_of
from ssrl_core.runs.evaluation.images import EvaluationImages, embedding_of
from ssrl_core.specs.composition import load, preset_names
from ssrl_core.specs.methods import METHODS
from tests.compositions.test_views import EVERYTHING, mixed
from tests.compositions.workbench import composition, step
from tests.kit import shared
from tests.learning.fake_card import CARD, FakeTraining, HostWaits, assert_waits, fake_card
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
        assert_waits(waits.found[begun:])
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
        assert_waits(waits.found[begun:])


def test_a_line_of_metrics_waits_once(tmp_path: Path) -> None:
    images = small_images(24)
    with fake_card() as waits:
        run = _Run(FakeTraining(small_spec(), images, device=CARD), tmp_path, lambda progress: None)
        run.metrics = MetricsFile(tmp_path / "metrics.jsonl", 0)
        result = run.training.step(0)
        begun = len(waits.found)
        run._line(result)
        run.close()
        assert_waits(waits.found[begun:], {"learning/metrics.py copy": 1})


def test_a_run_waits_for_its_lines_alone(tmp_path: Path) -> None:
    spec, images = small_spec(epochs=4, evaluate={"online_every_epochs": 0}), small_images(64)
    at_the_end = mock.patch.multiple(_Run, _save=mock.DEFAULT, _check_weights=mock.DEFAULT)
    with fake_card() as waits, at_the_end:
        run = _Run(FakeTraining(spec, images, device=CARD), tmp_path, lambda progress: None)
        run.metrics, run.stride = MetricsFile(tmp_path / "metrics.jsonl", 0), 5
        begun = len(waits.found)
        run.go(lambda: False)
        run.close()
    lines = sum('"kind": "step"' in line for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert 1 < lines < run.training.steps / 3
    assert_waits(waits.found[begun:], {"learning/metrics.py copy": lines})


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
        assert_waits(waits.found)


def test_sixteen_bit_pixels_go_the_same_way() -> None:
    composed = mixed()
    drawn = draw(composed, np.arange(3), seed=5, epoch=1)
    images = small_images(12, dtype="uint16", c=3)
    with fake_card() as waits:
        bank = PixelBank(images.pixels, np.arange(12), CARD)
        begun = len(waits.found)
        make_views(bank.batch(np.arange(3)), drawn, composed, max_value=4095)
        assert_waits(waits.found[begun:])


@pytest.mark.parametrize("carry", [None, graphs.carried], ids=["stepwise", "graph"])
def test_what_is_told_of_a_large_batch_goes_through_pinned_memory(carry: Any) -> None:
    """CUDA takes 64 KiB from ordinary memory at once; for more the host may have to wait."""
    composed = load("cifar-base")
    drawn = draw(composed, np.arange(2048), seed=5, epoch=1)
    with fake_card() as waits:
        make_views(
            torch.empty((2048, 3, 32, 32), dtype=torch.uint8, device=CARD), drawn, composed, max_value=255, carry=carry
        )
        assert_waits(waits.found)


def _encoder() -> Any:
    return build("tiny_cnn", channels=1, side=16, mean=[0.5], sd=[0.2], seed=0)


def test_embedding_waits_once_a_batch_for_its_rows() -> None:
    encoder, images = _encoder(), small_images(24)
    ids = np.arange(20)
    with fake_card() as waits:
        encoder.to(CARD)
        begun = len(waits.found)
        rows = embed(encoder, images.pixels, ids, max_value=255, device=CARD, batch_size=10)
        assert rows.shape == (20, 128)
    # pixels there and rows back, two batches
    assert_waits(waits.found[begun:], {"learning/embedding.py copy": 2 * 2})


@pytest.mark.parametrize("shown", ["whole", "fixed_steps"])
def test_a_runs_embedding_waits_once_a_batch(shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_BATCH", 8)
    images = EvaluationImages(small_spec(evaluate={"input": shown}), small_images(24))
    with fake_card() as waits:
        encoder = _encoder().to(CARD)
        begun = len(waits.found)
        found = embedding_of(images, encoder, CARD, lambda share: None)
        assert found.x.shape == (len(images.every), 128)
    batches = -(-len(images.every) // 8)
    there, back = "runs/evaluation/images.py copy", "learning/embedding.py copy"
    assert_waits(waits.found[begun:], {there: batches, back: batches})


def test_no_step_of_a_probe_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    images, ids = small_images(48), np.arange(48)
    # embeddings of what is learnt from and of what is asked, there and back; the pixels that stay there
    once = {"learning/embedding.py copy": 4, "learning/devices.py copy": 1}
    with fake_card() as waits:
        for steps in (2, 5):
            encoder = _encoder()
            weights = len(encoder.state_dict())  # that go there
            monkeypatch.setattr(finetune, "_FEWEST_STEPS", steps)
            begun = len(waits.found)
            tuned = finetune.fine_tune(encoder, images, ids[:32], ids[32:], share=1.0, epochs=1, device=CARD)
            assert_waits(waits.found[begun:], {**once, "learning/probes/finetune.py copy": 5 + weights})
            begun = len(waits.found)
            probed = linear_probe_through(encoder, images, ids[:32], ids[32:], epochs=steps, device=CARD)
            assert_waits(waits.found[begun:], {**once, "learning/probes/linear.py copy": 5 + weights})
            assert tuned.shape == probed.shape == (16,)


@pytest.mark.parametrize(("name", "dim"), [("random", 1152), ("patches", 1024), ("alexnet", 1152)])
def test_closed_form_waits_for_the_features_of_each_batch(name: str, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images, ids, terms = small_images(48), np.arange(48), small_spec().terms
    bank = Bank(name, empty_bank(name, 1), dim, (0.5,), (0.2,))
    monkeypatch.setattr(solving, "_VALUES", 2 * 24 * 16 * 16)  # two batches
    with fake_card() as waits:
        bank.module.to(CARD)
        begun = len(waits.found)
        moments = moments_of(images, ids, terms, bank, views=2, seed=0, device=CARD)
    assert moments.images == 48
    assert_waits(waits.found[begun:], {"learning/solving.py copy": 2 * 2})  # pixels there, features back


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
        assert_waits(waits.found[begun:])


# What the tests above are worth: each fault that they are there for is slipped in.


def _step_of_vicreg(loss: Callable[[Tensor, Tensor], Tensor]) -> list[Any]:
    images = small_images(24)
    with fake_card() as waits, mock.patch.object(vicreg, "vicreg_loss", lambda z1, z2, **weights: loss(z1, z2)):
        training = FakeTraining(small_spec("vicreg"), images, device=CARD)
        begun = len(waits.found)
        training.step(0)
        return waits.found[begun:]


@pytest.mark.parametrize(
    "loss",
    [
        lambda z1, z2: (z1 * torch.ones(z1.shape)).mean(),
        lambda z1, z2: torch._foreach_add([z1], [torch.ones(z1.shape)])[0].mean(),
        lambda z1, z2: [torch._foreach_add_([made := z1 * 1], [torch.ones(z1.shape)]), made.mean()][1],
    ],
)
def test_a_tensor_on_the_wrong_device_is_refused(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    with pytest.raises(RuntimeError, match=r"same device|two different devices"):
        _step_of_vicreg(loss)


@pytest.mark.parametrize(
    ("loss", "operation"),
    [
        (lambda z1, z2: (z1 - z2).mean() * z1.mean().item(), "item"),
        (lambda z1, z2: (z1 - z2).mean() if z1.sum() < 0 else (z1 + z2).mean(), "item"),
        (lambda z1, z2: (z1 * z1.detach().cpu().to(z1.device, non_blocking=True)).mean(), "copy"),
        (lambda z1, z2: (z1 * torch.from_numpy(np.ones(16, np.float32)).to(z1.device)).mean(), "copy"),
        (lambda z1, z2: (z1 * torch.tensor([2.0] * 16, device=z1.device)).mean(), "copy"),
        (lambda z1, z2: (z1 * z2.new_tensor([2.0] * 16)).mean(), "copy"),
        (lambda z1, z2: (z1[[1, 0]] * z2[:2]).mean(), "copy"),
        (lambda z1, z2: (z1[torch.arange(2)] * z2[:2]).mean(), "index on the host"),
        (lambda z1, z2: z1.index_put((z1.detach() > 0,), z2.detach()[0]).mean(), "nonzero"),
        (lambda z1, z2: torch.linalg.svdvals(z1).sum() + z2.mean(), "_linalg_svd"),
        (lambda z1, z2: torch.linalg.cholesky(z1.T @ z1).sum() + z2.mean(), "_linalg_check_errors"),
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
