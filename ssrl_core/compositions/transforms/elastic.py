"""Elastic deformation: tissue pulled a little here, pushed a little there, smoothly.

A coarse grid of normal numbers, spread to pixels by cubic B-splines, says where each pixel is taken from. The image is
read between its pixels (bilinear), its edges repeated. A change of its own, never joined with the moves beside it.

Source:
    Simard, Steinkraus & Platt 2003 (ICDAR); the grid as in Ronneberger et al. 2015, arXiv:1505.04597.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, random_numbers
from ssrl_core.compositions.random_numbers import philox
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 2  # amplitude and spacing; the seed of the grid
_AT_NODE = 2.0  # a cubic B-spline leaves half of the spread of the numbers of a grid at its nodes, in two dimensions


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Spread of the displacement and distance of the grid's nodes, shares of the side; two words that seed the grid."""
    u = random_numbers.unit(words[0])
    return {
        "amplitude": random_numbers.uniform(u[..., 0], step["amplitude"]),
        "spacing": random_numbers.uniform(u[..., 1], step["spacing"]),
        "grid": words[1, ..., :2],
    }


def displacements(values: dict[str, Array], height: int, width: int) -> Array:
    """(n, 2, H, W) float32: how far down and right of itself each pixel is taken from, in pixels.

    A node's numbers are those of the first two words of the counter (row, column, 0, 0) under the drawn seed.
    """
    out = np.empty((len(values["amplitude"]), 2, height, width), np.float32)
    for image, (amplitude, spacing) in enumerate(zip(values["amplitude"], values["spacing"], strict=True)):
        down, across = splines(height, spacing), splines(width, spacing)
        both = nodes(values["grid"][image], down.shape[1], across.shape[1])
        for axis, side in enumerate((height, width)):
            out[image, axis] = _AT_NODE * amplitude * side * (down @ both[axis] @ across.T)
    return out


def nodes(seed: Array, rows: int, columns: int) -> Array:
    """(2, rows, columns) float64 normal numbers."""
    import torch

    place = (np.arange(rows)[:, None], np.arange(columns)[None, :], 0, 0)
    words = philox(place, (np.int64(seed[0]), np.int64(seed[1])))
    both = np.stack([np.broadcast_to(word, (rows, columns)) for word in words[:2]]).astype(np.int64)
    found: Array = random_numbers.normal(torch.from_numpy(both)).numpy()
    return found


def splines(side: int, spacing: float) -> Array:
    """(side, nodes) float64 weights of the nodes at each pixel's middle; four of them are not 0."""
    place = (np.arange(side) + 0.5) / side / spacing
    first = np.floor(place).astype(np.int64)
    t = place - first
    four = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    weights = np.zeros((side, int(np.floor(1 / spacing)) + 4))
    for number in range(4):
        weights[np.arange(side), first + number] = four[:, number]
    return weights


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """Every channel taken from the same places."""
    import torch

    from ssrl_core.compositions.pixels import send

    height, width = images.shape[2:]
    moved = send(values["moved"], images.device)
    y = (torch.arange(height, device=images.device)[:, None] + moved[:, 0]).clamp(0, height - 1)
    x = (torch.arange(width, device=images.device)[None, :] + moved[:, 1]).clamp(0, width - 1)
    top, left = y.floor(), x.floor()
    low, right = (y - top)[:, None].to(images.dtype), (x - left)[:, None].to(images.dtype)
    flat = images.flatten(2)

    def at(rows: Tensor, columns: Tensor) -> Tensor:
        place = rows.long().clamp_(max=height - 1) * width + columns.long().clamp_(max=width - 1)
        return flat.gather(2, place.flatten(1)[:, None].expand(-1, images.shape[1], -1)).view_as(images)

    above = at(top, left) * (1 - right) + at(top, left + 1) * right
    below = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    return above * (1 - low) + below * low


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """Where each pixel is taken from."""
    return {"moved": displacements(values, *shape[1:])}


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same, a channel at a time."""
    from ssrl_core.compositions.kernels import resampling

    def change(images: Array, first: int) -> None:
        rows = np.flatnonzero(applied[first : first + len(images)])
        some = {name: value[first + rows] for name, value in values.items()}
        moved = displacements(some, *images.shape[2:])
        resampling.displace(images, rows, moved, np.empty(images.shape[2:], np.float32))

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"pulled by about {100 * float(values['amplitude']):.1f} % of the side"
