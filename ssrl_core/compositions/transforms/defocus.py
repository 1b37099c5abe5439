"""Out of focus: each point spread over a disk."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, colour, random_numbers
from ssrl_core.compositions.transforms.gaussian_blur import mirrored, places
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The radius in pixels of the view."""
    return {"radius": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), step["radius"])}


def disks(radius: Array, reach: int) -> Array:
    """(n, 2 reach + 1, 2 reach + 1): 1 within the disk, falling to 0 over the pixel at its edge; the sum is 1."""
    place = np.arange(-reach, reach + 1)
    distance = np.sqrt(place[:, None] ** 2 + place[None, :] ** 2)
    weights = np.clip(np.maximum(radius, 0.5)[:, None, None] + 0.5 - distance[None], 0.0, 1.0)
    total = np.zeros(len(radius))
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            total += weights[:, row, column]
    scaled: Array = weights / total[:, None, None]
    return scaled


def reaches(radius: Array) -> Array:
    """(n,) pixels to each side that have a weight; 0 for a radius up to half a pixel, which changes nothing."""
    return np.ceil(np.maximum(radius, 0.5) - 0.5).astype(np.int64)


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """The weighted mean over the disk, edges mirrored."""
    weights = values["weights"]
    height, width = images.shape[2:]
    reach = weights.shape[1] // 2
    wide = images.index_select(2, places(height, reach, images)).index_select(3, places(width, reach, images))
    out = images.new_zeros(images.shape)
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            if math.hypot(row - reach, column - reach) < max(step["radius"][1], 0.5) + 0.5:
                part = wide[:, :, row : row + height, column : column + width]
                out += part * colour.column(weights[:, row, column], images)
    return out.clamp_(0.0, 1.0)


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """Weights (n, 2 R + 1, 2 R + 1), R for the widest disk of the step."""
    radius, widest = values["radius"], int(reaches(np.asarray(step["radius"][1])))
    return {"weights": padded(radius, reaches(radius), widest)}


def padded(radius: Array, reach: Array, most: int) -> Array:
    """(n, 2 most + 1, 2 most + 1) float32 disks in the middle; the middle pixel alone for a reach of 0."""
    weights = np.zeros((len(radius), 2 * most + 1, 2 * most + 1), np.float32)
    weights[:, most, most] = 1.0
    for size in np.unique(reach[reach > 0]):
        middle = slice(most - size, most + size + 1)
        weights[reach == size, middle, middle] = disks(radius[reach == size], int(size))
    return weights


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same, a channel at a time."""
    from ssrl_core.compositions.kernels import resampling

    radius = values["radius"]
    reach = np.where(applied, reaches(radius), 0)
    most = max(0, int(reach.max(initial=0)))
    weights = padded(radius, reach, most)

    def change(images: Array, first: int) -> None:
        if most == 0:
            return
        height, width = images.shape[2:]
        plane = np.empty((height + 2 * most, width + 2 * most), np.float32)
        down, across = mirrored(height, most), mirrored(width, most)
        resampling.disk(images, first, reach, weights, down, across, plane)

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"out of focus by {float(values['radius']):.1f} px"
