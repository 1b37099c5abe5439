"""What the tests of this room share: one step on some images, and images to try it on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssrl_core.compositions.draws import Draws, draw
from ssrl_core.compositions.views import make_views
from ssrl_core.specs.composition import Composition, Step
from tests.kit import shared


def composition(*steps: Step, size: int | None = None, count: int = 2) -> Composition:
    """A composition of one view group."""
    return Composition.simple("test", steps, size=size, count=count)


def step(transform: str, *, p: float = 1.0, **settings: Any) -> Step:
    """A step with settings as keywords."""
    return Step(transform, p, settings=settings)


def view(images: Tensor, *steps: Step, size: int | None = None, count: int = 2, seed: int = 5) -> tuple[Tensor, Draws]:
    """(V, B, C, S, S) views of float images and their draws."""
    made = composition(*steps, size=size, count=count)
    draws = draw(made, np.arange(len(images)), seed=seed, epoch=0)
    top = 1.0 if images.dtype.is_floating_point else float(torch.iinfo(images.dtype).max)
    (views,) = make_views(images, draws, made, max_value=top)
    return views, draws


def values(draws: Draws, place: int = 0) -> dict[str, Any]:
    """The drawn values of one step of the only group."""
    return draws.groups[0].steps[place].values


def noise(count: int = 6, channels: int = 3, height: int = 40, width: int | None = None, seed: int = 0) -> Tensor:
    """(B, C, H, W) float images of uniform noise: nothing is harder to resample."""
    return torch.rand(count, channels, height, width or height, generator=torch.Generator().manual_seed(seed))


def photographs(count: int = 6, side: int = 64) -> Tensor:
    """(B, 3, side, side) uint8 middles of real photographs."""
    from PIL import Image

    files = sorted(shared("data/natural").glob("*.jpg"))[:count]
    images = []
    for file in files:
        with Image.open(file) as picture:
            array = np.asarray(picture.convert("RGB"))
        top, left = (array.shape[0] - side) // 2, (array.shape[1] - side) // 2
        images.append(array[top : top + side, left : left + side].transpose(2, 0, 1))
    return torch.from_numpy(np.stack(images))


def cells(count: int = 8) -> Tensor:
    """(B, 3, 68, 68) uint16 real cells."""
    with np.load(shared("data/bbbc021/cells.npz")) as archive:
        return torch.from_numpy(np.ascontiguousarray(archive["x"][:count].transpose(0, 3, 1, 2)))
