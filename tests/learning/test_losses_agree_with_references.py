"""Losses, LARS, schedules, Sinkhorn, whitening and spherical k-means against values of other implementations.

Golden numbers: anchors/loss_reference.json of the shared test data (solo-learn 9187ea3, lightly 1.6.0; float64).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ssrl_core.learning.methods.barlow_twins import barlow_twins_loss
from ssrl_core.learning.methods.base import momentum_at, nearest
from ssrl_core.learning.methods.byol import byol_loss
from ssrl_core.learning.methods.deepcluster_v2 import deepcluster_v2_loss, spherical_kmeans
from ssrl_core.learning.methods.dino import dino_loss, moved_center
from ssrl_core.learning.methods.moco_v2_plus import moco_loss
from ssrl_core.learning.methods.nnbyol import nnbyol_loss
from ssrl_core.learning.methods.nnclr import nnclr_loss
from ssrl_core.learning.methods.ressl import ressl_loss
from ssrl_core.learning.methods.simclr import simclr_loss
from ssrl_core.learning.methods.simsiam import simsiam_loss
from ssrl_core.learning.methods.swav import sinkhorn, swav_loss
from ssrl_core.learning.methods.vibcreg import correlation_term, vibcreg_loss, whiten
from ssrl_core.learning.methods.vicreg import covariance_term, variance_term, vicreg_loss
from ssrl_core.learning.optimizers import LARS, Schedule
from ssrl_core.learning.probes.knn import knn_predict, knn_top1
from tests.kit import shared

RELATIVE = 1e-9
Inputs = dict[str, Tensor]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return json.loads(shared("anchors/loss_reference.json").read_text())


def _n(x: Tensor) -> Tensor:
    return normalize(x, dim=-1)


def _swav(i: Inputs, queues: bool = False) -> Tensor:
    prototypes = _n(i["protoW"])
    logits = [_n(i[z]) @ prototypes.T for z in ("z1", "z2")]
    seen = [
        torch.cat([view, _n(i[q]) @ prototypes.T]) if queues else view
        for view, q in zip(logits, ("queue", "queue2"), strict=True)
    ]
    return swav_loss(logits, [sinkhorn(view)[:8] for view in seen], temperature=0.1)


def _deepcluster(i: Inputs) -> Tensor:
    w = _n(i["protoW"]).detach()
    heads = [w, w.flip(0), w.roll(1, 0)]
    logits = torch.stack([torch.stack([_n(i[z]) @ h.T for z in ("z1", "z2")]) for h in heads])
    return deepcluster_v2_loss(logits, i["assign"].long(), temperature=0.1)


def _dino(i: Inputs) -> Tensor:
    return dino_loss([i["s1"], i["s2"]], [i["t1"], i["t2"]], torch.full((1, 10), 0.1, dtype=torch.float64))


# the start of the reference's "call" -> the same with our functions
CASES: dict[tuple[str, str], Callable[[Inputs], Tensor]] = {
    ("simclr", "simclr_loss_func(cat(z1,z2), indexes=arange(N).repeat(2), temperature=0.1)"): lambda i: simclr_loss(
        i["z1"], i["z2"], temperature=0.1
    ),
    ("simclr", "simclr_loss_func(cat(z1,z2), indexes=arange(N).repeat(2), temperature=0.2)"): lambda i: simclr_loss(
        i["z1"], i["z2"], temperature=0.2
    ),
    ("simclr", "simclr_loss_func(cat(z1,z2), indexes=arange(N).repeat(2), temperature=0.5)"): lambda i: simclr_loss(
        i["z1"], i["z2"], temperature=0.5
    ),
    ("mocov2plus", "one direction"): lambda i: moco_loss(i["z1"], i["z2"], _n(i["queue"])),
    ("mocov2plus", "method value"): lambda i: (
        (moco_loss(i["z1"], i["z2"], _n(i["queue2"])) + moco_loss(i["z2"], i["z1"], _n(i["queue"]))) / 2
    ),
    ("byol", "one direction"): lambda i: byol_loss(i["p2"], i["z1"]),
    ("byol", "method value"): lambda i: byol_loss(i["p2"], i["z1"]) + byol_loss(i["p1"], i["z2"]),
    ("simsiam", "method value"): lambda i: (simsiam_loss(i["p1"], i["z2"]) + simsiam_loss(i["p2"], i["z1"])) / 2,
    ("nnbyol", "method value"): lambda i: nnbyol_loss(i["p1"], i["p2"], i["z1"], i["z2"], _n(i["queue"])),
    ("nnclr", "one direction"): lambda i: nnclr_loss(nearest(_n(i["z1"]), _n(i["queue"])), i["p2"]),
    ("nnclr", "method value"): lambda i: (
        (
            nnclr_loss(nearest(_n(i["z1"]), _n(i["queue"])), i["p2"])
            + nnclr_loss(nearest(_n(i["z2"]), _n(i["queue"])), i["p1"])
        )
        / 2
    ),
    ("ressl", "ressl_loss_func"): lambda i: ressl_loss(i["z1"], i["z2"], _n(i["queue"])),
    ("barlow_twins", "barlow_loss_func(z1,z2,lamb=0.005,scale_loss=0.025)"): lambda i: barlow_twins_loss(
        i["z1"], i["z2"], lamb=0.005, loss_scale=0.025
    ),
    ("barlow_twins", "barlow_loss_func(z1,z2,lamb=0.0051,scale_loss=0.1)"): lambda i: barlow_twins_loss(
        i["z1"], i["z2"]
    ),
    ("barlow_twins", "barlow_loss_func(z1,z2,lamb=0.0051,scale_loss=0.024)"): lambda i: barlow_twins_loss(
        i["z1"], i["z2"], loss_scale=0.024
    ),
    ("barlow_twins", "BarlowTwinsLoss(lambda_param=0.0051)"): lambda i: barlow_twins_loss(
        i["z1"], i["z2"], loss_scale=1.0
    ),
    ("vicreg", "vicreg_loss_func(z1,z2,25,25,1)"): lambda i: vicreg_loss(i["z1"], i["z2"]),
    ("vicreg", "VICRegLoss(25,25,1)"): lambda i: vicreg_loss(i["z1"], i["z2"], variance=12.5),
    ("vicreg.terms.invariance", ""): lambda i: vicreg_loss(
        i["z1"], i["z2"], invariance=1.0, variance=0.0, covariance=0.0
    ),
    ("vicreg.terms.variance", ""): lambda i: variance_term(i["z1"]) + variance_term(i["z2"]),
    ("vicreg.terms.covariance", ""): lambda i: covariance_term(i["z1"]) + covariance_term(i["z2"]),
    ("vibcreg.terms.covariance", ""): lambda i: correlation_term(i["z1"]) + correlation_term(i["z2"]),
    ("vibcreg", "vibcreg_loss_func"): lambda i: vibcreg_loss(i["z1"], i["z2"]),
    ("swav", "swav_loss_func"): _swav,
    ("swav", "same with queue"): lambda i: _swav(i, queues=True),
    ("deepclusterv2", "deepclusterv2_loss_func"): _deepcluster,
    ("dino", "DINOLoss(K"): _dino,
    ("dino", "DINOLoss(output_dim=K"): _dino,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1][:60]}")
def test_loss_and_gradients_agree_with_other_implementations(case: tuple[str, str], reference: dict[str, Any]) -> None:
    golden = next(x for x in reference["losses"] if x["method"] == case[0] and x["call"].startswith(case[1]))
    inputs = {
        name: torch.tensor(value, dtype=torch.float64).requires_grad_() for name, value in reference["inputs"].items()
    }
    loss = CASES[case](inputs)
    loss.backward()
    assert loss.item() == pytest.approx(golden["value"], rel=RELATIVE)
    for name, expected in golden["grad"].items():
        gradient = inputs[name].grad
        if expected is None:
            assert gradient is None or not gradient.any(), f"{name} is a target and must get no gradient"
            continue
        assert gradient is not None
        assert gradient.norm().item() == pytest.approx(expected["l2"], rel=RELATIVE)
        assert gradient.flatten()[:4].tolist() == pytest.approx(expected["first4"], rel=RELATIVE, abs=1e-12)


@pytest.mark.parametrize(
    ("variant", "settings"),
    [("solo_cifar", {"eta": 0.02}), ("solo_plain", {"eta": 1e-3, "clip": False, "exclude_bias_and_norm": False})],
)
def test_lars_takes_the_reference_steps(variant: str, settings: dict[str, Any], reference: dict[str, Any]) -> None:
    golden = reference["extra"]["lars_3_steps"][variant]
    z1, p1 = (torch.tensor(reference["inputs"][name], dtype=torch.float64) for name in ("z1", "p1"))
    w, b = torch.nn.Parameter(z1.clone()), torch.nn.Parameter(z1[0].clone())
    optimizer = LARS([w, b], lr=0.4, weight_decay=1e-4, momentum=0.9, **settings)
    for k in (1, 2, 3):
        w.grad, b.grad = 0.1 * k * p1, 0.1 * k * p1[0]
        optimizer.step()
    for parameter, name in ((w, "w"), (b, "b")):
        assert parameter.norm().item() == pytest.approx(golden[f"{name}_l2"], rel=1e-8)
        assert parameter.flatten()[:4].tolist() == pytest.approx(golden[f"{name}_first4"], rel=1e-8)


def test_warm_up_and_cosine_are_the_reference_rates(reference: dict[str, Any]) -> None:
    schedule = Schedule(0.4, 100, warmup_steps=10, warmup_lr=3e-5)
    golden = reference["extra"]["lr_schedule_100steps_warmup10_base0.4"]["solo"]
    assert [schedule.lr(step) for step in range(100)] == pytest.approx(golden, rel=RELATIVE)


@pytest.mark.parametrize(("start", "end"), [(0.99, 1.0), (0.99, 0.999), (0.9995, 1.0)])
def test_momentum_follows_the_reference_cosine(start: float, end: float, reference: dict[str, Any]) -> None:
    golden = reference["extra"]["tau_schedule_at_0_10_.._100_of_100"][f"solo {start}->{end}"]
    assert [momentum_at(step, 100, start, end) for step in range(0, 101, 10)] == pytest.approx(golden, rel=RELATIVE)


def test_sinkhorn_gives_the_reference_assignments(reference: dict[str, Any]) -> None:
    inputs = {name: torch.tensor(reference["inputs"][name], dtype=torch.float64) for name in ("z1", "protoW")}
    got = sinkhorn(_n(inputs["z1"]) @ _n(inputs["protoW"]).T)
    golden = torch.tensor(reference["extra"]["sinkhorn(P1, iters=3, eps=0.05)"]["solo"], dtype=torch.float64)
    torch.testing.assert_close(got, golden, rtol=RELATIVE, atol=0)


def test_dino_center_moves_as_the_reference(reference: dict[str, Any]) -> None:
    t1, t2 = (torch.tensor(reference["inputs"][name], dtype=torch.float64) for name in ("t1", "t2"))
    center = moved_center(torch.full((1, 10), 0.1, dtype=torch.float64), [t1, t2])
    golden = reference["extra"]["dino.center_after_one_step"]["solo"]
    assert center.flatten().tolist() == pytest.approx(golden, rel=RELATIVE)


def test_whitening_agrees_with_iternorm(reference: dict[str, Any]) -> None:
    golden = reference["extra"]["iternorm"]
    z1 = torch.tensor(reference["inputs"]["z1"], dtype=torch.float64).requires_grad_()
    p1 = torch.tensor(reference["inputs"]["p1"], dtype=torch.float64)
    white = whiten(z1, groups=4, iterations=5)
    (white * p1).sum().backward()
    assert white.norm().item() == pytest.approx(golden["y_l2"], rel=RELATIVE)
    assert white.flatten()[:8].tolist() == pytest.approx(golden["y_first8"], rel=RELATIVE)
    assert z1.grad is not None
    assert z1.grad.norm().item() == pytest.approx(golden["grad_l2"], rel=RELATIVE)
    assert z1.grad.flatten()[:4].tolist() == pytest.approx(golden["grad_first4"], rel=RELATIVE)


def test_spherical_kmeans_finds_the_reference_clusters(reference: dict[str, Any]) -> None:
    golden = reference["extra"]["kmeans_spherical"]
    rows = torch.tensor(golden["emb_view0"], dtype=torch.float64)
    ids, centroids = spherical_kmeans(rows, rows[golden["init"]], iterations=10)
    assert ids.tolist() == golden["assignments"]
    assert centroids.norm(dim=1).tolist() == pytest.approx(golden["centroids_l2"])
    assert centroids[0, :4].tolist() == pytest.approx(golden["centroid0_first4"], rel=1e-6)


@pytest.mark.parametrize(("metric", "k"), [("cosine", 5), ("cosine", 20), ("euclidean", 5), ("euclidean", 20)])
def test_knn_agrees_with_other_implementations(metric: str, k: int, reference: dict[str, Any]) -> None:
    data = reference["extra"]["weighted_knn_acc1_acc5"]
    arrays = [torch.tensor(data[name]).numpy() for name in ("train", "train_y", "test", "test_y")]
    golden = data["results"][f"{metric} k={k}"][0] / 100
    assert knn_top1(*arrays, k=k, temperature=0.07, metric=metric) == pytest.approx(golden)
    predicted = knn_predict(*arrays[:3], k=k, temperature=0.07, metric=metric)
    assert (predicted == arrays[3]).mean() == pytest.approx(golden)
