"""Middle tones brightened or darkened."""

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
    """The power, log-uniform."""
    return {"gamma": random_numbers.log_uniform(random_numbers.unit(words[0, ..., 0]), step["gamma"])}


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """x to the power of gamma, as torchvision's adjust_gamma with gain 1."""
    return images.pow_(colour.column(values["gamma"], images))


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as kernels

    power = plain(values["gamma"], np.float32)
    return lambda images, first: kernels.raise_to(images.reshape(*images.shape[:2], -1), first, applied, power)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"gamma {float(values['gamma']):.2f}"
