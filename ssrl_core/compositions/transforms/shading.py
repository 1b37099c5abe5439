"""Uneven light: brightest at one place, darker the farther from it, as a lamp or the edge of a plate leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """How much is lost in the farthest corner; where the bright spot lies, as shares of width and height."""
    u = random_numbers.unit(words[0])
    return {"depth": random_numbers.uniform(u[..., 0], step["depth"]), "spot": u[..., 1:3]}


def light(values: dict[str, Array], height: int, width: int) -> tuple[Array, Array]:
    """(n, H) and (n, W) float32 whose sum is each pixel's light: 1 at the spot, 1 - depth in the farthest corner."""
    spot, depth = values["spot"], values["depth"][:, None]
    farthest = (np.maximum(spot, 1 - spot) ** 2).sum(axis=1)[:, None]
    down, across = ((np.arange(side) + 0.5) / side for side in (height, width))
    rows = 1 - depth * (down[None] - spot[:, 1:2]) ** 2 / farthest
    columns = -depth * (across[None] - spot[:, 0:1]) ** 2 / farthest
    return rows.astype(np.float32), columns.astype(np.float32)


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """x · light, the same in every channel."""
    from ssrl_core.compositions.pixels import send

    rows, columns = (send(values[name], images.device) for name in ("rows", "columns"))
    return images.mul_((rows[:, None, :, None] + columns[:, None, None, :]).to(images.dtype)).clamp_(0.0, 1.0)


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """The light of each row and column."""
    return dict(zip(("rows", "columns"), light(values, *shape[1:]), strict=True))


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import values as kernels

    def change(images: Array, first: int) -> None:
        span = slice(first, first + len(images))
        rows, columns = light({name: value[span] for name, value in values.items()}, *images.shape[2:])
        kernels.shade(images, first, applied, rows, columns)

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    x, y = (float(v) for v in values["spot"])
    place = f"{'left' if x < 0.5 else 'right'} {'top' if y < 0.5 else 'bottom'}"
    return f"up to {100 * float(values['depth']):.0f} % darker away from the {place}"
