"""Every loss against a twin written from its definition, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ssrl_core.learning.methods.barlow_twins import barlow_twins_loss
from ssrl_core.learning.methods.byol import byol_loss
from ssrl_core.learning.methods.deepcluster_v2 import deepcluster_v2_loss
from ssrl_core.learning.methods.dino import dino_loss
from ssrl_core.learning.methods.lejepa import lejepa_loss, sigreg
from ssrl_core.learning.methods.moco_v2_plus import moco_loss
from ssrl_core.learning.methods.nnbyol import nnbyol_loss
from ssrl_core.learning.methods.nnclr import nnclr_loss
from ssrl_core.learning.methods.ressl import ressl_loss
from ssrl_core.learning.methods.simclr import simclr_loss
from ssrl_core.learning.methods.simsiam import simsiam_loss
from ssrl_core.learning.methods.swav import sinkhorn, swav_loss
from ssrl_core.learning.methods.vibcreg import vibcreg_loss, whiten
from ssrl_core.learning.methods.vicreg import vicreg_loss
from ssrl_core.learning.methods.w_mse import cholesky_whitened, w_mse_loss

Rows = list[list[float]]


def _dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _cos(a: list[float], b: list[float]) -> float:
    return _dot(a, b) / math.sqrt(_dot(a, a) * _dot(b, b))


def _log_softmax(logits: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in logits)
    return [x - math.log(total) for x in logits]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _cross(wanted: list[float], found: list[float]) -> float:
    return -_dot(wanted, _log_softmax(found))


def _nearest(row: list[float], queue: Rows) -> list[float]:
    return max(queue, key=lambda item: _cos(row, item))


def _simclr(z1: Rows, z2: Rows) -> float:
    z, n = z1 + z2, len(z1)
    losses = []
    for i in range(2 * n):
        others = [j for j in range(2 * n) if j != i]
        found = _log_softmax([_cos(z[i], z[j]) / 0.2 for j in others])
        losses.append(-found[others.index((i + n) % (2 * n))])
    return _mean(losses)


def _moco(q: Rows, k: Rows, queue: Rows) -> float:
    return _mean(
        [-_log_softmax([_cos(a, b) / 0.2] + [_cos(a, c) / 0.2 for c in queue])[0] for a, b in zip(q, k, strict=True)]
    )


def _byol(p: Rows, z: Rows) -> float:
    return _mean([2 - 2 * _cos(a, b) for a, b in zip(p, z, strict=True)])


def _nnbyol(p1: Rows, p2: Rows, z1: Rows, z2: Rows, queue: Rows) -> float:
    return _byol(p1, [_nearest(z, queue) for z in z2]) + _byol(p2, [_nearest(z, queue) for z in z1])


def _nnclr(neighbours: Rows, p: Rows) -> float:
    return _mean([-_log_softmax([_cos(a, b) / 0.2 for b in p])[i] for i, a in enumerate(neighbours)])


def _simsiam(p: Rows, z: Rows) -> float:
    return -_mean([_cos(a, b) for a, b in zip(p, z, strict=True)])


def _columns(z: Rows) -> Rows:
    return [list(column) for column in zip(*z, strict=True)]


def _centred(column: list[float]) -> list[float]:
    return [x - _mean(column) for x in column]


def _barlow(z1: Rows, z2: Rows) -> float:
    n, total = len(z1), 0.0
    ready = []
    for z in (z1, z2):
        columns = [_centred(c) for c in _columns(z)]
        ready.append([[x / math.sqrt(_dot(c, c) / n + 1e-5) for x in c] for c in columns])
    for i, a in enumerate(ready[0]):
        for j, b in enumerate(ready[1]):
            c = _dot(a, b) / n
            total += (1 - c) ** 2 if i == j else 0.0051 * c**2
    return 0.1 * total


def _invariance(z1: Rows, z2: Rows) -> float:
    return _mean([(x - y) ** 2 for a, b in zip(z1, z2, strict=True) for x, y in zip(a, b, strict=True)])


def _variance(z: Rows) -> float:
    sds = [math.sqrt(_dot(c, c) / (len(c) - 1) + 1e-4) for c in map(_centred, _columns(z))]
    return _mean([max(0.0, 1 - sd) for sd in sds])


def _vicreg(z1: Rows, z2: Rows) -> float:
    related = 0.0
    for z in (z1, z2):
        columns = [_centred(c) for c in _columns(z)]
        pairs = [_dot(a, b) / (len(z) - 1) for i, a in enumerate(columns) for j, b in enumerate(columns) if i != j]
        related += sum(x**2 for x in pairs) / len(columns)
    return 25 * _invariance(z1, z2) + 25 * (_variance(z1) + _variance(z2)) + related


def _vibcreg(z1: Rows, z2: Rows) -> float:
    related = 0.0
    for z in (z1, z2):
        columns = [_centred(c) for c in _columns(z)]
        pairs = [_cos(a, b) for i, a in enumerate(columns) for j, b in enumerate(columns) if i != j]
        related += sum(x**2 for x in pairs) / len(columns) ** 2
    return 25 * _invariance(z1, z2) + 25 * (_variance(z1) + _variance(z2)) + 200 * related


def _softmax(logits: list[float]) -> list[float]:
    return [math.exp(x) for x in _log_softmax(logits)]


def _ressl(q: Rows, k: Rows, queue: Rows) -> float:
    return _mean(
        [
            _cross(_softmax([_cos(b, c) / 0.04 for c in queue]), [_cos(a, c) / 0.1 for c in queue])
            for a, b in zip(q, k, strict=True)
        ]
    )


def _swav(s1: Rows, s2: Rows, a1: Rows, a2: Rows) -> float:
    first = _mean([_cross(a, [x / 0.1 for x in s]) for a, s in zip(a1, s2, strict=True)])
    second = _mean([_cross(a, [x / 0.1 for x in s]) for a, s in zip(a2, s1, strict=True)])
    return (first + second) / 2


def _dino(s1: Rows, s2: Rows, t1: Rows, t2: Rows) -> float:
    def one(teacher: Rows, student: Rows) -> float:
        return _mean(
            [
                _cross(_softmax([(x - 0.1) / 0.07 for x in t]), [x / 0.1 for x in s])
                for t, s in zip(teacher, student, strict=True)
            ]
        )

    return (one(t1, s2) + one(t2, s1)) / 2


def _deepcluster(logits: list[list[Rows]], ids: list[list[int]]) -> float:
    losses = []
    for views, wanted in zip(logits, ids, strict=True):
        rows = [
            -_log_softmax([x / 0.1 for x in row])[k]
            for view in views
            for row, k in zip(view, wanted, strict=True)
            if k >= 0
        ]
        losses.append(_mean(rows))
    return _mean(losses)


def _epps_pulley(points: list[float]) -> float:
    """N times the integral of |empirical - Gaussian characteristic function|² exp(-t²/2), knot by knot."""
    knots = [-5 + 10 * i / 16 for i in range(17)]
    heights = []
    for t in knots:
        real, imaginary = (_mean([f(t * x) for x in points]) for f in (math.cos, math.sin))
        wanted = math.exp(-t * t / 2)
        heights.append(((real - wanted) ** 2 + imaginary**2) * wanted)
    return len(points) * sum((a + b) / 2 * 10 / 16 for a, b in pairwise(heights))


def _lejepa(views: list[Rows], whole: int, directions: Rows, weight: float) -> float:
    middle = [[_mean(list(values)) for values in zip(*rows, strict=True)] for rows in zip(*views[:whole], strict=True)]
    distance = _mean([_invariance(view, middle) for view in views])
    sides = list(zip(*directions, strict=True))
    spread = _mean([_epps_pulley([_dot(row, list(side)) for row in view]) for view in views for side in sides])
    return (1 - weight) * distance + weight * spread


def _whitened(z: Rows) -> Rows:
    """Rows times the inverse of the Cholesky root of their covariance, solved from the top."""
    columns, n = [_centred(c) for c in _columns(z)], len(z)
    dim = len(columns)
    covariance = [[(1 - 1e-4) * _dot(a, b) / (n - 1) + 1e-4 * (a is b) for b in columns] for a in columns]
    root = [[0.0] * dim for _ in range(dim)]
    for i in range(dim):
        for j in range(i + 1):
            rest = covariance[i][j] - sum(root[i][k] * root[j][k] for k in range(j))
            root[i][j] = math.sqrt(rest) if i == j else rest / root[j][j]
    white: Rows = []
    for row in zip(*columns, strict=True):
        solved: list[float] = []
        for i in range(dim):
            solved.append((row[i] - sum(root[i][k] * solved[k] for k in range(i))) / root[i][i])
        white.append(solved)
    return white


def _w_mse(z1: Rows, z2: Rows, orders: list[list[int]], size: int) -> float:
    found = []
    for order in orders:
        for group in (order[i : i + size] for i in range(0, len(order), size)):
            pairs = zip(*(_whitened([z[i] for i in group]) for z in (z1, z2)), strict=True)
            found += [2 - 2 * _cos(a, b) for a, b in pairs]
    return _mean(found)


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize(
    ("fast", "slow", "shapes"),
    [
        (simclr_loss, _simclr, [(6, 5)] * 2),
        (byol_loss, _byol, [(6, 5)] * 2),
        (nnclr_loss, _nnclr, [(6, 5)] * 2),
        (simsiam_loss, _simsiam, [(6, 5)] * 2),
        (barlow_twins_loss, _barlow, [(7, 4)] * 2),
        (vicreg_loss, _vicreg, [(7, 4)] * 2),
        (vibcreg_loss, _vibcreg, [(7, 4)] * 2),
    ],
)
def test_loss_of_two_views_equals_its_slow_twin(
    fast: Callable[..., Tensor], slow: Callable[..., float], shapes: list[tuple[int, int]]
) -> None:
    inputs = [_random(*shape) * (i + 0.5) for i, shape in enumerate(shapes)]
    inputs[1] = inputs[1] + _random(3, *shapes[1])[1]
    assert float(fast(*inputs)) == pytest.approx(slow(*[x.tolist() for x in inputs]), rel=1e-9)


@pytest.mark.parametrize(("fast", "slow"), [(moco_loss, _moco), (ressl_loss, _ressl)])
def test_loss_with_a_queue_equals_its_slow_twin(fast: Callable[..., Tensor], slow: Callable[..., float]) -> None:
    q, k, queue = _random(6, 5), _random(2, 6, 5)[1], normalize(_random(9, 5), dim=1)
    assert float(fast(q, k, queue)) == pytest.approx(slow(q.tolist(), k.tolist(), queue.tolist()), rel=1e-9)


def test_nnbyol_equals_its_slow_twin() -> None:
    inputs: Any = list(_random(4, 6, 5))
    queue = normalize(_random(9, 5), dim=1)
    assert float(nnbyol_loss(*inputs, queue)) == pytest.approx(
        _nnbyol(*[x.tolist() for x in inputs], queue.tolist()), rel=1e-9
    )


def test_swav_equals_its_slow_twin() -> None:
    s1, s2, r1, r2 = _random(4, 6, 5)
    a1, a2 = r1.softmax(dim=1), r2.softmax(dim=1)
    expected = _swav(*[x.tolist() for x in (s1, s2, a1, a2)])
    assert float(swav_loss([s1, s2], [a1, a2])) == pytest.approx(expected, rel=1e-9)


def test_dino_equals_its_slow_twin() -> None:
    s1, s2, t1, t2 = _random(4, 6, 5)
    center = torch.full((5,), 0.1, dtype=torch.float64)
    expected = _dino(*[x.tolist() for x in (s1, s2, t1, t2)])
    assert float(dino_loss([s1, s2], [t1, t2], center)) == pytest.approx(expected, rel=1e-9)


def test_deepcluster_equals_its_slow_twin() -> None:
    logits, ids = _random(3, 2, 6, 5), torch.tensor([[0, 1, 2, 3, 4, 0], [-1, 1, 1, 0, 4, 2], [3, 3, -1, -1, 0, 1]])
    expected = _deepcluster(logits.tolist(), ids.tolist())
    assert float(deepcluster_v2_loss(logits, ids)) == pytest.approx(expected, rel=1e-9)


def test_lejepa_equals_its_slow_twin() -> None:
    views, directions = list(_random(4, 6, 3)), normalize(_random(3, 5), dim=0)
    expected = _lejepa([view.tolist() for view in views], 2, directions.tolist(), 0.3)
    assert float(lejepa_loss(views[:2], views[2:], directions, weight=0.3)) == pytest.approx(expected, rel=1e-9)


def test_sigreg_is_the_closed_form_of_epps_and_pulley_with_its_gradient() -> None:
    points = (_random(9, 1) * 1.5 + 0.3).requires_grad_()
    found = sigreg(points, torch.ones(1, 1, dtype=torch.float64))
    apart = (points - points.T).square()
    near = (
        math.sqrt(2 * math.pi) / 9 * (-apart / 2).exp().sum()
        - 2 * math.sqrt(math.pi) * (-points.square() / 4).exp().sum()
    )
    closed = near + 9 * math.sqrt(2 * math.pi / 3)
    assert found.item() == pytest.approx(closed.item(), rel=1e-4)
    ours, theirs = (torch.autograd.grad(value, points)[0] for value in (found, closed))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_sigreg_is_least_for_a_round_gaussian_cloud() -> None:
    directions, cloud = normalize(_random(4, 64), dim=0), _random(400, 4)
    squeezed = cloud * torch.tensor([1.0, 1.0, 1.0, 0.1])
    values = [float(sigreg(z, directions)) for z in (cloud, cloud * 3, cloud + 1, squeezed, cloud * 0)]
    assert values[0] < 2 < min(values[1:])


def test_w_mse_equals_its_slow_twin_and_whitens_each_group() -> None:
    z1, z2 = _random(2, 12, 3)
    orders = torch.stack([torch.randperm(12, generator=torch.Generator().manual_seed(i)) for i in range(2)])
    expected = _w_mse(z1.tolist(), z2.tolist(), orders.tolist(), 6)
    assert float(w_mse_loss(z1, z2, orders, size=6)) == pytest.approx(expected, rel=1e-9)
    group = cholesky_whitened(z1, orders[0], size=6)[orders[0][:6]]
    torch.testing.assert_close(group.T @ group / 5, torch.eye(3, dtype=torch.float64), atol=2e-3, rtol=0)


@pytest.mark.parametrize("loss", ["lejepa", "w_mse"])
def test_gradients_are_those_of_finite_differences(loss: str) -> None:
    z1, z2 = (z.clone().requires_grad_() for z in _random(2, 8, 3))
    directions, orders = normalize(_random(3, 5), dim=0), torch.arange(8).flip(0)[None]
    function: Callable[[Tensor, Tensor], Tensor] = (
        (lambda a, b: lejepa_loss([a, b], [], directions))
        if loss == "lejepa"
        else (lambda a, b: w_mse_loss(a, b, orders, size=4))
    )
    assert torch.autograd.gradcheck(function, (z1, z2))


def test_sinkhorn_fills_prototypes_evenly() -> None:
    assignments = sinkhorn(_random(40, 5) * 0.2, iterations=200)
    assert assignments.sum(dim=1).tolist() == pytest.approx([1.0] * 40)
    assert assignments.sum(dim=0).tolist() == pytest.approx([8.0] * 5, rel=1e-3)


def test_whitened_groups_have_the_identity_as_covariance() -> None:
    z = _random(400, 8) @ (torch.eye(8, dtype=torch.float64) + 0.2 * _random(8, 8))
    white = whiten(z, groups=2, iterations=12)
    for group in (white[:, :4], white[:, 4:]):
        covariance = group.T @ group / len(group)
        torch.testing.assert_close(covariance, torch.eye(4, dtype=torch.float64), atol=1e-3, rtol=0)
