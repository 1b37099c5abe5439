"""The bright part turned into its negative."""

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
    """The threshold in 0..1."""
    return {"threshold": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), step["threshold"])}


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """x >= threshold becomes 1 - x, as torchvision.transforms.functional.solarize."""
    return images.where(images < colour.column(values["threshold"], images), 1.0 - images)


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as kernels

    threshold = plain(values["threshold"], np.float32)
    return lambda images, first: kernels.turn_round(images.reshape(*images.shape[:2], -1), first, applied, threshold)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"negative from brightness {float(values['threshold']):.2f} on"
