"""A plan as one graph of a compiler: the views of its slow twin to the bit, without a break, anew for no batch."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ssrl_core.compositions import views
from ssrl_core.compositions import views as making
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.specs.composition import load, preset_names
from tests.compositions.test_cuda_agrees import made_of
from tests.compositions.test_views import EVERYTHING, byte_images

FULL = os.environ.get("SSRL_TEST_SCALE") == "full"
TRACED = preset_names() if FULL else ("mnist-second-set", "sololearn-symmetric", "cells-any-channels")
"""Between them, these take every way of rendering and all but a few transforms; a trace is five seconds."""


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views without a graph are made by torch, as on a card."""
    monkeypatch.setattr(making, "_compiles", lambda source: False)


@pytest.fixture
def anew() -> Iterator[None]:
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("slowly")
@pytest.mark.parametrize("name", [*preset_names(), "mixed", *EVERYTHING])
def test_what_a_graph_carries_out_is_the_slow_twin_to_the_bit(name: str) -> None:
    made, images = made_of(name), byte_images(9, 3, 30, 26)
    drawn = draw(made, np.arange(9), seed=5, epoch=1)
    slow = make_views(images, drawn, made, max_value=200)
    carried = make_views(images, drawn, made, max_value=200, carry=views.carried)
    for a, b in zip(slow, carried, strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
@pytest.mark.usefixtures("slowly", "anew")
@pytest.mark.parametrize("name", TRACED)
def test_the_compiler_finds_one_graph_without_a_break_and_takes_it_for_other_batches(name: str) -> None:
    made, images, carry = load(name), byte_images(24), views.compiled("eager")
    counted = torch._dynamo.utils.counters
    counted.clear()
    frames = []
    for epoch, count in ((0, 24), (1, 24), (2, 17)):
        drawn = draw(made, np.arange(count), seed=5, epoch=epoch)
        found = make_views(images[:count], drawn, made, max_value=255, carry=carry)
        for a, b in zip(found, make_views(images[:count], drawn, made, max_value=255), strict=True):
            assert torch.equal(a, b)
        frames.append(counted["stats"]["unique_graphs"])
    assert not counted["graph_break"]
    assert frames[-1] <= frames[0] + 2  # another number of taps, not another batch


def test_a_question_to_the_device_is_an_error_and_no_second_graph(anew: None) -> None:
    asked = torch.compile(lambda x: x * 2 if x.sum() > 0 else x, backend="eager", fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"[Dd]ata-dependent"):
        asked(torch.ones(3))
