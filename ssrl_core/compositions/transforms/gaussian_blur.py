"""Softened by a Gaussian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, colour, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """sigma in pixels of the view."""
    return {"sigma": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), step["sigma"])}


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """Rows, then columns, with edges mirrored; the radius is ceil(3 sigma).

    Source: torchvision.transforms.functional.gaussian_blur with kernel_size 2 ceil(3 sigma) + 1.
    """
    weights = values["weights"]
    return _along(_along(images, weights, 2), weights, 3).clamp_(0.0, 1.0)


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """Weights (n, R + 1) of the middle and of each distance, R for the widest blur of the step: those beyond are 0."""
    sigma, widest = values["sigma"], int(radii(np.asarray(step["sigma"][1])))
    return {"weights": padded(sigma, radii(sigma), widest)}


def radii(sigma: Array) -> Array:
    """(n,) pixels to each side that have a weight."""
    found: Array = np.ceil(3 * sigma).astype(np.int64)
    return found


def padded(sigma: Array, radius: Array, most: int) -> Array:
    """(n, most + 1) float32 weights; those of a radius of 0 have the middle only."""
    weights = np.zeros((len(sigma), most + 1), np.float32)
    weights[:, 0] = 1.0
    for size in np.unique(radius[radius > 0]):
        weights[radius == size, : size + 1] = kernel(sigma[radius == size], int(size))
    return weights


def kernel(sigma: Array, radius: int) -> Array:
    """(n, radius + 1): the weights of the middle and of each distance from it; both sides together sum to 1."""
    distance = np.arange(radius + 1)
    weights = np.exp(-0.5 * (distance[None, :] / sigma[:, None]) ** 2)
    total = weights[:, 0].copy()
    for place in range(1, radius + 1):
        total += 2 * weights[:, place]
    return weights / total[:, None]


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same, a channel at a time."""
    from ssrl_core.compositions.kernels import resampling

    sigma = values["sigma"]
    radius = np.where(applied, radii(sigma), 0)
    most = max(0, int(radius.max(initial=0)))
    weights = padded(sigma, radius, most)

    def change(images: Array, first: int) -> None:
        if most == 0:
            return
        height, width = images.shape[2:]
        down, across = mirrored(height, most), mirrored(width, most)
        room = np.empty((height, width), np.float32), np.empty(width + 2 * most, np.float32)
        resampling.blur(images, first, radius, weights, down, across, *room)

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"blurred by {float(values['sigma']):.1f} px"


def _along(images: Tensor, weights: Any, axis: int) -> Tensor:
    radius, side = weights.shape[1] - 1, images.shape[axis]
    wide = images.index_select(axis, places(side, radius, images))
    out = wide.narrow(axis, radius, side) * colour.column(weights[:, 0], images)
    for distance in range(1, radius + 1):
        pair = wide.narrow(axis, radius - distance, side) + wide.narrow(axis, radius + distance, side)
        out += pair.mul_(colour.column(weights[:, distance], images))
    return out


def places(side: int, radius: int, images: Tensor) -> Tensor:
    """`mirrored` on the device of the images."""
    import torch

    place = torch.arange(-radius, side + radius, device=images.device).abs() % max(1, 2 * (side - 1))
    return torch.minimum(place, 2 * (side - 1) - place) if side > 1 else torch.zeros_like(place)


def mirrored(side: int, radius: int) -> Array:
    """Places -radius..side-1+radius, mirrored back and forth at the middle of the edge pixels (`reflect`)."""
    period = max(1, 2 * (side - 1))
    place = np.abs(np.arange(-radius, side + radius)) % period
    return np.minimum(place, period - place) if side > 1 else np.zeros_like(place)
