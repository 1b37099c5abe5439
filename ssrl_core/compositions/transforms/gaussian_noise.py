"""Noise of the camera: a normal number for each pixel and channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, colour, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 2  # the width; the seed of the noise


def draw(step: Step, words: Array) -> dict[str, Array]:
    """sigma as a share of full brightness; two words that seed the noise."""
    return {
        "sigma": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), step["sigma"]),
        "noise": words[1, ..., :2],
    }


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """x + sigma · z, clipped; z is a function of the drawn seed, row, column and channel."""
    from ssrl_core.compositions.random_numbers import normal, pixel_words

    noise = normal(pixel_words(images, values["noise"])).to(images.dtype)
    return images.add_(noise.mul_(colour.column(values["sigma"], images))).clamp_(0.0, 1.0)


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as noise

    sigma, seeds = plain(values["sigma"], np.float32), plain(values["noise"], np.int64)
    return lambda images, first: noise.add_normal(images, first, applied, sigma, seeds)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"noise of {100 * float(values['sigma']):.1f} % of full brightness"
