"""What a training writes, refuses and notices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.learning.backbones import build
from ssrl_core.learning.devices import PixelBank, epoch_order
from ssrl_core.learning.loop import Progress, fit
from ssrl_core.learning.methods import build_method
from ssrl_core.learning.methods.base import Setup
from ssrl_core.learning.metrics import effective_rank, line_stride, spread
from ssrl_core.learning.training import Training
from ssrl_core.specs.methods import METHODS
from tests.learning.tiny_runs import assert_same_bits, events, final_state, measured, small_images, small_spec

STEP_FIELDS = {
    "kind",
    "step",
    "epoch",
    "loss",
    "terms",
    "lr",
    "z_std",
    "effective_rank",
    "images_per_s",
    "time_s",
}


def test_metrics_have_the_fields_of_the_contract(tmp_path: Path) -> None:
    told: list[Progress] = []
    fit(small_spec(), small_images(), tmp_path, report=told.append)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    assert all(set(line) == STEP_FIELDS for line in steps)
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    evals = [line for line in lines if line["kind"] == "eval"]
    assert [line["epoch"] for line in evals] == [2, 3]
    assert all(0 <= line["knn_top1"] <= 1 and line["split"] == "val" for line in evals)
    assert told[-1].step == told[-1].steps == len(steps)
    assert told[-1].phase == "train"


def test_images_without_labels_train_without_eval_lines(tmp_path: Path) -> None:
    fit(small_spec(), small_images(classes=0), tmp_path)
    assert all(line["kind"] == "step" for line in measured(tmp_path))


@pytest.mark.parametrize(("steps", "lines"), [(5, 5), (200, 100), (5000, 500), (400_000, 2000)])
def test_no_run_writes_more_lines_than_it_may(steps: int, lines: int) -> None:
    assert -(-steps // line_stride(steps)) == pytest.approx(lines, rel=0.02)


def test_spread_is_one_for_random_directions_and_zero_for_one_point() -> None:
    z = torch.randn(4096, 64, generator=torch.Generator().manual_seed(0))
    assert float(spread(z)) == pytest.approx(1.0, abs=0.02)
    assert float(spread(torch.ones(32, 8))) == pytest.approx(0.0, abs=1e-6)


def test_effective_rank_counts_directions() -> None:
    z = torch.zeros(40, 20)
    z[:4, :4] = torch.eye(4)
    assert float(effective_rank(z)) == pytest.approx(4.0, rel=1e-5)


def test_diverging_run_says_step_epoch_rate_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, images = small_spec(optimizer={"name": "sgd", "lr": 0.1, "lr_scaling": "none"}), small_images()
    steps = Training.step

    def poisoned(self: Training, step: int) -> object:
        result = steps(self, step)
        if step == 7:
            next(self.method.encoder.parameters()).data.fill_(float("nan"))
        return result

    monkeypatch.setattr(Training, "step", poisoned)
    with pytest.raises(RunError, match=r"step 9 .*learning rate .*Lower the learning rate"):
        fit(spec, images, tmp_path)
    assert "step 9" in events(tmp_path, "diverged")[0]["message"]


def test_huge_learning_rate_of_a_loss_without_bounds_is_noticed(tmp_path: Path) -> None:
    spec = small_spec(
        "vicreg", optimizer={"name": "sgd", "lr": 900.0}, schedule={"name": "constant", "warmup_epochs": 0}, epochs=20
    )
    with pytest.raises(RunError, match="finite"):
        fit(spec, small_images(), tmp_path)


def test_collapse_is_said_once_and_training_goes_on(tmp_path: Path) -> None:
    # without variance and covariance nothing holds the projections apart
    method = {"name": "vicreg", "hidden_dim": 24, "projection_dim": 16, "variance_weight": 0, "covariance_weight": 0}
    spec = small_spec(method=method, epochs=20, optimizer={"name": "sgd", "lr": 0.05, "weight_decay": 0.01})
    fit(spec, small_images(), tmp_path)
    assert len(events(tmp_path, "collapse")) == 1
    assert measured(tmp_path)[-1]["epoch"] == 20


@pytest.mark.parametrize("method", METHODS)
def test_loss_falls_and_weights_move(method: str, tmp_path: Path) -> None:
    spec, images = small_spec(method, epochs=1), small_images()
    before = {key: value.clone() for key, value in Training(spec, images).method.encoder.state_dict().items()}
    after = fit(spec, images, tmp_path).state_dict()
    moved = [key for key, value in before.items() if value.is_floating_point() and not torch.equal(value, after[key])]
    assert len(moved) > 10
    assert all(np.isfinite(line["loss"]) for line in measured(tmp_path) if line["kind"] == "step")


def test_terms_are_weighted_and_each_is_logged(tmp_path: Path) -> None:
    terms = [{"composition": "identity", "weight": 0.4}, {"composition": "mnist-rotation-crop", "weight": 1.0}]
    fit(small_spec("moco_v2_plus", terms=terms, epochs=1), small_images(), tmp_path)
    for line in measured(tmp_path):
        if line["kind"] == "step":
            assert line["loss"] == pytest.approx(0.4 * line["terms"][0] + line["terms"][1], rel=1e-5)


def test_each_term_keeps_its_own_queue_and_all_share_the_projector() -> None:
    terms = [{"composition": "identity", "weight": 0.4}, {"composition": "mnist-rotation-crop", "weight": 1.0}]
    training = Training(small_spec("moco_v2_plus", terms=terms), small_images())
    training.step(0)
    first, second = training.method.states
    assert not torch.equal(first[0].items, second[0].items)
    assert list(training.method.heads) == ["projector"]


def test_accumulated_batch_takes_one_step_with_the_mean_of_its_parts(tmp_path: Path) -> None:
    images = small_images()
    fit(small_spec(accumulate=2, epochs=1), images, tmp_path)
    steps = [line for line in measured(tmp_path) if line["kind"] == "step"]
    assert len(steps) == len(images.split_ids("train")) // 8


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = epoch_order(1000, seed=5, epoch=0)
    assert sorted(first) == list(range(1000))
    assert first[:8].tolist() == epoch_order(1000, seed=5, epoch=0)[:8].tolist()
    assert first.tolist() != epoch_order(1000, seed=5, epoch=1).tolist()
    assert first.tolist() != epoch_order(1000, seed=6, epoch=0).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pixels_come_the_same_from_memory_and_from_the_file(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = small_images(dtype=dtype)
    ids = images.split_ids("train")
    rows = np.array([3, 0, 5])
    resident = PixelBank(images.pixels, ids, torch.device("cpu")).batch(rows)
    monkeypatch.setattr("ssrl_core.learning.devices._resident_limit", lambda device: 0)
    bank = PixelBank(images.pixels, ids, torch.device("cpu"))
    read = bank.batch(rows)
    assert resident.dtype == read.dtype == getattr(torch, dtype)
    assert np.array_equal(resident.numpy(), images.pixels[ids[rows]])
    assert np.array_equal(read.numpy(), resident.numpy())
    bank.ahead(np.array([1, 2]))
    assert np.array_equal(bank.batch(rows).numpy(), read.numpy())  # other rows than those read ahead
    bank.ahead(rows)
    assert np.array_equal(bank.batch(rows).numpy(), read.numpy())
    in_memory = PixelBank(np.array(images.pixels), ids, torch.device("cpu"))
    assert np.array_equal(in_memory.batch(rows).numpy(), read.numpy())


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_read_from_the_file_is_the_run_from_memory(
    accumulate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, spec = small_images(), small_spec("byol", accumulate=accumulate, epochs=2)
    fit(spec, images, tmp_path / "memory")
    monkeypatch.setattr("ssrl_core.learning.devices._resident_limit", lambda device: 0)
    fit(spec, images, tmp_path / "file")
    assert measured(tmp_path / "file") == measured(tmp_path / "memory")
    assert_same_bits(final_state(tmp_path / "file"), final_state(tmp_path / "memory"))


def test_a_file_that_was_cut_short_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssrl_core.learning.devices._resident_limit", lambda device: 0)
    np.save(tmp_path / "pixels.npy", np.zeros((8, 1, 16, 16), np.uint8))
    bank = PixelBank(np.load(tmp_path / "pixels.npy", mmap_mode="r"), np.arange(8), torch.device("cpu"))
    with open(tmp_path / "pixels.npy", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="the pixels end early"):
        bank.batch(np.array([7, 0]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 512}, "Lower batch_size"),
        ({"method": {"name": "deepcluster_v2", "prototypes": 3000}}, "Set prototypes to"),
        ({"device": "cuda:7"}, "Use auto"),
        ({"backbone": {"name": "resnet18", "weights": "nowhere.safetensors"}}, "Lay the file"),
        ({"backbone": {"name": "resnet18", "weights": "imagenet"}}, "resnet18-.*models.weights"),
    ],
)
def test_what_cannot_train_is_refused_before_anything_is_written(
    changes: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", _no_network)
    images = small_images()
    with pytest.raises(SpecError, match=said):
        fit(small_spec(**changes), images, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _no_network(*args: object, **settings: object) -> None:
    raise OSError("no network")


@pytest.mark.parametrize(
    ("method", "settings", "batch_size", "said"),
    [
        ("moco_v2_plus", {"queue_size": 30}, 8, "Set queue_size to 32"),
        ("nnclr", {"queue_size": 4}, 8, "Set queue_size to 8"),
        ("vibcreg", {"projection_dim": 16, "whitening_groups": 5}, 8, "divisor"),
        ("deepcluster_v2", {"prototypes": 3000}, 8, "Set prototypes to 244"),
        ("simclr", {}, 1, "at least 2"),
    ],
)
def test_settings_that_would_fail_in_the_middle_are_refused(
    method: str, settings: dict[str, int], batch_size: int, said: str
) -> None:
    encoder = build("tiny_cnn", channels=1, side=16, mean=[0.5], sd=[0.2], seed=0)
    with pytest.raises(SpecError, match=said):
        build_method(method, encoder, settings, Setup(batch_size=batch_size, images=2450 - 2450 % batch_size))


def test_a_composition_with_one_view_is_refused(tmp_path: Path) -> None:
    one = {"name": "one", "views": [{"name": "view", "count": 1, "steps": []}]}
    with pytest.raises(SpecError, match="two global views"):
        fit(small_spec(terms=[{"composition": one, "weight": 1.0}]), small_images(), tmp_path)


def test_multi_crop_trains_with_the_methods_that_take_it(tmp_path: Path) -> None:
    groups = [
        {"name": "whole", "count": 2, "steps": [{"transform": "resized_crop", "scale": [0.5, 1.0]}]},
        {"name": "part", "count": 3, "size": 8, "role": "local", "steps": [{"transform": "resized_crop"}]},
    ]
    terms = [{"composition": {"name": "multi", "views": groups}}]
    images = small_images()
    for method in ("swav", "dino", "deepcluster_v2"):
        fit(small_spec(method, terms=terms, epochs=2), images, tmp_path / method)
    with pytest.raises(SpecError, match="swav, deepcluster_v2"):
        fit(small_spec("simclr", terms=terms), images, tmp_path / "simclr")


def test_bf16_keeps_weights_and_losses_in_float32(tmp_path: Path) -> None:
    encoder = fit(small_spec("moco_v2_plus", precision="bf16", epochs=1), small_images(), tmp_path)
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert all(np.isfinite(line["loss"]) for line in measured(tmp_path) if line["kind"] == "step")


def test_too_little_memory_names_the_batch_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = Training._forward

    def small_card(self: Training, rows: np.ndarray, epoch: int, coming: np.ndarray | None = None) -> object:
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, rows, epoch, coming)

    monkeypatch.setattr(Training, "_forward", small_card)
    with pytest.raises(RunError, match="2 at a time fit: set accumulate to 4, or batch_size to 2"):
        fit(small_spec(), small_images(), tmp_path)
