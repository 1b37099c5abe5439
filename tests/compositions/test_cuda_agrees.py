"""contracts C4 on a GPU: the draws give the views of the CPU, in any batch, and the host waits for none of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.specs.composition import load, preset_names
from tests.compositions.test_views import EVERYTHING, byte_images, mixed
from tests.compositions.workbench import composition, step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run on a machine that has one"),
]
CASES = [*preset_names(), "mixed", *EVERYTHING]


def made_of(name: str):
    if name == "mixed":
        return mixed()
    return composition(step(name, **EVERYTHING[name])) if name in EVERYTHING else load(name)


def smooth(count: int = 24, side: int = 48) -> torch.Tensor:
    """(B, 3, side, side) uint8 with structure at several scales, as photographs have."""
    coarse = torch.rand(count, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    fine = torch.rand(count, 3, 24, 24, generator=torch.Generator().manual_seed(2))
    sizes = {"size": (side, side), "mode": "bicubic", "align_corners": False}
    grown = [torch.nn.functional.interpolate(x, **sizes) for x in (coarse, fine)]
    return ((0.7 * grown[0] + 0.3 * grown[1]).clamp(0, 1) * 255).byte()


@pytest.mark.parametrize("name", CASES)
def test_views_on_cuda_are_those_of_the_cpu(name):
    made, images = made_of(name), smooth()
    drawn = draw(made, np.arange(24), seed=5, epoch=1)
    here = make_views(images, drawn, made, max_value=255)
    there = make_views(images.cuda(), drawn, made, max_value=255)
    for a, b in zip(here, there, strict=True):
        assert b.device.type == "cuda"
        apart = (a - b.cpu()).abs()
        assert (apart <= 2e-3).float().mean() >= 0.999
        assert apart.mean() <= 1e-4


@pytest.mark.parametrize("name", CASES)
def test_views_on_cuda_are_bit_equal_in_any_batch(name):
    made, images = made_of(name), byte_images(9).cuda()
    whole = make_views(images, draw(made, np.arange(9), seed=5, epoch=0), made, max_value=255)
    for rows in ([4], [8, 0, 3]):
        part = make_views(images[rows], draw(made, rows, seed=5, epoch=0), made, max_value=255)
        for all_views, some in zip(whole, part, strict=True):
            assert torch.equal(all_views[:, rows], some)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype feature")
@pytest.mark.parametrize("name", CASES)
def test_nothing_waits_for_the_device(name):
    made, images = made_of(name), byte_images(4).cuda()
    drawn = draw(made, np.arange(4), seed=5, epoch=0)
    make_views(images, drawn, made, max_value=255)
    torch.cuda.set_sync_debug_mode("error")
    try:
        make_views(images, drawn, made, max_value=255)
    finally:
        torch.cuda.set_sync_debug_mode("default")
