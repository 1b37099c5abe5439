"""Compositions that nobody would choose: every parameter anywhere in its range, any order, any p."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views, strip
from ssrl_core.specs.composition import Branch, Composition, Step, ViewGroup
from ssrl_core.specs.parameters import Parameter
from ssrl_core.specs.transforms import TRANSFORMS


def any_value(parameter: Parameter, rng: np.random.Generator):
    if parameter.kind == "choice" or (parameter.options and rng.random() < 0.6):
        return str(rng.choice(parameter.options))
    if parameter.kind == "range":
        return sorted(rng.choice([parameter.low, parameter.high, *rng.uniform(parameter.low, parameter.high, 3)], 2))
    return float(rng.choice([parameter.low, parameter.high, rng.uniform(parameter.low, parameter.high)]))


def any_step(rng: np.random.Generator, *, inner: bool = False) -> Step:
    p = float(rng.choice([0.3, 0.7, 1.0]))
    if not inner and rng.random() < 0.15:
        branches = [
            Branch(float(w), tuple(any_step(rng, inner=True) for _ in range(2))) for w in rng.uniform(0.1, 1, 2)
        ]
        return Step("choice", p, branches=tuple(branches))
    name = str(rng.choice(list(TRANSFORMS)))
    settings = {q.name: any_value(q, rng) for q in TRANSFORMS[name].parameters}
    return Step(name, p, bool(rng.random() < 0.9), settings)


def any_composition(rng: np.random.Generator) -> Composition:
    sizes = [None, 1, 9, 24]
    groups = [
        ViewGroup(name, 2, tuple(any_step(rng) for _ in range(rng.integers(1, 6))), sizes[rng.integers(4)])
        for name in ("one", "two")[: rng.integers(1, 3)]
    ]
    return Composition("any", tuple(groups))


@pytest.mark.parametrize("seed", range(60))
def test_any_composition_gives_bit_equal_views_in_0_to_1(seed):
    rng = np.random.default_rng(seed)
    made = any_composition(rng)
    height, width = rng.integers(1, 40, 2)
    images = torch.from_numpy(rng.integers(0, 256, (5, 3, height, width), dtype=np.uint8))
    drawn = draw(made, np.arange(5), seed=seed, epoch=0)
    whole = make_views(images, drawn, made, max_value=255)
    for group, views in zip(made.views, whole, strict=True):
        assert views.shape == (2, 5, 3, *[group.size or min(height, width)] * 2)
        assert 0 <= views.min() <= views.max() <= 1
    rows = [4, 1]
    part = make_views(images[rows], draw(made, rows, seed=seed, epoch=0), made, max_value=255)
    for all_views, some in zip(whole, part, strict=True):
        assert torch.equal(all_views[:, rows], some)
    last = strip(images[:1], drawn, made, max_value=255, view=1)[-1][1]
    assert torch.equal(last, whole[0][1, 0])
    for view in range(made.view_count):
        assert all(isinstance(text, str) for text in drawn.describe(view, 0))
